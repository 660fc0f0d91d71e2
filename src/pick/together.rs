//! The parts of one JSON value at several paths, in one walk over it. It must not know where the value comes from.

use super::{
    cursor::Cursor,
    path::{Path, Picked, Step},
    text::stands_for,
};

/// Returns the part at each path, as [`Path::find`] does. An object is walked over once for all of them.
#[must_use]
pub fn find_all<'j>(paths: &[&Path], json: &'j [u8]) -> Vec<Picked<'j>> {
    let mut cursor = Cursor::new(json);
    if !cursor.enter(b'{') {
        return paths.iter().map(|path| path.find(json)).collect();
    }
    let mut all: Vec<_> = (paths.iter())
        .map(|path| match path.steps() {
            [Step::Member(_), ..] => Picked::Missing,
            _ => path.find(json),
        })
        .collect();
    while let Some(written) = cursor.member() {
        let value = cursor.pass();
        for (path, found) in paths.iter().zip(&mut all) {
            if let [Step::Member(name), rest @ ..] = path.steps()
                && stands_for(written, name)
            {
                *found = Path::find_at(rest, value);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATHS: [&str; 9] = [
        "a", "b", "a.a", "a.b", "a[0]", "a[*].b", "b[-1]", "[0]", "[*].a",
    ];

    fn assert_as_one_by_one(json: &str) {
        let paths = PATHS.map(|path| Path::parse(path).unwrap());
        let all = find_all(&paths.each_ref(), json.as_bytes());
        let alone = paths.each_ref().map(|path| path.find(json.as_bytes()));
        assert_eq!(all, alone, "{json}");
    }

    #[test]
    fn what_is_found_together_is_what_is_found_alone() {
        for json in [
            "",
            "1",
            "null",
            "[1,{\"a\":2}]",
            "{}",
            " { \"a\" : 1 , \"b\" : [ 2 , 3 ] } ",
            r#"{"a":{"a":1,"b":2},"b":[]}"#,
            r#"{"a":1,"b":2,"a":{"b":3}}"#,
            r#"{"a":{"b":3},"\u0061":4}"#,
            r#"{"a":[{"b":1},{"b":2},3]}"#,
            r#"{"a":1"#,
            r#"{"a"}"#,
        ] {
            assert_as_one_by_one(json);
        }
    }

    proptest! {
        #[test]
        fn any_json_and_what_looks_like_it_gives_the_same(
            pieces in prop::collection::vec(
                prop::sample::select(vec!["{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "\"\\u0061\"", "1", " ", "null"]),
                0..24,
            ),
        ) {
            assert_as_one_by_one(&pieces.concat());
        }
    }
}
