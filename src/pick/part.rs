//! The kind of a JSON value, the elements of a list and the members of an object. It must not know what they are for.

use super::cursor::Cursor;

/// The kind of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    Text,
    /// `[…]`
    List,
    /// `{…}`
    Object,
}

/// Returns the kind of one valid JSON value.
#[must_use]
pub fn kind(json: &[u8]) -> Kind {
    match Cursor::new(json).peek() {
        b'"' => Kind::Text,
        b'{' => Kind::Object,
        b'[' => Kind::List,
        b't' | b'f' => Kind::Bool,
        b'-' | b'0'..=b'9' => Kind::Number,
        _ => Kind::Null,
    }
}

/// Returns the elements of a list, in order. Another value has none.
#[must_use]
pub fn elements(json: &[u8]) -> Elements<'_> {
    let mut cursor = Cursor::new(json);
    let is_list = cursor.enter(b'[');
    Elements(is_list.then_some(cursor))
}

/// Returns the members of an object, in order: the name as it is written, without quotes, and the value. Another value
/// has none.
#[must_use]
pub fn members(json: &[u8]) -> Members<'_> {
    let mut cursor = Cursor::new(json);
    let is_object = cursor.enter(b'{');
    Members(is_object.then_some(cursor))
}

/// The elements of a list, each the bytes of one value.
#[derive(Debug, Clone)]
pub struct Elements<'j>(Option<Cursor<'j>>);

impl<'j> Iterator for Elements<'j> {
    type Item = &'j [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let cursor = self.0.as_mut()?;
        if cursor.element() {
            return Some(cursor.pass());
        }
        self.0 = None;
        None
    }
}

/// The members of an object. [`name`](super::name) decodes a name.
#[derive(Debug, Clone)]
pub struct Members<'j>(Option<Cursor<'j>>);

impl<'j> Iterator for Members<'j> {
    type Item = (&'j [u8], &'j [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let cursor = self.0.as_mut()?;
        if let Some(name) = cursor.member() {
            return Some((name, cursor.pass()));
        }
        self.0 = None;
        None
    }
}
