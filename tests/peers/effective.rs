//! Reads a configuration with its defaults, as `gather check --print` prints it. All files that are deployed with it
//! must fit it.

use std::{net::SocketAddr, path::Path, time::Duration};

use toml::Table;

use crate::program::run;

/// The time for which a stop with tracing goes on after `drain`, for the last spans: docs/observability.md.
pub(crate) const SPANS: Duration = Duration::from_secs(3);

/// A configuration with all its defaults.
pub(crate) struct Effective(Table);

impl Effective {
    /// Reads a file, and asserts that `gather check` finds nothing in it.
    pub(crate) fn of(file: &Path) -> Self {
        let file = file.to_str().unwrap();
        let checked = run(&["check", "--strict", "--elsewhere", "-c", file]).expect(0);
        assert_eq!(checked.stderr, "", "{file}");
        let printed = run(&["check", "--print", "-c", file]).expect(0).stdout;
        Self(printed.parse().unwrap())
    }

    pub(crate) fn of_text(text: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("gather.toml");
        std::fs::write(&file, text).unwrap();
        Self::of(&file)
    }

    fn text(&self, table: &str, key: &str) -> &str {
        let found = self.0.get(table).and_then(|table| table.get(key)?.as_str());
        found.unwrap_or_else(|| panic!("no {table}.{key} in {}", self.0))
    }

    pub(crate) fn address(&self, table: &str, key: &str) -> SocketAddr {
        self.text(table, key).parse().unwrap()
    }

    pub(crate) fn time(&self, table: &str, key: &str) -> Duration {
        humantime::parse_duration(self.text(table, key)).unwrap()
    }

    /// Returns the longest time of a stop, without tracing.
    pub(crate) fn stop(&self) -> Duration {
        self.time("server", "grace") + self.time("server", "drain")
    }

    pub(crate) fn longest_deadline(&self) -> Duration {
        let aggregates = self.0["aggregates"].as_table().unwrap();
        let deadlines = aggregates
            .values()
            .map(|aggregate| humantime::parse_duration(aggregate["deadline"].as_str().unwrap()));
        deadlines.map(Result::unwrap).max().unwrap()
    }
}
