//! Writes the metrics as OpenMetrics 1.0, which Prometheus prefers to its own text format. The `prometheus` crate does
//! not write it, so this module does, from the families that the crate gathers. It must not know which metrics there
//! are.
//!
//! It differs from the text format in a few points. A counter's family is named without `_total`, and families have
//! units. Texts and numbers are escaped and written by one rule each. The end is marked, so that a truncated answer is
//! not mistaken for a complete one.

use std::fmt::{self, Write};

use super::exemplars::Exemplar;
use prometheus::proto::{Metric, MetricFamily, MetricType};

/// The media type of the text that `write` makes.
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The units that a name may end in. OpenMetrics has more, but we use only these.
const UNITS: [&str; 2] = ["seconds", "bytes"];

/// A function that returns the exemplar of one bucket of a family's metric, if there is one.
pub(super) type FindExemplar<'a> = dyn Fn(&str, &Metric, usize) -> Option<Exemplar> + 'a;

/// Writes all families in the order given. Each bucket is followed by its exemplar, if there is one.
///
/// # Errors
/// Fails if the text can't take more.
pub(super) fn write(
    families: &[MetricFamily],
    exemplar: &FindExemplar<'_>,
    text: &mut String,
) -> fmt::Result {
    for family in families {
        write_family(family, exemplar, text)?;
    }
    text.push_str("# EOF\n");
    Ok(())
}

fn write_family(
    family: &MetricFamily,
    exemplar: &FindExemplar<'_>,
    text: &mut String,
) -> fmt::Result {
    let kind = family.get_field_type();
    let name = match kind {
        MetricType::COUNTER => family
            .name()
            .strip_suffix("_total")
            .unwrap_or(family.name()),
        _ => family.name(),
    };
    let word = match kind {
        MetricType::COUNTER => "counter",
        MetricType::GAUGE => "gauge",
        MetricType::HISTOGRAM => "histogram",
        // We register neither of these, and a family without samples is still valid.
        MetricType::SUMMARY | MetricType::UNTYPED => "unknown",
    };
    writeln!(text, "# TYPE {name} {word}")?;
    let unit = name
        .rsplit_once('_')
        .map(|(_, last)| last)
        .filter(|last| UNITS.contains(last));
    if let Some(unit) = unit {
        writeln!(text, "# UNIT {name} {unit}")?;
    }
    writeln!(text, "# HELP {name} {}", Escaped(family.help()))?;
    for metric in family.get_metric() {
        match kind {
            MetricType::COUNTER => {
                let value = Canonical(metric.get_counter().get_value());
                sample(text, name, "_total", metric, None, value)?;
                text.push('\n');
            }
            MetricType::GAUGE => {
                let value = Canonical(metric.get_gauge().get_value());
                sample(text, name, "", metric, None, value)?;
                text.push('\n');
            }
            MetricType::HISTOGRAM => histogram(text, name, metric, exemplar)?,
            MetricType::SUMMARY | MetricType::UNTYPED => {}
        }
    }
    Ok(())
}

fn histogram(
    text: &mut String,
    name: &str,
    metric: &Metric,
    exemplar: &FindExemplar<'_>,
) -> fmt::Result {
    let histogram = metric.get_histogram();
    let count = histogram.get_sample_count();
    let bounds = histogram.get_bucket().iter();
    let buckets = bounds.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
    // The crate's buckets end with the last finite bound.
    let last = [(f64::INFINITY, count)];
    let buckets = buckets.filter(|(bound, _)| bound.is_finite()).chain(last);
    for (place, (bound, count)) in buckets.enumerate() {
        sample(text, name, "_bucket", metric, Some(bound), count)?;
        if let Some(Exemplar { trace, value, at }) = exemplar(name, metric, place) {
            let value = Canonical(value);
            write!(text, " # {{trace_id=\"{trace:032x}\"}} {value} {at:.3}")?;
        }
        text.push('\n');
    }
    let sum = Canonical(histogram.get_sample_sum());
    sample(text, name, "_sum", metric, None, sum)?;
    text.push('\n');
    sample(text, name, "_count", metric, None, count)?;
    text.push('\n');
    Ok(())
}

/// Writes a line without its end, with the metric's own labels and, for a bucket, its bound.
fn sample(
    text: &mut String,
    name: &str,
    suffix: &str,
    metric: &Metric,
    bound: Option<f64>,
    value: impl fmt::Display,
) -> fmt::Result {
    write!(text, "{name}{suffix}")?;
    let mut before = '{';
    for label in metric.get_label() {
        let value = Escaped(label.value());
        write!(text, "{before}{}=\"{value}\"", label.name())?;
        before = ',';
    }
    if let Some(bound) = bound {
        write!(text, "{before}le=\"{}\"", Canonical(bound))?;
        before = ',';
    }
    if before == ',' {
        text.push('}');
    }
    write!(text, " {value}")
}

/// A help text or a label's value. A backslash, a line feed and a quote are escaped, in a help text too.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '\\' => to.write_str("\\\\")?,
                '\n' => to.write_str("\\n")?,
                '"' => to.write_str("\\\"")?,
                letter => to.write_char(letter)?,
            }
        }
        Ok(())
    }
}

/// A number in the canonical form of the standard. A bucket's bound is a label, so two ways to write one number would
/// be two series. It always has a point or an exponent, and the exponent has a sign and at least two digits.
struct Canonical(f64);

impl fmt::Display for Canonical {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0;
        if number.is_nan() {
            return to.write_str("NaN");
        }
        if number.is_infinite() {
            return to.write_str(if number > 0.0 { "+Inf" } else { "-Inf" });
        }
        let size = number.abs();
        if size == 0.0 || (1e-4..1e6).contains(&size) {
            return write!(to, "{number:?}");
        }
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        match exponent.strip_prefix('-') {
            Some(exponent) => write!(to, "{digits}e-{exponent:0>2}"),
            None => write!(to, "{digits}e+{exponent:0>2}"),
        }
    }
}

#[cfg(test)]
#[path = "open_metrics_tests.rs"]
mod tests;
