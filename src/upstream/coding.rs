//! Reads `Content-Encoding` (RFC 9110, section 8.4): the coding of a body, if it has any. Pure.

use super::media::is_token;

/// The most codings that a sentence names.
const MOST: usize = 4;

/// The formats that can be inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Gzip,
    /// Deflate in zlib's format, or as a bare stream, which some servers send.
    Deflate,
    Brotli,
}

impl Format {
    /// Returns the format's name for a sentence.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "brotli",
        }
    }
}

/// The codings that the fields of one answer name. It is not made if they name no coding, or only `identity`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Codings {
    /// The codings' words in order, with commas between them. Text that is not a valid word is left out.
    words: String,
    /// The words that IANA knows as codings.
    known: Vec<&'static str>,
}

impl Codings {
    /// Adds the words of one more field.
    #[cold]
    pub(super) fn add(before: Option<Box<Self>>, field: &[u8]) -> Option<Box<Self>> {
        let mut codings = before;
        for word in field.split(|byte| *byte == b',') {
            let word = std::str::from_utf8(word.trim_ascii()).unwrap_or_default();
            if !is_token(word) || word.eq_ignore_ascii_case("identity") {
                continue;
            }
            let codings = codings.get_or_insert_default();
            if !codings.words.is_empty() {
                codings.words.push_str(", ");
            }
            codings.words.push_str(word);
            codings.known.extend(known(word));
        }
        codings
    }

    /// Returns the words as the answer had them.
    pub(super) fn words(&self) -> &str {
        &self.words
    }

    /// Returns the format to inflate the body from. The body must be in exactly one coding, which is one of ours.
    pub(super) fn format(&self) -> Option<Format> {
        match self.known[..] {
            ["gzip"] => Some(Format::Gzip),
            ["deflate"] => Some(Format::Deflate),
            ["br"] => Some(Format::Brotli),
            _ => None,
        }
    }

    /// Returns a phrase for the codings that are not inflated here. `None` if there are none.
    pub(super) fn strange(&self) -> Option<String> {
        match self.known[..] {
            [] | ["gzip" | "deflate" | "br"] => None,
            [one] => Some(one.to_owned()),
            [..] if self.known.len() > MOST => {
                Some(format!("{} codings, one over another", self.known.len()))
            }
            [..] => Some(format!(
                "{} codings, one over another: {}",
                self.known.len(),
                self.known.join(", ")
            )),
        }
    }
}

/// Returns a registered coding by its name or its alias. Other words are not codings, and their bytes are taken as they
/// are.
fn known(word: &str) -> Option<&'static str> {
    let codings = [
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("deflate", "deflate"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("compress", "compress"),
        ("x-compress", "compress"),
        ("dcb", "dcb"),
        ("dcz", "dcz"),
        ("exi", "exi"),
        ("pack200-gzip", "pack200-gzip"),
    ];
    codings
        .iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name))
        .map(|(_, coding)| *coding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[&str]) -> Option<Codings> {
        let add = |before, field: &&str| Codings::add(before, field.as_bytes());
        fields.iter().fold(None, add).map(|codings| *codings)
    }

    #[test]
    fn nothing_and_identity_are_no_coding() {
        for fields in [
            &[][..],
            &[""],
            &[" "],
            &["identity"],
            &[", Identity ,"],
            &["", "identity"],
        ] {
            assert_eq!(of(fields), None, "{fields:?}");
        }
        assert_eq!(of(&["\u{e9}", "a b"]), None, "these are no words");
    }

    #[test]
    fn one_coding_of_ours_is_inflated_whatever_else_is_said() {
        for (fields, format) in [
            (&["gzip"][..], Format::Gzip),
            (&["X-GZIP"], Format::Gzip),
            (&["deflate"], Format::Deflate),
            (&["br"], Format::Brotli),
            (&["identity, gzip"], Format::Gzip),
            (&["gzip,"], Format::Gzip),
            (&["aws-chunked", "gzip"], Format::Gzip),
            (&["utf-8,br"], Format::Brotli),
        ] {
            let codings = of(fields).unwrap();
            assert_eq!(codings.format(), Some(format), "{fields:?}");
            assert_eq!(codings.strange(), None, "{fields:?}");
        }
    }

    #[test]
    fn words_that_are_no_coding_are_kept_and_mean_nothing() {
        for word in [
            "utf-8",
            "none",
            "aws-chunked",
            "binary",
            "UTF8",
            "bzip2",
            "gzip;q=1",
        ] {
            let Some(codings) = of(&[word]) else {
                assert_eq!(word, "gzip;q=1");
                continue;
            };
            assert_eq!(
                (codings.format(), codings.strange()),
                (None, None),
                "{word}"
            );
            assert_eq!(codings.words(), word);
        }
    }

    #[test]
    fn other_codings_and_several_are_named() {
        for (fields, name) in [
            (&["zstd"][..], "zstd"),
            (&["Compress"], "compress"),
            (&["gzip, br"], "2 codings, one over another: gzip, br"),
            (
                &["gzip", "x-gzip"],
                "2 codings, one over another: gzip, gzip",
            ),
            (
                &["deflate, identity", "zstd"],
                "2 codings, one over another: deflate, zstd",
            ),
        ] {
            let codings = of(fields).unwrap();
            assert_eq!(codings.format(), None, "{fields:?}");
            assert_eq!(codings.strange().as_deref(), Some(name));
        }
        assert_eq!(of(&["deflate,", "zstd"]).unwrap().words(), "deflate, zstd");
    }
}
