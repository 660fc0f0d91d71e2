//! The choices that make up a plan, as values that can only be valid: mode, completion, and the effect of a failure. It
//! must not know where they come from.

use std::{fmt, num::NonZeroUsize, str::FromStr, time::Duration};

/// The rules by which an aggregate runs its calls, unless the caller chooses otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The way in which the calls follow one another.
    pub mode: Mode,
    /// The most calls at a time in concurrent mode. A caller can only lower it.
    pub concurrency: NonZeroUsize,
    /// The time for all calls together. A caller can only shorten it.
    pub deadline: Duration,
    /// The condition that the plan waits for.
    pub completion: Completion,
    /// The effect of a failed call.
    pub on_failure: OnFailure,
}

impl Rules {
    /// The deadline if none is set: about the longest that a person waits for a page.
    pub const DEADLINE: Duration = Duration::from_secs(10);
}

impl Default for Rules {
    /// Runs all calls at once, waits for all of them for ten seconds, and reports a failure in its place.
    fn default() -> Self {
        Self {
            mode: Mode::Concurrent,
            concurrency: NonZeroUsize::MAX,
            deadline: Self::DEADLINE,
            completion: Completion::All,
            on_failure: OnFailure::Partial,
        }
    }
}

/// The way in which the calls of a plan follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Each call starts when the one before it has ended.
    Sequential,
    /// All calls start at once, or at most `concurrency` of them at a time.
    Concurrent,
}

impl Mode {
    /// Both modes, in the order in which `compare` runs them.
    pub const ALL: [Self; 2] = [Self::Sequential, Self::Concurrent];

    /// Returns the mode's one name in answers, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::Concurrent => "concurrent",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not a value of its policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {allowed}")]
pub struct UnknownRule {
    /// The accepted values, in words for a person.
    pub allowed: &'static str,
}

impl FromStr for Mode {
    type Err = UnknownRule;

    /// Reads the name or its alias: `sequential`/`sync`, `concurrent`/`async`.
    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        match text {
            "sequential" | "sync" => Ok(Self::Sequential),
            "concurrent" | "async" => Ok(Self::Concurrent),
            _ => Err(UnknownRule {
                allowed: "`sequential` (or `sync`) or `concurrent` (or `async`)",
            }),
        }
    }
}

/// The condition that a plan waits for before it answers (`wait_for`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// Every call settles.
    All,
    /// Every call that is not optional settles. The others are then cancelled.
    Required,
    /// This many calls succeed. The others are then cancelled at once.
    Quorum(NonZeroUsize),
}

impl Completion {
    /// `first`: one success is enough.
    pub const FIRST: Self = Self::Quorum(NonZeroUsize::MIN);
}

impl fmt::Display for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::All => f.write_str("all"),
            Self::Required => f.write_str("required"),
            Self::FIRST => f.write_str("first"),
            Self::Quorum(needed) => needed.fmt(f),
        }
    }
}

impl FromStr for Completion {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        match text {
            "all" => Ok(Self::All),
            "required" => Ok(Self::Required),
            "first" => Ok(Self::FIRST),
            number => number.parse().map(Self::Quorum).map_err(|_| UnknownRule {
                allowed: "`all`, `required`, `first` or a number of calls from 1",
            }),
        }
    }
}

/// The effect of a failed call on its plan (`on_failure`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The failure is reported in its place, and the rest go on.
    Partial,
    /// The failure ends the plan, unless the call is optional. The others are cancelled.
    Fail,
}

impl fmt::Display for OnFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Partial => "partial",
            Self::Fail => "fail",
        })
    }
}

/// The plan's need of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Its failure ends the plan if `on_failure = "fail"`. `wait_for = "required"` waits for it.
    Required,
    /// Its failure never ends the plan.
    Optional,
}

/// The permission to send a request more than once (RFC 9110, section 9.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeatable {
    /// Its method is idempotent: retries and hedges are allowed.
    Yes,
    /// It is not: every call is exactly one attempt.
    No,
}
