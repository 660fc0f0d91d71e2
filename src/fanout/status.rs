//! Sets of HTTP statuses, as policies name them. It must not know what they are used for.

use std::{fmt, str::FromStr as _};

use http::StatusCode;

/// A set of HTTP statuses from 100 to 599, written as `["2xx", "404"]`.
#[derive(Clone, PartialEq, Eq)]
pub struct StatusSet([bool; 500]);

/// An entry of a [`StatusSet`]'s text form that is neither a status nor a class of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a status such as \"404\" or a class of them such as \"2xx\"")]
pub struct UnknownStatus;

impl StatusSet {
    /// Returns the empty set.
    #[must_use]
    pub const fn empty() -> Self {
        Self([false; 500])
    }

    /// Returns the set `2xx`.
    #[must_use]
    pub fn successful() -> Self {
        let mut set = Self::empty();
        set.0[100..200].fill(true);
        set
    }

    /// Adds a status (`"404"`) or a class (`"2xx"`).
    ///
    /// # Errors
    /// Fails if `text` is neither, or outside 100 to 599.
    pub fn add(&mut self, text: &str) -> Result<(), UnknownStatus> {
        let range = match text.strip_suffix("xx").map(usize::from_str) {
            Some(Ok(class @ 1..=5)) => class * 100..class * 100 + 100,
            Some(_) => return Err(UnknownStatus),
            None => match text.parse() {
                Ok(status @ 100..=599) if text.len() == 3 => status..status + 1,
                _ => return Err(UnknownStatus),
            },
        };
        self.0[range.start - 100..range.end - 100].fill(true);
        Ok(())
    }

    /// Returns true if `status` is in the set. Statuses from 600 are in no set.
    #[must_use]
    pub fn contains(&self, status: StatusCode) -> bool {
        self.0
            .get(usize::from(status.as_u16()) - 100)
            .is_some_and(|&set| set)
    }
}

impl fmt::Debug for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statuses = (100..600).filter(|status| self.0[status - 100]);
        f.debug_set().entries(statuses).finish()
    }
}
