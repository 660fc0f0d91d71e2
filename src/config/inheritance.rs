//! Lays `[defaults]` under each upstream in the tree of values, and remembers which settings came from there. It must
//! not know the settings, except `headers`, which is laid name by name.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::mistake::{KeyPath, Step};

/// The table of settings for every upstream without its own.
pub(super) const DEFAULTS: &str = "defaults";

/// The table of upstreams by name.
pub(super) const UPSTREAMS: &str = "upstreams";

/// The paths of settings that upstreams have from `[defaults]`.
#[derive(Debug, Default)]
pub(super) struct Inherited(BTreeSet<Vec<Step>>);

impl Inherited {
    /// Gives each upstream of `file` the defaults that it does not set itself. A setting that was refused in the
    /// upstream is not replaced. One that was refused in `[defaults]` counts as inherited too.
    pub(super) fn lay(file: &mut Json, refused: &BTreeSet<KeyPath>) -> Self {
        let mut inherited = Self::default();
        let defaults = file.get(DEFAULTS).and_then(Json::as_object).cloned();
        let defaults = defaults.unwrap_or_default();
        let lost = refused.iter().filter_map(|path| match path.steps() {
            [Step::Key(table), Step::Key(key)] if table == DEFAULTS => Some(key.as_str()),
            _ => None,
        });
        let lost: Vec<_> = lost.collect();
        let upstreams = file.get_mut(UPSTREAMS).and_then(Json::as_object_mut);
        for (name, upstream) in upstreams.into_iter().flatten() {
            let Some(own) = upstream.as_object_mut() else {
                continue;
            };
            let table = KeyPath::of([UPSTREAMS, name]);
            for key in &lost {
                let path = table.key(key);
                if !own.contains_key(*key) && !refused.contains(&path) {
                    inherited.note(&path);
                }
            }
            for (key, value) in &defaults {
                let path = table.key(key);
                match (own.get_mut(key), value) {
                    _ if refused.contains(&path) => {}
                    (None, value) => {
                        own.insert(key.clone(), value.clone());
                        inherited.note(&path);
                    }
                    (Some(Json::Object(own)), Json::Object(all)) if key == "headers" => {
                        inherited.add_headers(own, all, &path);
                    }
                    // All other tables are replaced as a whole.
                    _ => {}
                }
            }
        }
        inherited
    }

    /// Adds the headers that an upstream does not set itself. A name is the same in any case.
    fn add_headers(&mut self, own: &mut Map<String, Json>, all: &Map<String, Json>, at: &KeyPath) {
        for (name, value) in all {
            if !own.keys().any(|own| own.eq_ignore_ascii_case(name)) {
                own.insert(name.clone(), value.clone());
                self.note(&at.key(name));
            }
        }
    }

    fn note(&mut self, path: &KeyPath) {
        self.0.insert(path.steps().to_vec());
    }

    /// Returns true if no upstream has a setting from `[defaults]`.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the path at which a setting is written. For an inherited setting, and for everything in it, that is in
    /// `[defaults]`.
    pub(super) fn written_at(&self, path: &KeyPath) -> KeyPath {
        let steps = path.steps();
        // `upstreams.NAME.KEY`, or `upstreams.NAME.headers.HEADER`.
        let is_inherited = (3..=4)
            .filter_map(|length| steps.get(..length))
            .any(|start| self.0.contains(start));
        if is_inherited {
            let table = Step::Key(DEFAULTS.to_owned());
            std::iter::once(table)
                .chain(steps.iter().skip(2).cloned())
                .collect()
        } else {
            path.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(keys: &str) -> KeyPath {
        keys.split(' ')
            .map(|key| Step::Key(key.to_owned()))
            .collect()
    }

    #[test]
    fn an_upstream_has_the_defaults_that_it_does_not_set_and_each_knows_where_it_stands() {
        let mut file = json!({
            "defaults": {"timeout": "1s", "retry": {"attempts": 2}, "headers": {"Accept": "a", "x-a": "b"}},
            "upstreams": {
                "one": {},
                "two": {"timeout": "2s", "retry": {}, "headers": {"accept": "c"}},
                "three": 3,
            },
        });
        let refused = BTreeSet::from([
            path("defaults body"),
            path("upstreams one timeout"),
            path("upstreams two body"),
        ]);
        let inherited = Inherited::lay(&mut file, &refused);
        assert_eq!(
            file["upstreams"],
            json!({
                "one": {"retry": {"attempts": 2}, "headers": {"Accept": "a", "x-a": "b"}},
                "two": {"timeout": "2s", "retry": {}, "headers": {"accept": "c", "x-a": "b"}},
                "three": 3,
            })
        );
        for (setting, place) in [
            ("upstreams one retry attempts", "defaults retry attempts"),
            ("upstreams one headers Accept", "defaults headers Accept"),
            ("upstreams one body", "defaults body"),
            ("upstreams one timeout", "upstreams one timeout"),
            ("upstreams two headers x-a", "defaults headers x-a"),
            (
                "upstreams two headers accept",
                "upstreams two headers accept",
            ),
            ("upstreams two retry", "upstreams two retry"),
            ("upstreams two body", "upstreams two body"),
            ("upstreams two", "upstreams two"),
            ("server listen", "server listen"),
        ] {
            assert_eq!(inherited.written_at(&path(setting)), path(place));
        }
    }
}
