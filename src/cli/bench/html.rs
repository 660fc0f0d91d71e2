//! The report as one HTML file that needs nothing else: no script, no font, no request. Its curves show latency by
//! percentile, on the axis that HdrHistogram made usual: each step to the right is ten times rarer.

use std::{fmt::Write as _, time::SystemTime};

use hdrhistogram::Histogram;

use super::{
    report::{COLUMNS, Report, escaped},
    tally::quantile,
};
use crate::{cli::waterfall::duration, fanout::Mode};

/// The size and the margins of the drawing, in its own units.
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 44.0;

/// The number of points on a curve for each step of ten.
const POINTS: u32 = 40;

/// Renders the page.
pub(super) fn page(report: &Report<'_>) -> String {
    let mut page = String::with_capacity(32 * 1024);
    let settings = escaped(&report.settings());
    // Writing to a String can't fail.
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Gather: latency by mode</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Latency by mode</h1>\n<p class=\"settings\">{settings}</p>\n"
    );
    if let Some(ratio) = report.ratio() {
        let _ = writeln!(
            page,
            "<p class=\"ratio\"><strong>{:.2}×</strong> as fast concurrently, at p50; {:.2}× at p99, {:.2}× the throughput</p>",
            ratio.p50, ratio.p99, ratio.throughput
        );
    }
    figure(&mut page, report);
    table(&mut page, report);
    for sentence in report.remarks(true) {
        let _ = writeln!(page, "<p>{}</p>", escaped(&sentence));
    }
    #[allow(
        clippy::disallowed_methods,
        reason = "a report has a date, not a timer"
    )]
    let now = humantime::format_rfc3339_seconds(SystemTime::now());
    let _ = write!(
        page,
        "<footer>gather {} bench, {now}. Latencies of answers of 2xx{}.</footer>\n</main>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        match report.rate {
            Some(_) => ", from when each request was to start (corrected for coordinated omission)",
            None => "",
        }
    );
    page
}

fn table(page: &mut String, report: &Report<'_>) {
    page.push_str("<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">mode</th>");
    for head in COLUMNS {
        let _ = write!(page, "<th scope=\"col\">{head}</th>");
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in report.rows(true) {
        let _ = write!(page, "<tr><th scope=\"row\">{}</th>", row.name.trim());
        for cell in row.cells {
            let _ = write!(page, "<td>{}</td>", escaped(&cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table></div>\n");
}

fn figure(page: &mut String, report: &Report<'_>) {
    let curves: Vec<_> = report
        .runs
        .iter()
        .filter(|(_, run)| !run.latency.is_empty())
        .map(|(mode, run)| (*mode, &run.latency))
        .collect();
    let Some(longest) = curves.iter().map(|(_, latency)| latency.max()).max() else {
        return;
    };
    let most = curves
        .iter()
        .map(|(_, latency)| latency.len())
        .max()
        .unwrap_or(1);
    let scale = Scale::over(longest, most);
    let _ = write!(
        page,
        "<figure>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"t d\">\n\
         <title id=\"t\">Latency by percentile</title>\n\
         <desc id=\"d\">One curve a mode; the same figures are in the table below.</desc>\n"
    );
    scale.axes(page);
    for (mode, latency) in &curves {
        scale.curve(page, *mode, latency);
    }
    page.push_str("</svg>\n<figcaption>");
    for (mode, _) in &curves {
        let _ = write!(page, "<span class=\"key {mode}\">{mode}</span>");
    }
    page.push_str("</figcaption>\n</figure>\n");
}

/// The scale that places percentiles and latencies in the drawing.
struct Scale {
    /// The latency at the top, in microseconds.
    top: u64,
    /// The distance between two lines, in microseconds.
    step: u64,
    /// The number of steps of ten to the right.
    tens: u32,
}

impl Scale {
    /// Makes a scale for latencies up to `longest` and this number of answers. A percentile finer than one answer says
    /// nothing.
    fn over(longest: u64, answers: u64) -> Self {
        let rough = (longest / 4).max(1);
        let power = 10_u64.pow(rough.ilog10());
        let step = [1, 2, 5, 10]
            .map(|times| times * power)
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(10 * power);
        Self {
            top: longest.div_ceil(step).max(1) * step,
            step,
            tens: (answers.max(10).ilog10()).clamp(1, 5),
        }
    }

    /// The horizontal position of a rarity. At 1, one tenth of the answers exceed the percentile; at 2, one hundredth.
    fn x(&self, rarity: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * rarity / f64::from(self.tens)
    }

    #[allow(clippy::cast_precision_loss, reason = "a drawing is no finer")]
    fn y(&self, micros: u64) -> f64 {
        let share = micros.min(self.top) as f64 / self.top as f64;
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
    }

    fn axes(&self, page: &mut String) {
        let right = WIDTH - RIGHT;
        for at in (0..=self.top / self.step).map(|line| line * self.step) {
            let y = self.y(at);
            let named = duration(std::time::Duration::from_micros(at), true);
            let named = short(&named);
            let _ = writeln!(
                page,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"y\" x=\"{:.1}\" y=\"{:.1}\">{named}</text>",
                LEFT - 10.0,
                y + 4.0
            );
        }
        let bottom = HEIGHT - BOTTOM;
        for (rarity, named) in [
            (0.0, "p0"),
            (std::f64::consts::LOG10_2, "p50"),
            (1.0, "p90"),
            (2.0, "p99"),
            (3.0, "p99.9"),
            (4.0, "p99.99"),
            (5.0, "p99.999"),
        ] {
            if rarity > f64::from(self.tens) {
                continue;
            }
            let x = self.x(rarity);
            let _ = writeln!(
                page,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>\
                 <text class=\"x\" x=\"{x:.1}\" y=\"{:.1}\">{named}</text>",
                bottom + 22.0
            );
        }
    }

    fn curve(&self, page: &mut String, mode: Mode, latency: &Histogram<u64>) {
        let mut points = String::new();
        for point in 0..=self.tens * POINTS {
            let rarity = f64::from(point) / f64::from(POINTS);
            let micros = quantile(latency, 1.0 - 10_f64.powf(-rarity)).as_micros();
            let micros = u64::try_from(micros).unwrap_or(u64::MAX);
            let _ = write!(points, "{:.1},{:.1} ", self.x(rarity), self.y(micros));
        }
        let _ = writeln!(
            page,
            "<polyline class=\"curve {mode}\" points=\"{}\"/>",
            points.trim_end()
        );
    }
}

/// Shortens `2.000 s` to `2 s`.
fn short(time: &str) -> String {
    let Some((number, unit)) = time.split_once(' ') else {
        return time.to_owned();
    };
    if number.contains('.') {
        let number = number.trim_end_matches('0').trim_end_matches('.');
        return format!("{number} {unit}");
    }
    time.to_owned()
}

const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #59636e; --line: #d9dee3; --page: #ffffff; --slow: #b45309; --fast: #0369a1; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --faint: #9aa4ae; --line: #343b43; --page: #14181c; --slow: #fbbf24; --fast: #38bdf8; } }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 860px; margin: 0 auto; padding: 32px 20px; }
h1 { font-size: 1.5rem; margin: 0; }
.settings, footer, figcaption { color: var(--faint); }
.settings { margin: 4px 0 20px; overflow-wrap: anywhere; }
.ratio { font-size: 1.1rem; }
.ratio strong { font-size: 1.8rem; margin-right: .2em; color: var(--fast); }
figure { margin: 0 0 24px; }
svg { display: block; width: 100%; height: auto; }
.grid { stroke: var(--line); stroke-width: 1; }
svg text { fill: var(--faint); font-size: 13px; font-variant-numeric: tabular-nums; }
svg .y { text-anchor: end; }
svg .x { text-anchor: middle; }
.curve { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
.curve.sequential { stroke: var(--slow); stroke-dasharray: 7 4; }
.curve.concurrent { stroke: var(--fast); }
.key { display: inline-block; margin-right: 24px; }
.key::before { content: \"\"; display: inline-block; width: 28px; margin-right: 8px; vertical-align: middle; border-top: 3px solid var(--fast); }
.key.sequential::before { border-top: 3px dashed var(--slow); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child { text-align: left; padding-left: 0; }
thead th { font-weight: 500; color: var(--faint); }
tbody th { font-weight: 600; }
footer { margin-top: 32px; font-size: .85rem; }
";

#[cfg(test)]
mod tests {
    use std::{num::NonZeroUsize, time::Duration};

    use super::*;
    use crate::cli::bench::tally::Tally;

    fn page_of(slow: u64, fast: u64) -> String {
        let run = |millis: u64| {
            let mut tally = Tally::new(false);
            for answer in 1..=1000 {
                tally.latency.saturating_record(millis * 1000 + answer);
            }
            tally.elapsed = Duration::from_secs(1);
            tally
        };
        let runs = [(Mode::Sequential, run(slow)), (Mode::Concurrent, run(fast))];
        page(&Report {
            url: "http://h/aggregate?x=<script>&y=\"1\"",
            concurrency: NonZeroUsize::MIN,
            rate: None,
            runs: &runs,
        })
    }

    #[test]
    fn the_page_needs_nothing_else_and_runs_nothing() {
        let page = page_of(600, 200);
        for foreign in [
            "<script", "<link", "<img", "src=", "href=", "url(", "@import", "<iframe",
        ] {
            assert!(!page.contains(foreign), "{foreign} in\n{page}");
        }
        assert!(
            page.contains("x=&lt;script&gt;&amp;y=&quot;1&quot;"),
            "{page}"
        );
    }

    #[test]
    fn every_element_is_closed_in_order() {
        let page = page_of(600, 200);
        let mut open = Vec::new();
        for tag in page
            .split('<')
            .skip(1)
            .map(|tag| tag.split('>').next().unwrap())
        {
            let name = tag.split(' ').next().unwrap();
            if tag.starts_with('!') || tag.ends_with('/') || name == "meta" {
                continue;
            }
            match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name)),
                None => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn the_curves_are_where_their_latencies_are() {
        let page = page_of(600, 200);
        let height = |mode: &str| -> f64 {
            let curve = page
                .split(&format!("curve {mode}\" points=\""))
                .nth(1)
                .unwrap();
            let first = curve.split([' ', '"']).next().unwrap();
            first.split_once(',').unwrap().1.parse().unwrap()
        };
        let floor = HEIGHT - BOTTOM;
        let ratio = (floor - height("sequential")) / (floor - height("concurrent"));
        assert!((ratio - 3.0).abs() < 0.05, "{ratio}");
        for named in [">0 s<", ">600 ms<", ">p50<", ">p90<", ">p99<", ">p99.9<"] {
            assert!(page.contains(named), "no {named}");
        }
        assert!(
            !page.contains("p99.99<"),
            "a thousand answers say nothing of one in ten thousand"
        );
    }

    #[test]
    fn a_scale_has_a_few_round_steps_whatever_it_is_of() {
        for (longest, top, step) in [
            (1, 1, 1),
            (999, 1_000, 500),
            (88_000, 100_000, 50_000),
            (301_000, 400_000, 100_000),
            (6_004_000, 8_000_000, 2_000_000),
        ] {
            let scale = Scale::over(longest, 1000);
            assert_eq!((scale.top, scale.step), (top, step), "{longest}");
        }
    }
}
