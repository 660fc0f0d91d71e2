//! The gateway's stage of life, as one value that the whole process shares. It must know no other part.

use std::sync::atomic::{AtomicU8, Ordering};

/// The three stages of a gateway's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Not all workers are up.
    Starting,
    /// Taking traffic.
    Ready,
    /// Told to stop, but still answering requests.
    Stopping,
}

/// The current stage. It only moves forward.
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

impl Readiness {
    /// The stage now.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.0.load(Ordering::Acquire) {
            0 => Stage::Starting,
            1 => Stage::Ready,
            _ => Stage::Stopping,
        }
    }

    /// Moves to `stage`, unless a later one was reached before.
    pub fn advance(&self, stage: Stage) {
        self.0.fetch_max(stage as u8, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_stops_is_never_ready_again() {
        let readiness = Readiness::default();
        assert_eq!(readiness.stage(), Stage::Starting);
        readiness.advance(Stage::Stopping);
        readiness.advance(Stage::Ready);
        assert_eq!(readiness.stage(), Stage::Stopping);
    }
}
