//! Bounds a YAML text before it is loaded: `config` and its parser build what aliases stand for in full and go down into
//! nested values by recursion, so that a few kilobytes could exhaust memory or the stack. Knows nothing of settings.

use std::collections::HashMap;

use yaml_rust2::parser::{Event, Parser};

/// How deep lists and tables may stand in each other. A configuration needs five; the other formats' parsers refuse
/// about as much (80 and 128).
const DEEPEST: usize = 100;

/// How many values a text may stand for, with its aliases replaced. The largest sensible configuration has thousands.
const MOST_VALUES: usize = 200_000;

/// What is beyond all bounds in `text`, and where. Text that is no YAML is within them: its parser tells.
pub(super) fn excess(text: &str) -> Option<String> {
    let mut parser = Parser::new_from_str(text);
    // Each list or table that is open: its anchor, and how many values there were before it.
    let mut open: Vec<(usize, usize)> = Vec::new();
    // How many values an anchor stands for.
    let mut sizes = HashMap::<usize, usize>::new();
    let mut values = 0_usize;
    loop {
        let (event, place) = parser.next_token().ok()?;
        match event {
            Event::Scalar(_, _, anchor, _) => {
                values += 1;
                sizes.insert(anchor, 1);
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                open.push((anchor, values));
                values += 1;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let (anchor, before) = open.pop()?;
                sizes.insert(anchor, values - before);
            }
            Event::Alias(anchor) => values += sizes.get(&anchor).copied().unwrap_or(1),
            Event::StreamEnd => return None,
            _ => {}
        }
        let (line, column) = (place.line(), place.col() + 1);
        if open.len() > DEEPEST {
            return Some(format!(
                "line {line}, column {column}: values stand in each other more than {DEEPEST} deep"
            ));
        }
        if values > MOST_VALUES {
            return Some(format!(
                "line {line}, column {column}: with its aliases replaced, the text has more than {MOST_VALUES} values"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_beyond_all_bounds_is_refused_before_it_overflows_the_stack() {
        let nested = |depth| format!("a:\n  {}x\n", "- ".repeat(depth));
        assert_eq!(excess(&nested(DEEPEST - 1)), None);
        for depth in [DEEPEST, 100_000] {
            let told = excess(&nested(depth)).unwrap();
            assert!(told.starts_with("line 2, column "), "{told}");
            assert!(told.ends_with("more than 100 deep"), "{told}");
        }
    }

    #[test]
    fn aliases_of_aliases_are_counted_as_what_they_stand_for() {
        let mut text = "a0: &a0 [x, x, x, x]\n".to_owned();
        for step in 1..30 {
            let before = format!("*a{}", step - 1);
            text.push_str(&format!(
                "a{step}: &a{step} [{before}, {before}, {before}]\n"
            ));
        }
        let told = excess(&text).unwrap();
        assert!(told.ends_with("more than 200000 values"), "{told}");
        assert_eq!(excess("a: &a {b: 1}\nc: *a\nd: [*a, *a]\n"), None);
    }

    #[test]
    fn what_is_no_yaml_is_left_to_its_parser() {
        assert_eq!(excess("a: [b"), None);
        assert_eq!(excess("a: *b"), None);
        assert_eq!(excess(""), None);
    }
}
