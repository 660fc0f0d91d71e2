//! The shapes of the answers, as types: for the OpenAPI document, which describes them, and for the commands, which
//! read them. `json` and `stream` write without them. A test (`tests/api/openapi.rs`) checks their output against these
//! types. It must not know how the answers are made.
//!
//! An upstream's JSON is skipped, as not all of it can be made into a value. serde's `untagged`, and `flatten` around a
//! call's result, would try to. They are there for the schemas alone, and `try_from` says how the shape is read.
#![expect(
    missing_docs,
    reason = "what a type says of itself is not said again of a field"
)]

mod elements;
mod merged;
mod words;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, Ref, RefOr, Schema, schema::OneOfBuilder},
};

pub use self::{
    elements::{ElementFailure, Elements},
    merged::CallFailure,
    words::{FailureClass, RunMode, RunOutcome},
};

/// The members that all answers of one run have.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Summary {
    /// The aggregate's name.
    pub aggregate: String,
    pub mode: RunMode,
    pub outcome: RunOutcome,
    /// The time of the whole run, in milliseconds.
    #[schema(minimum = 0.0)]
    pub elapsed_ms: f64,
    /// The sum of the calls' times, in milliseconds. It is the time that they take one after another, if none of them
    /// was cut off.
    #[schema(minimum = 0.0)]
    pub sequential_ms: f64,
}

/// One run of an aggregate.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Run {
    #[serde(flatten)]
    pub summary: Summary,
    /// One result for each call, in plan order.
    #[schema(min_items = 1)]
    pub results: Vec<CallReport>,
}

/// The result of one call.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(untagged, try_from = "CallMembers")]
#[schema(as = CallResult)]
pub enum CallReport {
    Succeeded(Succeeded),
    Failed(Failed),
}

impl CallReport {
    /// Returns the members that each result has.
    #[must_use]
    pub const fn times(&self) -> &CallTimes {
        match self {
            Self::Succeeded(call) => &call.times,
            Self::Failed(call) => &call.times,
        }
    }
}

/// All members that a call's result may have, for reading it.
#[derive(Deserialize)]
struct CallMembers {
    name: String,
    ok: bool,
    status: Option<u16>,
    start_ms: f64,
    elapsed_ms: f64,
    attempts: u32,
    hedges: Option<u32>,
    #[serde(default)]
    body: IgnoredAny,
    content_type: Option<String>,
    content_encoding: Option<String>,
    encoding: Option<Encoding>,
    failure: Option<FailureClass>,
    detail: Option<String>,
    fallback: Option<bool>,
    each: Option<Elements>,
}

impl TryFrom<CallMembers> for CallReport {
    type Error = &'static str;

    fn try_from(call: CallMembers) -> Result<Self, Self::Error> {
        let times = CallTimes {
            name: call.name,
            start_ms: call.start_ms,
            elapsed_ms: call.elapsed_ms,
            attempts: call.attempts,
            hedges: call.hedges,
            each: call.each,
        };
        if call.ok {
            return Ok(Self::Succeeded(Succeeded {
                times,
                ok: true,
                status: call.status.ok_or("a call succeeded without a status")?,
                body: call.body,
                content_type: call.content_type,
                content_encoding: call.content_encoding,
                encoding: call.encoding,
            }));
        }
        Ok(Self::Failed(Failed {
            times,
            ok: false,
            status: call.status,
            failure: call.failure.ok_or("a call failed without a failure")?,
            detail: call.detail.ok_or("a call failed without a detail")?,
            fallback: call.fallback,
            body: call.fallback.map(|_| call.body),
        }))
    }
}

/// The members that every call's result has.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct CallTimes {
    /// The call's name in its aggregate.
    pub name: String,
    /// The call's start, in milliseconds from the run's beginning. For a call that never began, the moment at which it
    /// was given up.
    #[schema(minimum = 0.0)]
    pub start_ms: f64,
    /// The call's time, in milliseconds, with all attempts and pauses; 0 for a call that never began.
    #[schema(minimum = 0.0)]
    pub elapsed_ms: f64,
    /// The number of attempts sent, retries and hedges included; 0 for a call that never began or was refused.
    pub attempts: u32,
    /// The number of them that were sent beside a slow attempt, if any were.
    #[schema(minimum = 1, nullable = false)]
    pub hedges: Option<u32>,
    /// The counts of a call with one request for each element of a list.
    #[schema(nullable = false)]
    pub each: Option<Elements>,
}

/// A call that succeeded.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct Succeeded {
    #[serde(flatten)]
    pub times: CallTimes,
    #[schema(schema_with = yes)]
    pub ok: bool,
    /// The upstream's status.
    #[schema(minimum = 100, maximum = 999)]
    pub status: u16,
    /// The upstream's body: JSON as it came, a text as a string, other bytes in base64, `null` if there is none.
    #[schema(value_type = Value)]
    pub body: IgnoredAny,
    /// The upstream's `Content-Type`, if the body is not JSON.
    #[schema(nullable = false)]
    pub content_type: Option<String>,
    /// The value of the upstream's `Content-Encoding`, if a body in base64 may still have that encoding.
    #[schema(nullable = false)]
    pub content_encoding: Option<String>,
    #[schema(nullable = false)]
    pub encoding: Option<Encoding>,
}

/// A call that failed.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct Failed {
    #[serde(flatten)]
    pub times: CallTimes,
    #[schema(schema_with = no)]
    pub ok: bool,
    /// The upstream's status, if it sent one.
    #[schema(minimum = 100, maximum = 999, nullable = false)]
    pub status: Option<u16>,
    pub failure: FailureClass,
    /// One sentence for a person.
    pub detail: String,
    #[schema(schema_with = has_fallback)]
    pub fallback: Option<bool>,
    /// The configured value that stands for the call's body, if it has one.
    #[schema(value_type = Value, required = false)]
    pub body: Option<IgnoredAny>,
}

fn has_fallback() -> utoipa::openapi::Object {
    only(
        true,
        "True if `body` is the configured fallback of the call.",
    )
}

fn yes() -> utoipa::openapi::Object {
    only(true, OK)
}

fn no() -> utoipa::openapi::Object {
    only(false, OK)
}

const OK: &str = "Whether the call succeeded.";

fn only(value: bool, text: &str) -> utoipa::openapi::Object {
    ObjectBuilder::new()
        .schema_type(utoipa::openapi::Type::Boolean)
        .description(Some(text))
        .enum_values(Some([value]))
        .build()
}

/// The encoding of a body that is neither JSON nor text.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    Base64,
}

/// Both runs of `mode=compare`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Comparison {
    /// The aggregate's name.
    pub aggregate: String,
    pub mode: CompareMode,
    /// The run of one call after another.
    pub sequential: Run,
    /// The run of all calls together.
    pub concurrent: Run,
    #[schema(schema_with = speedup, required = true)]
    pub speedup: Option<f64>,
}

fn speedup() -> utoipa::openapi::Object {
    use utoipa::openapi::Type;
    let text =
        "How many times faster the concurrent run was; `null` unless both runs were complete.";
    ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::SchemaType::from_iter([
            Type::Number,
            Type::Null,
        ]))
        .description(Some(text))
        .minimum(Some(0.0))
        .build()
}

/// The mode of an answer for which both modes were run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CompareMode {
    Compare,
}

/// A call's result in a stream.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Box<RawValue>")]
pub struct StreamedResult {
    /// The run that it belongs to, in a comparison.
    pub mode: Option<RunMode>,
    /// The call's index in the plan, from 0.
    pub index: u32,
    pub result: CallReport,
}

/// One of two shapes, as for a result without a stream. Generators ignore a choice within a combined schema.
impl PartialSchema for StreamedResult {
    fn schema() -> RefOr<Schema> {
        OneOfBuilder::new()
            .item(Ref::from_schema_name(StreamedSucceeded::name()))
            .item(Ref::from_schema_name(StreamedFailed::name()))
            .description(Some(
                "A call's result as a stream tells it, the moment it is settled.",
            ))
            .into()
    }
}

impl ToSchema for StreamedResult {
    fn schemas(all: &mut Vec<(String, RefOr<Schema>)>) {
        fn put<T: ToSchema>(all: &mut Vec<(String, RefOr<Schema>)>) {
            all.push((T::name().into_owned(), T::schema()));
            T::schemas(all);
        }
        put::<StreamedSucceeded>(all);
        put::<StreamedFailed>(all);
    }
}

/// The position of a streamed call result: its index in the plan, and its run in a comparison.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "a shape, not a value")]
struct StreamedPlace {
    /// The run that it belongs to, in a comparison.
    #[schema(nullable = false)]
    mode: Option<RunMode>,
    /// The call's index in the plan, from 0.
    index: u32,
}

/// A call that succeeded, in a stream.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "a shape, not a value")]
struct StreamedSucceeded {
    #[serde(flatten)]
    place: StreamedPlace,
    #[serde(flatten)]
    call: Succeeded,
}

/// A call that failed, in a stream.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "a shape, not a value")]
struct StreamedFailed {
    #[serde(flatten)]
    place: StreamedPlace,
    #[serde(flatten)]
    call: Failed,
}

impl TryFrom<Box<RawValue>> for StreamedResult {
    type Error = serde_json::Error;

    fn try_from(message: Box<RawValue>) -> Result<Self, Self::Error> {
        #[derive(Deserialize)]
        struct Place {
            mode: Option<RunMode>,
            index: u32,
        }
        let Place { mode, index } = serde_json::from_str(message.get())?;
        let result = serde_json::from_str(message.get())?;
        Ok(Self {
            mode,
            index,
            result,
        })
    }
}

/// The last message of a stream of one run: all members but the results. If the run failed, or its answer would have an
/// upstream's status, it has a problem's members too.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(try_from = "Box<RawValue>")]
pub struct StreamedOutcome {
    #[serde(flatten)]
    pub summary: Summary,
    /// The body of the same answer without a stream, if that is no report and no problem.
    #[schema(value_type = Value, required = false)]
    pub value: Option<Box<RawValue>>,
    #[serde(flatten)]
    pub end: StreamEnd,
}

impl TryFrom<Box<RawValue>> for StreamedOutcome {
    type Error = serde_json::Error;

    fn try_from(message: Box<RawValue>) -> Result<Self, Self::Error> {
        #[derive(Deserialize)]
        struct Shaped<'a> {
            #[serde(borrow)]
            value: &'a RawValue,
        }
        let shaped: Option<Shaped<'_>> = serde_json::from_str(message.get()).ok();
        Ok(Self {
            summary: serde_json::from_str(message.get())?,
            value: shaped.map(|shaped| shaped.value.to_owned()),
            end: serde_json::from_str(message.get())?,
        })
    }
}

/// The last message of a stream of a comparison: all members but the results. If a run failed, or the answer would have
/// an upstream's status, it has a problem's members too.
#[derive(Debug, Deserialize, ToSchema)]
pub struct StreamedComparison {
    /// The aggregate's name.
    pub aggregate: String,
    pub mode: CompareMode,
    pub outcome: RunOutcome,
    /// The time of both runs together, in milliseconds.
    #[schema(minimum = 0.0)]
    pub elapsed_ms: f64,
    /// The sum of the times of all calls of both runs, in milliseconds.
    #[schema(minimum = 0.0)]
    pub sequential_ms: f64,
    /// The run of one call after another.
    pub sequential: Summary,
    /// The run of all calls together.
    pub concurrent: Summary,
    #[schema(schema_with = speedup, required = true)]
    pub speedup: Option<f64>,
    #[serde(flatten)]
    pub end: StreamEnd,
}

/// The members that only the end of a stream can have.
#[derive(Debug, Deserialize, ToSchema)]
pub struct StreamEnd {
    /// The value of the header `Server-Timing` on the same answer without a stream.
    pub server_timing: String,
    /// A problem's type.
    #[serde(rename = "type")]
    #[schema(nullable = false)]
    pub kind: Option<String>,
    /// A problem's title.
    #[schema(nullable = false)]
    pub title: Option<String>,
    /// A problem's status: the one that the answer would have had without a stream.
    #[schema(nullable = false)]
    pub status: Option<u16>,
    /// A problem's one sentence for a person.
    #[schema(nullable = false)]
    pub detail: Option<String>,
}
