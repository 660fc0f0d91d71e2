//! A walk over the bytes of valid JSON, value by value. Whoever walks decides what is entered and what is passed over.
//! It must not know what is looked for.

/// A place in JSON. Where the JSON is not valid, it goes to the end.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'j> {
    json: &'j [u8],
    at: usize,
}

impl<'j> Cursor<'j> {
    pub(super) const fn new(json: &'j [u8]) -> Self {
        Self { json, at: 0 }
    }

    /// Returns the first byte of the value here. At the end it is a NUL, which is never part of JSON.
    pub(super) fn peek(&mut self) -> u8 {
        while let Some(&byte) = self.json.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return byte;
            }
            self.at += 1;
        }
        0
    }

    /// Passes over the value here and returns it.
    pub(super) fn pass(&mut self) -> &'j [u8] {
        let first = self.peek();
        let start = self.at;
        self.at = match first {
            b'"' => after_text(self.json, start + 1),
            b'{' | b'[' => after_container(self.json, start),
            _ => {
                let ends =
                    |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
                let rest = self.json.get(start..).unwrap_or_default();
                start + rest.iter().position(ends).unwrap_or(rest.len())
            }
        };
        self.json.get(start..self.at).unwrap_or_default()
    }

    /// Goes into the object or list here, if it begins with this bracket.
    pub(super) fn enter(&mut self, bracket: u8) -> bool {
        let is_one = self.peek() == bracket;
        self.at += usize::from(is_one);
        is_one
    }

    /// Goes to the value of the next member of the object that was entered. Returns the member's name as it is written,
    /// without the quotes; at the end of the object `None`, and the cursor is behind it.
    pub(super) fn member(&mut self) -> Option<&'j [u8]> {
        if !self.item(b'}') {
            return None;
        }
        let start = self.at + 1;
        let after = after_text(self.json, start);
        let name = self.json.get(start..after.wrapping_sub(1));
        self.at = after;
        if self.peek() != b':' {
            self.at = self.json.len();
            return None;
        }
        self.at += 1;
        name
    }

    /// Goes to the next element of the list that was entered. Returns false at its end, and is then behind it.
    pub(super) fn element(&mut self) -> bool {
        self.item(b']')
    }

    /// Goes to the next item of the object or list that `close` ends.
    fn item(&mut self, close: u8) -> bool {
        let mut next = self.peek();
        if next == b',' {
            self.at += 1;
            next = self.peek();
        }
        match next {
            0 => false,
            next if next == close => {
                self.at += 1;
                false
            }
            b'}' | b']' | b',' | b':' => {
                self.at = self.json.len();
                false
            }
            _ => close == b']' || next == b'"',
        }
    }
}

const LOW: u64 = u64::from_le_bytes([1; 8]);
const HIGH: u64 = LOW << 7;

/// Marks the highest bit of each byte of a word that is this one.
const fn marks(word: u64, byte: u8) -> u64 {
    let differs = word ^ (LOW * byte as u64);
    !(((differs & !HIGH) + !HIGH) | differs | !HIGH)
}

/// Returns the number of marks.
const fn count(marks: u64) -> usize {
    ((marks >> 7).wrapping_mul(LOW) >> 56) as usize
}

/// Returns the word of eight bytes at an index, if there are as many.
fn word(json: &[u8], at: usize) -> Option<u64> {
    let bytes = json.get(at..)?.first_chunk::<8>()?;
    Some(u64::from_le_bytes(*bytes))
}

/// Returns the index after the quote that ends a text. `at` is the index after the quote that begins it.
fn after_text(json: &[u8], mut at: usize) -> usize {
    loop {
        while let Some(word) = word(json, at) {
            let marked = marks(word, b'"') | marks(word, b'\\');
            if marked != 0 {
                at += marked.trailing_zeros() as usize / 8;
                break;
            }
            at += 8;
        }
        match json.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return json.len(),
        }
    }
}

/// Returns the index after the object or list that begins at `at`.
fn after_container(json: &[u8], mut at: usize) -> usize {
    let mut scan = Scan::default();
    while let Some(word) = word(json, at) {
        let (quotes, escapes) = (marks(word, b'"'), marks(word, b'\\'));
        // A brace and a bracket differ in this bit alone.
        let either = word | (LOW * 0x20);
        let (opens, closes) = (marks(either, b'{'), marks(either, b'}'));
        if escapes == 0 && at >= scan.escaped && scan.passes(quotes, opens, closes) {
            at += 8;
            continue;
        }
        let mut marked = quotes | escapes | opens | closes;
        while marked != 0 {
            let index = at + marked.trailing_zeros() as usize / 8;
            if scan.ends(json[index], index) {
                return index + 1;
            }
            marked &= marked - 1;
        }
        at += 8;
    }
    for (index, &byte) in json.iter().enumerate().skip(at) {
        if scan.ends(byte, index) {
            return index + 1;
        }
    }
    json.len()
}

/// A scan of an object or list for its end.
#[derive(Default)]
struct Scan {
    open: usize,
    is_text: bool,
    /// The index after the last escape. What is before it means nothing.
    escaped: usize,
}

impl Scan {
    /// Takes a word of eight bytes by the marks of its quotes and brackets, if the object or list can't end within it.
    /// Returns false otherwise, and takes nothing.
    const fn passes(&mut self, quotes: u64, opens: u64, closes: u64) -> bool {
        if opens | closes != 0 {
            // Whether a byte is within a text shows in the number of quotes up to it.
            let mut texts = quotes ^ (quotes << 8);
            texts ^= texts << 16;
            texts ^= texts << 32;
            let outside = if self.is_text { texts } else { !texts };
            let closed = count(closes & outside);
            if closed >= self.open {
                return false;
            }
            self.open = self.open + count(opens & outside) - closed;
        }
        self.is_text ^= count(quotes) % 2 == 1;
        true
    }

    /// Takes the next byte that may mean something. Returns true if it ends the object or list.
    fn ends(&mut self, byte: u8, index: usize) -> bool {
        match byte {
            b'"' if index >= self.escaped => self.is_text = !self.is_text,
            b'\\' if self.is_text && index >= self.escaped => self.escaped = index + 2,
            b'{' | b'[' if !self.is_text => self.open += 1,
            b'}' | b']' if !self.is_text => {
                self.open -= 1;
                return self.open == 0;
            }
            _ => {}
        }
        false
    }
}
