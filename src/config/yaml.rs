//! Bounds a YAML text before it is loaded: `config` and its parser build what aliases stand for in full and go down into
//! nested values by recursion, so that a few kilobytes could exhaust memory or the stack. Knows nothing of settings.

use std::collections::HashMap;

use yaml_rust2::parser::{Event, Parser};

/// How deep lists and tables may stand in each other. A configuration needs five; the other formats' parsers refuse
/// about as much (80 and 128).
const DEEPEST: usize = 100;

/// How many values a text may stand for, with its aliases replaced. The largest sensible configuration has thousands.
const MOST_VALUES: usize = 200_000;

/// So many bytes of text count as a value more: a long text is built as often as its aliases stand for it.
const VALUE_BYTES: usize = 64;

/// What a value takes with its aliases replaced.
#[derive(Debug, Clone, Copy)]
struct Extent {
    values: usize,
    /// Lists and tables from it down to its deepest value.
    depth: usize,
}

/// A list or table that is open.
struct Open {
    anchor: usize,
    /// How many values there were before it.
    before: usize,
    depth: usize,
}

/// What is beyond all bounds in `text`, and where. Text that is no YAML is within them: its parser tells.
pub(super) fn excess(text: &str) -> Option<String> {
    let mut parser = Parser::new_from_str(text);
    let mut open: Vec<Open> = Vec::new();
    let mut anchors = HashMap::<usize, Extent>::new();
    let mut values = 0_usize;
    loop {
        let (event, place) = parser.next_token().ok()?;
        let ended = match event {
            Event::Scalar(text, _, anchor, _) => {
                let extent = Extent {
                    values: 1 + text.len() / VALUE_BYTES,
                    depth: 0,
                };
                values += extent.values;
                Some((anchor, extent))
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                open.push(Open {
                    anchor,
                    before: values,
                    depth: 1,
                });
                values += 1;
                None
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Open {
                    anchor,
                    before,
                    depth,
                } = open.pop()?;
                let values = values - before;
                Some((anchor, Extent { values, depth }))
            }
            Event::Alias(anchor) => {
                let absent = Extent {
                    values: 1,
                    depth: 0,
                };
                let extent = anchors.get(&anchor).copied().unwrap_or(absent);
                values += extent.values;
                Some((anchor, extent))
            }
            Event::StreamEnd => return None,
            _ => None,
        };
        let below = ended.map_or(0, |(_, extent)| extent.depth);
        if let Some((anchor, extent)) = ended {
            anchors.insert(anchor, extent);
            if let Some(parent) = open.last_mut() {
                parent.depth = parent.depth.max(extent.depth + 1);
            }
        }
        let (line, column) = (place.line(), place.col() + 1);
        if open.len() + below > DEEPEST {
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
    fn aliases_of_what_is_deep_or_long_are_as_deep_and_as_long() {
        let (open, close) = ("[".repeat(60), "]".repeat(60));
        let deep = format!("a: &a {open}x{close}\nb: &b {open}*a{close}\n");
        assert!(excess(&deep).unwrap().ends_with("more than 100 deep"));
        let once = format!("a: &a {open}x{close}\nb: [*a, [*a]]\n");
        assert_eq!(excess(&once), None);
        let long = format!(
            "a: &a \"{}\"\nb: [{}]\n",
            "x".repeat(20_000),
            "*a, ".repeat(1_000)
        );
        assert!(excess(&long).unwrap().ends_with("more than 200000 values"));
    }

    #[test]
    fn what_is_no_yaml_is_left_to_its_parser() {
        assert_eq!(excess("a: [b"), None);
        assert_eq!(excess("a: *b"), None);
        assert_eq!(excess(""), None);
    }
}
