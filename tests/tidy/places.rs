//! Counts the source files that name a setting, a parameter or a metric that there is. A new one of its kind touches as
//! many. CONTRIBUTING.md says which, under "Where a change goes".

use crate::source::shipped;

/// One setting, parameter or metric, and where it may be.
struct Example {
    kind: &'static str,
    /// The texts in the code that stand for it, each as a whole word.
    words: &'static [&'static str],
    /// The folders in which those words mean something else, or in which a new one need not be.
    aside: &'static [&'static str],
    most: usize,
}

const EXAMPLES: &[Example] = &[
    Example {
        kind: "the upstream's setting `framed`",
        words: &["framed"],
        aside: &[],
        most: 5,
    },
    // Not `compare`: that is the name of a mode too, and so all over the code.
    Example {
        kind: "the aggregate's setting `on_failure`",
        words: &["on_failure"],
        // A lint is an extra.
        aside: &["src/config/lints"],
        most: 6,
    },
    Example {
        kind: "the query parameter `wait_for`",
        words: &["\"wait_for\""],
        // An aggregate has a setting of this name, which the console shows. An option of `gather call` is an extra.
        aside: &["src/config", "src/console", "src/cli"],
        most: 4,
    },
    Example {
        kind: "the metric `gather_answers_cut_off_total`",
        words: &["gather_answers_cut_off_total", "cut_off()"],
        aside: &[],
        most: 2,
    },
];

/// Returns true if `line` has `word`, and not as a part of a longer one.
fn has(line: &str, word: &str) -> bool {
    let is_part = |next: char| next.is_alphanumeric() || next == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[test]
fn a_new_setting_parameter_or_metric_touches_few_files() {
    let sources = shipped();
    for example in EXAMPLES {
        let files: Vec<_> = sources
            .iter()
            .filter(|source| !example.aside.iter().any(|at| source.path.starts_with(at)))
            .filter(|source| {
                let mut code = source.code();
                code.any(|line| example.words.iter().any(|word| has(line, word)))
            })
            .map(|source| &*source.path)
            .collect();
        let (kind, most) = (example.kind, example.most);
        assert!(files.len() > 1, "{kind} is nowhere: {files:?}");
        assert!(
            files.len() <= most,
            "{kind} is in more than {most} files: {files:#?}"
        );
    }
}

#[test]
fn a_word_is_found_only_whole() {
    assert!(has("framed: request.framed,", "framed"));
    assert!(!has("unframed(framed_at)", "framed"));
    assert!(has("self.metrics.cut_off();", "cut_off()"));
    assert!(!has("fn is_cut_off() {}", "cut_off()"));
}
