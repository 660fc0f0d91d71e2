//! The query of one `/ping`: the settings that it changes, or every mistake in it. The command line's flags share the
//! checks of single values. It must not know how an answer is made.

use std::time::Duration;

use actix_web::http::StatusCode;
use bytesize::ByteSize;

use super::{LARGEST_BODY, LONGEST_DELAY, SMALLEST_BODY, Settings};
use crate::duration;

/// The most characters of a caller's own text that a message repeats.
const SHOWN: usize = 60;

/// A parameter or value that `/ping` doesn't take, as a sentence that says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadParameter {
    /// The parameter is unknown.
    #[error("unknown parameter `{0}` (known: delay, jitter, fail_rate, body_bytes, status)")]
    Unknown(String),
    /// The parameter is given more than once, so that it is unclear which one counts.
    #[error("parameter `{0}` is given more than once")]
    Doubled(&'static str),
    /// The parameter's value isn't allowed.
    #[error("parameter `{parameter}`: {mistake}")]
    Value {
        /// The parameter's name.
        parameter: &'static str,
        /// The mistake in its value.
        mistake: Box<BadParameter>,
    },
    /// The value is no duration, or too long.
    #[error("`{0}` is no duration from 0s to 1h, such as 150ms or 2s")]
    Duration(String),
    /// The value is no share.
    #[error("`{0}` is no number from 0 to 1")]
    Share(String),
    /// The value is no size, or out of range.
    #[error("`{0}` is no size from 2 to 64MiB, such as 100 or 64KiB")]
    Size(String),
    /// The value is no status that can end a request.
    #[error("`{0}` is no HTTP status from 200 to 599")]
    Status(String),
}

/// The behaviour for one request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wanted {
    pub(super) settings: Settings,
    /// A forced status. Without it, the fail rate decides.
    pub(super) status: Option<StatusCode>,
}

/// Applies `query` to `settings`, or returns all of the query's mistakes.
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

/// Reads a delay or a jitter: `150ms`, `2s`, at most [`LONGEST_DELAY`].
///
/// # Errors
/// [`BadParameter::Duration`] if it is no duration, negative or longer.
pub fn parse_delay(text: &str) -> Result<Duration, BadParameter> {
    let time = match text {
        "0" => Some(Duration::ZERO),
        _ => duration::parse(text),
    };
    time.filter(|time| *time <= LONGEST_DELAY)
        .ok_or_else(|| BadParameter::Duration(shown(text)))
}

/// Reads the share of requests that fail, from 0 to 1.
///
/// # Errors
/// [`BadParameter::Share`] if it is no number in that range.
pub fn parse_fail_rate(text: &str) -> Result<f64, BadParameter> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| BadParameter::Share(shown(text)))
}

/// Reads the length of a body: `100` (bytes), `64KiB`, from [`SMALLEST_BODY`] to [`LARGEST_BODY`].
///
/// # Errors
/// [`BadParameter::Size`] if it is no size in that range.
pub fn parse_body_bytes(text: &str) -> Result<usize, BadParameter> {
    // `ByteSize` would read 2.7 as 2.
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

/// Makes a caller's text short and harmless enough for a message.
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
