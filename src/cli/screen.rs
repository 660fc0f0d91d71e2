//! The terminal: whether there is one, how wide it is, and how an error looks on it.

use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style as Ansi};

use super::waterfall::Style;

/// Columns where the terminal doesn't say.
const WIDTH: usize = 80;

/// How to draw on standard output.
pub(super) fn style() -> Style {
    let width = console_width();
    Style {
        width: width.unwrap_or(WIDTH),
        whole_notes: width.is_none(),
        // anstream takes the colours out again where they don't belong (no terminal, NO_COLOR).
        colour: true,
        unicode: is_utf8(),
    }
}

/// How to draw on standard error while something goes on.
pub(super) fn progress_style() -> Style {
    let size = console::Term::stderr().size_checked();
    Style {
        width: size.map_or(WIDTH, |(_, columns)| usize::from(columns)),
        whole_notes: false,
        colour: anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never,
        unicode: is_utf8(),
    }
}

/// How many lines standard error shows at a time.
pub(super) fn progress_rows() -> usize {
    let size = console::Term::stderr().size_checked();
    size.map_or(usize::MAX, |(rows, _)| usize::from(rows))
}

/// Whether progress may be drawn on standard error.
pub(super) fn shows_progress() -> bool {
    io::stderr().is_terminal()
}

/// Standard output, without colours where they don't belong.
pub(super) fn out() -> anstream::AutoStream<io::Stdout> {
    anstream::stdout()
}

/// One sentence on standard error.
pub(super) fn error(error: &anyhow::Error) {
    let red = Ansi::new().fg_color(Some(AnsiColor::Red.into())).bold();
    // Nobody is left to tell if standard error is gone.
    let _ = writeln!(anstream::stderr(), "{red}error{red:#}: {error:#}");
}

/// Whether an error only says that the reader of our output has gone.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn console_width() -> Option<usize> {
    let (_, columns) = console::Term::stdout().size_checked()?;
    Some(usize::from(columns))
}

/// By the locale, as other programs do it.
fn is_utf8() -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
        .is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("utf-8") || value.contains("utf8")
        })
}
