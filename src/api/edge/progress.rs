//! Whether a request of a connection is being answered, as its handler lets the connection's edge know.

use std::{cell::Cell, rc::Rc};

/// Counts the requests of one connection that are being answered.
#[derive(Debug, Default)]
pub struct Progress {
    answering: Cell<usize>,
}

impl Progress {
    /// Counts a request as being answered, until the result is dropped.
    pub(in crate::api) fn answering(self: &Rc<Self>) -> Answering {
        self.answering.set(self.answering.get() + 1);
        Answering(Rc::clone(self))
    }

    /// Whether some request is being answered now.
    pub(super) const fn is_answering(&self) -> bool {
        self.answering.get() > 0
    }
}

/// One request that is being answered.
#[derive(Debug)]
pub(in crate::api) struct Answering(Rc<Progress>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.set(self.0.answering.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_request_is_no_longer_answered() {
        let progress = Rc::new(Progress::default());
        let (one, two) = (progress.answering(), progress.answering());
        drop(one);
        assert!(progress.is_answering());
        drop(two);
        assert!(!progress.is_answering());
    }
}
