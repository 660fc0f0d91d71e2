//! The query of one `/ping`: what it changes in the settings, or every mistake in it. Also the checks of single
//! values, which the command line's flags share. It must not know how an answer is made.

use std::time::Duration;

use actix_web::http::StatusCode;
use bytesize::ByteSize;

use super::{LARGEST_BODY, LONGEST_DELAY, SMALLEST_BODY, Settings};
use crate::duration;

/// How much of a caller's own text a message repeats, in characters.
const SHOWN: usize = 60;

/// A value or a parameter that `/ping` doesn't take, as a sentence that says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadParameter {
    /// No such parameter.
    #[error("unknown parameter `{0}` (known: delay, jitter, fail_rate, body_bytes, status)")]
    Unknown(String),
    /// The parameter is there more than once, so that it is unclear which one counts.
    #[error("parameter `{0}` is given more than once")]
    Doubled(&'static str),
    /// The parameter's value isn't allowed.
    #[error("parameter `{parameter}`: {mistake}")]
    Value {
        /// Which one.
        parameter: &'static str,
        /// Why.
        mistake: Box<BadParameter>,
    },
    /// Not a duration, or too long a one.
    #[error("`{0}` is no duration from 0s to 1h, such as 150ms or 2s")]
    Duration(String),
    /// Not a share.
    #[error("`{0}` is no number from 0 to 1")]
    Share(String),
    /// Not a size, or one out of range.
    #[error("`{0}` is no size from 2 to 64MiB, such as 100 or 64KiB")]
    Size(String),
    /// Not a status that can end a request.
    #[error("`{0}` is no HTTP status from 200 to 599")]
    Status(String),
}

/// What one request gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wanted {
    pub(super) settings: Settings,
    /// A status that is forced; otherwise the fail rate decides.
    pub(super) status: Option<StatusCode>,
}

/// `settings` with what `query` changes in them, or all of the query's mistakes.
pub(super) fn wanted(settings: Settings, query: &str) -> Result<Wanted, Vec<BadParameter>> {
    let mut wanted = Wanted {
        settings,
        status: None,
    };
    let mut seen = Vec::new();
    let mut mistakes = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let Some(parameter) = known(&name) else {
            mistakes.push(BadParameter::Unknown(shown(&name)));
            continue;
        };
        if seen.contains(&parameter) {
            mistakes.push(BadParameter::Doubled(parameter));
            continue;
        }
        seen.push(parameter);
        if let Err(mistake) = apply(&mut wanted, parameter, &value) {
            mistakes.push(BadParameter::Value {
                parameter,
                mistake: Box::new(mistake),
            });
        }
    }
    mistakes.dedup();
    if mistakes.is_empty() {
        Ok(wanted)
    } else {
        Err(mistakes)
    }
}

fn known(name: &str) -> Option<&'static str> {
    ["delay", "jitter", "fail_rate", "body_bytes", "status"]
        .into_iter()
        .find(|known| *known == name)
}

fn apply(wanted: &mut Wanted, parameter: &str, value: &str) -> Result<(), BadParameter> {
    match parameter {
        "delay" => wanted.settings.delay = parse_delay(value)?,
        "jitter" => wanted.settings.jitter = parse_delay(value)?,
        "fail_rate" => wanted.settings.fail_rate = parse_fail_rate(value)?,
        "body_bytes" => wanted.settings.body_bytes = Some(parse_body_bytes(value)?),
        _ => wanted.status = Some(parse_status(value)?),
    }
    Ok(())
}

/// A delay or a jitter: `150ms`, `2s`, at most [`LONGEST_DELAY`].
///
/// # Errors
/// [`BadParameter::Duration`] when it is none, negative or longer.
pub fn parse_delay(text: &str) -> Result<Duration, BadParameter> {
    let time = match text {
        "0" => Some(Duration::ZERO),
        _ => duration::parse(text),
    };
    time.filter(|time| *time <= LONGEST_DELAY)
        .ok_or_else(|| BadParameter::Duration(shown(text)))
}

/// The share of requests that fail, from 0 to 1.
///
/// # Errors
/// [`BadParameter::Share`] when it is no number in that range.
pub fn parse_fail_rate(text: &str) -> Result<f64, BadParameter> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| BadParameter::Share(shown(text)))
}

/// The length of a body: `100` (bytes), `64KiB`, from [`SMALLEST_BODY`] to [`LARGEST_BODY`].
///
/// # Errors
/// [`BadParameter::Size`] when it is no size in that range.
pub fn parse_body_bytes(text: &str) -> Result<usize, BadParameter> {
    // `ByteSize` would take 2.7 for 2.
    Some(text)
        .filter(|text| !text.contains('.'))
        .and_then(|text| text.parse::<ByteSize>().ok())
        .and_then(|size| usize::try_from(size.as_u64()).ok())
        .filter(|size| (SMALLEST_BODY..=LARGEST_BODY).contains(size))
        .ok_or_else(|| BadParameter::Size(shown(text)))
}

fn parse_status(text: &str) -> Result<StatusCode, BadParameter> {
    text.parse()
        .ok()
        .filter(|code| (200..=599).contains(code))
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or_else(|| BadParameter::Status(shown(text)))
}

/// A caller's text, short enough and harmless enough for a message.
pub(super) fn shown(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(SHOWN)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}
