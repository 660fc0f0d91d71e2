//! A JSON value with only some of its members, or without some of them. It must not know why.

use super::{Path, PathError, Step, cursor::Cursor, text::name};

/// The members to keep or to leave out (`keep`, `drop`).
///
/// A value on the way to a kept member is never shown as it is. An object has its kept members alone, and becomes
/// `{}` if it has none of them. A list has its kept elements alone. `null` stays, as it says that there is nothing. Any
/// other value on the way is left out; if the whole value is one, `null` is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prune {
    tree: Node,
    keeps: bool,
}

/// The paths that have their first steps in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Node {
    /// True if a path ends here. Longer ones then say nothing more.
    is_end: bool,
    members: Vec<(Box<str>, Node)>,
    elements: Option<Box<Node>>,
}

impl Prune {
    /// Keeps only these members. A path to all elements of a list has `[*]`.
    ///
    /// # Errors
    /// Fails if a path has no step, or has an index.
    pub fn keep(paths: &[Path]) -> Result<Self, PathError> {
        let tree = Node::of(paths)?;
        Ok(Self { tree, keeps: true })
    }

    /// Leaves these members out. A path to all elements of a list has `[*]`.
    ///
    /// # Errors
    /// Fails if a path has no step, or has an index.
    pub fn drop(paths: &[Path]) -> Result<Self, PathError> {
        let tree = Node::of(paths)?;
        Ok(Self { tree, keeps: false })
    }

    /// Appends the rest of `json`, one valid JSON value. Order, spelling and duplicates of the members that stay are as
    /// they were.
    pub fn write(&self, json: &[u8], out: &mut Vec<u8>) {
        out.reserve(if self.keeps { 0 } else { json.len() });
        let mut cursor = Cursor::new(json);
        let is_written = if self.keeps {
            keep(&mut cursor, &self.tree, out)
        } else {
            leave_out(&mut cursor, &self.tree, out);
            true
        };
        if !is_written {
            out.extend_from_slice(b"null");
        }
    }
}

impl Node {
    fn of(paths: &[Path]) -> Result<Self, PathError> {
        let mut root = Self::default();
        for path in paths {
            if path.steps().is_empty() {
                return Err(PathError("an empty path leads nowhere".to_owned()));
            }
            let mut node = &mut root;
            for step in path.steps() {
                node = match step {
                    Step::Member(name) => node.member(name),
                    Step::Every => node.elements.get_or_insert_default(),
                    Step::Index(index) => {
                        return Err(PathError(format!(
                            "`{path}` has `[{index}]`, but only `[*]`, for all elements, can be kept or left out"
                        )));
                    }
                };
            }
            node.is_end = true;
        }
        Ok(root)
    }

    /// Returns the node of a member, which is made if it is not there.
    fn member(&mut self, name: &str) -> &mut Self {
        let known = self.members.iter().position(|(own, _)| &**own == name);
        let at = known.unwrap_or_else(|| {
            self.members.push((name.into(), Self::default()));
            self.members.len() - 1
        });
        &mut self.members[at].1
    }

    /// Returns the node of a member by its name as it is written in JSON.
    fn find(&self, written: &[u8]) -> Option<&Self> {
        let decoded;
        let own = if written.contains(&b'\\') {
            decoded = name(written)?;
            decoded.as_bytes()
        } else {
            written
        };
        let mut members = self.members.iter();
        let found = members.find(|(name, _)| name.as_bytes() == own);
        found.map(|(_, node)| node)
    }
}

/// Passes over the value at the cursor and appends what is kept of it. Returns false, and appends nothing, if that is
/// not even an empty value.
fn keep(cursor: &mut Cursor<'_>, node: &Node, out: &mut Vec<u8>) -> bool {
    let mut is_first = true;
    match cursor.peek() {
        b'{' if !node.is_end => {
            out.push(b'{');
            cursor.enter(b'{');
            while let Some(written) = cursor.member() {
                let Some(node) = node.find(written) else {
                    cursor.pass();
                    continue;
                };
                let before = out.len();
                start(written, is_first, out);
                if keep(cursor, node, out) {
                    is_first = false;
                } else {
                    out.truncate(before);
                }
            }
            out.push(b'}');
        }
        b'[' if !node.is_end => {
            out.push(b'[');
            cursor.enter(b'[');
            while cursor.element() {
                let Some(node) = &node.elements else {
                    cursor.pass();
                    continue;
                };
                let before = out.len();
                comma(is_first, out);
                if keep(cursor, node, out) {
                    is_first = false;
                } else {
                    out.truncate(before);
                }
            }
            out.push(b']');
        }
        first => {
            let value = cursor.pass();
            if !node.is_end && first != b'n' {
                return false;
            }
            out.extend_from_slice(value);
        }
    }
    true
}

/// Passes over the value at the cursor, and appends it without the members to leave out.
fn leave_out(cursor: &mut Cursor<'_>, node: &Node, out: &mut Vec<u8>) {
    let mut is_first = true;
    match (cursor.peek(), &node.elements) {
        (b'{', _) if !node.members.is_empty() => {
            out.push(b'{');
            cursor.enter(b'{');
            while let Some(written) = cursor.member() {
                let node = node.find(written);
                if node.is_some_and(|node| node.is_end) {
                    cursor.pass();
                    continue;
                }
                start(written, is_first, out);
                is_first = false;
                match node {
                    Some(node) => leave_out(cursor, node, out),
                    None => out.extend_from_slice(cursor.pass()),
                }
            }
            out.push(b'}');
        }
        (b'[', Some(node)) => {
            out.push(b'[');
            cursor.enter(b'[');
            while cursor.element() {
                if node.is_end {
                    cursor.pass();
                    continue;
                }
                comma(is_first, out);
                is_first = false;
                leave_out(cursor, node, out);
            }
            out.push(b']');
        }
        _ => out.extend_from_slice(cursor.pass()),
    }
}

fn comma(is_first: bool, out: &mut Vec<u8>) {
    if !is_first {
        out.push(b',');
    }
}

/// Appends a member's name as it is written, with what stands before and after it.
fn start(written: &[u8], is_first: bool, out: &mut Vec<u8>) {
    comma(is_first, out);
    out.push(b'"');
    out.extend_from_slice(written);
    out.extend_from_slice(b"\":");
}

#[cfg(test)]
#[path = "prune_tests.rs"]
mod tests;
