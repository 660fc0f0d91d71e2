//! The paths that a listener answers: one table for each, made at start, and the handler behind each entry. actix has nothing but
//! a default service that asks it. It must not know what a handler does.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use matchit::{InsertError, Router};

use super::{
    aggregate, client_upstream::ClientUpstream, console, methods, operations, problem::Problem,
};

/// The path of the OpenAPI document.
pub(crate) const DOCUMENT: &str = "/openapi.json";

/// The handler of a path.
#[derive(Debug, Clone, Copy)]
enum Route {
    /// The aggregate named `default`.
    Default,
    /// The aggregate that the path names.
    Named,
    /// The OpenAPI document.
    Document,
    /// The console's page and its files.
    Console,
    /// The numbers for Prometheus.
    Metrics,
    /// The process is alive.
    Livez,
    /// The process takes traffic.
    Readyz,
}

/// The parts of a public listener that a configuration may leave out.
#[derive(Debug, Clone, Copy)]
pub struct Parts {
    /// The operational routes, which an admin listener has in its place.
    pub operations: bool,
    /// The console.
    pub console: bool,
}

/// The routes of one listener.
#[derive(Debug, Clone)]
pub struct Routes(Arc<Router<Route>>);

impl Routes {
    /// Makes the table of a public listener.
    ///
    /// # Errors
    /// When two paths would match the same requests.
    pub fn public(parts: Parts) -> Result<Self, InsertError> {
        let mut table = Router::new();
        table.insert("/aggregate", Route::Default)?;
        table.insert("/aggregate/{name}", Route::Named)?;
        table.insert(DOCUMENT, Route::Document)?;
        if parts.operations {
            operational(&mut table)?;
        }
        if parts.console {
            table.insert("/console", Route::Console)?;
            table.insert("/console/", Route::Console)?;
            table.insert("/console/{*file}", Route::Console)?;
        }
        Ok(Self(Arc::new(table)))
    }

    /// Makes the table of an admin listener.
    ///
    /// # Errors
    /// When two paths would match the same requests.
    pub fn admin() -> Result<Self, InsertError> {
        let mut table = Router::new();
        operational(&mut table)?;
        Ok(Self(Arc::new(table)))
    }

    /// Finds the handler of a path, and the segment that stands where an entry has a name, as it came.
    fn find<'a>(&self, path: &'a str) -> Option<(Route, &'a str)> {
        let found = self.0.at(path).ok()?;
        let segment = found.params.iter().next().map_or("", |(_, value)| value);
        Some((*found.value, segment))
    }
}

fn operational(table: &mut Router<Route>) -> Result<(), InsertError> {
    table.insert("/metrics", Route::Metrics)?;
    table.insert("/livez", Route::Livez)?;
    table.insert("/readyz", Route::Readyz)
}

/// Answers a request of the public listener.
pub(super) async fn public<U>(request: HttpRequest) -> Result<HttpResponse, Problem>
where
    U: ClientUpstream,
{
    match find(&request) {
        Some((Route::Default, _)) if methods::reads(request.method()) => {
            aggregate::default::<U>(&request).await
        }
        Some((Route::Named, name)) => aggregate::named::<U>(&request, name).await,
        found => rest(&request, found),
    }
}

/// Answers a request of the admin listener.
pub(super) async fn admin(request: HttpRequest) -> Result<HttpResponse, Problem> {
    rest(&request, find(&request))
}

/// Answers what needs no upstream.
fn rest(request: &HttpRequest, found: Option<(Route, &str)>) -> Result<HttpResponse, Problem> {
    let Some((route, _)) = found else {
        return methods::no_route(request);
    };
    if let Route::Console = route {
        return console::serve(request);
    }
    if !methods::reads(request.method()) {
        return methods::other(request);
    }
    match route {
        Route::Document => operations::openapi(request),
        Route::Metrics => operations::metrics(request),
        Route::Livez => Ok(operations::livez()),
        Route::Readyz => operations::readyz(request),
        // An aggregate is read above, and an admin listener has none.
        Route::Default | Route::Named | Route::Console => Err(Problem::not_found(request)),
    }
}

/// Finds the route in the table of the request's listener. The path is actix's: escapes that mean the same are gone from it.
fn find(request: &HttpRequest) -> Option<(Route, &str)> {
    let routes = request.app_data::<Routes>()?;
    routes.find(request.match_info().as_str())
}
