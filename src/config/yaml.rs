//! Checks a YAML text before it is loaded. The text must be bounded: `config` and its parser build all values of
//! aliases in full, and go down into nested values by recursion. So a few kilobytes could exhaust memory or the stack.
//! Tags are reported too, as `config` and its parser ignore them. It must not know settings.

use std::collections::HashMap;

use yaml_rust2::{
    parser::{Event, Parser, Tag},
    scanner::{Scanner, TScalarStyle, Token, TokenType},
};

use super::mistake::KeyPath;

/// The deepest nesting of lists and tables. A configuration needs five levels. The other formats' parsers have similar
/// limits (80 and 128).
const DEEPEST: usize = 100;

/// The most values that a text may stand for, with its aliases replaced. The largest sensible configuration has
/// thousands.
const MOST_VALUES: usize = 200_000;

/// The bytes of text that count as one more value. A long text is built again for each of its aliases.
const VALUE_BYTES: usize = 64;

/// The beginning of the tags that YAML itself defines, such as `!!str`.
const CORE: &str = "tag:yaml.org,2002:";

/// The size of a value with its aliases replaced.
#[derive(Debug, Clone, Copy)]
struct Extent {
    values: usize,
    /// The levels of lists and tables from this value down to its deepest value.
    depth: usize,
}

/// A list or table that is open.
struct Open {
    anchor: usize,
    /// The number of values before it.
    before: usize,
    depth: usize,
    place: Position,
}

/// The kind of the next value in a list or table.
enum Position {
    List(usize),
    /// The next scalar is a key.
    Key,
    Value(String),
}

/// A tag that is refused, with the path of its value and its number in the text.
struct Tagged {
    number: usize,
    path: KeyPath,
    message: String,
}

/// Finds the first excess in `text`, or every tag without effect, each with its path. Invalid YAML has neither here, as
/// its parser reports it.
pub(super) fn flaws(text: &str) -> Vec<(KeyPath, String)> {
    let mut walk = Walk::default();
    let mut parser = Parser::new_from_str(text);
    loop {
        let Ok((event, place)) = parser.next_token() else {
            return Vec::new();
        };
        if event == Event::StreamEnd {
            break;
        }
        if let Err(excess) = walk.takes(event) {
            let (line, column) = (place.line(), place.col() + 1);
            let excess = format!("line {line}, column {column}: {excess}");
            return vec![(KeyPath::default(), excess)];
        }
    }
    if walk.refused.is_empty() {
        return Vec::new();
    }
    // An event has the position of its value, which may be lines below its tag.
    let tokens = Scanner::new(text.chars());
    let tags = tokens.filter_map(|Token(place, token)| {
        matches!(token, TokenType::Tag(..)).then(|| (place.line(), place.col() + 1))
    });
    let places: Vec<_> = tags.collect();
    let told = walk.refused.into_iter().map(|tagged| {
        let message = match places.get(tagged.number) {
            Some((line, column)) => format!("line {line}, column {column}: {}", tagged.message),
            None => tagged.message,
        };
        (tagged.path, message)
    });
    told.collect()
}

/// The state of the walk through a text, as far as it has been read.
#[derive(Default)]
struct Walk {
    open: Vec<Open>,
    anchors: HashMap<usize, Extent>,
    values: usize,
    /// The number of tags so far.
    tags: usize,
    refused: Vec<Tagged>,
}

impl Walk {
    /// Takes the next event, or returns the excess that it is.
    fn takes(&mut self, event: Event) -> Result<(), String> {
        let ended = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.look_at(tag.as_ref(), |tag| effect_on_text(tag, style, &text));
                let extent = Extent {
                    values: 1 + text.len() / VALUE_BYTES,
                    depth: 0,
                };
                self.values += extent.values;
                self.goes_on(Some(text));
                Some((anchor, extent))
            }
            Event::SequenceStart(anchor, tag) => {
                self.look_at(tag.as_ref(), |tag| effect_on(tag, "seq"));
                self.opens(anchor, Position::List(0));
                None
            }
            Event::MappingStart(anchor, tag) => {
                self.look_at(tag.as_ref(), |tag| effect_on(tag, "map"));
                self.opens(anchor, Position::Key);
                None
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(closed) => {
                    let values = self.values - closed.before;
                    self.goes_on(None);
                    let depth = closed.depth;
                    Some((closed.anchor, Extent { values, depth }))
                }
                None => None,
            },
            Event::Alias(anchor) => {
                let absent = Extent {
                    values: 1,
                    depth: 0,
                };
                let extent = self.anchors.get(&anchor).copied().unwrap_or(absent);
                self.values += extent.values;
                self.goes_on(None);
                Some((anchor, extent))
            }
            _ => None,
        };
        let below = ended.map_or(0, |(_, extent)| extent.depth);
        if let Some((anchor, extent)) = ended {
            self.anchors.insert(anchor, extent);
            if let Some(parent) = self.open.last_mut() {
                parent.depth = parent.depth.max(extent.depth + 1);
            }
        }
        if self.open.len() + below > DEEPEST {
            return Err(format!(
                "values stand in each other more than {DEEPEST} deep"
            ));
        }
        if self.values > MOST_VALUES {
            return Err(format!(
                "with its aliases replaced, the text has more than {MOST_VALUES} values"
            ));
        }
        Ok(())
    }

    fn opens(&mut self, anchor: usize, place: Position) {
        self.open.push(Open {
            anchor,
            before: self.values,
            depth: 1,
            place,
        });
        self.values += 1;
    }

    /// Moves on after a value of the innermost list or table. `text` is the value, if it is a text.
    fn goes_on(&mut self, text: Option<String>) {
        let Some(Open { place, .. }) = self.open.last_mut() else {
            return;
        };
        *place = match place {
            Position::List(index) => Position::List(*index + 1),
            Position::Key => Position::Value(text.unwrap_or_default()),
            Position::Value(_) => Position::Key,
        };
    }

    fn path(&self) -> KeyPath {
        let steps = self.open.iter().map(|open| &open.place);
        steps.fold(KeyPath::default(), |path, place| match place {
            Position::List(index) => path.index(*index),
            Position::Key => path,
            Position::Value(key) => path.key(key),
        })
    }

    fn look_at(&mut self, tag: Option<&Tag>, effect: impl FnOnce(&Tag) -> Result<(), String>) {
        let Some(tag) = tag else { return };
        if let Err(message) = effect(tag) {
            self.refused.push(Tagged {
                number: self.tags,
                path: self.path(),
                message,
            });
        }
        self.tags += 1;
    }
}

/// Checks that the loader reads a tagged text as its tag says.
fn effect_on_text(tag: &Tag, style: TScalarStyle, text: &str) -> Result<(), String> {
    let core = core(tag);
    let is_plain = style == TScalarStyle::Plain;
    let has_effect = match core {
        Some("str") => true,
        Some("bool") => matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE"),
        Some("int") => text.parse::<i64>().is_ok(),
        Some("float") => text.parse::<f64>().is_ok_and(f64::is_finite),
        Some("null") => matches!(text, "" | "~" | "null"),
        Some("seq" | "map") => false,
        _ if is_unspecific(tag) => return Ok(()),
        _ => return Err(refusal(tag)),
    };
    // The loader reads a quoted text as text.
    if has_effect && (is_plain || core == Some("str")) {
        return Ok(());
    }
    let name = core.unwrap_or_default();
    Err(format!(
        "found the tag `!!{name}` at another kind of value; leave the tag out"
    ))
}

/// Checks the same for a list (`seq`) or a table (`map`).
fn effect_on(tag: &Tag, own: &str) -> Result<(), String> {
    match core(tag) {
        Some(name) if name == own => Ok(()),
        Some(name @ ("str" | "bool" | "int" | "float" | "null" | "seq" | "map")) => Err(format!(
            "found the tag `!!{name}` at another kind of value; leave the tag out"
        )),
        _ if is_unspecific(tag) => Ok(()),
        _ => Err(refusal(tag)),
    }
}

fn core(tag: &Tag) -> Option<&str> {
    (tag.handle == CORE).then_some(&tag.suffix)
}

/// Returns true for `!` alone. It only keeps a text from being read as a number, and changes no other value.
fn is_unspecific(tag: &Tag) -> bool {
    tag.handle.is_empty() && tag.suffix == "!"
}

/// Describes a tag that is refused. Only tags of YAML itself are quoted: a text that begins with `!` is read as a tag,
/// and may be a secret.
fn refusal(tag: &Tag) -> String {
    match core(tag) {
        Some(
            name @ ("binary" | "timestamp" | "set" | "omap" | "pairs" | "merge" | "value" | "yaml"),
        ) => {
            format!("found the tag `!!{name}`, which has no meaning here")
        }
        _ => {
            "found a tag (!…), which has no meaning here; a text that begins with ! goes in quotes"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the excess in a text.
    fn excess(text: &str) -> Option<String> {
        let mut found = flaws(text).into_iter();
        let first = found.next().map(|(_, message)| message);
        assert_eq!(found.count(), 0);
        first
    }

    fn told(text: &str) -> Vec<String> {
        let found = flaws(text).into_iter();
        found
            .map(|(path, message)| format!("{path}|{message}"))
            .collect()
    }

    #[test]
    fn a_tag_that_would_have_no_effect_is_told_with_its_path_and_its_line() {
        let none =
            "found a tag (!…), which has no meaning here; a text that begins with ! goes in quotes";
        for (text, path, rest) in [
            ("a: !secret x", "a|line 1, column 4", none),
            ("a:\n  b: !Ref x", "a.b|line 2, column 6", none),
            (
                "a:\n  - x\n  - !vault |\n    x",
                "a[1]|line 3, column 5",
                none,
            ),
            ("a: !env\n  b: 1", "a|line 1, column 4", none),
            ("a: !env\n  - 1", "a|line 1, column 4", none),
            ("a: &x !env [1]\nb: *x", "a|line 1, column 7", none),
            ("a: [{b: !x {}}]", "a[0].b|line 1, column 9", none),
            ("!secret a: 1", "|line 1, column 1", none),
            ("a: {!x b: 1}", "a|line 1, column 5", none),
            ("!gather\na: 1", "|line 1, column 1", none),
            ("a: !hunter2\nb: 1", "a|line 1, column 4", none),
            (
                "%TAG !e! tag:example.org,2000:\n---\na: !e!x 1",
                "a|line 3, column 4",
                none,
            ),
            ("a: !<tag:example.org,2000:x> 1", "a|line 1, column 4", none),
            (
                "a: !!binary aGk=",
                "a|line 1, column 4",
                "found the tag `!!binary`, which has no meaning here",
            ),
            (
                "a: !!set {b}",
                "a|line 1, column 4",
                "found the tag `!!set`, which has no meaning here",
            ),
        ] {
            assert_eq!(told(text), [format!("{path}: {rest}")], "{text}");
        }
        let both = told("a: !x 1\nb: !!str 2\nc: !y 3");
        assert_eq!(both.len(), 2);
        assert!(both[1].starts_with("c|line 3, column 4: "), "{both:?}");
    }

    #[test]
    fn a_tag_of_yamls_own_does_what_it_says_or_is_refused() {
        for text in [
            "a: !!str 5",
            "a: !!str \"5\"",
            "a: !!str",
            "a: !!int 5",
            "a: !!float 5",
            "a: !!bool true",
            "a: !!map {b: 1}",
            "a: !!seq [1]",
            "!!map\na: 1",
            "!!str a: 1",
            "a: ! 5",
            "a: ! [5]",
        ] {
            assert_eq!(told(text), Vec::<String>::new(), "{text}");
        }
        for (text, tag) in [
            ("a: !!int \"5\"", "int"),
            ("a: !!int 0x5", "int"),
            ("a: !!int five", "int"),
            ("a: !!int [5]", "int"),
            ("a: !!bool yes", "bool"),
            ("a: !!float x", "float"),
            ("a: !!float .inf", "float"),
            ("a: !!null 5", "null"),
            ("a: !!str [5]", "str"),
            ("a: !!str {b: 5}", "str"),
            ("a: !!map [5]", "map"),
            ("a: !!map 5", "map"),
            ("a: !!seq {b: 5}", "seq"),
            ("a: !!seq 5", "seq"),
        ] {
            let expected = format!(
                "a|line 1, column 4: found the tag `!!{tag}` at another kind of value; leave the tag out"
            );
            assert_eq!(told(text), [expected], "{text}");
        }
    }

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
