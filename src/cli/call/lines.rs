//! The messages of a streamed answer, out of the pieces in which it comes. Pure.

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::cli::answer::CallResult;

/// The longest line that is waited for: a result's body may be as large as a whole answer.
const LONGEST: usize = 64 * 1024 * 1024;

/// One line.
#[derive(Debug)]
pub(super) enum Message {
    /// A call is settled.
    Result {
        /// The mode of its run, in a comparison.
        run: Option<String>,
        /// Its place in the plan.
        index: usize,
        call: CallResult,
    },
    /// All the rest, and the end.
    Outcome(Value),
}

/// Lines as far as they have come.
#[derive(Debug, Default)]
pub(super) struct Lines {
    held: Vec<u8>,
}

impl Lines {
    /// Gives each message that ends with this piece to `take`, up to the first that is none.
    pub(super) fn push(
        &mut self,
        piece: &[u8],
        mut take: impl FnMut(Message) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        // What has come before has no end in it.
        let mut searched = self.held.len();
        self.held.extend_from_slice(piece);
        let mut used = 0;
        while let Some(size) = self.held[searched..].iter().position(|byte| *byte == b'\n') {
            let end = searched + size;
            take(read(&self.held[used..end])?)?;
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

fn read(line: &[u8]) -> anyhow::Result<Message> {
    let strange = "the gateway sent a line that is none of an answer";
    let value: Value = serde_json::from_slice(line).context(strange)?;
    let Some(index) = value.get("index") else {
        if value.get("outcome").is_none() {
            bail!(strange);
        }
        return Ok(Message::Outcome(value));
    };
    let index = index.as_u64().and_then(|index| usize::try_from(index).ok());
    let run = value.get("mode").and_then(Value::as_str).map(str::to_owned);
    Ok(Message::Result {
        run,
        index: index.context(strange)?,
        call: serde_json::from_value(value).context(strange)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULT: &str = r#"{"mode":"sequential","index":1,"name":"a","ok":true,"status":200,"start_ms":0.1,"elapsed_ms":2.0,"attempts":1,"body":"pong"}"#;

    #[test]
    fn messages_come_with_their_lines_end_however_they_are_cut_up() {
        let text = format!("{RESULT}\n{{\"outcome\":\"complete\"}}\n");
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
            let [
                Message::Result { run, index, call },
                Message::Outcome(outcome),
            ] = &messages[..]
            else {
                panic!("{messages:?}");
            };
            assert_eq!(
                (run.as_deref(), *index, &*call.name),
                (Some("sequential"), 1, "a")
            );
            assert_eq!(outcome["outcome"], "complete");
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
        ] {
            let mut lines = Lines::default();
            let pushed = lines.push(format!("{line}\n").as_bytes(), |_| Ok(()));
            assert!(pushed.is_err(), "{line}");
        }
    }
}
