//! What a configuration comes to, as `gather check --print` tells it: what else is deployed with it has to fit.

use std::{net::SocketAddr, path::Path, time::Duration};

use toml::Table;

use crate::program::run;

/// How long a stop with tracing goes on after `drain`, for the last spans: docs/observability.md.
pub(crate) const SPANS: Duration = Duration::from_secs(3);

/// A configuration with all its defaults.
pub(crate) struct Effective(Table);

impl Effective {
    /// Asserts that `gather check` finds nothing. That this machine may open too few files is not the configuration's doing.
    pub(crate) fn of(file: &Path) -> Self {
        let file = file.to_str().unwrap();
        let checked = run(&["check", "-c", file]).expect(0);
        let found = checked.stderr.lines();
        let found: Vec<_> = found.filter(|line| !line.contains("ulimit")).collect();
        assert_eq!(found, Vec::<&str>::new(), "{file}");
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

    /// The longest time of a stop, without tracing.
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
