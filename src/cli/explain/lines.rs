//! Lines of text that are wrapped between the parts of a list. It must not know what they say.

/// The widest line, in characters, if its parts allow it.
const WIDTH: usize = 80;

/// The width of an entry's key with the indent before it.
const KEY: usize = 11;

/// Lines of text.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: String,
    /// The key of the entry before, which is not written twice.
    key: String,
}

impl Lines {
    /// Adds a line as it is.
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Adds an empty line.
    pub(super) fn blank(&mut self) {
        self.line("");
    }

    /// Adds an entry with its key, unless it is that of the entry before.
    pub(super) fn entry(&mut self, key: &str, text: &str) {
        let start = self.start(key);
        self.line(&format!("{start}{text}"));
    }

    /// Adds an entry of several parts.
    pub(super) fn list(&mut self, key: &str, parts: &[String]) {
        let start = self.start(key);
        self.wrapped(&start, parts);
    }

    /// Adds a list after `start`. Further lines begin below its first part.
    pub(super) fn wrapped(&mut self, start: &str, parts: &[String]) {
        let indent = start.chars().count();
        let mut line = start.to_owned();
        let mut width = indent;
        for (place, part) in parts.iter().enumerate() {
            let is_last = place + 1 == parts.len();
            let own = part.chars().count() + usize::from(!is_last);
            if place > 0 && width + 1 + own > WIDTH {
                self.line(&line);
                line = " ".repeat(indent);
                width = indent;
            } else if place > 0 {
                line.push(' ');
                width += 1;
            }
            line.push_str(part);
            line.push_str(if is_last { "" } else { "," });
            width += own;
        }
        self.line(&line);
    }

    /// Returns all lines.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn start(&mut self, key: &str) -> String {
        let shown = if self.key == key { "" } else { key };
        let start = format!("  {shown:<width$}", width = KEY - 2);
        key.clone_into(&mut self.key);
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_wrapped_between_its_parts() {
        let mut lines = Lines::default();
        lines.list("client", &["x".repeat(40), "y".repeat(40), "z".to_owned()]);
        let (x, y) = ("x".repeat(40), "y".repeat(40));
        assert_eq!(
            lines.into_text(),
            format!("  client   {x},\n           {y}, z\n")
        );
    }

    #[test]
    fn a_key_is_written_once_for_entries_that_follow_one_another() {
        let mut lines = Lines::default();
        lines.entry("route", "a");
        lines.entry("route", "b");
        assert_eq!(lines.into_text(), "  route    a\n           b\n");
    }
}
