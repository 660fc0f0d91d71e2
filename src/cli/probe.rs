//! `gather probe`: whether a gateway is ready, for images that have no shell to ask with.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::bail;
use clap::Args;
use http::StatusCode;

use super::{Done, answer, block_on, check::Files, client};

/// Asks a running gateway's /readyz; exit status 0 when it is ready.
///
/// Without a URL it asks on this host where the configuration says that the gateway listens: `[admin] listen`, else
/// `[server] listen`; where there is no configuration, GATHER__ADMIN__LISTEN, GATHER__SERVER__LISTEN or port 8080.
#[derive(Debug, Args)]
pub(super) struct Probe {
    /// The gateway; without a path, /readyz
    #[arg(value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    files: Files,
    /// How long to wait for the answer
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = super::time)]
    timeout: Duration,
}

/// Where a gateway listens if nothing says otherwise.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

impl Probe {
    pub(super) fn run(self) -> anyhow::Result<Done> {
        let url = match &self.url {
            Some(url) => url.clone(),
            None => local(
                self.configured()
                    .or_else(from_environment)
                    .unwrap_or(LISTEN),
            ),
        };
        let url = client::url(&url, "/readyz")?;
        let reply = block_on(client::get(url, self.timeout))?;
        if reply.status != StatusCode::OK {
            bail!("not ready: {}", answer::refusal(&reply));
        }
        Ok(Done::Well)
    }

    /// A configuration with mistakes is not this command's to tell: whoever started with a better one still runs.
    fn configured(&self) -> Option<SocketAddr> {
        let config = self.files.load().ok()?.ok()?;
        Some(
            config
                .admin
                .map_or(config.server.listen, |admin| admin.listen),
        )
    }
}

fn from_environment() -> Option<SocketAddr> {
    ["GATHER__ADMIN__LISTEN", "GATHER__SERVER__LISTEN"]
        .iter()
        .find_map(|name| std::env::var(name).ok())?
        .parse()
        .ok()
}

/// Where to ask a gateway of this host that listens on `address`.
fn local(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_the_host_is_asked_at_loopback() {
        let local = |address: &str| local(address.parse().unwrap());
        assert_eq!(local("0.0.0.0:81"), "http://127.0.0.1:81");
        assert_eq!(local("[::]:81"), "http://[::1]:81");
        assert_eq!(local("10.0.0.1:81"), "http://10.0.0.1:81");
    }
}
