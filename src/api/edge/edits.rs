//! Changes to a valid head before actix's codec reads it. They keep from the codec what it doesn't know, or would take
//! for more than it means here. The ordinary head needs none. Knows nothing of requests.

use std::ops::Range;

use bytes::BytesMut;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Edit {
    /// Takes these bytes out: an expectation, a wish for another protocol, an empty body.
    Cut(Range<usize>),
    /// Makes spaces of them: an option of `Connection`.
    Blank(Range<usize>),
    /// Makes a 1 of this digit, a version's last.
    Minor(usize),
}

impl Edit {
    /// The first place that it changes.
    pub(super) const fn place(&self) -> usize {
        match self {
            Self::Cut(range) | Self::Blank(range) => range.start,
            Self::Minor(place) => *place,
        }
    }
}

/// Makes these changes, which don't overlap and are in the order of their places. Says by how much `bytes` got shorter.
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
