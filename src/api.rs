//! The HTTP surface: every route is on the page of `routes`, and `guard` is the one middleware. Handlers extract, call
//! the core and respond. Only `causes` makes problems of causes. It must not know the adapter: it is generic over the
//! core's `Upstream`, so its own tests could run on a script.

mod account;
mod aggregate;
mod announced;
mod caller;
mod causes;
mod client_upstream;
mod compress;
mod console;
mod content;
mod deployment;
mod dispatch;
mod excerpt;
mod execution;
mod gateway;
mod guard;
mod head;
mod held_body;
mod incoming_body;
mod log_line;
mod logged_body;
mod methods;
mod negotiation;
mod operations;
mod other_method;
mod own_field;
mod passed;
mod path;
mod problem;
mod problem_kind;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod query;
mod query_error;
mod request_id;
mod response_headers;
mod routes;
mod stream;
mod stream_body;
mod strict_json;
mod summary;
mod taken_fields;
mod trace;
mod whole;

use std::rc::Rc;

use actix_web::web::{self, ServiceConfig};

pub(crate) use account::{Account, LargeHead};
pub use client_upstream::ClientUpstream;
pub use deployment::Deployment;
pub(crate) use deployment::looped;
pub use gateway::{Exposed, Gateway, GatewayParts, Shared};
pub use guard::guard;
pub(crate) use head::LONGEST_LIST;
pub use incoming_body::{IncomingBody, Unread};
pub use problem::Problem;
pub use problem_kind::ProblemKind;
pub(crate) use query_error::QueryError;
pub(crate) use request_id::RequestId;
pub(crate) use routes::{AGGREGATE, DOCUMENT};
pub use routes::{OptionalRoutes, Routes, RoutesError};

/// Serves a gateway on the public listener.
pub fn public<U: ClientUpstream>(gateway: Rc<Gateway<U>>) -> impl FnOnce(&mut ServiceConfig) {
    move |app| {
        app.app_data(gateway)
            .default_service(web::to(dispatch::public::<U>));
    }
}

/// Serves the operational routes on the admin listener.
pub fn admin(routes: Routes) -> impl FnOnce(&mut ServiceConfig) {
    move |app| {
        app.app_data(routes)
            .default_service(web::to(dispatch::admin));
    }
}
