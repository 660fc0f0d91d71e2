//! Warns of upstreams that are probably not meant. It must not know how settings are read.

use http::StatusCode;

use super::places::{callers, written};
use crate::config::{checked::Services, mistake::KeyPath, review::Review};

/// Warns of an upstream that is in no `calls`.
pub(super) fn upstreams_without_a_caller(services: &Services, review: &mut Review<'_>) {
    for (id, upstream) in services.each() {
        if callers(services, id).next().is_none() {
            let path = KeyPath::of(["upstreams", &upstream.service.name]);
            let message = "no aggregate calls it; list it in the `calls` of one, or take it out";
            review.warning(&path, message);
        }
    }
}

/// Warns of a `success` without a 2xx: it replaces the default, so `["404"]` makes each 200 a failure.
pub(super) fn successes_without_a_2xx(services: &Services, review: &mut Review<'_>) {
    for upstream in &services.upstreams {
        let has_any = (200..300)
            .filter_map(|status| StatusCode::from_u16(status).ok())
            .any(|status| upstream.request.success.contains(status));
        let place = written(upstream, "success", review);
        if let Some(place) = place.filter(|_| !has_any) {
            let message = "no 2xx is in it, so every good answer is a failure: the list takes the place of the default; add \"2xx\"";
            review.warning(&place, message);
        }
    }
}

/// Warns of a port that speaks another protocol than the scheme.
pub(super) fn ports_of_something_else(services: &Services, review: &mut Review<'_>) {
    for upstream in &services.upstreams {
        let path = KeyPath::of(["upstreams", &upstream.service.name, "url"]);
        let address = &upstream.service.address;
        let wrong = match (address.scheme(), address.port()) {
            ("http", 443) => "port 443 is that of https, and the scheme is http; write https://",
            ("https", 80) => "port 80 is that of http, and the scheme is https; leave the port out",
            _ => continue,
        };
        review.warning(&path, wrong);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::lints::tests::{assert_one, warned, warned_of};

    #[test]
    fn an_upstream_that_nobody_calls_is_odd() {
        let told = warned("[upstreams.stock]\nurl = 'http://stock'", "");
        assert_one(&told, "upstreams.stock", "no aggregate calls it");
    }

    #[test]
    fn a_success_without_any_2xx_is_odd() {
        let told = warned("success = ['404']", "");
        assert_one(&told, "upstreams.users.success", "add \"2xx\"");
        assert_eq!(warned("success = ['204']", ""), [""; 0]);
    }

    #[test]
    fn a_port_of_another_protocol_is_odd() {
        let of = |url: &str| {
            warned_of(&format!(
                "[upstreams.a]\nurl = '{url}'\n[aggregates.home]\ncalls = ['a']"
            ))
        };
        assert_one(&of("http://a:443"), "upstreams.a.url", "write https://");
        assert_one(
            &of("https://a:80/x"),
            "upstreams.a.url",
            "leave the port out",
        );
        for url in ["http://a", "https://a", "https://a:443", "http://a:8443"] {
            assert_eq!(of(url), [""; 0], "{url}");
        }
    }
}
