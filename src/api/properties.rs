//! Properties of every query, whatever its contents. A query is accepted, or refused with a 400 that names one of its
//! parameters. Its choices stay within what is allowed. Only declared parameters are passed on, and nothing is smuggled
//! along with them. It must not know who makes the queries.

use std::{borrow::Cow, num::NonZeroUsize, rc::Rc, time::Duration};

use http::Uri;
use tokio::time::Instant;

use super::{
    problem::Problem,
    query::{Declared, Query, Run, preferred_wait},
    query_error::QueryError,
};
use crate::{
    duration,
    fanout::{
        Aggregate, Mode, PARAMETERS, PolicySettings,
        fixture::{self, Scripted, call, policy},
    },
};

/// The parameters that the aggregate's calls declare. A configuration may declare any text but the empty one and
/// Gather's own names.
const DECLARED: [&str; 4] = ["id", "q", "a b", "x&y=#\r\nz"];

/// The configured deadline, and the limit that `Prefer: wait` sets.
const DEADLINE: Duration = Duration::from_secs(10);
const PREFERRED: Duration = Duration::from_secs(2);

/// Reads `bytes` as a query, a preference and a duration.
///
/// # Panics
/// Panics if a property does not hold.
pub fn query(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    check_texts(&text);
    let mut declared = DECLARED.map(str::to_owned);
    declared.sort_unstable();
    let pairs: Vec<_> = form_urlencoded::parse(text.as_bytes()).collect();
    let parameters = Declared {
        own: true,
        forwarded: &declared,
        path: &[],
    };
    match Query::parse(&text, parameters) {
        Ok(query) => {
            check_taken(&query, &pairs);
            check_forwarded(&query, &text, &declared);
            check_choice(&query, &pairs);
        }
        Err(error) => check_refusal(error, &pairs),
    }
}

type Pairs<'a> = [(Cow<'a, str>, Cow<'a, str>)];

fn value<'a>(pairs: &'a Pairs<'_>, name: &str) -> Option<&'a str> {
    let pair = pairs.iter().find(|(own, _)| own == name)?;
    Some(&pair.1)
}

/// Checks the two other readers.
fn check_texts(text: &str) {
    if let Some(seconds) = preferred_wait(text) {
        assert!(seconds > 0 && text.contains('='));
    }
    if let Some(duration) = duration::parse(text) {
        let written = humantime::format_duration(duration).to_string();
        assert_eq!(duration::parse(&written), Some(duration), "{written}");
    }
}

fn check_refusal(error: QueryError, pairs: &Pairs<'_>) {
    let name = error.parameter().to_owned();
    assert!(pairs.iter().any(|(given, _)| *given == name), "{name:?}");
    if !matches!(error, QueryError::Unknown { .. }) {
        assert!(PARAMETERS.contains(&&*name));
    }
    let detail = error.to_string();
    let begin: String = name.chars().take(100).collect();
    assert!(detail.contains(&begin), "{detail}");
    check_problem(&error.into(), &name);
}

fn check_problem(problem: &Problem, name: &str) {
    assert_eq!(problem.kind().status(), http::StatusCode::BAD_REQUEST);
    let json: serde_json::Value = serde_json::from_slice(&problem.json()).expect("valid JSON");
    assert_eq!(json["parameter"], name);
    assert_eq!(json["status"], 400);
}

/// Checks that each parameter is one of Gather's own, given once and with a value, or is declared.
fn check_taken(query: &Query<'_>, pairs: &Pairs<'_>) {
    for (name, value) in pairs {
        if PARAMETERS.contains(&&**name) {
            assert!(!value.is_empty());
            let times = pairs.iter().filter(|(other, _)| other == name).count();
            assert!(
                times == 1 || name == "calls",
                "{name} is given more than once"
            );
        } else {
            assert!(DECLARED.contains(&&**name), "{name:?} is not declared");
        }
    }
    let run = match value(pairs, "mode") {
        None => Run::Once(None),
        Some("compare") => Run::Compare,
        Some("sequential" | "sync") => Run::Once(Some(Mode::Sequential)),
        Some("concurrent" | "async") => Run::Once(Some(Mode::Concurrent)),
        Some(other) => panic!("no mode: {other:?}"),
    };
    assert_eq!(query.run, run);
}

/// Checks that the declared pairs are passed on in order and unchanged. After an upstream's own query they keep their
/// meaning.
fn check_forwarded(query: &Query<'_>, text: &str, declared: &[String]) {
    let expected: Vec<_> = form_urlencoded::parse(text.as_bytes())
        .filter(|(name, _)| declared.iter().any(|known| known == name))
        .collect();
    assert_eq!(query.forwarded.len(), expected.len());
    for ((name, pair), (given, value)) in query.forwarded.iter().zip(&expected) {
        assert_eq!(name, given);
        let decoded: Vec<_> = form_urlencoded::parse(pair.as_bytes()).collect();
        assert_eq!(decoded, [(given.clone(), value.clone())]);
    }
    // The rest applies only to texts that can be a request's query.
    let target: Result<Uri, _> = format!("/aggregate?{text}").parse();
    if target.is_ok_and(|target| target.query() == Some(text)) {
        let mut target = "http://upstream/ping?own=1".to_owned();
        for (_, pair) in &query.forwarded {
            let odd = |byte: u8| byte <= b' ' || byte == 0x7f || matches!(byte, b'&' | b'#');
            assert!(!pair.bytes().any(odd), "{pair:?}");
            target.push('&');
            target.push_str(pair);
        }
        let sent: Uri = target.parse().expect("a URL");
        assert_eq!(sent.to_string(), target, "nothing was dropped");
        let mut sent = form_urlencoded::parse(sent.query().unwrap_or_default().as_bytes());
        assert_eq!(sent.next(), Some(("own".into(), "1".into())));
        assert!(sent.eq(expected));
    }
}

/// Makes an aggregate with three calls that are never made.
fn aggregate() -> Aggregate<Scripted> {
    let upstream = Rc::new(Scripted::new([]));
    let policy = policy(PolicySettings::default());
    let calls = ["a", "b", "c"].map(|name| call(name, &upstream, &policy));
    let mut aggregate = fixture::aggregate(calls);
    aggregate.rules.concurrency = NonZeroUsize::new(2).expect("two");
    aggregate.rules.deadline = DEADLINE;
    aggregate
}

/// Checks that a choice only narrows what the aggregate allows, or is refused by the name of its parameter.
fn check_choice(query: &Query<'_>, pairs: &Pairs<'_>) {
    let alone = query.choice(None);
    let given = value(pairs, "timeout").and_then(duration::parse);
    assert_eq!(alone.timeout, given);
    let choice = query.choice(Some(PREFERRED));
    assert!(choice.timeout <= given.map_or(Some(PREFERRED), |given| Some(given.min(PREFERRED))));
    assert!(choice.timeout > Some(Duration::ZERO));
    if let Some(calls) = &choice.calls {
        let given = pairs.iter().filter(|(name, _)| name == "calls");
        let given: Vec<_> = given.map(|(_, value)| &**value).collect();
        assert_eq!(calls.join(","), given.join(","));
        assert!(calls.iter().all(|call| !call.is_empty()));
    }
    let aggregate = aggregate();
    let began = Instant::now();
    let deadline = aggregate.deadline(&choice, began);
    assert!(deadline > began && deadline <= began + PREFERRED);
    for mode in [Mode::Sequential, Mode::Concurrent] {
        if let Err(error) = aggregate.plan(&choice, mode, deadline) {
            let problem = Problem::unplanned(&error, &choice);
            let is_its_fault = |name: &&str| value(pairs, name).is_some();
            let name = ["calls", "wait_for"]
                .into_iter()
                .filter(is_its_fault)
                .find(|name| problem.to_string().contains(&format!("`{name}`")))
                .expect("a parameter that was given");
            check_problem(&problem, name);
        }
    }
}
