//! The pattern of `matches`. It is compiled at start, and its work is bounded: it never goes back in a text. It must
//! not know where the texts come from.

use regex_lite::{Error, Regex, RegexBuilder};

use super::{fault::Fault, meter::Meter};

/// The most memory that a compiled pattern takes, in bytes.
const MOST: usize = 64 * 1024;

/// The bytes of a compiled pattern that a byte of a text may lead through in one step.
const STEP: usize = 256;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    regex: Regex,
    /// The steps for each byte of a text: they grow with the pattern.
    steps: u32,
}

impl Pattern {
    /// Compiles a pattern.
    pub(super) fn new(pattern: &str) -> Result<Self, Error> {
        let build = |limit| RegexBuilder::new(pattern).size_limit(limit).build();
        let mut limit = STEP;
        loop {
            match build(limit) {
                Ok(regex) => {
                    let steps = u32::try_from(limit / STEP).unwrap_or(u32::MAX);
                    return Ok(Self { regex, steps });
                }
                Err(error) if limit >= MOST => return Err(error),
                Err(_) => limit *= 2,
            }
        }
    }

    /// Returns true if a part of the text is as the pattern says.
    pub(super) fn is_match(&self, text: &str, meter: &Meter) -> Result<bool, Fault> {
        let bytes = u32::try_from(text.len() + 1).unwrap_or(u32::MAX);
        meter.steps(bytes.saturating_mul(self.steps))?;
        Ok(self.regex.is_match(text))
    }
}
