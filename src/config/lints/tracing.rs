//! Warns of collectors and samples that are probably not meant. It must not know how settings are read.

use crate::{
    config::{checked::Process, defaults, mistake::KeyPath, review::Review},
    upstream::Address,
};

/// The port of OTLP over gRPC.
const GRPC: u16 = 4317;

/// Warns of a collector's port that speaks another protocol.
pub(super) fn ports_of_something_else(process: &Process, review: &mut Review<'_>) {
    let endpoint = process.tracing.otlp_endpoint.as_ref();
    let address = endpoint.and_then(Address::of);
    if address.is_some_and(|address| address.port() == GRPC) {
        let path = KeyPath::of(["tracing", "otlp_endpoint"]);
        let message = "port 4317 is that of OTLP over gRPC, and spans are sent over HTTP; collectors take them at port 4318";
        review.warning(&path, message);
    }
}

/// Warns of a share of no traces.
pub(super) fn samples_of_nothing(process: &Process, review: &mut Review<'_>) {
    let is_chosen = (process.tracing.sample - defaults::SAMPLE).abs() > f64::EPSILON;
    if is_chosen && process.tracing.otlp_endpoint.is_none() {
        let path = KeyPath::of(["tracing", "sample"]);
        let message = "has no effect without tracing.otlp_endpoint; set it, or leave this out";
        review.warning(&path, message);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::lints::tests::{assert_one, warned};

    #[test]
    fn a_collector_at_the_port_of_grpc_is_odd() {
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
