//! `gather probe`: checks that a gateway is ready, for images that have no shell.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{anyhow, bail};
use clap::Args;
use http::StatusCode;

use super::{Done, answer, block_on, check::Files, client};
use crate::fanout::Reply;

/// Asks a running gateway's /readyz; exit status 0 when it is ready.
///
/// Without a URL it asks this host at the configuration's `[admin] listen`, or else at its `[server] listen`. Without a
/// configuration it takes GATHER__ADMIN__LISTEN, GATHER__SERVER__LISTEN or port 8080.
#[derive(Debug, Args)]
pub(super) struct Probe {
    /// The gateway; without a path, /readyz
    #[arg(value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    files: Files,
    /// The longest wait for the answer
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = super::time)]
    timeout: Duration,
}

/// The address of a gateway if nothing says otherwise.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

impl Probe {
    pub(super) fn run(self) -> anyhow::Result<Done> {
        let urls = match &self.url {
            Some(url) => vec![url.clone()],
            None => local(
                self.configured()
                    .or_else(from_environment)
                    .unwrap_or(LISTEN),
            ),
        };
        let reply = block_on(first(&urls, self.timeout))?;
        if reply.status != StatusCode::OK {
            bail!("not ready: {}", answer::refusal(&reply));
        }
        Ok(Done::Well)
    }

    /// Returns the address in the configuration. Mistakes in it are not reported here: a gateway that was started with
    /// a valid one still runs.
    fn configured(&self) -> Option<SocketAddr> {
        let config = self.files.load(None).ok()?.ok()?;
        Some(
            config
                .process
                .admin
                .map_or(config.process.server.listen, |admin| admin.listen),
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

/// Returns the first answer from one of `urls`, or else the failure of the first URL.
async fn first(urls: &[String], timeout: Duration) -> anyhow::Result<Reply> {
    let mut failure = None;
    for url in urls {
        match client::get(client::url(url, "/readyz")?, timeout).await {
            Ok(reply) => return Ok(reply),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.unwrap_or_else(|| anyhow!("there is nowhere to ask")))
}

/// Returns the URLs for asking a gateway on this host that listens on `address`. A listener on all IPv6 addresses
/// accepts IPv4 too. In a container without IPv6 it has IPv4 alone.
fn local(address: SocketAddr) -> Vec<String> {
    let ips: &[IpAddr] = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => &[IpAddr::V4(Ipv4Addr::LOCALHOST)],
        IpAddr::V6(ip) if ip.is_unspecified() => &[
            IpAddr::V6(Ipv6Addr::LOCALHOST),
            IpAddr::V4(Ipv4Addr::LOCALHOST),
        ],
        ip => return vec![format!("http://{}", SocketAddr::new(ip, address.port()))],
    };
    ips.iter()
        .map(|ip| format!("http://{}", SocketAddr::new(*ip, address.port())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_the_host_is_asked_at_loopback() {
        let local = |address: &str| local(address.parse().unwrap());
        assert_eq!(local("0.0.0.0:81"), ["http://127.0.0.1:81"]);
        assert_eq!(local("[::]:81"), ["http://[::1]:81", "http://127.0.0.1:81"]);
        assert_eq!(local("10.0.0.1:81"), ["http://10.0.0.1:81"]);
    }
}
