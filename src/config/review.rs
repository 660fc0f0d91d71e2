//! A check's view of the settings: the raw values with what became of those that are absent, and a place for mistakes.
//! Knows no setting.

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
    /// Nobody has set it.
    Absent,
    /// It has been set, and refused: nothing can be said of what depends on it.
    Refused,
    /// It has been set.
    Given(T),
}

impl<T> Slot<T> {
    /// The value, if one was given.
    pub(super) fn given(self) -> Option<T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Refused => None,
        }
    }

    /// The value, if one was given, else `built_in`. One that was refused has its mistake already.
    pub(super) fn unwrap_or(self, built_in: T) -> T {
        self.given().unwrap_or(built_in)
    }

    /// This, or `below` when nobody has set it.
    pub(super) fn or(self, below: Self) -> Self {
        match self {
            Self::Absent => below,
            set => set,
        }
    }

    /// The same state with what `check` makes of the value; `None` is refused.
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
    /// Things that are odd and no mistake.
    pub(super) warnings: &'a mut Report,
}

impl Review<'_> {
    /// Notes what is wrong at `path`, in the place where it is written.
    pub(super) fn mistake(&mut self, path: &KeyPath, message: impl Into<String>) {
        let path = self.written_at(path);
        self.report.add(self.layers.origin(&path), &path, message);
    }

    /// Notes what is odd at `path` and no mistake, in the place where it is written.
    pub(super) fn warning(&mut self, path: &KeyPath, message: impl Into<String>) {
        let path = self.written_at(path);
        self.warnings.add(self.layers.origin(&path), &path, message);
    }

    /// The path at which a setting is written: `[defaults]` has those that an upstream does not set itself.
    pub(super) fn written_at(&self, path: &KeyPath) -> KeyPath {
        self.inherited.written_at(path)
    }

    /// Tells whether a setting is written at `path` itself, refused or not, and not in `[defaults]`.
    pub(super) fn is_own(&self, path: &KeyPath) -> bool {
        self.layers.get(path).is_some()
    }

    /// The state of the setting at `path`, whose raw value is `raw`.
    pub(super) fn slot<T>(&self, path: &KeyPath, raw: Option<T>) -> Slot<T> {
        match raw {
            Some(value) => Slot::Given(value),
            None if self.is_refused(path) => Slot::Refused,
            None => Slot::Absent,
        }
    }

    /// The same for a duration, which must be longer than zero.
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

    /// Tells whether the setting at `path` has been refused, there or in `[defaults]`.
    pub(super) fn is_refused(&self, path: &KeyPath) -> bool {
        self.refused.contains(&self.written_at(path))
    }

    /// Tells whether anything is set at `path`, refused or not, there or in `[defaults]`.
    pub(super) fn is_set(&self, path: &KeyPath) -> bool {
        self.layers.get(&self.written_at(path)).is_some()
    }

    /// The names in a table of tables, those of refused ones too, in order.
    pub(super) fn names(&self, path: &KeyPath) -> Vec<String> {
        let mut names = match self.layers.get(path).map(|value| &value.kind) {
            Some(ValueKind::Table(table)) => table.keys().cloned().collect(),
            _ => Vec::new(),
        };
        names.sort();
        names
    }

    /// The directory that a path written at `path` is relative to.
    pub(super) fn directory(&self, path: &KeyPath) -> &Path {
        self.layers.directory(&self.written_at(path))
    }

    /// Notes it when `name` is none for an upstream, an aggregate or a call.
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
