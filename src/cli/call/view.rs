//! The drawing that grows on the terminal while an answer comes, and the drawing that stays at the end.

use std::io::{self, Write as _};

use anyhow::bail;
use http::StatusCode;
use tokio::time::Instant;

use super::live::{Announced, Live};
use crate::{
    cli::{
        answer::{self, Answer, Message},
        screen,
    },
    fanout::Reply,
};

/// One call of the command, and its drawing.
pub(super) struct LiveView {
    began: Instant,
    live: Live,
    /// The number of lines that are on the terminal now.
    drawn: usize,
}

impl LiveView {
    pub(super) fn begin() -> Self {
        Self {
            began: Instant::now(),
            live: Live::new(Announced::default()),
            drawn: 0,
        }
    }

    /// Takes the answer's head: its calls have begun.
    pub(super) fn announce(&mut self, announced: Announced) {
        self.live = Live::new(announced);
    }

    pub(super) fn take(&mut self, message: Message) -> anyhow::Result<()> {
        self.live.take(message, self.began.elapsed())
    }

    /// Draws over the last drawing.
    pub(super) fn paint(&mut self) -> io::Result<()> {
        let mut frame = Vec::new();
        let style = screen::progress_style();
        self.live.draw(&mut frame, style, self.began.elapsed())?;
        let mut text = String::from_utf8_lossy(&frame).into_owned();
        // Lines that have scrolled away can't be drawn over.
        if text.lines().count() >= screen::progress_rows() {
            text = format!("{} calls settled\n", self.live.progress());
        }
        let mut all = self.back();
        for line in text.lines() {
            all.push_str(line);
            // The line that was here before may have been longer.
            all.push_str("\x1b[K\n");
        }
        all.push_str("\x1b[J");
        self.drawn = text.lines().count();
        io::stderr().write_all(all.as_bytes())
    }

    /// Returns the control sequence that goes to the start of the last drawing.
    fn back(&self) -> String {
        match self.drawn {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\r"),
        }
    }

    /// Returns the error for a stream that was cut.
    pub(super) fn broken<T>(&self) -> anyhow::Result<T> {
        bail!(self.live.broken_off())
    }

    /// Leaves the last drawing on standard output: of the whole answer, or of the part that has come.
    pub(super) fn end(
        mut self,
        ended: anyhow::Result<Option<Reply>>,
    ) -> anyhow::Result<(StatusCode, Answer)> {
        // Standard error may be closed, so a failure is ignored.
        let _ = write!(io::stderr(), "{}\x1b[J", self.back());
        self.drawn = 0;
        match ended {
            Ok(Some(reply)) => Ok((reply.status, answer::show(&reply, false)?)),
            Ok(None) if self.live.is_whole() => {
                let whole = self.live.answer()?;
                whole.draw(&mut screen::out(), screen::style())?;
                Ok((StatusCode::OK, whole.answer))
            }
            ended => {
                if self.live.has_results() {
                    let now = self.began.elapsed();
                    self.live.draw(&mut screen::out(), screen::style(), now)?;
                }
                ended?;
                Ok((StatusCode::OK, self.live.answer()?.answer))
            }
        }
    }
}
