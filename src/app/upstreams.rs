//! The upstreams of a configuration, made ready: their services, the requests that calls share, and the state that all
//! workers have in common. It must not know calls, nor how a request is sent.

use std::sync::Arc;

use super::{endpoints::passed_on, reach::Reach};
use crate::{
    api::Deployment,
    config::Services,
    fanout::{Policy, UpstreamId},
    upstream::{self, PreparedRequest, PreparedService, Roots, Sessions, Unprepared},
};

/// The state of one upstream that all workers share.
pub(super) struct Upstream {
    pub(super) id: UpstreamId,
    pub(super) service: PreparedService,
    /// The request that its calls send, if they have none of their own.
    pub(super) request: PreparedRequest,
    pub(super) policy: Arc<Policy>,
    /// Lost when no connection to this upstream can be made.
    pub(super) reach: Arc<Reach>,
}

/// Makes the upstreams ready, in the order of their ids. `roots` is asked only if one of them relies on it.
///
/// # Errors
/// Fails if the TLS settings of an upstream can't be used, or if no thread can be started to look names up.
pub(super) fn upstreams(
    services: &Services,
    deployment: &Deployment,
    roots: impl FnOnce() -> Roots,
) -> anyhow::Result<Vec<Upstream>> {
    let all = services.upstreams.iter().map(|upstream| &upstream.service);
    let sessions = Sessions::of(all, roots)?;
    let mut host_names = upstream::Names::default();
    let upstreams = services.each().map(|(id, settings)| {
        let upstream::Settings { service, request } = settings.clone();
        let policy = Arc::new(Policy::new(service.policy.clone()));
        let reach = Arc::new(Reach::of(&service.name));
        let name = Arc::clone(&service.name);
        let service = PreparedService::new(service, &sessions, &mut host_names);
        let service = service.map_err(|error| match error {
            Unprepared::Tls(_) => {
                anyhow::Error::new(error).context(format!("upstreams.{name}.tls"))
            }
            Unprepared::Threads(_) => error.into(),
        })?;
        let request = PreparedRequest::new(request)
            .passing(deployment.member())
            .advising(passed_on(services, id), &service);
        Ok(Upstream {
            id,
            service,
            request,
            policy,
            reach,
        })
    });
    upstreams.collect()
}
