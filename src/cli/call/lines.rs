//! Splits a streamed answer, which comes in pieces, into its messages. Pure.

use anyhow::{Context as _, bail};

use crate::cli::answer::Message;

/// The longest line that is accepted. A result's body may be as large as a whole answer.
const LONGEST: usize = 64 * 1024 * 1024;

/// The part of a line that has come while its end has not.
#[derive(Debug, Default)]
pub(super) struct Lines {
    held: Vec<u8>,
}

impl Lines {
    /// Gives each message that ends with this piece to `take`, up to the first line that is no message.
    pub(super) fn push(
        &mut self,
        piece: &[u8],
        mut take: impl FnMut(Message) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        // The bytes from earlier pieces contain no line end.
        let mut searched = self.held.len();
        self.held.extend_from_slice(piece);
        let mut used = 0;
        while let Some(size) = self.held[searched..].iter().position(|byte| *byte == b'\n') {
            let end = searched + size;
            let message = Message::read(&self.held[used..end]);
            take(message.context("the gateway sent a line that is none of an answer")?)?;
            used = end + 1;
            searched = used;
        }
        self.held.drain(..used);
        if self.held.len() > LONGEST {
            bail!("the gateway sent a line without an end");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::answer::Ending;

    const RESULT: &str = r#"{"mode":"sequential","index":1,"name":"a","ok":true,"status":200,"start_ms":0.1,"elapsed_ms":2.0,"attempts":1,"body":"pong"}"#;

    const OUTCOME: &str = r#"{"aggregate":"x","mode":"sequential","outcome":"complete","elapsed_ms":2.1,"sequential_ms":2.0,"server_timing":"total;dur=2.1"}"#;

    #[test]
    fn messages_come_with_their_lines_end_however_they_are_cut_up() {
        let text = format!("{RESULT}\n{OUTCOME}\n");
        for size in [1, 7, text.len()] {
            let mut lines = Lines::default();
            let mut messages = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                lines
                    .push(piece, |message| {
                        messages.push(message);
                        Ok(())
                    })
                    .unwrap();
            }
            let [Message::Result(result), Message::Outcome(ending)] = &messages[..] else {
                panic!("{messages:?}");
            };
            let Ending::Single(outcome) = &**ending else {
                panic!("{ending:?}");
            };
            let mode = result.mode.as_ref().map(|mode| &*mode.0);
            let name = &*result.result.times().name;
            assert_eq!((mode, result.index, name), (Some("sequential"), 1, "a"));
            assert_eq!(outcome.summary.outcome.0, "complete");
        }
    }

    #[test]
    fn a_body_is_skipped_whatever_json_it_is() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for body in ["1e400", "-1E+999", &"9".repeat(40), r#""\ud800""#, &deep] {
            let line = RESULT.replace("\"pong\"", body);
            let pushed = Lines::default().push(format!("{line}\n").as_bytes(), |_| Ok(()));
            assert!(pushed.is_ok(), "{pushed:?}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for line in [
            "",
            "nonsense",
            "{}",
            "[1]",
            "{\"index\":-1}",
            "{\"index\":\"0\",\"name\":\"a\"}",
            "{\"index\":0}",
            "{\"outcome\":\"complete\"}",
        ] {
            let mut lines = Lines::default();
            let pushed = lines.push(format!("{line}\n").as_bytes(), |_| Ok(()));
            assert!(pushed.is_err(), "{line}");
        }
    }
}
