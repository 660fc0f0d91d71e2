//! The paths that a listener answers: Gather's own in one table for each listener, and the routes of aggregates. It
//! must not know the handlers behind them.

use std::sync::Arc;

use matchit::{InsertError, Router};

use crate::{
    endpoint::{Endpoint, Found, RouteTable},
    fanout::AggregateId,
};

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

/// The reason why there is no table of routes.
#[derive(Debug, thiserror::Error)]
pub enum RoutesError {
    /// Two of Gather's own paths would match the same requests.
    #[error("{0}")]
    Own(#[from] InsertError),
    /// The routes of two aggregates would match the same requests.
    #[error("the routes of `{one}` and `{other}` match the same requests")]
    Clash {
        /// The first aggregate.
        one: Arc<str>,
        /// The second one.
        other: Arc<str>,
    },
}

/// The routes of one listener.
#[derive(Debug, Clone)]
pub struct Routes {
    own: Arc<Router<Route>>,
    /// The routes of aggregates. Gather's own paths go before them.
    aggregates: Arc<RouteTable<AggregateId>>,
}

impl Routes {
    /// Makes the table of a public listener. `endpoints` has the aggregates in the order of their ids.
    ///
    /// # Errors
    /// Fails if two paths would match the same requests.
    pub fn public(
        optional: OptionalRoutes,
        endpoints: &[Arc<Endpoint>],
    ) -> Result<Self, RoutesError> {
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
        Ok(Self {
            own: Arc::new(table),
            aggregates: Arc::new(of_aggregates(endpoints)?),
        })
    }

    /// Makes the table of an admin listener.
    ///
    /// # Errors
    /// Fails if two paths would match the same requests.
    pub fn admin() -> Result<Self, RoutesError> {
        let mut table = Router::new();
        operational(&mut table)?;
        Ok(Self {
            own: Arc::new(table),
            aggregates: Arc::default(),
        })
    }

    /// Finds the handler of one of Gather's own paths, and the part of the path that its entry leaves open, such as an
    /// aggregate's name. That part is returned as it came.
    pub(super) fn find<'a>(&self, path: &'a str) -> Option<(Route, &'a str)> {
        let found = self.own.at(path).ok()?;
        let segment = found.params.iter().next().map_or("", |(_, value)| value);
        Some((*found.value, segment))
    }

    /// Finds the aggregate whose route a path matches. `path` is as it came.
    pub(super) fn find_aggregate<'a>(&self, path: &'a str) -> Option<Found<'a, AggregateId>> {
        self.aggregates.find(path)
    }
}

/// Makes the table of the aggregates' own routes.
fn of_aggregates(endpoints: &[Arc<Endpoint>]) -> Result<RouteTable<AggregateId>, RoutesError> {
    let mut table = RouteTable::default();
    for (index, endpoint) in endpoints.iter().enumerate() {
        let Some(route) = &endpoint.route else {
            continue;
        };
        let clash = |AggregateId(other): AggregateId| RoutesError::Clash {
            one: Arc::clone(&endpoints[other].name),
            other: Arc::clone(&endpoint.name),
        };
        let inserted = table.insert(route, AggregateId(index));
        inserted.map_err(clash)?;
    }
    Ok(table)
}

fn operational(table: &mut Router<Route>) -> Result<(), InsertError> {
    table.insert("/metrics", Route::Metrics)?;
    table.insert("/livez", Route::Livez)?;
    table.insert("/readyz", Route::Readyz)
}
