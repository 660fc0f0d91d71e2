//! The shipped rules at a faster pace, so that a test need not wait for a quarter of an hour. In every range (`[5m]`)
//! and every `for`, an hour becomes a minute, a minute a second and a second a millisecond. Names keep their range, and
//! limits stay as they are. Any text that looks like a range is changed, in a label's pattern too.

use crate::series::rule_files;

/// Returns the shipped rule files with all times a step down.
pub(crate) fn quick_rules() -> Vec<String> {
    rule_files().iter().map(|rules| quickened(rules)).collect()
}

fn quickened(rules: &str) -> String {
    let mut text = String::with_capacity(rules.len());
    for line in rules.lines() {
        let indent = line.len() - line.trim_start().len();
        match line.trim_start().strip_prefix("for: ") {
            Some(time) => text.push_str(&format!("{}for: {}", &line[..indent], step_down(time))),
            None => {
                let mut parts = line.split('[');
                text.push_str(parts.next().unwrap_or_default());
                for part in parts {
                    text.push('[');
                    match part.split_once(']') {
                        Some((range, rest)) if is_time(range) => {
                            text.push_str(&step_down(range));
                            text.push(']');
                            text.push_str(rest);
                        }
                        _ => text.push_str(part),
                    }
                }
            }
        }
        text.push('\n');
    }
    text
}

fn is_time(text: &str) -> bool {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number && matches!(&text[digits.len()..], "h" | "m" | "s")
}

fn step_down(time: &str) -> String {
    assert!(is_time(time), "{time} is no time that this knows");
    let (number, unit) = time.split_at(time.len() - 1);
    let unit = match unit {
        "h" => "m",
        "m" => "s",
        _ => "ms",
    };
    format!("{number}{unit}")
}

#[test]
fn only_times_are_a_step_down() {
    let rules = "\
      - record: a:b:rate5m
        expr: sum by (job) (rate(x[5m])) / max_over_time(y{z=~\"[5m]|[a-z]\"}[6h]) > 300
        for: 90s
        annotations:
          summary: for 5m";
    let quick = "\
      - record: a:b:rate5m
        expr: sum by (job) (rate(x[5s])) / max_over_time(y{z=~\"[5s]|[a-z]\"}[6m]) > 300
        for: 90ms
        annotations:
          summary: for 5m
";
    assert_eq!(quickened(rules), quick);
}
