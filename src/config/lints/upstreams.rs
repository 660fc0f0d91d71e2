//! Upstreams and collectors that can't be what is meant.

use http::StatusCode;

use super::places::{callers, written};
use crate::{
    config::{checked::Config, defaults, mistake::KeyPath, review::Review},
    upstream::Address,
};

/// The port of OTLP over gRPC.
const GRPC: u16 = 4317;

/// An upstream that stands in no `calls`.
pub(super) fn upstreams_without_a_caller(config: &Config, review: &mut Review<'_>) {
    for (index, upstream) in config.upstreams.iter().enumerate() {
        if callers(config, index).next().is_none() {
            let path = KeyPath::of(["upstreams", &upstream.service.name]);
            let message = "no aggregate calls it; list it in the `calls` of one, or take it out";
            review.warning(&path, message);
        }
    }
}

/// `success` takes the place of the default, so `["404"]` makes each 200 a failure.
pub(super) fn successes_without_a_2xx(config: &Config, review: &mut Review<'_>) {
    for upstream in &config.upstreams {
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

/// A port that speaks another protocol than the scheme.
pub(super) fn ports_of_something_else(config: &Config, review: &mut Review<'_>) {
    for upstream in &config.upstreams {
        let path = KeyPath::of(["upstreams", &upstream.service.name, "url"]);
        let address = &upstream.service.address;
        let wrong = match (address.scheme(), address.port()) {
            ("http", 443) => "port 443 is that of https, and the scheme is http; write https://",
            ("https", 80) => "port 80 is that of http, and the scheme is https; leave the port out",
            _ => continue,
        };
        review.warning(&path, wrong);
    }
    let endpoint = config.tracing.otlp_endpoint.as_ref();
    let address = endpoint.and_then(Address::of);
    if address.is_some_and(|address| address.port() == GRPC) {
        let path = KeyPath::of(["tracing", "otlp_endpoint"]);
        let message = "port 4317 is that of OTLP over gRPC, and spans are sent over HTTP; collectors take them at port 4318";
        review.warning(&path, message);
    }
}

/// A share of no traces.
pub(super) fn samples_of_nothing(config: &Config, review: &mut Review<'_>) {
    let is_chosen = (config.tracing.sample - defaults::SAMPLE).abs() > f64::EPSILON;
    if is_chosen && config.tracing.otlp_endpoint.is_none() {
        let path = KeyPath::of(["tracing", "sample"]);
        let message = "has no effect without tracing.otlp_endpoint; set it, or leave this out";
        review.warning(&path, message);
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
        let grpc = warned("[tracing]\notlp_endpoint = 'http://collector:4317'", "");
        assert_one(&grpc, "tracing.otlp_endpoint", "4318");
    }

    #[test]
    fn a_sample_without_a_collector_is_odd() {
        assert_one(
            &warned("[tracing]\nsample = 0.1", ""),
            "tracing.sample",
            "otlp_endpoint",
        );
        let traced = "[tracing]\nsample = 0.1\notlp_endpoint = 'http://collector:4318'";
        assert_eq!(warned(traced, ""), [""; 0]);
    }
}
