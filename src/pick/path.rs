//! A path into a JSON value. It must not know where the value comes from.

/// The most steps of a path.
pub const MOST_STEPS: usize = 32;

/// Steps from a value to a part of it. Without any step it is the value itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path(Box<[Step]>);

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The member of this name: `.name` or `["x-y"]`. Of several with the same name, the last.
    Member(Box<str>),
    /// The element at this index, from 0; from the end if it is negative: `[0]`, `[-1]`.
    Index(i64),
    /// Every element: `[*]`.
    Every,
}

/// A text that is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PathError(pub String);

/// The part of a value at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picked<'j> {
    /// There is none.
    Missing,
    /// The bytes of one value.
    One(&'j [u8]),
    /// The bytes of several, as the path has `[*]`. An element that lacks the rest of the path is left out.
    Many(Vec<&'j [u8]>),
}

impl Path {
    /// Makes a path of these steps.
    #[must_use]
    pub fn new(steps: Vec<Step>) -> Self {
        Self(steps.into())
    }

    /// Reads steps such as `.data.items[0]["x-y"]`. The first member needs no dot before it.
    ///
    /// # Errors
    /// Fails if the text is no path, or has too many steps.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let _ = text;
        unimplemented!()
    }

    /// Returns the steps.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Returns the part of `json`, one valid JSON value, at this path.
    #[must_use]
    pub fn find<'j>(&self, json: &'j [u8]) -> Picked<'j> {
        let _ = json;
        unimplemented!()
    }
}
