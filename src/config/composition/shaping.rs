//! Checks the part of a call's body that goes into the answer: `select`, `keep`, `drop`, `into` and `answer`. It must
//! not know other calls.

use super::{AggregateFacts, Uses, uses};
use crate::{
    compose::{CallShape, Place, Select},
    config::{calls::RawCallTable, mistake::KeyPath, review::Review, values::Texts},
    expression::Expression,
    pick::{Path, PathError, Prune, Step},
    values::{Known, Reference, ReferenceError, Root},
};

/// Returns the part of a call's body that goes into the answer.
pub(super) fn check(
    path: &KeyPath,
    own: usize,
    raw: &RawCallTable,
    facts: &AggregateFacts<'_>,
    uses: &mut Uses,
    review: &mut Review<'_>,
) -> CallShape {
    let is_hidden = raw.answer == Some(false);
    let all = [
        ("select", raw.select.is_some()),
        ("keep", raw.keep.is_some()),
        ("drop", raw.drop.is_some()),
        ("into", raw.into.is_some()),
    ];
    for (key, is_set) in all {
        if is_hidden && is_set {
            let message = "has no effect, as `answer = false` keeps the body out of the answer";
            review.warning(&path.key(key), message);
        }
    }
    let select = select(&path.key("select"), own, raw, facts, uses, review);
    if raw.keep.is_some() && raw.drop.is_some() {
        let message = "`keep` and `drop` are both given: what is not kept is dropped; take one out";
        review.mistake(&path.key("drop"), message);
    }
    let body = PrunedBody {
        call: &facts.names[own],
        is_list: raw.each.is_some() && raw.select.is_none(),
    };
    let kept = pruned(
        &path.key("keep"),
        raw.keep.as_ref(),
        body,
        Prune::keep,
        review,
    );
    let dropped = pruned(
        &path.key("drop"),
        raw.drop.as_ref(),
        body,
        Prune::drop,
        review,
    );
    let into = raw.into.as_deref();
    CallShape {
        select,
        prune: kept.or(dropped),
        into: into.and_then(|text| into_place(&path.key("into"), text, review)),
        is_hidden,
    }
}

/// The body of which only some members are kept.
#[derive(Clone, Copy)]
struct PrunedBody<'a> {
    /// The name of its call.
    call: &'a str,
    /// True if it is the list of all elements' bodies.
    is_list: bool,
}

impl PrunedBody<'_> {
    /// Returns what is odd about a member of this body, which is not there or was not meant.
    fn slip(self, text: &str, member: &Path) -> Option<String> {
        let Self { call, is_list } = self;
        let own = text.strip_prefix(call);
        if let Some(meant) = own.and_then(|rest| rest.strip_prefix(".body.")) {
            return Some(format!(
                "is a member `{call}` of the body itself; members are named from the body on: did you mean `{meant}`?"
            ));
        }
        (is_list && matches!(member.steps(), [Step::Member(_), ..])).then(|| {
            let meant = Path::new([&[Step::Every], member.steps()].concat());
            format!(
                "`{text}` is no part of the body, which is the list of all elements' bodies (`each`); did you mean `{meant}`?"
            )
        })
    }
}

/// Reads the members in a list of them, and makes of them what is left of a body.
fn pruned(
    path: &KeyPath,
    texts: Option<&Texts>,
    body: PrunedBody<'_>,
    make: impl FnOnce(&[Path]) -> Result<Prune, PathError>,
    review: &mut Review<'_>,
) -> Option<Prune> {
    let members = members(path, texts?, body, review);
    let made = make(&members);
    made.map_err(|error| review.mistake(path, error.to_string()))
        .ok()
}

/// Reads `select`: a reference, or else an expression.
fn select(
    path: &KeyPath,
    own: usize,
    raw: &RawCallTable,
    facts: &AggregateFacts<'_>,
    uses: &mut Uses,
    review: &mut Review<'_>,
) -> Option<Select> {
    let text = raw.select.as_deref()?;
    let known = facts.of_results(Some(own));
    let select = match Reference::parse(text.trim(), &known) {
        Ok(reference) => Select::Reference(reference),
        Err(error) if is_plain(text) => {
            review.mistake(
                path,
                refusal(text.trim(), &error, &facts.names[own], &known),
            );
            return None;
        }
        Err(_) => match Expression::parse(text, &known) {
            Ok(expression) => Select::Expression(expression),
            Err(errors) => {
                for error in errors {
                    review.mistake(path, error.to_string());
                }
                return None;
            }
        },
    };
    let references: Vec<_> = match &select {
        Select::Reference(reference) => vec![reference],
        Select::Expression(expression) => expression.references().collect(),
    };
    for reference in &references {
        if let Root::Call(call, _) = reference.root
            && call != own
        {
            let message = format!(
                "`{}` is a part of another call; `select` takes a part of this one: `{}.body`",
                reference.text, facts.names[own]
            );
            review.mistake(path, message);
        }
    }
    uses.fields.extend(uses::fields(references.into_iter()));
    Some(select)
}

/// Says what is wrong with a reference in `select`, and what was meant. `name` is the call's.
fn refusal(text: &str, error: &ReferenceError, name: &str, known: &Known<'_>) -> String {
    let is_reference = |text: &str| Reference::parse(text, known).is_ok();
    let inside = text.trim_start_matches('{').trim_end_matches('}').trim();
    if inside != text && is_reference(inside) {
        return format!("a reference has no braces here; did you mean `{inside}`?");
    }
    let first = text.split(['.', '[']).next().unwrap_or_default();
    let is_name = first.starts_with(char::is_alphabetic)
        && !["path", "query", "headers", "body", "item", "index"].contains(&first)
        && known.calls.iter().all(|call| **call != *first);
    let of_body = format!("{name}.body.{text}");
    if !is_name || error.0.ends_with('?') {
        error.to_string()
    } else if !text.contains(".body") && is_reference(&of_body) {
        format!("{error}, did you mean `{of_body}`?")
    } else {
        format!("{error}; `select` takes a part of this call: `{name}.body`")
    }
}

/// Returns true if a text can only have been meant as a reference.
fn is_plain(text: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "_.[]\"*-{}?".contains(c);
    text.trim().chars().all(is_part)
}

/// Reads the paths of members.
fn members(
    path: &KeyPath,
    texts: &Texts,
    body: PrunedBody<'_>,
    review: &mut Review<'_>,
) -> Vec<Path> {
    if texts.is_empty() {
        let message = r#"found an empty list, expected members such as ["id", "items[*].price"]"#;
        review.mistake(path, message);
    }
    let mut paths = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let Some(text) = text else { continue };
        let refusal = match Path::parse(text) {
            Ok(member) if member.steps().is_empty() => "found an empty text, expected a member",
            Ok(member) if paths.contains(&member) => "is listed twice",
            Ok(member) => {
                if let Some(message) = body.slip(text, &member) {
                    review.warning(&path.index(index), message);
                }
                paths.push(member);
                continue;
            }
            Err(error) => {
                review.mistake(&path.index(index), error.to_string());
                continue;
            }
        };
        review.mistake(&path.index(index), refusal);
    }
    paths
}

/// Reads a place in a merged answer.
fn into_place(path: &KeyPath, text: &str, review: &mut Review<'_>) -> Option<Place> {
    const EXPECTED: &str = "expected member names such as \"user.profile\", or \".\" to spread the members of an object";
    if text == "." {
        return Some(Place::Spread);
    }
    let steps = match Path::parse(text) {
        Ok(steps) => steps,
        Err(error) => {
            review.mistake(path, format!("{error}; {EXPECTED}"));
            return None;
        }
    };
    let names = steps.steps().iter().map(|step| match step {
        Step::Member(name) => Some(name.clone()),
        Step::Index(_) | Step::Every => None,
    });
    let names: Option<Box<[_]>> = names.collect();
    let names = names.filter(|names| !names.is_empty());
    if names.is_none() {
        review.mistake(path, EXPECTED);
    }
    names.map(Place::At)
}
