//! The HTTP surface: every route and every middleware, in order, on this page. Handlers extract, call the core and
//! respond; causes become statuses in `error` alone. It must not know the adapter: it is generic over the core's
//! `Upstream`, so its own tests could run on a script.

mod aggregate;
mod arrival;
pub mod edge;
mod error;
mod gateway;
mod guard;
mod operations;
mod query;
mod request_id;

use std::rc::Rc;

use actix_web::{
    guard::{Any, Get, Guard, Head},
    web::{self, ServiceConfig},
};

pub use error::{Problem, ProblemKind};
pub use gateway::{Exposed, Gateway, Shared};
pub use guard::guard;

use crate::fanout::{Forward, Upstream};

/// The public routes. Without an admin listener the operational ones are among them.
pub fn public<U: Upstream<Context = Forward> + 'static>(
    gateway: Rc<Gateway<U>>,
    with_operations: bool,
) -> impl FnOnce(&mut ServiceConfig) {
    move |routes| {
        routes
            .app_data(gateway)
            .service(
                web::resource("/aggregate")
                    .route(web::route().guard(read()).to(aggregate::default::<U>))
                    .default_service(web::to(error::method_not_allowed)),
            )
            .service(
                web::resource("/aggregate/{name}")
                    .route(web::route().guard(read()).to(aggregate::named::<U>))
                    .default_service(web::to(error::method_not_allowed)),
            );
        if with_operations {
            operations_routes(routes);
        }
        routes.default_service(web::to(error::not_found));
    }
}

/// The admin listener's routes.
pub fn admin(routes: &mut ServiceConfig) {
    operations_routes(routes);
    routes.default_service(web::to(error::not_found));
}

fn operations_routes(routes: &mut ServiceConfig) {
    routes
        .service(
            web::resource("/metrics")
                .route(web::route().guard(read()).to(operations::metrics))
                .default_service(web::to(error::method_not_allowed)),
        )
        .service(
            web::resource("/livez")
                .route(web::route().guard(read()).to(operations::livez))
                .default_service(web::to(error::method_not_allowed)),
        )
        .service(
            web::resource("/readyz")
                .route(web::route().guard(read()).to(operations::readyz))
                .default_service(web::to(error::method_not_allowed)),
        );
}

/// GET, and HEAD with it (RFC 9110, section 9.1).
fn read() -> impl Guard {
    Any(Get()).or(Head())
}
