//! The handler behind each route. actix has nothing but a default service, which asks the table of its listener. It
//! must not know what a handler does.

use std::rc::Rc;

use actix_web::{HttpRequest, HttpResponse};

use super::{
    aggregate,
    announced::refuse_large,
    client_upstream::ClientUpstream,
    console,
    gateway::{Gateway, not_set_up},
    methods, operations, other_method,
    problem::Problem,
    routes::{Route, Routes},
};

/// Answers a request of the public listener.
pub(super) async fn public<U>(request: HttpRequest) -> Result<HttpResponse, Problem>
where
    U: ClientUpstream,
{
    let gateway = request
        .app_data::<Rc<Gateway<U>>>()
        .ok_or_else(not_set_up)?;
    let found = gateway.routes.find(path(&request));
    match found {
        Some((Route::Default, _)) => return aggregate::default(gateway, &request).await,
        Some((Route::Named, name)) => return aggregate::named(gateway, &request, name).await,
        Some(_) => {}
        None => {
            if let Some(found) = gateway.routes.find_aggregate(request.uri().path()) {
                return aggregate::routed(gateway, &request, found).await;
            }
        }
    }
    let reads = methods::reads(request.method());
    match found {
        Some((Route::Document, _)) if reads => Ok(operations::openapi(&gateway.document)),
        Some((Route::Console, _)) => {
            if !reads {
                refuse_large(&request)?;
            }
            console::serve(&request, gateway.console.as_deref())
        }
        found => rest(&request, found.map(|(route, _)| route)),
    }
}

/// Answers a request of the admin listener.
pub(super) async fn admin(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let routes = request.app_data::<Routes>().ok_or_else(not_set_up)?;
    let found = routes.find(path(&request));
    rest(&request, found.map(|(route, _)| route))
}

/// Answers on a route that needs no gateway, or on none.
fn rest(request: &HttpRequest, route: Option<Route>) -> Result<HttpResponse, Problem> {
    let Some(route) = route else {
        return other_method::no_route(request);
    };
    if !methods::reads(request.method()) {
        return other_method::of_own(request);
    }
    match route {
        Route::Metrics => operations::metrics(request),
        Route::Livez => Ok(operations::livez()),
        Route::Readyz => operations::readyz(request),
        // The gateway answers these, and an admin listener has none of them.
        Route::Default | Route::Named | Route::Document | Route::Console => {
            Err(Problem::not_found(request))
        }
    }
}

/// Returns the path of a request as actix has it: decoded, except for the escapes of `%`, `/` and `+`.
fn path(request: &HttpRequest) -> &str {
    request.match_info().as_str()
}
