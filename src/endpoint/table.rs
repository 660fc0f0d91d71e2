//! A table of routes: finds the one that a path matches, and the parts of the path that its parameters take. It must
//! not know what the routes lead to.

use std::collections::BTreeMap;

use matchit::Router;

use super::{
    Route,
    segments::{Segment, normal},
};

/// Routes with a value each. Where a path matches several, the one with a literal in the first segment in which they
/// differ is found.
#[derive(Debug, Clone)]
pub struct RouteTable<T> {
    router: Router<usize>,
    entries: Vec<Entry<T>>,
    /// The indices of the entries, by their patterns.
    by_pattern: BTreeMap<String, usize>,
}

#[derive(Debug, Clone)]
struct Entry<T> {
    value: T,
    /// The places of the parameters among the segments, in order.
    parameters: Vec<usize>,
}

/// A route that a path matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a, T> {
    /// The route's value.
    pub value: T,
    /// The segments of its parameters, in the order of the route, as they came. None is empty.
    pub parameters: Vec<&'a str>,
}

impl<T> Default for RouteTable<T> {
    fn default() -> Self {
        Self {
            router: Router::new(),
            entries: Vec::new(),
            by_pattern: BTreeMap::new(),
        }
    }
}

impl<T: Clone> RouteTable<T> {
    /// Adds a route. If another one matches the same paths, the table stays as it is and that one's value is returned.
    ///
    /// # Errors
    /// Returns the value of the route that it clashes with.
    pub fn insert(&mut self, route: &Route, value: T) -> Result<(), T> {
        let pattern = pattern(route);
        if let Some(other) = self.by_pattern.get(&pattern) {
            return Err(self.entries[*other].value.clone());
        }
        let index = self.entries.len();
        if self.router.insert(pattern.as_str(), index).is_err() {
            // Only equal patterns clash, as each parameter is a whole segment. A path that is no route matches nothing.
            return Ok(());
        }
        let segments = route.segments().enumerate();
        let parameters = segments.filter_map(|(place, segment)| match segment {
            Segment::Literal(_) => None,
            Segment::Parameter(_) => Some(place),
        });
        self.entries.push(Entry {
            value,
            parameters: parameters.collect(),
        });
        self.by_pattern.insert(pattern, index);
        Ok(())
    }

    /// Finds the route that a path matches. `path` is as it came.
    #[must_use]
    pub fn find<'a>(&self, path: &'a str) -> Option<Found<'a, T>> {
        if self.entries.is_empty() {
            return None;
        }
        let index = *self.router.at(&normal(path)).ok()?.value;
        let Entry { value, parameters } = &self.entries[index];
        // The normal form has the same segments.
        let mut segments = path.strip_prefix('/')?.split('/');
        let mut next = 0;
        let taken = parameters.iter().map(|place| {
            let segment = segments.nth(place - next);
            next = place + 1;
            segment.filter(|segment| !segment.is_empty())
        });
        Some(Found {
            parameters: taken.collect::<Option<_>>()?,
            value: value.clone(),
        })
    }
}

/// Returns the pattern of a route, as the router writes it. It is the same for all routes that match the same paths.
fn pattern(route: &Route) -> String {
    let mut pattern = String::new();
    for (place, segment) in route.segments().enumerate() {
        pattern.push('/');
        match segment {
            Segment::Literal(text) => {
                let text = normal(text);
                pattern.push_str(&text.replace('{', "{{").replace('}', "}}"));
            }
            // By its place, so that the names of parameters make no difference.
            Segment::Parameter(_) => pattern.push_str(&format!("{{p{place}}}")),
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::fixture::route;

    fn table(paths: &[&'static str]) -> RouteTable<&'static str> {
        let mut table = RouteTable::default();
        for path in paths {
            table.insert(&route(path), *path).unwrap();
        }
        table
    }

    #[test]
    fn a_path_leads_to_its_route_and_parameters_are_left_as_they_came() {
        let table = table(&["/users/{id:int}/home", "/a/{b}/c/{d}", "/{only}", "/"]);
        for (path, value, parameters) in [
            ("/users/42/home", "/users/{id:int}/home", &["42"][..]),
            (
                "/%75sers/%34%32/h%6fme",
                "/users/{id:int}/home",
                &["%34%32"],
            ),
            ("/users/a%2Fb/home", "/users/{id:int}/home", &["a%2Fb"]),
            ("/users/../home", "/users/{id:int}/home", &[".."]),
            // An escape that is none is not made one by its neighbour.
            ("/a/%%34%31/c/{x}", "/a/{b}/c/{d}", &["%%34%31", "{x}"]),
            ("/x", "/{only}", &["x"]),
            ("/", "/", &[]),
        ] {
            let found = table.find(path).unwrap();
            assert_eq!(
                (found.value, &*found.parameters),
                (value, parameters),
                "{path}"
            );
        }
    }

    #[test]
    fn a_segment_more_or_less_or_an_empty_one_is_no_match() {
        let table = table(&["/users/{id}/home", "/{a}/{b}"]);
        for path in [
            "",
            "*",
            "/",
            "/users//home",
            "/users/1/home/",
            "/users/1/home/x",
            "//users/1/home",
            "/users%2F1/home/",
            "/Users/1/home",
            "/users/1/Home",
            "//",
            "/a/",
            "//b",
        ] {
            assert_eq!(table.find(path), None, "{path}");
        }
        assert!(RouteTable::<()>::default().find("/").is_none());
    }

    #[test]
    fn a_literal_goes_before_a_parameter_and_is_given_up_where_it_leads_nowhere() {
        let table = table(&["/users/{id}/home", "/users/me/{page}", "/{a}/me/home"]);
        let value = |path| table.find(path).map(|found| found.value);
        assert_eq!(value("/users/me/home"), Some("/users/me/{page}"));
        assert_eq!(value("/users/you/home"), Some("/users/{id}/home"));
        assert_eq!(value("/teams/me/home"), Some("/{a}/me/home"));
        assert_eq!(value("/users/you/page"), None);
    }

    #[test]
    fn routes_that_match_the_same_paths_clash() {
        let mut table = table(&["/users/{id:int}/home", "/a~b"]);
        for (path, other) in [
            ("/users/{name}/home", "/users/{id:int}/home"),
            ("/user%73/{name:uuid}/home", "/users/{id:int}/home"),
            ("/a%7Eb", "/a~b"),
        ] {
            assert_eq!(table.insert(&route(path), path), Err(other));
        }
        assert_eq!(table.insert(&route("/users/{id}"), "/users/{id}"), Ok(()));
    }
}
