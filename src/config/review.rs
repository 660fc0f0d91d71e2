//! A check's view of the settings: the raw values, the reasons for absent ones, and a place for mistakes. It must not
//! know the settings.

use std::{collections::BTreeSet, path::Path, time::Duration};

use config::ValueKind;

use super::{
    inheritance::Inherited,
    layers::Layers,
    mistake::{KeyPath, Report},
    names,
    quantities::HumanDuration,
};

/// The state of a setting.
#[derive(Debug, Clone)]
pub(super) enum Slot<T> {
    /// It is not set.
    Absent,
    /// It was set, and refused. Nothing can be said of settings that depend on it.
    Refused,
    /// It was set.
    Given(T),
}

impl<T> Slot<T> {
    /// Returns the value, if one was given.
    pub(super) fn given(self) -> Option<T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Refused => None,
        }
    }

    /// Returns the value, if one was given, otherwise `built_in`. A refused value has its mistake already.
    pub(super) fn unwrap_or(self, built_in: T) -> T {
        self.given().unwrap_or(built_in)
    }

    /// Returns this, or `below` if it is not set.
    pub(super) fn or(self, below: Self) -> Self {
        match self {
            Self::Absent => below,
            set => set,
        }
    }

    /// Applies `check` to the value. `None` means refused.
    pub(super) fn and_then<U>(self, check: impl FnOnce(T) -> Option<U>) -> Slot<U> {
        match self {
            Self::Given(value) => check(value).map_or(Slot::Refused, Slot::Given),
            Self::Absent => Slot::Absent,
            Self::Refused => Slot::Refused,
        }
    }
}

/// The checks' view of the layers.
pub(super) struct Review<'a> {
    pub(super) layers: &'a Layers,
    pub(super) refused: &'a BTreeSet<KeyPath>,
    pub(super) inherited: &'a Inherited,
    pub(super) report: &'a mut Report,
    /// Oddities that are not mistakes.
    pub(super) warnings: &'a mut Report,
}

impl Review<'_> {
    /// Notes a mistake at `path`, with the place where the setting is written.
    pub(super) fn mistake(&mut self, path: &KeyPath, message: impl Into<String>) {
        let path = self.written_at(path);
        self.report.add(self.layers.origin(&path), &path, message);
    }

    /// Notes an oddity at `path` that is not a mistake, with the place where the setting is written.
    pub(super) fn warning(&mut self, path: &KeyPath, message: impl Into<String>) {
        let path = self.written_at(path);
        self.warnings.add(self.layers.origin(&path), &path, message);
    }

    /// Returns the path at which a setting is written: in `[defaults]`, if an upstream does not set it itself.
    pub(super) fn written_at(&self, path: &KeyPath) -> KeyPath {
        self.inherited.written_at(path)
    }

    /// Returns true if a setting is written at `path` itself, refused or not, and not in `[defaults]`.
    pub(super) fn is_own(&self, path: &KeyPath) -> bool {
        self.layers.get(path).is_some()
    }

    /// Returns the state of the setting at `path`, whose raw value is `raw`.
    pub(super) fn slot<T>(&self, path: &KeyPath, raw: Option<T>) -> Slot<T> {
        match raw {
            Some(value) => Slot::Given(value),
            None if self.is_refused(path) => Slot::Refused,
            None => Slot::Absent,
        }
    }

    /// Returns the same for a duration, which must be longer than zero.
    pub(super) fn duration(
        &mut self,
        path: &KeyPath,
        raw: Option<HumanDuration>,
    ) -> Slot<Duration> {
        self.slot(path, raw).and_then(|HumanDuration(duration)| {
            if duration.is_zero() {
                self.mistake(path, r#"found "0s", expected a duration longer than zero"#);
            }
            (!duration.is_zero()).then_some(duration)
        })
    }

    /// Returns true if the setting at `path` was refused, there or in `[defaults]`.
    pub(super) fn is_refused(&self, path: &KeyPath) -> bool {
        self.refused.contains(&self.written_at(path))
    }

    /// Returns true if there is a setting at `path`, refused or not, there or in `[defaults]`.
    pub(super) fn is_set(&self, path: &KeyPath) -> bool {
        self.layers.get(&self.written_at(path)).is_some()
    }

    /// Returns the names in a table of tables, including those of refused tables, in order.
    pub(super) fn names(&self, path: &KeyPath) -> Vec<String> {
        let mut names = match self.layers.get(path).map(|value| &value.kind) {
            Some(ValueKind::Table(table)) => table.keys().cloned().collect(),
            _ => Vec::new(),
        };
        names.sort();
        names
    }

    /// Returns the directory to which a path written at `path` is relative.
    pub(super) fn directory(&self, path: &KeyPath) -> &Path {
        self.layers.directory(&self.written_at(path))
    }

    /// Reports `name` if it is not a valid upstream, aggregate or call name.
    pub(super) fn check_name(&mut self, path: &KeyPath, name: &str) {
        if !names::is_name(name) {
            let rule = "expected a name that begins with a letter and goes on with letters, digits and _, all in lower case, \
                        at most 64 long";
            let usable = names::usable_name(name);
            let such = usable.map_or(String::new(), |usable| format!(", such as `{usable}`"));
            self.mistake(path, format!("{rule}{such}"));
        }
    }
}
