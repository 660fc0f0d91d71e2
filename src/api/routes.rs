//! The paths that a listener answers, in one table for each listener. It must not know the handlers behind them.

use std::sync::Arc;

use matchit::{InsertError, Router};

/// The path of the default aggregate.
pub(crate) const AGGREGATE: &str = "/aggregate";

/// The path of an aggregate by its name, as the table writes it.
pub(super) const NAMED: &str = "/aggregate/{name}";

/// The path of the OpenAPI document.
pub(crate) const DOCUMENT: &str = "/openapi.json";

/// The handler of a path.
#[derive(Debug, Clone, Copy)]
pub(super) enum Route {
    /// The aggregate named `default`.
    Default,
    /// The aggregate that the path names.
    Named,
    /// The OpenAPI document.
    Document,
    /// The console's page and its files.
    Console,
    /// The metrics, for Prometheus.
    Metrics,
    /// The check that the process is alive.
    Livez,
    /// The check that the process takes traffic.
    Readyz,
}

/// The parts of a public listener that a configuration may leave out.
#[derive(Debug, Clone, Copy)]
pub struct OptionalRoutes {
    /// True if it has the operational routes. Otherwise an admin listener has them.
    pub operations: bool,
    /// True if it has the console.
    pub console: bool,
}

/// The routes of one listener.
#[derive(Debug, Clone)]
pub struct Routes(Arc<Router<Route>>);

impl Routes {
    /// Makes the table of a public listener.
    ///
    /// # Errors
    /// Fails if two paths would match the same requests.
    pub fn public(optional: OptionalRoutes) -> Result<Self, InsertError> {
        let mut table = Router::new();
        table.insert(AGGREGATE, Route::Default)?;
        table.insert(NAMED, Route::Named)?;
        table.insert(DOCUMENT, Route::Document)?;
        if optional.operations {
            operational(&mut table)?;
        }
        if optional.console {
            table.insert("/console", Route::Console)?;
            table.insert("/console/", Route::Console)?;
            table.insert("/console/{*file}", Route::Console)?;
        }
        Ok(Self(Arc::new(table)))
    }

    /// Makes the table of an admin listener.
    ///
    /// # Errors
    /// Fails if two paths would match the same requests.
    pub fn admin() -> Result<Self, InsertError> {
        let mut table = Router::new();
        operational(&mut table)?;
        Ok(Self(Arc::new(table)))
    }

    /// Finds the handler of a path, and the part of the path that its entry leaves open, such as an aggregate's name.
    /// That part is returned as it came.
    pub(super) fn find<'a>(&self, path: &'a str) -> Option<(Route, &'a str)> {
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
