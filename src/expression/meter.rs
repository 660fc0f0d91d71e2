//! The bounds of one evaluation: of its work, and of the memory that it takes. It must not know what is evaluated.

use std::cell::Cell;

use super::fault::{Fault, Reason};

/// The most steps of one evaluation. A step is a part of the expression that is evaluated once, or some bytes that are
/// read: less than a tenth of a second in all.
pub(super) const MOST_STEPS: u32 = 1_000_000;

/// The bytes of JSON that are read in one step.
const STEP: usize = 64;

/// The most bytes that all texts and lists of one evaluation take which it makes itself.
pub(super) const MOST_MADE: usize = 4 * 1024 * 1024;

/// The most elements of a list that is made, or that a comprehension goes through.
pub(super) const MOST_ELEMENTS: usize = 10_000;

/// The deepest nesting of lists and maps that are made. Those of a body may be deeper.
pub(super) const MOST_NESTED: u8 = 64;

/// The work and the memory that are left.
pub(super) struct Meter {
    steps: Cell<u32>,
    room: Cell<usize>,
}

impl Meter {
    pub(super) const fn new() -> Self {
        Self {
            steps: Cell::new(MOST_STEPS),
            room: Cell::new(MOST_MADE),
        }
    }

    /// Counts one step.
    pub(super) fn step(&self) -> Result<(), Fault> {
        self.steps(1)
    }

    /// Counts the reading of so many bytes.
    pub(super) fn read(&self, bytes: usize) -> Result<(), Fault> {
        self.steps(u32::try_from(bytes / STEP + 1).unwrap_or(u32::MAX))
    }

    pub(super) fn steps(&self, steps: u32) -> Result<(), Fault> {
        let left = self.steps.get().checked_sub(steps);
        let fault = Reason::Other("takes too much work");
        self.steps.set(left.ok_or(fault)?);
        Ok(())
    }

    /// Counts the making of so many bytes.
    pub(super) fn make(&self, bytes: usize) -> Result<(), Fault> {
        self.read(bytes)?;
        let left = self.room.get().checked_sub(bytes);
        self.room
            .set(left.ok_or(Reason::Other("takes too much memory"))?);
        Ok(())
    }

    /// Checks the length of a list.
    pub(super) fn elements(count: usize) -> Result<(), Fault> {
        match count <= MOST_ELEMENTS {
            true => Ok(()),
            false => Err(Reason::Other("has more than 10000 elements").into()),
        }
    }
}
