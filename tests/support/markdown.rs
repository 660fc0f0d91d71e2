//! The fenced blocks of a document, for tests that run what the documents show.

// Every test crate includes this file and uses its own part of it.
#![allow(dead_code, unreachable_pub)]

/// One fenced block.
#[derive(Debug)]
pub struct Block {
    /// The nearest heading of the second level above it. Empty where there is none.
    pub heading: String,
    /// The word behind the fence, such as `toml`. It may be empty.
    pub language: String,
    /// The number of the line that opens it, from 1.
    pub line: usize,
    /// Its lines, each with its end.
    pub text: String,
}

/// Returns all fenced blocks of a document.
pub fn blocks(document: &str) -> Vec<Block> {
    let (mut blocks, mut heading, mut open) = (Vec::new(), String::new(), None::<Block>);
    for (number, line) in document.lines().enumerate() {
        if let Some(language) = line.strip_prefix("```") {
            match open.take() {
                Some(block) => blocks.push(block),
                None => {
                    open = Some(Block {
                        heading: heading.clone(),
                        language: language.to_owned(),
                        line: number + 1,
                        text: String::new(),
                    });
                }
            }
        } else if let Some(block) = &mut open {
            block.text.push_str(line);
            block.text.push('\n');
        } else if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut heading);
        }
    }
    assert!(open.is_none(), "a block that does not end: {open:?}");
    blocks
}
