//! The paths that are taken, so that no two routes match the same requests. It must not know the configuration.

use std::sync::Arc;

use super::{
    Route,
    segments::{Segment, normal},
    table::RouteTable,
};

/// Gather's own paths, which no route may have. They stay reserved where a listener lacks them, as the console does
/// that is turned off, so that it can be turned on.
const OWN: [&str; 4] = ["metrics", "livez", "readyz", "openapi.json"];

/// The first segments below which every path is Gather's own.
const OWN_FOLDERS: [&str; 2] = ["aggregate", "console"];

/// The paths that are taken: Gather's own, and those of routes.
#[derive(Debug, Default)]
pub struct TakenPaths(RouteTable<(Arc<str>, Arc<str>)>);

/// The reason why a route can't have its path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Clash {
    /// The path is Gather's own.
    #[error("`{path}` is one of Gather's own paths")]
    Own {
        /// The part that is reserved.
        path: String,
    },
    /// Another route matches the same paths.
    #[error("`{path}`, the path of `{aggregate}`, matches the same requests")]
    Other {
        /// The aggregate that has the other route.
        aggregate: Arc<str>,
        /// The other route's path, as it is configured.
        path: Arc<str>,
    },
}

impl TakenPaths {
    /// Takes the path of an aggregate's route.
    ///
    /// # Errors
    /// Fails if the path is taken, and says by whom.
    pub fn take(&mut self, route: &Route, aggregate: &Arc<str>) -> Result<(), Clash> {
        if let Some(path) = own(route) {
            return Err(Clash::Own { path });
        }
        let entry = (Arc::clone(aggregate), Arc::clone(&route.path));
        let taken = self.0.insert(route, entry);
        taken.map_err(|(aggregate, path)| Clash::Other { aggregate, path })
    }
}

/// Returns the part of Gather's own paths that a route would take.
fn own(route: &Route) -> Option<String> {
    let mut segments = route.segments();
    let Segment::Literal(first) = segments.next()? else {
        // Gather's own paths go before a route that matches any text there.
        return None;
    };
    let first = normal(first);
    let is_alone = segments.next().is_none();
    let is_own = OWN_FOLDERS.contains(&&*first) || (is_alone && OWN.contains(&&*first));
    is_own.then(|| format!("/{first}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::fixture::route;

    fn taken(paths: &[&str]) -> Result<(), Clash> {
        let mut taken = TakenPaths::default();
        for (place, path) in paths.iter().enumerate() {
            taken.take(&route(path), &format!("a{place}").into())?;
        }
        Ok(())
    }

    #[test]
    fn gathers_own_paths_are_taken() {
        for (path, reserved) in [
            ("/metrics", "/metrics"),
            ("/livez", "/livez"),
            ("/readyz", "/readyz"),
            ("/openapi.json", "/openapi.json"),
            ("/openapi%2Ejson", "/openapi.json"),
            ("/aggregate", "/aggregate"),
            ("/aggregate/{name}", "/aggregate"),
            ("/aggregate/a/b", "/aggregate"),
            ("/console", "/console"),
            ("/console/{file}", "/console"),
        ] {
            let path_of = |path: &str| Clash::Own { path: path.into() };
            assert_eq!(taken(&[path]), Err(path_of(reserved)), "{path}");
        }
        let free = ["/", "/metrics/{team}", "/aggregates", "/{page}", "/{a}/{b}"];
        assert_eq!(taken(&free), Ok(()));
    }

    #[test]
    fn a_clash_names_the_other_route() {
        let clash = taken(&["/users/{id:int}", "/users/me", "/users/{name}"]).unwrap_err();
        insta::assert_snapshot!(clash, @"`/users/{id:int}`, the path of `a0`, matches the same requests");
        insta::assert_snapshot!(taken(&["/aggregate/x"]).unwrap_err(), @"`/aggregate` is one of Gather's own paths");
    }
}
