//! JSON for a person: each member and element on a line of its own, unless they fit on one. Names, texts and numbers
//! stay as they were written. It must not know what the value is.

/// Returns one valid JSON value on lines of at most `width` characters, as far as its parts allow it.
pub(super) fn indented(json: &str, width: usize) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut tokens = Tokens(json);
    let mut depth = 0;
    let mut column = 0;
    while let Some(token) = tokens.next() {
        let is_end = matches!(token, "}" | "]");
        if is_end {
            depth = usize::saturating_sub(depth, 1);
            column = new_line(&mut out, depth);
        }
        // A comma may come after the last bracket.
        let whole = if matches!(token, "{" | "[") {
            line(token, &tokens, width.saturating_sub(column + 1))
        } else {
            None
        };
        if let Some((text, rest)) = whole {
            column += text.chars().count();
            out.push_str(&text);
            tokens = rest;
            continue;
        }
        out.push_str(token);
        column += token.chars().count();
        match token {
            "{" | "[" => {
                depth += 1;
                column = new_line(&mut out, depth);
            }
            "," => column = new_line(&mut out, depth),
            ":" => {
                out.push(' ');
                column += 1;
            }
            _ => {}
        }
    }
    out
}

/// The most levels that are indented. Beyond them, a deep value would be mostly space.
const LEVELS: usize = 32;

/// Begins a line, and returns its first column.
fn new_line(out: &mut String, depth: usize) -> usize {
    let indent = 2 * depth.min(LEVELS);
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
    indent
}

/// Returns an object or a list on one line, and the tokens after it; `None` if it takes more than `room` characters.
fn line<'j>(first: &str, after: &Tokens<'j>, room: usize) -> Option<(String, Tokens<'j>)> {
    let mut text = first.to_owned();
    let mut tokens = Tokens(after.0);
    let mut open = 1;
    while open > 0 {
        let token = tokens.next()?;
        text.push_str(token);
        match token {
            "{" | "[" => open += 1,
            "}" | "]" => open -= 1,
            "," | ":" => text.push(' '),
            _ => {}
        }
        // A character takes at most four bytes. The exact count is left to the end, as it goes through the whole text.
        if text.len() > room.saturating_mul(4) {
            return None;
        }
    }
    (text.chars().count() <= room).then_some((text, tokens))
}

/// The parts of a JSON value without the space between them.
struct Tokens<'j>(&'j str);

impl<'j> Iterator for Tokens<'j> {
    type Item = &'j str;

    fn next(&mut self) -> Option<&'j str> {
        let rest = self.0.trim_start_matches([' ', '\t', '\r', '\n']);
        let size = match rest.bytes().next()? {
            b'"' => text(rest),
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            _ => {
                let is_end = |byte: u8| b"{}[],: \t\r\n\"".contains(&byte);
                rest.bytes().position(is_end).unwrap_or(rest.len())
            }
        };
        let (token, rest) = rest.split_at(size);
        self.0 = rest;
        Some(token)
    }
}

/// Returns the number of bytes of the text with which `json` begins, with its quotes.
fn text(json: &str) -> usize {
    let mut is_escaped = false;
    let end = json.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.map_or(json.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_has_a_line_unless_all_fit_on_one() {
        let json = r#"{"user":{"id":42,"name":"Ada, \"}["},"orders":[{"id":1,"price":1.10},{"id":2,"price":1e400}],"none":[ ]}"#;
        assert_eq!(
            indented(json, 44),
            r#"{
  "user": {"id": 42, "name": "Ada, \"}["},
  "orders": [
    {"id": 1, "price": 1.10},
    {"id": 2, "price": 1e400}
  ],
  "none": []
}"#
        );
    }

    #[test]
    fn what_fits_and_what_has_no_parts_is_one_line() {
        for (json, shown) in [
            ("12345678901234567890", "12345678901234567890"),
            (
                r#""a long text that does not fit""#,
                r#""a long text that does not fit""#,
            ),
            (" [ 1 ,true , null ] ", "[1, true, null]"),
            ("{}", "{}"),
        ] {
            assert_eq!(indented(json, 16), shown);
        }
    }

    #[test]
    fn a_deep_value_is_no_trouble() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let shown = indented(&deep, 80);
        let bare: String = shown.split_whitespace().collect();
        assert_eq!(bare, deep);
    }
}
