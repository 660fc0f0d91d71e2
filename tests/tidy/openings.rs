//! Checks how doc comments begin: with a verb or a noun phrase, which says what the item is or does.

use crate::source::rust_files;

/// The words that begin a question, and so no answer.
const QUESTIONS: [&str; 4] = ["What", "Whether", "How", "Who"];

/// Returns the first lines of a text's doc comments, with their numbers.
fn openings(text: &str) -> Vec<(usize, &str)> {
    let mut is_inside = false;
    let lines = (1..).zip(text.lines());
    lines
        .filter_map(|(number, line)| {
            let line = line.trim_start();
            let doc = line.strip_prefix("///").or(line.strip_prefix("//!"));
            let was_inside = std::mem::replace(&mut is_inside, doc.is_some());
            doc.filter(|_| !was_inside).map(|doc| (number, doc.trim()))
        })
        .collect()
}

#[test]
fn no_doc_comment_begins_with_a_question() {
    let mut all = 0;
    let mut found = Vec::new();
    for folder in ["src", "tests", "bench"] {
        for (path, text) in rust_files(folder) {
            for (number, opening) in openings(&text) {
                all += 1;
                let first = opening.split(' ').next().unwrap_or_default();
                if QUESTIONS.contains(&first) {
                    found.push(format!("{}:{number}: {opening}", path.display()));
                }
            }
        }
    }
    assert!(all > 2000, "only {all} doc comments were seen");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn only_the_first_line_of_a_doc_comment_is_its_opening() {
    let text = "//! A file.\n//! How it goes.\n\n/// A.\nfn a() {}\n    /// What b is.\n    ///\n    /// Who.\n";
    assert_eq!(
        openings(text),
        [(1, "A file."), (4, "A."), (6, "What b is.")]
    );
}
