//! A JSON value with only some of its members, or without some of them. It must not know why.

use super::Path;

/// The members to keep or to leave out (`keep`, `drop`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prune {
    paths: Vec<Path>,
    keeps: bool,
}

impl Prune {
    /// Keeps only these members.
    #[must_use]
    pub fn keep(paths: Vec<Path>) -> Self {
        Self { paths, keeps: true }
    }

    /// Leaves these members out.
    #[must_use]
    pub fn drop(paths: Vec<Path>) -> Self {
        Self {
            paths,
            keeps: false,
        }
    }

    /// Appends the rest of `json`, one valid JSON value. Order, spelling and duplicates of the members that stay are as they were.
    pub fn write(&self, json: &[u8], out: &mut Vec<u8>) {
        let _ = (&self.paths, self.keeps, json, out);
        unimplemented!()
    }
}
