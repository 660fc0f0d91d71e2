//! The condition that a call has on its reply (`expect`). It must not know how a reply comes.

use crate::{
    expression::{Expression, Unevaluated},
    fanout::{Failure, FailureKind, Reply},
    values::Scope,
};

/// A condition on a reply, with all values that it may refer to beside the reply's own.
pub(super) struct Expectation<'a> {
    pub(super) condition: &'a Expression,
    /// The call's index in its aggregate.
    pub(super) call: usize,
    pub(super) scope: Scope<'a>,
}

impl Expectation<'_> {
    /// Judges a reply.
    ///
    /// # Errors
    /// Fails if it is not what the call expects, or if that can't be said.
    #[cold]
    pub(super) fn judge(&self, reply: &Reply) -> Result<(), Failure> {
        let scope = Scope {
            own: Some((self.call, reply)),
            ..self.scope
        };
        let failure = match self.condition.is_true(&scope) {
            Ok(true) => return Ok(()),
            Ok(false) => Failure::new(
                FailureKind::Unexpected,
                "the answer is not what the call expects",
            ),
            Err(Unevaluated(why)) => Failure::new(
                FailureKind::Unexpected,
                format!("`expect` can't be evaluated: {why}"),
            ),
        };
        Err(failure.with_status(reply.status))
    }
}
