//! The one place where causes become problems. It must not know how a problem is written.

use actix_web::{HttpRequest, http::StatusCode};

use super::{
    excerpt::excerpt, passed::Passed, problem::Problem, problem_kind::ProblemKind,
    query_error::QueryError,
};
use crate::{
    compose,
    fanout::{Blame, Choice, PlanError, Verdict},
};

impl From<Blame> for Problem {
    fn from(blame: Blame) -> Self {
        let detail = match blame {
            Blame::Time => "the awaited calls did not succeed in time",
            Blame::Upstream => "the awaited calls can't succeed: see the results",
        };
        Self::new(ProblemKind::from(blame), detail)
    }
}

impl Problem {
    /// Returns the problem of a path where no route matches.
    pub(super) fn not_found(request: &HttpRequest) -> Self {
        let detail = format!("there is nothing at `{}`", excerpt(request.path()));
        Self::new(ProblemKind::NotFound, detail)
    }

    /// Returns the problem of a run, if it is one. A status that is passed on takes precedence over the run's failure,
    /// as its client can act on it.
    pub(super) fn of_run(verdict: Verdict, passed: Option<&Passed<'_>>) -> Option<Self> {
        match (passed, verdict) {
            (Some(passed), _) => {
                let problem = Self::passed(passed.call, passed.status);
                Some(problem.with_fields(passed.fields()))
            }
            (None, Verdict::Failed(blame)) => Some(blame.into()),
            (None, Verdict::Complete | Verdict::Partial) => None,
        }
    }

    /// Returns the problem of a run whose results don't make the answer's value.
    pub(super) fn not_computed(reason: &str) -> Self {
        let detail = format!("the answer's `shape` has no value: {reason}");
        Self::new(ProblemKind::UpstreamFailed, detail)
    }

    /// Returns the problem whose status is that of an upstream, received by the call of this name.
    pub(crate) fn passed(call: &str, status: StatusCode) -> Self {
        let reason = status.canonical_reason().unwrap_or_default();
        let detail = format!(
            "the call `{call}` was answered with {} {reason}",
            status.as_str()
        );
        Self::new(ProblemKind::UpstreamStatus, detail.trim_end().to_owned()).with_status(status)
    }

    /// Returns the problem of a choice that can't be planned. It names the parameter at fault.
    pub(super) fn unplanned(error: &PlanError, choice: &Choice<'_>) -> Self {
        let name = match error {
            PlanError::UnknownCall(_)
            | PlanError::RepeatedCall(_)
            | PlanError::MissingCall { .. } => "calls",
            // The aggregate's own `wait_for` can be met by all of its calls.
            PlanError::QuorumTooLarge { .. } | PlanError::NothingRequired
                if choice.completion.is_none() =>
            {
                "calls"
            }
            PlanError::QuorumTooLarge { .. } | PlanError::NothingRequired => "wait_for",
        };
        let detail = format!("parameter `{name}`: {error}");
        Self::new(ProblemKind::InvalidParameter, detail).with_members(parameter(name))
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let kind = match &error {
            QueryError::Unknown { .. } => ProblemKind::UnknownParameter,
            QueryError::Repeated { .. } => ProblemKind::RepeatedParameter,
            QueryError::Missing { .. } => ProblemKind::MissingParameter,
            QueryError::Empty { .. } => ProblemKind::EmptyParameter,
            QueryError::Invalid { .. } => ProblemKind::InvalidParameter,
        };
        let detail = error.to_string();
        Self::new(kind, detail).with_members(parameter(error.parameter()))
    }
}

/// Returns the member that names the parameter, for programs.
fn parameter(name: &str) -> Vec<u8> {
    let mut members = b"\"parameter\":".to_vec();
    compose::string(&mut members, name);
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_json_with_a_stable_type() {
        let problem = Problem::new(ProblemKind::UnknownParameter, "unknown parameter `a\"b`")
            .with_members(parameter("a\"b"));
        let json = String::from_utf8(problem.json()).unwrap();
        insta::assert_snapshot!(json, @r#"{"type":"urn:gather:problem:unknown-parameter","title":"Unknown parameter","status":400,"detail":"unknown parameter `a\"b`","parameter":"a\"b"}"#);
    }
}
