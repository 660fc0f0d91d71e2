//! References as a configuration writes them. It checks every name that they use. It must not know the values.

use std::sync::Arc;

use http::HeaderName;

use super::{Known, Part, Reference, ReferenceError, Root};
use crate::{
    pick::{Path, Step, quoted},
    spelling::nearest,
};

/// The parts of a call's result.
const PARTS: [&str; 5] = ["body", "headers", "status", "ok", "failure"];

impl Reference {
    /// Reads a reference without braces, such as `users.body.items[0]`.
    ///
    /// # Errors
    /// Fails if it is no reference, or uses a name that is not known at this place.
    pub fn parse(text: &str, known: &Known<'_>) -> Result<Self, ReferenceError> {
        let text = text.trim();
        let (reference, rest) = Self::read(text, known)?;
        match rest.chars().next() {
            None => Ok(reference),
            Some(stray) => Err(stray_after(&reference.text, stray)),
        }
    }

    /// Reads the reference at the start of a text. Returns it and the rest of the text.
    ///
    /// # Errors
    /// Fails if there is none, or if it uses a name that is not known at this place.
    pub fn read<'t>(text: &'t str, known: &Known<'_>) -> Result<(Self, &'t str), ReferenceError> {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        if name.is_empty() {
            return Err(error(match text.chars().next() {
                None => "a reference is missing".to_owned(),
                Some(next) => format!("`{next}` begins no reference"),
            }));
        }
        let (root, path, rest) = root(name, rest, known)?;
        let text = Arc::from(&text[..text.len() - rest.len()]);
        Ok((Self { text, root, path }, rest))
    }
}

fn error(message: impl Into<String>) -> ReferenceError {
    ReferenceError(message.into())
}

fn stray_after(text: &str, stray: char) -> ReferenceError {
    error(match stray {
        '-' => format!(
            "`-` after `{text}`: a name with other characters than letters, digits and `_` is written `[\"x-y\"]`"
        ),
        _ => format!("`{stray}` after `{text}` is no part of a reference"),
    })
}

/// Reads what follows the first name.
fn root<'t>(
    name: &str,
    rest: &'t str,
    known: &Known<'_>,
) -> Result<(Root, Path, &'t str), ReferenceError> {
    if matches!(name, "path" | "query" | "headers" | "body") && !known.has_client {
        return Err(error(format!(
            "`{name}` is of the client's request, which can't be used here"
        )));
    }
    match name {
        "path" => {
            let (parameter, rest) = member(name, rest)?;
            let index = path_parameter(&parameter, known)?;
            whole(Root::Path(index), &format!("path.{parameter}"), rest)
        }
        "query" => {
            let (parameter, rest) = member(name, rest)?;
            let (path, rest) = steps(rest)?;
            match path.steps() {
                [] | [Step::Index(_) | Step::Every] => {
                    Ok((Root::Query(parameter.into()), path, rest))
                }
                _ => Err(error(format!(
                    "`query.{parameter}` is text, or a list of texts: `{path}` is no part of it"
                ))),
            }
        }
        "headers" => {
            let (field, rest) = field(name, rest)?;
            let text = format!("headers.{field}");
            whole(Root::Header(field), &text, rest)
        }
        "body" if !known.has_body => Err(error(
            "`body` is the body of the client's request, which has none here: POST, PUT, PATCH and QUERY have one",
        )),
        "item" | "index" if !known.in_each => Err(error(format!(
            "`{name}` is only in the request and in the `expect` of a call with `each`"
        ))),
        "index" => whole(Root::Index, name, rest),
        "body" | "item" => {
            let (path, rest) = steps(rest)?;
            let root = if name == "body" {
                Root::Body
            } else {
                Root::Item
            };
            Ok((root, path, rest))
        }
        _ => call(name, rest, known),
    }
}

/// Reads what follows the name of a call.
fn call<'t>(
    name: &str,
    rest: &'t str,
    known: &Known<'_>,
) -> Result<(Root, Path, &'t str), ReferenceError> {
    let Some(index) = known.calls.iter().position(|call| &**call == name) else {
        return Err(unknown_root(name, known));
    };
    if known.own == Some(index) && !known.own_result {
        return Err(error(format!(
            "`{name}` is this call itself, which has no result yet"
        )));
    }
    let Some(rest) = rest.strip_prefix('.') else {
        return Err(error(format!(
            "`{name}` is a call: name a part of its result, such as `{name}.body`"
        )));
    };
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
    let (part, rest) = rest.split_at(end.unwrap_or(rest.len()));
    let text = format!("{name}.{part}");
    let (part, path, rest) = match part {
        "body" => {
            let (path, rest) = steps(rest)?;
            (Part::Body, path, rest)
        }
        "headers" => {
            let (field, rest) = field(&text, rest)?;
            let text = format!("{text}.{field}");
            return whole(Root::Call(index, Part::Header(field)), &text, rest);
        }
        "status" => return whole(Root::Call(index, Part::Status), &text, rest),
        "ok" => return whole(Root::Call(index, Part::Ok), &text, rest),
        "failure" => return whole(Root::Call(index, Part::Failure), &text, rest),
        _ => {
            return Err(unknown_part(name, part));
        }
    };
    Ok((Root::Call(index, part), path, rest))
}

/// Returns the mistake of a part that no result has. A short word is more often a member of the answer than a misspelt
/// part.
fn unknown_part(name: &str, part: &str) -> ReferenceError {
    const SHORTEST: usize = 4;
    let near = nearest(part, PARTS).filter(|_| part.len() >= SHORTEST);
    let meant = match near {
        _ if part.is_empty() => ".".to_owned(),
        Some(meant) => format!(", did you mean `{meant}`?"),
        None => format!(", did you mean `{name}.body.{part}`?"),
    };
    error(format!(
        "a call's result has no `{part}`{meant} It has `body`, `headers.NAME`, `status`, `ok` and `failure`"
    ))
}

fn unknown_root(name: &str, known: &Known<'_>) -> ReferenceError {
    let mut roots = Vec::new();
    if known.has_client {
        roots.extend(["path", "query", "headers"]);
        roots.extend(known.has_body.then_some("body"));
    }
    if known.in_each {
        roots.extend(["item", "index"]);
    }
    let own = known.own.filter(|_| !known.own_result);
    let calls = known.calls.iter().enumerate();
    let calls = calls.filter(|(index, _)| Some(*index) != own);
    let names = roots.iter().copied().chain(calls.map(|(_, call)| &**call));
    let is_parameter = known.has_client && known.path.iter().any(|own| &**own == name);
    let meant = match is_parameter {
        true => Some(format!("path.{name}")),
        false => nearest(name, names).map(str::to_owned),
    };
    let meant = meant.map(|meant| format!(", did you mean `{meant}`?"));
    let others = match roots.split_last() {
        None => String::new(),
        Some((last, [])) => format!(", nor `{last}`"),
        Some((last, before)) => format!(", nor `{}` or `{last}`", before.join("`, `")),
    };
    error(format!(
        "`{name}` is no call of this aggregate{others}{}",
        meant.unwrap_or_default()
    ))
}

fn path_parameter(name: &str, known: &Known<'_>) -> Result<usize, ReferenceError> {
    let found = known.path.iter().position(|own| &**own == name);
    found.ok_or_else(|| {
        let names = known.path.iter().map(|own| &**own);
        let meant = nearest(name, names).map(|meant| format!(", did you mean `{meant}`?"));
        let none = match known.path.is_empty() {
            true => format!(": it has none; write it as `{{{name}}}` in the aggregate's `path`"),
            false => String::new(),
        };
        error(format!(
            "the route has no parameter `{name}`{}",
            meant.unwrap_or(none)
        ))
    })
}

/// Reads the name after `path`, `query` or `headers`: `.name`, in which hyphens are allowed, or `["name"]`.
fn member<'t>(before: &str, text: &'t str) -> Result<(String, &'t str), ReferenceError> {
    if let Some(text) = text.strip_prefix('.') {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '@');
        let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        if !name.is_empty() {
            return Ok((name.to_owned(), rest));
        }
    } else if let Some((name, rest)) = text.strip_prefix('[').and_then(quoted)
        && let Some(rest) = rest.strip_prefix(']')
    {
        return Ok((name, rest));
    }
    Err(error(format!(
        "a name is missing after `{before}`, such as `{before}.id` or `{before}[\"x.y\"]`"
    )))
}

/// Reads the name of a header field.
fn field<'t>(before: &str, text: &'t str) -> Result<(HeaderName, &'t str), ReferenceError> {
    let (name, rest) = member(before, text)?;
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(name) => Ok((name, rest)),
        Err(_) => Err(error(format!("`{name}` is no name of a header field"))),
    }
}

fn steps(text: &str) -> Result<(Path, &str), ReferenceError> {
    Path::read(text).map_err(|wrong| ReferenceError(wrong.0))
}

/// Checks that no step follows a value that has no parts.
fn whole<'t>(
    root: Root,
    text: &str,
    rest: &'t str,
) -> Result<(Root, Path, &'t str), ReferenceError> {
    if rest.starts_with(['.', '[']) {
        return Err(error(format!("`{text}` has no parts")));
    }
    Ok((root, Path::default(), rest))
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
