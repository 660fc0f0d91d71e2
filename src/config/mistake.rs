//! The mistakes of a configuration: each with its file, its key path and a way to mend it, and the report that gathers
//! them all. It must not know what the settings mean.

use std::{collections::BTreeSet, fmt, path::PathBuf};

pub(super) use crate::spelling::nearest;

/// One mistake, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file, as it was named, or the environment variable.
    pub origin: String,
    /// The key path, such as `upstreams.users.timeout` or `aggregates.home.calls[1]` (counted from 0). Empty if the
    /// mistake is in the file as a whole.
    pub path: String,
    /// The value found, and the allowed values. Holds no header value, no body, no key and no credentials.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.origin, &self.path, &self.message];
        for (place, part) in parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .enumerate()
        {
            if place > 0 {
                f.write_str(": ")?;
            }
            for character in part.chars() {
                // One line each, even if a key or a file name has line breaks.
                if character.is_control() {
                    write!(f, "{}", character.escape_default())?;
                } else {
                    fmt::Write::write_char(f, character)?;
                }
            }
        }
        Ok(())
    }
}

/// Every mistake of a configuration, in the order of its layers and then of the key paths. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes {
    found: Vec<Mistake>,
    /// The warnings, as far as they could be found. They may explain the mistakes.
    pub warnings: Vec<Mistake>,
}

impl Mistakes {
    /// Returns the mistakes one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Mistake> {
        self.found.iter()
    }

    /// Returns the same mistakes with these warnings.
    pub(super) fn beside(self, warnings: Vec<Mistake>) -> Self {
        Self { warnings, ..self }
    }
}

impl<'a> IntoIterator for &'a Mistakes {
    type Item = &'a Mistake;
    type IntoIter = std::slice::Iter<'a, Mistake>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Mistakes {
    /// Writes one line for each mistake, without a line break at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, mistake) in self.found.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

impl FromIterator<Mistake> for Mistakes {
    fn from_iter<T: IntoIterator<Item = Mistake>>(mistakes: T) -> Self {
        Self {
            found: mistakes.into_iter().collect(),
            warnings: Vec::new(),
        }
    }
}

/// One step into the tree of settings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Into a table.
    Key(String),
    /// Into a list, from 0.
    Index(usize),
}

/// The path of a setting.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyPath(Vec<Step>);

impl KeyPath {
    /// Returns the path of these keys, from the root.
    pub(super) fn of<const N: usize>(keys: [&str; N]) -> Self {
        Self(
            keys.into_iter()
                .map(|key| Step::Key(key.to_owned()))
                .collect(),
        )
    }

    /// Returns this path and one more step.
    pub(super) fn then(&self, step: Step) -> Self {
        let mut longer = self.clone();
        longer.0.push(step);
        longer
    }

    /// Returns this path and one more key.
    pub(super) fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.to_owned()))
    }

    /// Returns this path and one more index of a list.
    pub(super) fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    /// Returns the last step and the path before it. `None` for the root.
    pub(super) fn split_last(&self) -> Option<(&Step, Self)> {
        let (last, before) = self.0.split_last()?;
        Some((last, Self(before.to_vec())))
    }

    /// Returns its steps from the root.
    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }
}

impl FromIterator<Step> for KeyPath {
    fn from_iter<T: IntoIterator<Item = Step>>(steps: T) -> Self {
        Self(steps.into_iter().collect())
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    if place > 0 {
                        f.write_str(".")?;
                    }
                    let plain = |c: char| c.is_ascii_alphanumeric() || "_-$".contains(c);
                    if !key.is_empty() && key.chars().all(plain) {
                        f.write_str(key)?;
                    } else {
                        write!(f, "{key:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A layer that values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// The file as it was named, or the environment variable.
    pub(super) name: String,
    /// The directory of relative paths written in it; empty for the working directory.
    pub(super) directory: PathBuf,
}

/// Gathers mistakes and puts them in order.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// The order in which mistakes are listed: the files as given, then the variables.
    origins: Vec<String>,
    found: BTreeSet<(usize, KeyPath, String, String)>,
}

impl Report {
    /// Notes a mistake. The same mistake twice, as when a default is refused for two upstreams, counts once.
    pub(super) fn add(&mut self, origin: &str, path: &KeyPath, message: impl Into<String>) {
        let rank = match self.origins.iter().position(|known| known == origin) {
            Some(rank) => rank,
            None => {
                self.origins.push(origin.to_owned());
                self.origins.len() - 1
            }
        };
        let entry = (rank, path.clone(), message.into(), origin.to_owned());
        self.found.insert(entry);
    }

    /// Fixes an origin's position in the order.
    pub(super) fn expect_origin(&mut self, origin: &str) {
        if !self.origins.iter().any(|known| known == origin) {
            self.origins.push(origin.to_owned());
        }
    }

    /// Returns the number of mistakes so far.
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// Returns the mistakes, in order.
    pub(super) fn into_found(self) -> impl Iterator<Item = Mistake> {
        let mistake = |(_, path, message, origin): (usize, KeyPath, String, String)| Mistake {
            origin,
            path: path.to_string(),
            message,
        };
        self.found.into_iter().map(mistake)
    }

    /// Returns `value`, or every mistake if there is one. A missing value without a mistake can't happen; it is
    /// reported as a mistake.
    pub(super) fn into_result<T>(mut self, value: Option<T>) -> Result<T, Mistakes> {
        match value {
            Some(value) if self.found.is_empty() => return Ok(value),
            None if self.found.is_empty() => {
                self.add("", &KeyPath::default(), "the configuration can't be used");
            }
            _ => {}
        }
        Err(self.into_found().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_it_would_be_written() {
        let path = KeyPath::of(["aggregates", "home", "calls"])
            .index(1)
            .key("x y");
        assert_eq!(path.to_string(), "aggregates.home.calls[1].\"x y\"");
    }

    #[test]
    fn mistakes_come_in_the_order_of_their_layers_and_then_of_their_paths() {
        let mut report = Report::default();
        report.expect_origin("b.toml");
        report.expect_origin("a.toml");
        report.add("a.toml", &KeyPath::of(["admin"]), "third");
        report.add("b.toml", &KeyPath::of(["x"]).index(10), "second");
        report.add("b.toml", &KeyPath::of(["x"]).index(9), "first");
        report.add("b.toml", &KeyPath::of(["x"]).index(9), "first");
        let mistakes = report.into_result::<()>(None).unwrap_err();
        assert_eq!(
            mistakes.to_string(),
            "b.toml: x[9]: first\nb.toml: x[10]: second\na.toml: admin: third"
        );
    }

    #[test]
    fn a_mistake_stays_on_one_line_whatever_its_key_holds() {
        let mut report = Report::default();
        report.add("a\nb.toml", &KeyPath::of(["x\ny"]), "wrong");
        let mistakes = report.into_result::<()>(None).unwrap_err();
        assert_eq!(mistakes.to_string(), "a\\nb.toml: \"x\\ny\": wrong");
    }
}
