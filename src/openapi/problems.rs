//! Problems: the schema of their bodies, and an answer for each status with an example of each kind. It must not know
//! what causes them.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema},
};

use super::{components::reference, examples, headers};
use crate::{
    api::ProblemKind,
    compose::types::{Comparison, Run},
};

/// A problem's type.
#[derive(Debug, Deserialize)]
struct ProblemType(#[expect(dead_code, reason = "a shape, not a value")] String);

impl PartialSchema for ProblemType {
    fn schema() -> RefOr<Schema> {
        let all = ProblemKind::names().map(|name| format!("urn:gather:problem:{name}"));
        ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::String)
            .description(Some("The kind of the problem. It doesn't change."))
            .enum_values(Some(all))
            .into()
    }
}

impl ToSchema for ProblemType {}

/// A problem (RFC 9457).
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "a shape, not a value")]
struct Problem {
    #[serde(rename = "type")]
    kind: ProblemType,
    /// The kind in words.
    title: String,
    /// The answer's status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// One sentence for a person, which names the thing.
    detail: String,
    /// The parameter that it is about, if it is about one.
    #[schema(nullable = false)]
    parameter: Option<String>,
}

/// The reason why `/readyz` answers 503.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "a shape, not a value")]
struct NotReady {
    #[serde(flatten)]
    problem: Problem,
    /// `false`.
    ready: bool,
    reason: Reason,
}

/// The stage in which the gateway takes no traffic.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Reason {
    Starting,
    Stopping,
}

/// A run that failed, or whose answer has an upstream's status: the problem, and the run's own members beside it.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "a shape, not a value")]
struct FailedRun {
    #[serde(flatten)]
    problem: Problem,
    #[serde(flatten)]
    run: Run,
}

/// A comparison that failed, or whose answer has an upstream's status: the problem, and both runs beside it.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "a shape, not a value")]
struct FailedComparison {
    #[serde(flatten)]
    problem: Problem,
    #[serde(flatten)]
    runs: Comparison,
}

/// Adds the schema of a type, and those of the types in it.
pub(super) fn put<T: ToSchema>(all: &mut Vec<(String, RefOr<Schema>)>) {
    all.push((T::name().into_owned(), T::schema()));
    T::schemas(all);
}

pub(super) fn put_schemas(all: &mut Vec<(String, RefOr<Schema>)>) {
    put::<Problem>(all);
    put::<NotReady>(all);
    put::<FailedRun>(all);
    put::<FailedComparison>(all);
}

/// The problems of one status, by the name of the component that describes them.
type Group = (&'static str, &'static [ProblemKind]);

/// The problems that any route may answer with.
const ANYWHERE: [Group; 6] = [
    ("RequestTimeout", &[ProblemKind::RequestTimeout]),
    ("BodyTooLarge", &[ProblemKind::BodyTooLarge]),
    ("UriTooLong", &[ProblemKind::UriTooLong]),
    ("HeadTooLarge", &[ProblemKind::HeadTooLarge]),
    ("Internal", &[ProblemKind::Internal]),
    ("VersionNotSupported", &[ProblemKind::VersionNotSupported]),
];

const MALFORMED: Group = (
    "Malformed",
    &[ProblemKind::MalformedRequest, ProblemKind::UnexpectedBody],
);

const NOT_READY: Group = ("NotReady", &[ProblemKind::NotReady]);

const OVERLOADED: Group = ("Overloaded", &[ProblemKind::Overloaded]);

/// The problems of an aggregate's request.
const BAD_REQUEST: Group = (
    "BadRequest",
    &[
        ProblemKind::MalformedRequest,
        ProblemKind::UnknownParameter,
        ProblemKind::RepeatedParameter,
        ProblemKind::EmptyParameter,
        ProblemKind::InvalidParameter,
        ProblemKind::UnexpectedBody,
    ],
);

/// The problems of a request for an aggregate whose route has parameters.
const BAD_PARAMETERS: Group = (
    "BadParameters",
    &[
        ProblemKind::MalformedRequest,
        ProblemKind::UnknownParameter,
        ProblemKind::RepeatedParameter,
        ProblemKind::EmptyParameter,
        ProblemKind::InvalidParameter,
        ProblemKind::MissingParameter,
        ProblemKind::UnexpectedBody,
    ],
);

/// The problems of a request for an aggregate that takes a body.
const BAD_BODY: Group = (
    "BadBody",
    &[
        ProblemKind::MalformedRequest,
        ProblemKind::UnknownParameter,
        ProblemKind::RepeatedParameter,
        ProblemKind::EmptyParameter,
        ProblemKind::InvalidParameter,
        ProblemKind::MissingParameter,
        ProblemKind::InvalidBody,
    ],
);

const UNSUPPORTED: Group = ("UnsupportedMediaType", &[ProblemKind::UnsupportedMediaType]);

/// The kinds of routes, by the problems that they may answer with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Route {
    Aggregate,
    /// An aggregate whose own route has parameters.
    WithParameters,
    /// An aggregate that takes a body.
    WithBody,
    Readiness,
    Other,
}

impl Route {
    fn groups(self) -> impl Iterator<Item = Group> {
        let own: &[Group] = match self {
            Self::Aggregate => &[BAD_REQUEST, OVERLOADED],
            Self::WithParameters => &[BAD_PARAMETERS, OVERLOADED],
            Self::WithBody => &[BAD_BODY, UNSUPPORTED, OVERLOADED],
            Self::Readiness => &[MALFORMED, NOT_READY],
            Self::Other => &[MALFORMED],
        };
        own.iter().copied().chain(ANYWHERE)
    }
}

fn title(kinds: &[ProblemKind]) -> String {
    let names: Vec<_> = kinds
        .iter()
        .map(|kind| format!("`{}`", kind.name()))
        .collect();
    format!("A problem: {}.", names.join(", "))
}

fn fields(kinds: &[ProblemKind]) -> Value {
    let unavailable = kinds.iter().any(|kind| kind.status() == 503);
    let retry: &[&str] = if unavailable { &["Retry-After"] } else { &[] };
    let always = [&["X-Request-Id", "Cache-Control"], retry].concat();
    let sometimes: &[&str] = match kinds {
        [ProblemKind::UnsupportedMediaType] => &["Accept", "Accept-Query", "Accept-Encoding"],
        _ => &[],
    };
    headers::of(&always, sometimes)
}

/// Returns the answers, as components.
pub(super) fn responses() -> Map<String, Value> {
    let own = [
        MALFORMED,
        BAD_REQUEST,
        BAD_PARAMETERS,
        BAD_BODY,
        UNSUPPORTED,
        NOT_READY,
        OVERLOADED,
    ];
    own.into_iter()
        .chain(ANYWHERE)
        .map(|(name, kinds)| {
            let schema = match name {
                "NotReady" => reference("schemas", "NotReady"),
                _ => reference("schemas", "Problem"),
            };
            let examples: Map<_, _> = kinds
                .iter()
                .map(|kind| {
                    let example = json!({"value": examples::problem(*kind)});
                    (kind.name().to_owned(), example)
                })
                .collect();
            let response = json!({
                "description": title(kinds),
                "headers": fields(kinds),
                "content": {"application/problem+json": {"schema": schema, "examples": examples}},
            });
            (name.to_owned(), response)
        })
        .collect()
}

/// Returns a route's problems by status. Answers to HEAD have no body.
pub(super) fn of(route: Route, head: bool) -> Map<String, Value> {
    route
        .groups()
        .map(|(name, kinds)| {
            let status = kinds.first().map(|kind| kind.status().as_str().to_owned());
            let response = match head {
                true => json!({"description": title(kinds), "headers": fields(kinds)}),
                false => reference("responses", name),
            };
            (status.unwrap_or_default(), response)
        })
        .collect()
}
