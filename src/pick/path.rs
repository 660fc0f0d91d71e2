//! A path into a JSON value. It must not know where the value comes from.

use std::{collections::VecDeque, fmt};

use super::{
    cursor::Cursor,
    text::{quote, quoted, stands_for},
};

/// The most steps of a path.
pub const MOST_STEPS: usize = 32;

/// Steps from a value to a part of it. Without any step it is the value itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path(Box<[Step]>);

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The member of this name: `.name` or `["x-y"]`. Of several with the same name, the last.
    Member(Box<str>),
    /// The element at this index, from 0; from the end if it is negative: `[0]`, `[-1]`.
    Index(i64),
    /// Every element: `[*]`.
    Every,
}

/// A text that is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PathError(pub String);

/// The part of a value at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picked<'j> {
    /// There is none.
    Missing,
    /// The bytes of one value.
    One(&'j [u8]),
    /// The bytes of several, as the path has `[*]`. An element that lacks the rest of the path is left out.
    Many(Vec<&'j [u8]>),
}

impl Path {
    /// Makes a path of these steps, of which there should be at most [`MOST_STEPS`].
    #[must_use]
    pub fn new(steps: Vec<Step>) -> Self {
        Self(steps.into())
    }

    /// Reads steps such as `.data.items[0]["x-y"]`. The first member needs no dot before it.
    ///
    /// # Errors
    /// Fails if the text is no path, or has too many steps.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.is_empty() {
            return Err(PathError("an empty path leads nowhere".to_owned()));
        }
        let (mut steps, rest) = match text.starts_with(['.', '[']) {
            true => (Vec::new(), text),
            false => {
                let (first, rest) = plain_name(text)?;
                (vec![Step::Member(first.into())], rest)
            }
        };
        let rest = read_steps(rest, &mut steps)?;
        if let Some(stray) = rest.chars().next() {
            let before = &text[..text.len() - rest.len()];
            return Err(PathError(match before.rsplit(['.', ']']).next() {
                Some(name) if !name.is_empty() && stray != '?' => format!(
                    "`{stray}` after `{before}` begins no step; a name with such characters is written `[\"{name}{}\"]`",
                    rest.split(['.', '[', ']', '"']).next().unwrap_or_default(),
                ),
                _ => format!("`{stray}` after `{before}` begins no step"),
            }));
        }
        Ok(Self(steps.into()))
    }

    /// Reads as many steps as there are at the start of a text. Returns them and the rest of the text.
    ///
    /// # Errors
    /// Fails if a step is wrong, or if there are too many.
    pub fn read(text: &str) -> Result<(Self, &str), PathError> {
        let mut steps = Vec::new();
        let rest = read_steps(text, &mut steps)?;
        Ok((Self(steps.into()), rest))
    }

    /// Returns the steps.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Returns the part of `json`, one valid JSON value, at this path.
    #[must_use]
    pub fn find<'j>(&self, json: &'j [u8]) -> Picked<'j> {
        Self::find_at(&self.0, json)
    }

    /// Returns the part at the end of these steps.
    pub(super) fn find_at<'j>(steps: &[Step], json: &'j [u8]) -> Picked<'j> {
        let mut found = Picked::Missing;
        let mut cursor = Cursor::new(json);
        if cursor.peek() != 0 {
            walk(&mut cursor, steps, &mut found);
        }
        found
    }
}

/// Passes over the value at the cursor and adds its parts at the end of these steps. It goes one level deeper for each
/// step.
fn walk<'j>(cursor: &mut Cursor<'j>, steps: &[Step], found: &mut Picked<'j>) {
    let Some((step, rest)) = steps.split_first() else {
        let value = cursor.pass();
        match found {
            Picked::Many(values) => values.push(value),
            Picked::Missing | Picked::One(_) => *found = Picked::One(value),
        }
        return;
    };
    match step {
        Step::Member(name) if cursor.enter(b'{') => {
            let before = match found {
                Picked::Many(values) => Some(values.len()),
                Picked::Missing | Picked::One(_) => None,
            };
            while let Some(written) = cursor.member() {
                if !stands_for(written, name) {
                    cursor.pass();
                    continue;
                }
                match (&mut *found, before) {
                    (Picked::Many(values), Some(before)) => values.truncate(before),
                    _ => *found = Picked::Missing,
                }
                walk(cursor, rest, found);
            }
        }
        Step::Index(index) if cursor.enter(b'[') => {
            let Ok(wanted) = u64::try_from(*index) else {
                if let Some(value) = from_end(index.unsigned_abs(), cursor) {
                    walk(&mut Cursor::new(value), rest, found);
                }
                return;
            };
            let mut at = 0;
            while cursor.element() {
                if wanted == at {
                    walk(cursor, rest, found);
                } else {
                    cursor.pass();
                }
                at += 1;
            }
        }
        Step::Every if cursor.enter(b'[') => {
            if !matches!(found, Picked::Many(_)) {
                *found = Picked::Many(Vec::new());
            }
            while cursor.element() {
                walk(cursor, rest, found);
            }
        }
        _ => {
            cursor.pass();
        }
    }
}

/// Passes over the rest of the list that the cursor has entered. Returns the element at this place from its end, where
/// 1 is the last.
fn from_end<'j>(place: u64, cursor: &mut Cursor<'j>) -> Option<&'j [u8]> {
    let mut last = VecDeque::new();
    while cursor.element() {
        if last.len() as u64 == place {
            last.pop_front();
        }
        last.push_back(cursor.pass());
    }
    last.pop_front().filter(|_| last.len() as u64 + 1 == place)
}

/// Appends the steps at the start of a text and returns the rest of it.
fn read_steps<'t>(text: &'t str, steps: &mut Vec<Step>) -> Result<&'t str, PathError> {
    let mut rest = text;
    loop {
        let (step, after) = if let Some(name) = rest.strip_prefix('.') {
            let (name, after) = plain_name(name)?;
            (Step::Member(name.into()), after)
        } else if let Some(inside) = rest.strip_prefix('[') {
            bracketed(inside)?
        } else {
            return Ok(rest);
        };
        steps.push(step);
        if steps.len() > MOST_STEPS {
            return Err(PathError(format!("it has more than {MOST_STEPS} steps")));
        }
        rest = after;
    }
}

/// Returns true if a character may stand in a member's name without quotes.
fn is_plain(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$' | '@')
}

/// Reads a member's name without quotes.
fn plain_name(text: &str) -> Result<(&str, &str), PathError> {
    let end = text.find(|c| !is_plain(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let Some(first) = name.chars().next() else {
        return Err(PathError(match rest.chars().next() {
            None => "a name is missing after the last `.`".to_owned(),
            Some('*') => "every element is written `[*]`".to_owned(),
            Some(next) => format!("`{next}` begins no name; such a name is written `[\"…\"]`"),
        }));
    };
    if first.is_ascii_digit() {
        return Err(PathError(format!(
            "`{name}` is no name: an element is written `[{name}]`, a member `[\"{name}\"]`"
        )));
    }
    Ok((name, rest))
}

/// Reads a step in brackets, without the first of them.
fn bracketed(text: &str) -> Result<(Step, &str), PathError> {
    let closed = |rest: &str| rest.starts_with(']');
    if let Some(after) = text.strip_prefix("*]") {
        return Ok((Step::Every, after));
    }
    if let Some((name, after)) = quoted(text).filter(|(_, after)| closed(after)) {
        return Ok((Step::Member(name.into()), &after[1..]));
    }
    let inside = text.split_once(']').map_or(text, |(inside, _)| inside);
    let digits = inside.strip_prefix('-').unwrap_or(inside);
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    match inside.parse() {
        Ok(index) if is_number && closed(&text[inside.len()..]) => {
            Ok((Step::Index(index), &text[inside.len() + 1..]))
        }
        _ => Err(PathError(format!(
            "`[{inside}` begins no step: in brackets stand an index `[0]`, `[-1]`, `[*]`, or a name `[\"x-y\"]`"
        ))),
    }
}

impl fmt::Display for Path {
    /// Writes the path as it can be parsed again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Every => f.write_str("[*]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Member(name) => {
                    let starts = |c: char| is_plain(c) && !c.is_ascii_digit();
                    if name.starts_with(starts) && name.chars().all(is_plain) {
                        f.write_str(if place > 0 { "." } else { "" })?;
                        f.write_str(name)?;
                    } else {
                        let mut json = Vec::new();
                        quote(name, &mut json);
                        write!(f, "[{}]", String::from_utf8_lossy(&json))?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
