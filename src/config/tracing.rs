//! Checks `[tracing]`. It must not know what is sent.

use http::{Uri, uri::PathAndQuery};

use super::{
    checked::Tracing,
    defaults,
    mistake::KeyPath,
    policy_values::Ratio,
    raw::RawTracing,
    review::{Review, Slot},
    urls,
    values::Table,
};

/// The path at which a collector accepts traces (OTLP/HTTP), unless its URL has another.
const PATH: &str = "/v1/traces";

/// Checks the table. Returns `None` if the endpoint is refused.
pub(super) fn check(raw: Option<Table<RawTracing>>, review: &mut Review<'_>) -> Option<Tracing> {
    let raw = raw.unwrap_or_default().0;
    let path = KeyPath::of(["tracing", "otlp_endpoint"]);
    let endpoint = review.slot(&path, raw.otlp_endpoint).and_then(|text| {
        endpoint(&text)
            .map_err(|message| review.mistake(&path, message))
            .ok()
    });
    Some(Tracing {
        otlp_endpoint: match endpoint {
            Slot::Given(endpoint) => Some(endpoint),
            Slot::Absent => None,
            Slot::Refused => return None,
        },
        sample: raw.sample.map_or(defaults::SAMPLE, |Ratio(sample)| sample),
    })
}

/// Returns the URL with its path, or the mistake in it.
fn endpoint(text: &str) -> Result<Uri, String> {
    let url = urls::parse(text).map_err(|message| {
        let (upstreams, ours) = (
            "a header such as authorization takes",
            "OTEL_EXPORTER_OTLP_HEADERS takes",
        );
        message.replace(upstreams, ours)
    })?;
    if url.query().is_some() {
        return Err(
            "found a query (?…), expected a URL without one; OTEL_EXPORTER_OTLP_HEADERS takes keys"
                .to_owned(),
        );
    }
    if url.path() != "/" {
        return Ok(url);
    }
    let mut parts = url.into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static(PATH));
    Uri::from_parts(parts).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_without_a_path_gets_the_usual_one() {
        for (given, taken) in [
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            (
                "https://[::1]/otlp/v1/traces",
                "https://[::1]/otlp/v1/traces",
            ),
        ] {
            assert_eq!(endpoint(given).unwrap(), taken);
        }
    }
}
