//! The parts of attempts' spans that their upstreams give, made ready for each generation of the configuration. It must
//! not know settings.

use http::{Method, Uri};
use opentelemetry::KeyValue;

use super::shared;
use crate::fanout::UpstreamId;

/// The data of an upstream that its spans have.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// The configured name of the upstream.
    pub name: &'a str,
    /// The host of the upstream. An IPv6 address is without brackets.
    pub host: &'a str,
    /// The port of the upstream.
    pub port: u16,
    /// The URL of the attempts. Spans leave out its query, which may be secret.
    pub url: Uri,
    /// The method of the attempts.
    pub method: &'a Method,
}

/// The upstreams of one generation, as the spans of their attempts show them. Empty if nothing is traced.
#[derive(Debug, Default)]
pub struct SpanTargets(Vec<TargetSpan>);

/// The parts that all spans of an upstream's attempts have in common.
#[derive(Debug)]
pub(super) struct TargetSpan {
    pub(super) name: String,
    pub(super) attributes: Vec<KeyValue>,
}

impl<'a> FromIterator<Target<'a>> for SpanTargets {
    /// Takes the upstreams in the order of their ids.
    fn from_iter<T: IntoIterator<Item = Target<'a>>>(targets: T) -> Self {
        Self(targets.into_iter().map(TargetSpan::of).collect())
    }
}

impl SpanTargets {
    pub(super) fn get(&self, id: UpstreamId) -> &TargetSpan {
        &self.0[id.0]
    }
}

impl TargetSpan {
    fn of(target: Target<'_>) -> Self {
        Self {
            name: target.method.to_string(),
            attributes: vec![
                KeyValue::new("http.request.method", shared(target.method.as_str())),
                KeyValue::new("server.address", shared(target.host)),
                KeyValue::new("server.port", i64::from(target.port)),
                KeyValue::new("url.full", shared(&shown(&target.url))),
                KeyValue::new("network.protocol.version", "1.1"),
                KeyValue::new("gather.upstream", shared(target.name)),
            ],
        }
    }
}

/// Returns a URL without the part that may be secret, its query. A checked URL has no user or password.
fn shown(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or_default();
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{}", url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_has_no_secret() {
        let shown = |url: &str| shown(&url.parse().unwrap());
        assert_eq!(
            shown("https://me:hunter2@a:8443/b?key=hunter2"),
            "https://a:8443/b"
        );
        assert_eq!(shown("http://a?x=1"), "http://a/");
    }
}
