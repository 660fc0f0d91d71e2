//! Changes to a valid head before actix's codec reads it. They hide parts that the codec doesn't know, or that mean
//! more to it than here. An ordinary head needs none. It must not know requests.

use std::ops::Range;

use bytes::BytesMut;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Edit {
    /// Removes these bytes: an expectation, a request for another protocol, or an empty body.
    Cut(Range<usize>),
    /// Replaces these bytes, an option of `Connection`, with spaces.
    Blank(Range<usize>),
    /// Replaces this digit, the last one of a version, with 1.
    Minor(usize),
}

impl Edit {
    /// Returns the first byte that the edit changes.
    pub(super) const fn place(&self) -> usize {
        match self {
            Self::Cut(range) | Self::Blank(range) => range.start,
            Self::Minor(place) => *place,
        }
    }
}

/// Makes these edits, which must not overlap and must be in the order of their positions. Returns the number of bytes
/// removed.
#[cold]
pub(super) fn apply(edits: &[Edit], bytes: &mut BytesMut) -> usize {
    let mut less = 0;
    for edit in edits.iter().rev() {
        match edit {
            Edit::Cut(range) => {
                let after = bytes.split_off(range.end);
                bytes.truncate(range.start);
                bytes.unsplit(after);
                less += range.len();
            }
            Edit::Blank(range) => bytes[range.clone()].fill(b' '),
            Edit::Minor(place) => bytes[*place] = b'1',
        }
    }
    less
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_made_from_the_last_to_the_first() {
        let edits = [
            Edit::Minor(1),
            Edit::Cut(3..5),
            Edit::Blank(6..8),
            Edit::Cut(9..10),
        ];
        let mut bytes = BytesMut::from("0123456789abc");
        assert_eq!(apply(&edits, &mut bytes), 3);
        assert_eq!(bytes, "0125  8abc");
    }
}
