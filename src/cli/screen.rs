//! The terminal: if there is one, its width, and the form of an error on it.

use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style as Ansi};

use super::waterfall::Style;

/// The width in columns if the terminal doesn't tell its own.
const WIDTH: usize = 80;

/// Returns the style for standard output.
pub(super) fn style() -> Style {
    let width = console_width();
    Style {
        width: width.unwrap_or(WIDTH),
        whole_notes: width.is_none(),
        // anstream removes the colours where they don't belong (no terminal, NO_COLOR).
        colour: true,
        unicode: is_utf8(),
    }
}

/// Returns the style for progress on standard error.
pub(super) fn progress_style() -> Style {
    let size = console::Term::stderr().size_checked();
    Style {
        width: size.map_or(WIDTH, |(_, columns)| usize::from(columns)),
        whole_notes: false,
        colour: anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never,
        unicode: is_utf8(),
    }
}

/// Returns the number of lines that standard error shows at a time.
pub(super) fn progress_rows() -> usize {
    let size = console::Term::stderr().size_checked();
    size.map_or(usize::MAX, |(rows, _)| usize::from(rows))
}

/// Returns true if progress may be drawn on standard error.
pub(super) fn shows_progress() -> bool {
    io::stderr().is_terminal()
}

/// Returns standard output, without colours where they don't belong.
pub(super) fn out() -> anstream::AutoStream<io::Stdout> {
    anstream::stdout()
}

/// Writes one sentence to standard error.
pub(super) fn error(error: &anyhow::Error) {
    let red = Ansi::new().fg_color(Some(AnsiColor::Red.into())).bold();
    // If standard error is closed, nobody can read the message.
    let _ = writeln!(anstream::stderr(), "{red}error{red:#}: {error:#}");
}

/// Returns true if an error only says that the reader of our output has gone.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn console_width() -> Option<usize> {
    let (_, columns) = console::Term::stdout().size_checked()?;
    Some(usize::from(columns))
}

/// Returns true if the locale says UTF-8. Other programs decide it in the same way.
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
