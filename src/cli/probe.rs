//! `gather probe`: whether a gateway is ready, for images that have no shell to ask with.

use std::{net::SocketAddr, time::Duration};

use anyhow::bail;
use clap::Args;
use http::StatusCode;

use super::{Done, block_on, client};

/// Asks a running gateway's /readyz; exit status 0 when it is ready.
///
/// Without a URL it asks the port of `GATHER__ADMIN__LISTEN`, else of `GATHER__SERVER__LISTEN`, else 8080, on this host.
#[derive(Debug, Args)]
pub(super) struct Probe {
    /// The gateway; without a path, /readyz
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// How long to wait for the answer
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// The port that a gateway listens on where nothing says otherwise.
const PORT: u16 = 8080;

impl Probe {
    pub(super) fn run(self) -> anyhow::Result<Done> {
        let url = self.url.clone().unwrap_or_else(|| {
            let listen = ["GATHER__ADMIN__LISTEN", "GATHER__SERVER__LISTEN"]
                .iter()
                .find_map(|name| std::env::var(name).ok());
            local(listen.as_deref())
        });
        let url = client::url(&url, "/readyz")?;
        let reply = block_on(client::get(url, self.timeout))?;
        if reply.status != StatusCode::OK {
            bail!(
                "not ready: {} {}",
                reply.status.as_u16(),
                client::text(&reply.body)
            );
        }
        Ok(Done::Well)
    }
}

/// Where to ask a gateway of this host that listens on `listen`.
fn local(listen: Option<&str>) -> String {
    let address: Option<SocketAddr> = listen.and_then(|listen| listen.parse().ok());
    match address {
        None => format!("http://127.0.0.1:{PORT}"),
        Some(any) if any.ip().is_unspecified() && any.is_ipv6() => {
            format!("http://[::1]:{}", any.port())
        }
        Some(any) if any.ip().is_unspecified() => format!("http://127.0.0.1:{}", any.port()),
        Some(address) => format!("http://{address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_the_host_is_asked_at_loopback() {
        assert_eq!(local(None), "http://127.0.0.1:8080");
        assert_eq!(local(Some("0.0.0.0:81")), "http://127.0.0.1:81");
        assert_eq!(local(Some("[::]:81")), "http://[::1]:81");
        assert_eq!(local(Some("10.0.0.1:81")), "http://10.0.0.1:81");
    }
}
