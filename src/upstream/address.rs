//! The address of a service: scheme, host and port, read from a URL once. Pure.

use http::{
    Uri,
    uri::{Authority, PathAndQuery, Scheme},
};

/// The part of an `http` or `https` URL that says where a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    scheme: Scheme,
    /// The text as it was written.
    authority: Authority,
    port: u16,
}

impl Address {
    /// Returns the address in a URL, or `None` if that has no host.
    #[must_use]
    pub fn of(url: &Uri) -> Option<Self> {
        let scheme = match url.scheme()? {
            secure if *secure == Scheme::HTTPS => Scheme::HTTPS,
            _ => Scheme::HTTP,
        };
        let authority = url.authority()?.clone();
        let port = authority.port_u16().unwrap_or_else(|| standard(&scheme));
        Some(Self {
            scheme,
            authority,
            port,
        })
    }

    /// Returns true for `https`.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Returns the scheme, `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.scheme.as_str()
    }

    /// Returns host and port as they were written.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// Returns the name or the IP address. An IPv6 address is without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.authority.host();
        let inner = host.strip_prefix('[');
        inner
            .and_then(|inner| inner.strip_suffix(']'))
            .unwrap_or(host)
    }

    /// Returns the port to connect to. The scheme gives it if the URL has none.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the value of a `Host` field: host and port, without a port that is the scheme's own (RFC 9110, sections
    /// 4.2.1 and 7.2). Some servers know their own name only by this exact text.
    #[must_use]
    pub fn host_field(&self) -> &str {
        match self.authority.port_u16() {
            Some(port) if port != standard(&self.scheme) => self.authority.as_str(),
            _ => self.authority.host(),
        }
    }

    /// Returns the URL of a target at this address.
    ///
    /// # Panics
    /// Never panics: a scheme, an authority and a target always make a URL.
    #[must_use]
    pub fn url(&self, target: &PathAndQuery) -> Uri {
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(target.clone())
            .build()
            .expect("the parts of a URL make a URL")
    }
}

/// Returns the port of a scheme (RFC 9110, sections 4.2.1 and 4.2.2).
fn standard(scheme: &Scheme) -> u16 {
    if *scheme == Scheme::HTTPS { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Address {
        Address::of(&url.parse().unwrap()).unwrap()
    }

    #[test]
    fn an_address_has_a_bare_host_and_a_definite_port() {
        for (url, host, port, is_secure) in [
            ("http://users/a", "users", 80, false),
            ("https://users", "users", 443, true),
            ("http://users:8080/", "users", 8080, false),
            ("HTTPS://Users:80", "Users", 80, true),
            ("http://[::1]/", "::1", 80, false),
            ("https://[::1]:8443", "::1", 8443, true),
            ("http://10.0.0.1:81", "10.0.0.1", 81, false),
        ] {
            let address = address(url);
            assert_eq!(address.host(), host, "{url}");
            assert_eq!(address.port(), port, "{url}");
            assert_eq!(address.is_secure(), is_secure, "{url}");
        }
        assert_eq!(Address::of(&"/only/a/path".parse().unwrap()), None);
    }

    #[test]
    fn a_url_is_whole_again() {
        for url in [
            "http://users",
            "http://users:80/a?b=c",
            "https://[::1]:443/",
            "http://users?id=1",
        ] {
            let url: Uri = url.parse().unwrap();
            let target = url.path_and_query().unwrap();
            assert_eq!(Address::of(&url).unwrap().url(target), url);
            assert_eq!(
                Address::of(&url).unwrap().url(target).to_string(),
                url.to_string()
            );
        }
    }
}
