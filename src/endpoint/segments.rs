//! The segments of a route's path, and the paths that are equal to one another. It must not know how a path is found.

use std::borrow::Cow;

use super::Route;

/// A segment of a route's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment<'a> {
    /// A text that stands for itself.
    Literal(&'a str),
    /// A parameter, by its name.
    Parameter(&'a str),
}

impl Route {
    /// Returns the segments of its path, in order. The path `/` has one, an empty text.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        let path = self.path.strip_prefix('/').unwrap_or(&self.path);
        path.split('/').map(|segment| {
            let inside = segment.strip_prefix('{');
            match inside.and_then(|inside| inside.strip_suffix('}')) {
                None => Segment::Literal(segment),
                Some(inside) => {
                    let name = inside.split_once(':').map_or(inside, |(name, _)| name);
                    Segment::Parameter(name)
                }
            }
        })
    }

    /// Returns its path without the kinds of its parameters: `/users/{id}/home`, as OpenAPI and OpenTelemetry write it.
    #[must_use]
    pub fn template(&self) -> String {
        let mut template = String::with_capacity(self.path.len());
        for segment in self.segments() {
            template.push('/');
            match segment {
                Segment::Literal(text) => template.push_str(text),
                Segment::Parameter(name) => {
                    template.push('{');
                    template.push_str(name);
                    template.push('}');
                }
            }
        }
        template
    }
}

/// Returns the normal form of a path, which is the same for all paths that are equivalent by RFC 3986, section 6.2.2:
/// an escape of a letter, a digit or one of `-._~` becomes that character, and others have upper-case digits. What is
/// no escape stays as it is.
pub(super) fn normal(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut normal = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        normal.push_str(&rest[..at]);
        rest = &rest[at..];
        match escaped(rest.as_bytes()) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                normal.push(char::from(byte));
                rest = &rest[ESCAPE..];
            }
            Some(_) => {
                normal.push_str(&rest[..ESCAPE].to_ascii_uppercase());
                rest = &rest[ESCAPE..];
            }
            None => {
                normal.push('%');
                rest = &rest[1..];
            }
        }
    }
    normal.push_str(rest);
    Cow::Owned(normal)
}

/// The length of an escape, such as `%2F`.
const ESCAPE: usize = 3;

/// Returns the byte of the escape with which a text begins, if it begins with one.
fn escaped(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    let value = digit(1)? * 16 + digit(2)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::fixture::route;

    #[test]
    fn a_parameter_is_a_whole_segment_and_may_have_a_kind() {
        let route = route("/users/{id:int}/{name}");
        let segments: Vec<_> = route.segments().collect();
        let expected = [
            Segment::Literal("users"),
            Segment::Parameter("id"),
            Segment::Parameter("name"),
        ];
        assert_eq!(segments, expected);
        assert_eq!(route.template(), "/users/{id}/{name}");
    }

    #[test]
    fn the_shortest_path_is_a_slash() {
        assert_eq!(route("/").template(), "/");
    }

    #[test]
    fn paths_that_mean_the_same_have_one_normal_form() {
        for (path, expected) in [
            ("/users", "/users"),
            ("/%75sers/%7e%2E", "/users/~."),
            ("/caf%c3%a9%2f", "/caf%C3%A9%2F"),
            // An escape of `%` does not become the beginning of another.
            ("/%2575", "/%2575"),
            ("/%zz%", "/%zz%"),
            ("/%2", "/%2"),
            ("/%é", "/%é"),
        ] {
            assert_eq!(normal(path), expected, "{path}");
        }
    }
}
