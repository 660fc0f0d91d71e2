//! Checks how clients reach an aggregate: its path, its methods, and the body that they may send. It must not know the
//! calls.

use std::sync::Arc;

use http::Method;

use super::{
    call_values::RawRouteMethod,
    defaults,
    mistake::{KeyPath, nearest},
    quantities::Size,
    raw::RawAggregate,
    review::{Review, Slot},
};
use crate::{
    endpoint::{Clash, ParameterKind, PathParameter, Route, TakenPaths, is_query, may_have_body},
    fanout::PARAMETERS,
};

/// The longest path of a route, in bytes.
const LONGEST: usize = 1024;

/// The kinds of a parameter, by their names.
const KINDS: [&str; 2] = ["int", "uuid"];

/// The way to one aggregate.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) route: Option<Route>,
    /// The names of the route's parameters, in order. Of a refused path, those that it seems to have.
    pub(super) parameters_by_name: Vec<Arc<str>>,
    pub(super) methods: Vec<Method>,
    pub(super) max_request_body: usize,
    /// True if Gather's own query parameters are taken.
    pub(super) parameters: bool,
}

impl Access {
    /// Returns true if a client may send a body.
    pub(super) fn has_body(&self) -> bool {
        self.methods.iter().any(may_have_body)
    }
}

/// Checks the keys of one aggregate. `path` is the aggregate's.
pub(super) fn check(
    name: &Arc<str>,
    path: &KeyPath,
    raw: &RawAggregate,
    taken: &mut TakenPaths,
    review: &mut Review<'_>,
) -> Access {
    let parameters = raw.parameters.unwrap_or(true);
    let at = path.key("path");
    let route = match review.slot(&at, raw.path.as_deref()) {
        Slot::Given(text) => route(&at, text, parameters, review),
        Slot::Absent | Slot::Refused => None,
    };
    if let Some(route) = &route
        && let Err(clash) = taken.take(route, name)
    {
        let hint = match clash {
            Clash::Own { .. } => "expected another path",
            Clash::Other { .. } => "expected a path of its own",
        };
        review.mistake(&at, format!("{clash}; {hint}"));
    }
    let parameters_by_name = match &route {
        Some(route) => (route.parameters.iter())
            .map(|parameter| Arc::clone(&parameter.name))
            .collect(),
        None => raw.path.as_deref().map(seeming).unwrap_or_default(),
    };
    let methods = methods(&path.key("methods"), raw, review);
    let at = path.key("max_request_body");
    let most = review
        .slot(&at, raw.max_request_body.map(|Size(bytes)| bytes))
        .and_then(|bytes| usize::try_from(bytes).ok());
    if matches!(most, Slot::Given(most) if most != defaults::MAX_REQUEST_BODY)
        && !methods.iter().any(may_have_body)
    {
        let message =
            "has no effect, as clients send no body with these `methods`; add \"POST\" or another";
        review.warning(&at, message);
    }
    if raw.compare == Some(true) && !parameters {
        let message = "has no effect, as `parameters = false` takes no `mode`";
        review.warning(&path.key("compare"), message);
    }
    Access {
        route,
        parameters_by_name,
        methods,
        max_request_body: most.unwrap_or(defaults::MAX_REQUEST_BODY),
        parameters,
    }
}

fn methods(path: &KeyPath, raw: &RawAggregate, review: &mut Review<'_>) -> Vec<Method> {
    let entries = match review.slot(path, raw.methods.as_ref()) {
        Slot::Given(entries) => entries,
        Slot::Absent | Slot::Refused => return defaults::METHODS.to_vec(),
    };
    if entries.is_empty() {
        let message = r#"found an empty list, expected methods such as ["GET", "POST"]"#;
        review.mistake(path, message);
    }
    let mut methods: Vec<Method> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let Some(method) = entry.map(|raw: RawRouteMethod| Method::from(raw)) else {
            continue;
        };
        let beside = |other: &Method| methods.contains(other);
        let refusal = match method {
            _ if beside(&method) => format!("{method} is listed twice"),
            Method::POST if methods.iter().any(is_query) => WITH_POST.to_owned(),
            _ if is_query(&method) && beside(&Method::POST) => WITH_POST.to_owned(),
            _ => {
                methods.push(method);
                continue;
            }
        };
        review.mistake(&path.index(index), refusal);
    }
    methods
}

const WITH_POST: &str =
    "QUERY takes the same by POST, so the two can't be told apart; take one of them out";

/// Reads the path of a route.
fn route(path: &KeyPath, text: &str, takes_own: bool, review: &mut Review<'_>) -> Option<Route> {
    let Some(rest) = text.strip_prefix('/') else {
        let message = "expected a path that begins with `/`, such as \"/users/{id:int}/home\"";
        review.mistake(path, message);
        return None;
    };
    let mut mistakes = Vec::new();
    if text.len() > LONGEST {
        mistakes.push(format!("expected at most {LONGEST} bytes"));
    }
    let mut parameters: Vec<PathParameter> = Vec::new();
    for segment in rest.split('/').filter(|_| !rest.is_empty()) {
        let inside = segment
            .strip_prefix('{')
            .and_then(|inside| inside.strip_suffix('}'));
        let read = match inside {
            Some(inside) if !inside.contains(['{', '}']) => parameter(inside).map(Some),
            _ => literal(segment).map(|()| None),
        };
        match read {
            Ok(Some(parameter)) if parameters.iter().any(|it| it.name == parameter.name) => {
                let message = format!("the parameter `{}` is written twice", parameter.name);
                mistakes.push(message);
            }
            Ok(Some(parameter)) if takes_own && PARAMETERS.contains(&&*parameter.name) => {
                mistakes.push(format!(
                    "the parameter `{}` has the name of one of Gather's own query parameters, as which it is also taken; use \
                     another name, or set `parameters = false`",
                    parameter.name
                ));
            }
            Ok(parameter) => parameters.extend(parameter),
            Err(message) => mistakes.push(message),
        }
    }
    let is_good = mistakes.is_empty();
    for message in mistakes {
        review.mistake(path, message);
    }
    is_good.then(|| Route {
        path: text.into(),
        parameters,
    })
}

/// Returns the names after the braces of a path that was refused, so that nothing else is refused because of it.
fn seeming(text: &str) -> Vec<Arc<str>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let after = text.split('{').skip(1);
    let names = after.map(|after| &after[..after.find(|c| !is_part(c)).unwrap_or(after.len())]);
    names
        .filter(|name| !name.is_empty())
        .map(Arc::from)
        .collect()
}

/// Reads the inside of the braces of a parameter.
fn parameter(inside: &str) -> Result<PathParameter, String> {
    let (name, kind) = match inside.split_once(':') {
        Some((name, kind)) => (name, Some(kind)),
        None => (inside, None),
    };
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_name = name.starts_with(is_letter)
        && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
        && name.len() <= 64;
    if name.is_empty() {
        return Err("found a parameter without a name, expected one such as `{id}`".to_owned());
    }
    if !is_name {
        return Err(format!(
            "found the parameter `{name}`, expected a name of letters, digits and _, at most 64 long"
        ));
    }
    let kind = match kind {
        None => ParameterKind::Text,
        Some("int") => ParameterKind::Int,
        Some("uuid") => ParameterKind::Uuid,
        Some(other) => {
            let hint = match nearest(other, KINDS) {
                Some(meant) => format!(", did you mean `{meant}`?"),
                None => ", expected `int`, `uuid` or none".to_owned(),
            };
            return Err(format!(
                "the parameter `{name}` has the unknown kind `{other}`{hint}"
            ));
        }
    };
    Ok(PathParameter {
        name: name.into(),
        kind,
    })
}

/// Checks a segment that stands for itself.
fn literal(segment: &str) -> Result<(), String> {
    let dots = segment.to_ascii_lowercase().replace("%2e", ".");
    match &*dots {
        "" => {
            return Err(
                "found an empty segment: no `//` in a path, and no `/` at its end".to_owned(),
            );
        }
        "." | ".." => {
            return Err(format!(
                "found the segment `{segment}`, which no path keeps"
            ));
        }
        _ => {}
    }
    for (place, found) in segment.char_indices() {
        let rest = &segment.as_bytes()[place + 1..];
        let is_escape = || {
            rest.get(..2)
                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        };
        match found {
            '{' | '}' => {
                return Err(format!(
                    "found `{segment}`: a parameter is a whole segment, such as `/{{id}}/`"
                ));
            }
            '?' | '#' => {
                return Err(format!(
                    "found `{found}`: a route is a path alone, and query parameters are taken by `{{query.NAME}}`"
                ));
            }
            '%' if is_escape() => {}
            '%' => {
                return Err(
                    "found `%` without two hexadecimal digits after it; the character itself is %25"
                        .to_owned(),
                );
            }
            _ if found.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@".contains(found) => {}
            _ => {
                let shown = found.escape_debug();
                return Err(format!(
                    "found `{shown}`, which no path has; expected its escape"
                ));
            }
        }
    }
    Ok(())
}
