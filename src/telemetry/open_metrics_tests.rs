//! The rules of OpenMetrics 1.0, to the letter. `tests/peers` checks it with a real Prometheus and the reference
//! parser.

use prometheus::{
    Counter, Gauge, Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry,
};

use super::*;

fn written(registry: &Registry) -> String {
    let mut text = String::new();
    write(&registry.gather(), &|_, _, _| None, &mut text).unwrap();
    text
}

#[test]
fn nothing_is_an_end_and_no_more() {
    assert_eq!(written(&Registry::new()), "# EOF\n");
}

#[test]
fn a_counter_is_named_without_total_and_its_samples_with_it() {
    let registry = Registry::new();
    let counter =
        IntCounterVec::new(Opts::new("made_total", "What was made."), &["by", "of"]).unwrap();
    registry.register(Box::new(counter.clone())).unwrap();
    counter.with_label_values(&["hand", "wood"]).inc_by(3);
    counter
        .with_label_values(&["hand", "clay"])
        .inc_by(2_500_000);
    assert_eq!(
        written(&registry),
        "# TYPE made counter\n\
         # HELP made What was made.\n\
         made_total{by=\"hand\",of=\"clay\"} 2.5e+06\n\
         made_total{by=\"hand\",of=\"wood\"} 3.0\n\
         # EOF\n"
    );
}

#[test]
fn a_unit_is_said_where_the_name_ends_in_it() {
    let registry = Registry::new();
    let waited = Counter::new("waited_seconds_total", "Waited.").unwrap();
    let held = IntGauge::new("held_bytes", "Held.").unwrap();
    let plain = Gauge::new("seconds", "No unit: it is the whole name.").unwrap();
    registry.register(Box::new(waited.clone())).unwrap();
    registry.register(Box::new(held)).unwrap();
    registry.register(Box::new(plain)).unwrap();
    waited.inc_by(0.25);
    assert_eq!(
        written(&registry),
        "# TYPE held_bytes gauge\n# UNIT held_bytes bytes\n# HELP held_bytes Held.\nheld_bytes 0.0\n\
         # TYPE seconds gauge\n# HELP seconds No unit: it is the whole name.\nseconds 0.0\n\
         # TYPE waited_seconds counter\n# UNIT waited_seconds seconds\n# HELP waited_seconds Waited.\n\
         waited_seconds_total 0.25\n\
         # EOF\n"
    );
}

#[test]
fn a_histogram_has_every_bound_the_infinite_one_a_sum_and_a_count() {
    let registry = Registry::new();
    let options = HistogramOpts::new("took_seconds", "Took.").buckets(vec![0.000_01, 0.5, 1.0]);
    let took = Histogram::with_opts(options.const_label("by", "hand")).unwrap();
    registry.register(Box::new(took.clone())).unwrap();
    for seconds in [0.25, 0.75, 2.0] {
        took.observe(seconds);
    }
    assert_eq!(
        written(&registry),
        "# TYPE took_seconds histogram\n# UNIT took_seconds seconds\n# HELP took_seconds Took.\n\
         took_seconds_bucket{by=\"hand\",le=\"1e-05\"} 0\n\
         took_seconds_bucket{by=\"hand\",le=\"0.5\"} 1\n\
         took_seconds_bucket{by=\"hand\",le=\"1.0\"} 2\n\
         took_seconds_bucket{by=\"hand\",le=\"+Inf\"} 3\n\
         took_seconds_sum{by=\"hand\"} 3.0\n\
         took_seconds_count{by=\"hand\"} 3\n\
         # EOF\n"
    );
}

#[test]
fn what_would_end_a_line_or_a_value_is_escaped() {
    let registry = Registry::new();
    let help = "A \"word\", a\nline, a \\.";
    let odd = IntCounterVec::new(Opts::new("odd_total", help), &["what"]).unwrap();
    registry.register(Box::new(odd.clone())).unwrap();
    odd.with_label_values(&["\"ü\"\n\\"]).inc();
    assert_eq!(
        written(&registry),
        "# TYPE odd counter\n# HELP odd A \\\"word\\\", a\\nline, a \\\\.\n\
         odd_total{what=\"\\\"ü\\\"\\n\\\\\"} 1.0\n# EOF\n"
    );
}

#[test]
fn numbers_are_written_in_one_way() {
    for (number, text) in [
        (0.0, "0.0"),
        (1.0, "1.0"),
        (-2.5, "-2.5"),
        (0.000_1, "0.0001"),
        (0.000_025, "2.5e-05"),
        (1e-10, "1e-10"),
        (123_456.0, "123456.0"),
        (1e6, "1e+06"),
        (1.5e20, "1.5e+20"),
        (-1e100, "-1e+100"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
        (f64::NAN, "NaN"),
    ] {
        assert_eq!(Canonical(number).to_string(), text);
    }
}

#[test]
fn a_number_is_read_again_as_it_was() {
    let mut number = 1.234_567_890_123_456_7e-30;
    while number < 1e30 {
        let text = Canonical(number).to_string();
        assert_eq!(text.parse::<f64>().unwrap(), number, "{text}");
        number *= 3.7;
    }
}

#[test]
fn a_bucket_has_its_exemplar_behind_it() {
    let registry = Registry::new();
    let histogram = Histogram::with_opts(
        HistogramOpts::new("took_seconds", "How long.").buckets(vec![0.5, 1.0]),
    );
    let histogram = histogram.unwrap();
    registry.register(Box::new(histogram.clone())).unwrap();
    histogram.observe(2.0);
    let known = |family: &str, _: &Metric, bucket: usize| {
        (family == "took_seconds" && bucket != 1).then_some(Exemplar {
            trace: 0x4bf9,
            value: 2.0,
            at: 1_700_000_000.123_4,
        })
    };
    let mut text = String::new();
    write(&registry.gather(), &known, &mut text).unwrap();
    let buckets: Vec<_> = text
        .lines()
        .filter(|line| line.contains("_bucket"))
        .collect();
    let exemplar = "# {trace_id=\"00000000000000000000000000004bf9\"} 2.0 1700000000.123";
    assert_eq!(
        buckets,
        [
            &format!("took_seconds_bucket{{le=\"0.5\"}} 0 {exemplar}"),
            "took_seconds_bucket{le=\"1.0\"} 0",
            &format!("took_seconds_bucket{{le=\"+Inf\"}} 1 {exemplar}"),
        ]
    );
}
