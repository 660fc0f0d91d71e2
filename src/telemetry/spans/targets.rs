//! The parts of attempts' spans that their upstreams give, made ready for each generation of the configuration. It must
//! not know settings.

use http::{Method, Uri};
use opentelemetry::KeyValue;

use super::shared;
use crate::fanout::{AggregateId, UpstreamId};

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
    /// The path as it is configured, if it is made from values. It then stands for the URL.
    pub template: Option<&'a str>,
    /// The method of the attempts.
    pub method: &'a Method,
}

/// The target of a call with a request of its own.
#[derive(Debug, Clone)]
pub struct OwnTarget<'a> {
    /// The call's name in its aggregate.
    pub call: &'a str,
    /// The target.
    pub target: Target<'a>,
}

/// The targets of one generation, as the spans of attempts show them. Empty if nothing is traced.
#[derive(Debug, Default)]
pub struct SpanTargets {
    /// By the upstreams' ids.
    upstreams: Vec<TargetSpan>,
    /// The calls with a request of their own, by the aggregates' ids.
    own: Vec<Vec<(Box<str>, TargetSpan)>>,
}

/// The parts that all spans of a request's attempts have in common.
#[derive(Debug)]
pub(super) struct TargetSpan {
    pub(super) name: String,
    pub(super) attributes: Vec<KeyValue>,
}

/// The targets of one plan.
#[derive(Debug, Clone)]
pub(super) struct PlanTargets<'a> {
    upstreams: &'a [TargetSpan],
    /// The targets of calls with a request of their own, in plan order. Empty if no call has one.
    own: Vec<Option<&'a TargetSpan>>,
}

impl SpanTargets {
    /// Takes the upstreams in the order of their ids, and of each aggregate, in the order of their ids, the calls with
    /// requests of their own.
    #[must_use]
    pub fn new<'a>(
        upstreams: impl IntoIterator<Item = Target<'a>>,
        own: impl IntoIterator<Item = Vec<OwnTarget<'a>>>,
    ) -> Self {
        let of_calls = |calls: Vec<OwnTarget<'a>>| {
            let calls = calls.into_iter();
            calls
                .map(|own| (own.call.into(), TargetSpan::of(own.target)))
                .collect()
        };
        Self {
            upstreams: upstreams.into_iter().map(TargetSpan::of).collect(),
            own: own.into_iter().map(of_calls).collect(),
        }
    }

    /// Returns the targets of a plan of this aggregate, with calls of these names.
    pub(super) fn plan<'a, 'n>(
        &'a self,
        aggregate: AggregateId,
        names: impl Iterator<Item = &'n str>,
    ) -> PlanTargets<'a> {
        let own = self.own.get(aggregate.0).filter(|own| !own.is_empty());
        let own = own.map(|own| {
            let find = |name: &str| own.iter().find(|(call, _)| **call == *name);
            names
                .map(|name| find(name).map(|(_, target)| target))
                .collect()
        });
        PlanTargets {
            upstreams: &self.upstreams,
            own: own.unwrap_or_default(),
        }
    }
}

impl<'a> PlanTargets<'a> {
    /// Returns the target of a call, by its index in the plan and by its upstream.
    pub(super) fn get(&self, call: usize, upstream: UpstreamId) -> &'a TargetSpan {
        let own = self.own.get(call).copied().flatten();
        own.unwrap_or(&self.upstreams[upstream.0])
    }
}

impl TargetSpan {
    fn of(target: Target<'_>) -> Self {
        let method = target.method.as_str();
        let (name, place) = match target.template {
            Some(template) => (
                format!("{method} {template}"),
                KeyValue::new("url.template", shared(template)),
            ),
            None => (
                method.to_owned(),
                KeyValue::new("url.full", shared(&shown(&target.url))),
            ),
        };
        Self {
            name,
            attributes: vec![
                KeyValue::new("http.request.method", shared(method)),
                KeyValue::new("server.address", shared(target.host)),
                KeyValue::new("server.port", i64::from(target.port)),
                place,
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
