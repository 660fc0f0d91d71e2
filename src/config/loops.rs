//! Finds upstreams that are the gateway itself, as far as that is visible without the network. It must not know the
//! measures against other loops.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use http::Uri;

use crate::upstream::Address;

/// Returns true if a connection to `url` arrives at `listen`.
pub(super) fn leads_to(url: &Uri, listen: SocketAddr) -> bool {
    // Port 0 stands for a free port, which is not known yet.
    let port = Address::of(url).map(|address| address.port());
    if listen.port() == 0 || port != Some(listen.port()) {
        return false;
    }
    let listen = listen.ip().to_canonical();
    let addresses = addresses(url.host().unwrap_or_default());
    addresses.into_iter().any(|address| takes(listen, address))
}

/// Returns a host's addresses, as far as they are known without a look-up. The host may be an address in any notation,
/// or a name of this very host (RFC 6761, section 6.3).
fn addresses(host: &str) -> Vec<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if let Some(address) = bare.and_then(|host| host.parse::<Ipv6Addr>().ok()) {
        return vec![address.to_canonical()];
    }
    if let Some(address) = ipv4(host) {
        return vec![address.into()];
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if name == "localhost" || name.ends_with(".localhost") {
        return vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    }
    Vec::new()
}

/// Reads an address as `inet_aton` does, and so the system's resolver: one to four numbers in any base. The last number
/// fills the rest of the address.
fn ipv4(host: &str) -> Option<Ipv4Addr> {
    let mut parts = host.split('.').map(number).collect::<Option<Vec<_>>>()?;
    let last = parts.pop()?;
    let left = 4_u32
        .checked_sub(u32::try_from(parts.len()).ok()?)
        .filter(|&left| left > 0)?;
    if last >= 1 << (8 * left) || parts.iter().any(|&part| part > 255) {
        return None;
    }
    let before = parts.iter().fold(0, |before, part| before << 8 | part);
    u32::try_from(before << (8 * left) | last)
        .ok()
        .map(Ipv4Addr::from)
}

fn number(text: &str) -> Option<u64> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = match (hexadecimal, text.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) if !digits.is_empty() => (digits, 8),
        _ => (text, 10),
    };
    let is_number = !digits.starts_with('+');
    is_number
        .then(|| u64::from_str_radix(digits, radix).ok())
        .flatten()
}

/// Returns true if a listener accepts connections to this address.
fn takes(listen: IpAddr, address: IpAddr) -> bool {
    // The unspecified address means this host.
    let address = match address {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    match listen {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => address.is_ipv4() && is_own(address),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => is_own(address),
        one => one == address,
    }
}

/// Returns true if the address is this host's own. Nothing is sent for that: only a host's own addresses can be bound.
fn is_own(address: IpAddr) -> bool {
    let can_be_bound = |address: IpAddr| UdpSocket::bind((address, 0)).is_ok();
    // These addresses are for documentation, so no host has them. If even these can be bound, the system allows any
    // address (`ip_nonlocal_bind`).
    let nobodys: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    };
    address.is_loopback()
        || !address.is_multicast() && can_be_bound(address) && !can_be_bound(nobodys)
}

/// Returns true if a host is this very one, as far as that is visible without a look-up.
pub(super) fn is_this_host(host: &str) -> bool {
    (addresses(host).into_iter()).any(|address| address.is_loopback() || address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(url: &str, listen: &str) -> bool {
        leads_to(&url.parse().unwrap(), listen.parse().unwrap())
    }

    #[test]
    fn every_spelling_of_the_address_listened_on_leads_to_the_gateway() {
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f.1",
            "0X7F000001",
            "0177.0.0.01",
            "017700000001",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "localhost",
            "LocalHost",
            "localhost.",
            "gather.localhost",
            "a.b.localhost.",
            "0.0.0.0",
            "0",
            "[::ffff:0.0.0.0]",
        ] {
            for listen in [
                "127.0.0.1:8080",
                "0.0.0.0:8080",
                "[::]:8080",
                "[::ffff:127.0.0.1]:8080",
            ] {
                assert!(
                    leads(&format!("http://{host}:8080/ping"), listen),
                    "{host} {listen}"
                );
            }
        }
        for host in ["[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "localhost"] {
            for listen in ["[::1]:8080", "[::]:8080"] {
                assert!(
                    leads(&format!("http://{host}:8080/ping"), listen),
                    "{host} {listen}"
                );
            }
        }
        assert!(leads("http://10.0.0.7:8080", "10.0.0.7:8080"));
        assert!(leads("http://[2001:db8::7]:8080", "[2001:db8:0::7]:8080"));
    }

    #[test]
    fn whoever_listens_everywhere_is_met_at_every_loopback_address() {
        for (url, listen) in [
            ("http://127.8.9.10:8080", "0.0.0.0:8080"),
            ("http://127.8.9.10:8080", "[::]:8080"),
            ("http://[::ffff:127.8.9.10]:8080", "[::]:8080"),
        ] {
            assert!(leads(url, listen), "{url} {listen}");
        }
    }

    #[test]
    fn a_url_without_a_port_has_that_of_its_scheme() {
        assert!(leads("http://localhost/ping", "0.0.0.0:80"));
        assert!(leads("https://localhost/ping", "0.0.0.0:443"));
        assert!(!leads("http://localhost/ping", "0.0.0.0:443"));
        assert!(!leads("https://localhost/ping", "0.0.0.0:80"));
    }

    #[test]
    fn another_port_another_address_or_a_name_of_the_network_is_no_loop() {
        for (url, listen) in [
            ("http://127.0.0.1:8081", "127.0.0.1:8080"),
            ("http://127.0.0.2:8080", "127.0.0.1:8080"),
            ("http://localhost:8080", "127.0.0.2:8080"),
            ("http://[::1]:8080", "0.0.0.0:8080"),
            ("http://[::1]:8080", "127.0.0.1:8080"),
            ("http://127.0.0.1:8080", "[::1]:8080"),
            ("http://10.0.0.8:8080", "10.0.0.7:8080"),
            // This address is for documentation, so no host has it.
            ("http://192.0.2.1:8080", "0.0.0.0:8080"),
            ("http://[2001:db8::1]:8080", "[::]:8080"),
            ("http://224.0.0.1:8080", "0.0.0.0:8080"),
            ("http://users:8080", "0.0.0.0:8080"),
            ("http://localhost.example:8080", "0.0.0.0:8080"),
            ("http://notlocalhost:8080", "0.0.0.0:8080"),
            ("http://127.0.0.1.example:8080", "0.0.0.0:8080"),
            ("http://256.0.0.1:8080", "0.0.0.0:8080"),
            ("http://127.0.0.1.1:8080", "0.0.0.0:8080"),
            ("http://4294967296:8080", "0.0.0.0:8080"),
            ("http://127.0.0.1:8080", "127.0.0.1:0"),
        ] {
            assert!(!leads(url, listen), "{url} {listen}");
        }
    }
}
