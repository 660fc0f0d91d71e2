//! Properties of parts of JSON, whatever the JSON and the paths. The bytes find the same as a tree does, with every
//! duplicate, order and spelling.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::pick::{self, Kind, Path, Picked, Prune, Step};

/// The most levels of JSON that the tree, which recurses, is built of.
const DEPTH: usize = 64;

/// Reads the first line of `bytes` as paths, with spaces between them, and the rest as JSON.
///
/// # Panics
/// Panics if a property does not hold.
pub fn shaping(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (line, json) = text.split_once('\n').unwrap_or((&text, ""));
    let paths: Vec<Path> = line
        .split(' ')
        .filter_map(|text| Path::parse(text).ok())
        .take(8)
        .collect();
    check_spelling(&paths);
    // Bytes that are no JSON give some part or none.
    for path in &paths {
        let _ = path.find(json.as_bytes());
    }
    let prunes = [Prune::keep(&paths), Prune::drop(&paths)];
    let written = prunes.map(|prune| {
        let mut out = Vec::new();
        prune.ok()?.write(json.as_bytes(), &mut out);
        Some(out)
    });
    let whole: Option<&RawValue> = serde_json::from_str(json).ok();
    let Some(tree) = whole.and_then(|whole| Tree::of(whole.get(), DEPTH)) else {
        return;
    };
    check_parts(json, &tree);
    for path in &paths {
        assert_eq!(
            path.find(json.as_bytes()),
            tree.find(path.steps()),
            "{path}"
        );
    }
    let steps: Vec<&[Step]> = paths.iter().map(Path::steps).collect();
    let null = Tree::Scalar("null");
    let expected = [
        tree.keep(&steps).unwrap_or(null),
        tree.drop(&steps).unwrap_or(tree.clone()),
    ];
    for (written, expected) in written.iter().zip(expected) {
        let Some(written) = written else {
            let has_index = |path: &Path| {
                path.steps()
                    .iter()
                    .any(|step| matches!(step, Step::Index(_)))
            };
            assert!(paths.iter().any(has_index));
            continue;
        };
        let written = std::str::from_utf8(written).expect("text");
        let whole: &RawValue = serde_json::from_str(written).expect("valid JSON");
        assert_eq!(Tree::of(whole.get(), DEPTH), Some(expected));
    }
}

/// Checks that a path is written as it can be read.
fn check_spelling(paths: &[Path]) {
    for path in paths {
        assert_eq!(Path::parse(&path.to_string()).as_ref(), Ok(path));
        let dotted = format!(".{path} x");
        let steps = if dotted.starts_with(".[") {
            &dotted[1..]
        } else {
            &dotted
        };
        assert_eq!(Path::read(steps), Ok((path.clone(), " x")));
    }
}

/// Checks the kind, the text, the elements and the members of a value.
fn check_parts(json: &str, tree: &Tree<'_>) {
    let json = json.as_bytes();
    let elements: Vec<_> = pick::elements(json).collect();
    let members: Vec<_> = pick::members(json).collect();
    match tree {
        Tree::List(raw, own) => {
            assert_eq!(pick::kind(json), Kind::List);
            let own: Vec<_> = own.iter().map(|tree| tree.raw().as_bytes()).collect();
            assert_eq!(
                (elements, members, raw.is_empty()),
                (own, Vec::new(), false)
            );
        }
        Tree::Object(_, own) => {
            assert_eq!(pick::kind(json), Kind::Object);
            assert_eq!((elements.len(), members.len()), (0, own.len()));
            for ((name, value), (written, tree)) in members.into_iter().zip(own) {
                let inside = &written.as_bytes()[1..written.len() - 1];
                assert_eq!((name, value), (inside, tree.raw().as_bytes()));
                let decoded: Option<String> = serde_json::from_str(written).ok();
                assert_eq!(pick::name(name), decoded.map(Cow::Owned));
            }
        }
        Tree::Scalar(raw) => {
            assert_eq!((elements.len(), members.len()), (0, 0));
            let text: Option<String> = serde_json::from_str(raw).ok();
            assert_eq!(pick::text(json), text.clone().map(Cow::Owned));
            if let Some(text) = text {
                let mut quoted = Vec::new();
                pick::quote(&text, &mut quoted);
                assert_eq!(serde_json::from_slice::<String>(&quoted).ok(), Some(text));
            }
        }
    }
}

/// JSON as a tree that keeps all that is written. A list and an object that come from a text have it too.
#[derive(Debug, Clone)]
enum Tree<'j> {
    Scalar(&'j str),
    List(&'j str, Vec<Tree<'j>>),
    Object(&'j str, Vec<(&'j str, Tree<'j>)>),
}

/// White space within a list or an object makes no difference.
impl PartialEq for Tree<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scalar(one), Self::Scalar(other)) => one == other,
            (Self::List(_, one), Self::List(_, other)) => one == other,
            (Self::Object(_, one), Self::Object(_, other)) => one == other,
            _ => false,
        }
    }
}

impl<'j> Tree<'j> {
    fn of(raw: &'j str, depth: usize) -> Option<Self> {
        let deeper = depth.checked_sub(1)?;
        if raw.starts_with('[') {
            let elements: Vec<&RawValue> = serde_json::from_str(raw).expect("a list");
            let trees = elements.into_iter().map(|raw| Self::of(raw.get(), deeper));
            return Some(Self::List(raw, trees.collect::<Option<_>>()?));
        }
        if raw.starts_with('{') {
            let members: Members<'j> = serde_json::from_str(raw).expect("an object");
            let trees = members.0.into_iter();
            let trees = trees.map(|(name, raw)| Some((name.get(), Self::of(raw.get(), deeper)?)));
            return Some(Self::Object(raw, trees.collect::<Option<_>>()?));
        }
        Some(Self::Scalar(raw))
    }

    fn raw(&self) -> &'j str {
        match self {
            Self::Scalar(raw) | Self::List(raw, _) | Self::Object(raw, _) => raw,
        }
    }

    fn find(&self, steps: &[Step]) -> Picked<'j> {
        let Some((step, rest)) = steps.split_first() else {
            return Picked::One(self.raw().as_bytes());
        };
        let part = match (step, self) {
            (Step::Member(name), Self::Object(_, members)) => {
                let mut named = members.iter().rev();
                let found = named.find(|(written, _)| is_named(written, name));
                found.map(|(_, tree)| tree)
            }
            (Step::Index(index), Self::List(_, elements)) => {
                let total = i128::try_from(elements.len()).expect("small");
                let from_end = if *index < 0 { total } else { 0 };
                let index = usize::try_from(i128::from(*index) + from_end);
                index.ok().and_then(|index| elements.get(index))
            }
            (Step::Every, Self::List(_, elements)) => {
                let parts = elements.iter().map(|element| element.find(rest));
                return Picked::Many(parts.flat_map(several).collect());
            }
            _ => None,
        };
        part.map_or(Picked::Missing, |part| part.find(rest))
    }

    /// Returns what is kept, or `None` if that is nothing.
    fn keep(&self, paths: &[&[Step]]) -> Option<Self> {
        if paths.iter().any(|path| path.is_empty()) {
            return Some(self.clone());
        }
        match self {
            Self::Object(_, members) => {
                let kept = members.iter().filter_map(|(written, tree)| {
                    let rest = within(paths, |step| is_member(step, written));
                    let tree = tree.keep(&rest).filter(|_| !rest.is_empty())?;
                    Some((*written, tree))
                });
                Some(Self::Object("", kept.collect()))
            }
            Self::List(_, elements) => {
                let rest = within(paths, |step| *step == Step::Every);
                let kept = elements.iter().filter(|_| !rest.is_empty());
                Some(Self::List(
                    "",
                    kept.filter_map(|tree| tree.keep(&rest)).collect(),
                ))
            }
            Self::Scalar("null") => Some(self.clone()),
            Self::Scalar(_) => None,
        }
    }

    /// Returns what is left, or `None` if that is nothing.
    fn drop(&self, paths: &[&[Step]]) -> Option<Self> {
        if paths.iter().any(|path| path.is_empty()) {
            return None;
        }
        Some(match self {
            Self::Object(_, members) => {
                let left = members.iter().filter_map(|(written, tree)| {
                    let rest = within(paths, |step| is_member(step, written));
                    Some((*written, tree.drop(&rest)?))
                });
                Self::Object("", left.collect())
            }
            Self::List(_, elements) => {
                let rest = within(paths, |step| *step == Step::Every);
                let left = elements.iter().filter_map(|tree| tree.drop(&rest));
                Self::List("", left.collect())
            }
            Self::Scalar(_) => self.clone(),
        })
    }
}

/// Returns the rest of the paths whose first step is like this.
fn within<'p>(paths: &[&'p [Step]], is_first: impl Fn(&Step) -> bool) -> Vec<&'p [Step]> {
    let split = paths.iter().filter_map(|path| path.split_first());
    let own = split.filter(|(first, _)| is_first(first));
    own.map(|(_, rest)| rest).collect()
}

fn is_member(step: &Step, written: &str) -> bool {
    matches!(step, Step::Member(name) if is_named(written, name))
}

fn is_named(written: &str, name: &str) -> bool {
    serde_json::from_str::<String>(written).is_ok_and(|written| written == name)
}

fn several(picked: Picked<'_>) -> Vec<&[u8]> {
    match picked {
        Picked::Missing => Vec::new(),
        Picked::One(value) => vec![value],
        Picked::Many(values) => values,
    }
}

/// The members of an object with their names as they are written.
struct Members<'j>(Vec<(&'j RawValue, &'j RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(All)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn json() -> impl Strategy<Value = String> {
        let scalars = [
            "null",
            "1.10",
            "-0",
            "1e400",
            "\"\"",
            "\"a\\\"]}\"",
            "\"\\ud83d\"",
            "\"\\ud83d\\ude00\"",
            "\"\\u2028é\"",
            "\"y_Y{\u{7f}\"",
            "true",
            "12345678901234567890",
        ];
        let leaf = prop::sample::select(scalars.to_vec()).prop_map(str::to_owned);
        let names = [
            "a",
            "b",
            "\\u0061",
            "x-y",
            "é",
            "\\u00e9",
            "",
            "\\ud800",
            "a long name",
        ];
        let name = prop::sample::select(names.to_vec());
        let space = prop::sample::select(vec!["", "", " ", "\n\t"]);
        leaf.prop_recursive(5, 40, 6, move |inner| {
            let list = vec((space.clone(), inner.clone()), 0..5).prop_map(|elements| {
                let elements: Vec<_> = elements
                    .iter()
                    .map(|(space, json)| format!("{space}{json}{space}"))
                    .collect();
                format!("[{}]", elements.join(","))
            });
            let object = vec((name.clone(), space.clone(), inner), 0..6).prop_map(|members| {
                let member = |(name, space, json): &(&str, &str, String)| {
                    format!("{space}\"{name}\"{space}:{space}{json}{space}")
                };
                let members: Vec<_> = members.iter().map(member).collect();
                format!("{{{}}}", members.join(","))
            });
            prop_oneof![object, list]
        })
    }

    fn path() -> impl Strategy<Value = String> {
        let steps = [
            ".a",
            ".a",
            ".b",
            "[*]",
            "[*]",
            "[0]",
            "[1]",
            "[-1]",
            "[-2]",
            ".é",
            "[\"x-y\"]",
            "[\"\"]",
        ];
        vec(prop::sample::select(steps.to_vec()), 1..5).prop_map(|steps| steps.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_bytes_find_the_same_as_a_tree(paths in vec(path(), 1..4), json in json()) {
            shaping(format!("{}\n{json}", paths.join(" ")).as_bytes());
        }

        #[test]
        fn members_are_kept_and_dropped_as_in_a_tree(paths in vec(path(), 1..5), json in json()) {
            let members = paths.iter().filter(|path| !path.contains(['0', '1', '2']));
            let members: Vec<_> = members.map(String::as_str).collect();
            shaping(format!("{}\n{json}", members.join(" ")).as_bytes());
        }

        #[test]
        fn what_is_no_json_is_no_trouble(paths in vec(path(), 1..4), json in json(), cut in 0_usize..80) {
            let end = json.char_indices().map(|(at, _)| at).take(cut).last().unwrap_or_default();
            shaping(format!("{}\n{}", paths.join(" "), &json[..end]).as_bytes());
        }
    }
}
