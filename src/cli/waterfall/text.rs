//! Text in terminal columns: its width, how it is cut and padded, the escapes that keep it harmless, and times as text.
//! It must not know what the text is about.

use std::time::Duration;

/// Ranges of characters that take two columns in a terminal: the East Asian wide ones and the emoji.
const WIDE: [(u32, u32); 22] = [
    (0x1100, 0x115F),
    (0x231A, 0x231B),
    (0x23E9, 0x23EC),
    (0x25FD, 0x25FE),
    (0x2614, 0x2615),
    (0x2648, 0x2653),
    (0x26AA, 0x26AB),
    (0x26BD, 0x26BE),
    (0x2705, 0x2705),
    (0x274C, 0x274C),
    (0x2753, 0x2755),
    (0x2795, 0x2797),
    (0x2B1B, 0x2B1C),
    (0x2E80, 0x303E),
    (0x3041, 0xA4CF),
    (0xA960, 0xA97C),
    (0xAC00, 0xD7A3),
    (0xF900, 0xFAFF),
    (0xFE30, 0xFE6F),
    (0xFF00, 0xFF60),
    (0x1F300, 0x1FAFF),
    (0x20000, 0x3FFFD),
];

/// Ranges of characters that are drawn onto the one before them.
const COMBINING: [(u32, u32); 7] = [
    (0x0300, 0x036F),
    (0x0483, 0x0489),
    (0x0591, 0x05BD),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE00, 0xFE0F),
];

/// Ranges of invisible characters that turn or join the characters around them.
const INVISIBLE: [(u32, u32); 7] = [
    (0x00AD, 0x00AD),
    (0x061C, 0x061C),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0xFEFF, 0xFEFF),
    (0xE0000, 0xE0FFF),
];

fn is_in(ranges: &[(u32, u32)], character: char) -> bool {
    ranges
        .iter()
        .any(|(first, last)| (*first..=*last).contains(&u32::from(character)))
}

fn columns(character: char) -> usize {
    if character.is_ascii() {
        1
    } else if is_in(&COMBINING, character) {
        0
    } else if is_in(&WIDE, character) {
        2
    } else {
        1
    }
}

/// Returns the number of columns that `text` takes in a terminal. The text must have gone through [`shown`].
pub(super) fn cells(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// Escapes everything in `text` that would steer a terminal. Without Unicode, a character outside ASCII becomes `?`.
#[must_use]
pub fn shown(text: &str, unicode: bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || (!character.is_ascii() && is_in(&INVISIBLE, character)) {
            safe.extend(character.escape_default());
        } else if unicode || character.is_ascii() {
            safe.push(character);
        } else {
            safe.push('?');
        }
    }
    safe
}

/// Cuts `text` to at most `room` columns. An ellipsis stands for the missing part.
pub(super) fn fitted(text: &str, room: usize, unicode: bool) -> String {
    if cells(text) <= room {
        return text.to_owned();
    }
    let ellipsis = if unicode { "…" } else { "..." };
    let Some(left) = room.checked_sub(cells(ellipsis)) else {
        return ".".repeat(room);
    };
    let mut used = 0;
    let mut cut: String = text
        .chars()
        .take_while(|character| {
            used += columns(*character);
            used <= left
        })
        .collect();
    cut.push_str(ellipsis);
    cut
}

/// Pads `text` with spaces at its end, to `width` columns.
pub(super) fn padded_right(text: &str, width: usize) -> String {
    format!(
        "{text}{:fill$}",
        "",
        fill = width.saturating_sub(cells(text))
    )
}

/// Pads `text` with spaces at its start, to `width` columns.
pub(super) fn padded_left(text: &str, width: usize) -> String {
    format!(
        "{:fill$}{text}",
        "",
        fill = width.saturating_sub(cells(text))
    )
}

/// Writes a time in four digits and a unit: `912.3 µs` (`us` without Unicode), `2.002 s`.
#[must_use]
pub fn duration(time: Duration, unicode: bool) -> String {
    digits(time.as_nanos(), 4, unicode)
}

/// Writes a time in as few digits as it needs, at most three: `2 s`, `1.5 ms`.
pub(super) fn round_duration(nanos: u128, unicode: bool) -> String {
    let text = digits(nanos, 3, unicode);
    let Some((number, unit)) = text.split_once(' ') else {
        return text;
    };
    let number = if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    };
    format!("{number} {unit}")
}

/// Writes `nanos`, rounded to `digits` digits, in µs, ms or s. The unit is the largest that gives at least 1, or else
/// µs.
fn digits(nanos: u128, digits: u32, unicode: bool) -> String {
    if nanos == 0 {
        return "0 s".to_owned();
    }
    // Rounding comes before the choice of a unit: 999,960 µs is 1 s, not 1000 ms.
    let excess = 10_u128
        .pow((nanos.ilog10() + 1).saturating_sub(digits))
        .min(1_000_000_000);
    let rounded = (nanos + excess / 2) / excess * excess;
    let (unit, power) = match rounded {
        0..1_000_000 => (if unicode { "µs" } else { "us" }, 3_u32),
        1_000_000..1_000_000_000 => ("ms", 6),
        _ => ("s", 9),
    };
    let whole = rounded / 10_u128.pow(power);
    let decimals = digits
        .saturating_sub(whole.checked_ilog10().unwrap_or_default() + 1)
        .min(3)
        .min(power);
    if decimals == 0 {
        return format!("{whole} {unit}");
    }
    let fraction = rounded % 10_u128.pow(power) / 10_u128.pow(power - decimals);
    format!(
        "{whole}.{fraction:0width$} {unit}",
        width = decimals as usize
    )
}
