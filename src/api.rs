//! The HTTP surface: every route and every middleware, in order, on this page. Handlers extract, call the core and
//! respond; causes become statuses in `error` alone. It must not know the adapter: it is generic over the core's
//! `Upstream`, so its own tests could run on a script.

mod aggregate;
mod answer;
mod caller;
mod compress;
mod console;
mod deployment;
pub mod edge;
mod error;
mod gateway;
mod guard;
mod head;
mod job;
mod methods;
mod openapi;
mod operations;
mod passed;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod query;
mod request_id;
mod stream;
mod trace;

use std::{rc::Rc, sync::Arc};

use actix_web::{
    FromRequest, Handler, Resource, Responder,
    guard::{GuardContext, fn_guard},
    web::{self, ServiceConfig},
};

pub use console::{Console, Facts, Listed, ListedCall, Waits};
pub use deployment::Deployment;
pub use error::{Problem, ProblemKind};
pub use gateway::{Exposed, Gateway, Shared};
pub use guard::guard;
pub use openapi::{Endpoint, Surface, Version as OpenApiVersion, document};
pub use passed::PassStatus;

use crate::fanout::{Forward, Upstream};

/// The public routes. Without an admin listener the operational ones are among them, and the console where there is one.
pub fn public<U: Upstream<Context = Forward> + 'static>(
    gateway: Rc<Gateway<U>>,
    console: Option<Arc<Console>>,
    with_operations: bool,
) -> impl FnOnce(&mut ServiceConfig) {
    move |routes| {
        routes
            .app_data(gateway)
            .service(readable("/aggregate", aggregate::default::<U>))
            // A scope, because a path with a name in it would be matched by a regular expression.
            .service(web::scope("/aggregate").default_service(web::to(aggregate::named::<U>)))
            .service(readable(openapi::PATH, operations::openapi));
        if with_operations {
            operations_routes(routes);
        }
        if let Some(console) = console {
            routes
                .app_data(web::Data::from(console))
                .service(web::scope("/console").default_service(web::to(console::serve)));
        }
        routes.default_service(web::to(methods::no_route));
    }
}

/// The admin listener's routes.
pub fn admin(routes: &mut ServiceConfig) {
    operations_routes(routes);
    routes.default_service(web::to(methods::no_route));
}

fn operations_routes(routes: &mut ServiceConfig) {
    routes
        .service(readable("/metrics", operations::metrics))
        .service(readable("/livez", operations::livez))
        .service(readable("/readyz", operations::readyz));
}

/// A resource that can be read. OPTIONS says so, and any other method is a 405.
fn readable<F, A>(path: &str, handler: F) -> Resource
where
    F: Handler<A>,
    F::Output: Responder + 'static,
    A: FromRequest + 'static,
{
    web::resource(path)
        .route(web::route().guard(fn_guard(reads)).to(handler))
        .default_service(web::to(methods::other))
}

/// Tells whether a request only reads. One guard and not two joined, which look at the method through an allocation each.
fn reads(request: &GuardContext<'_>) -> bool {
    methods::reads(&request.head().method)
}
