//! Tests of the look of waterfalls, and of inputs that must not spoil them.

#![allow(clippy::unwrap_used)] // in a test, a panic is the report

use std::time::Duration;

use super::{Bar, Status, Style, Waterfall, duration, text::cells};

const fn bar<'a>(name: &'a str, start: u64, elapsed: u64) -> Bar<'a> {
    Bar {
        name,
        start: Duration::from_millis(start),
        elapsed: Duration::from_millis(elapsed),
        status: Status::Ok,
        note: "200",
        attempts: 1,
    }
}

fn drawn(waterfall: Waterfall<'_>, style: Style) -> String {
    let mut out = Vec::new();
    waterfall.draw(&mut out, style).unwrap();
    String::from_utf8(out).unwrap()
}

fn plain(title: &str, total: u64, bars: &[Bar<'_>]) -> String {
    drawn(
        Waterfall {
            title,
            total: Duration::from_millis(total),
            bars,
            scale: None,
        },
        Style::default(),
    )
}

const SEQUENTIAL: [Bar<'_>; 3] = [
    bar("ping_1", 0, 2002),
    bar("ping_2", 2002, 2002),
    bar("ping_3", 4004, 2001),
];
const CONCURRENT: [Bar<'_>; 3] = [
    bar("ping_1", 0, 2002),
    bar("ping_2", 0, 2001),
    bar("ping_3", 0, 2001),
];

#[test]
fn sequential_calls_are_a_staircase() {
    insta::assert_snapshot!(plain("sequential", 6006, &SEQUENTIAL), @"
    sequential                                                          6.006 s
      ping_1  ██████████████████▋                                       2.002 s  200
      ping_2                     ██████████████████▍                    2.002 s  200
      ping_3                                       ███████████████████  2.001 s  200
              0 s                2 s               4 s             6 s
    ");
}

#[test]
fn two_waterfalls_can_share_one_axis() {
    let scale = Some(Duration::from_millis(6006));
    let total = Duration::from_millis(2003);
    let text = drawn(
        Waterfall {
            title: "concurrent",
            total,
            bars: &CONCURRENT,
            scale,
        },
        Style::default(),
    );
    insta::assert_snapshot!(text, @"
    concurrent                                                          2.003 s
      ping_1  ██████████████████▋                                       2.002 s  200
      ping_2  ██████████████████▋                                       2.001 s  200
      ping_3  ██████████████████▋                                       2.001 s  200
              0 s                2 s               4 s             6 s
    ");
}

#[test]
fn ascii_needs_nothing_but_ascii() {
    let bars = [
        Bar {
            name: "größe",
            ..bar("", 0, 30)
        },
        Bar {
            elapsed: Duration::from_micros(4500),
            status: Status::Failed,
            note: "timeout: nothing within 5 ms, so it was given up",
            ..bar("slow", 1, 0)
        },
        Bar {
            status: Status::Cancelled,
            note: "cancelled",
            attempts: 3,
            ..bar("late", 10, 15)
        },
        Bar {
            elapsed: Duration::from_nanos(812_345),
            ..bar("quick", 2, 0)
        },
    ];
    let total = Duration::from_millis(31);
    let style = Style {
        unicode: false,
        ..Style::default()
    };
    let text = drawn(
        Waterfall {
            title: "concurrent",
            total,
            bars: &bars,
            scale: None,
        },
        style,
    );
    assert!(text.is_ascii());
    insta::assert_snapshot!(text, @"
    concurrent                                  31.00 ms
      gr??e  ################################   30.00 ms  200
      slow    xxxxx                             4.500 ms  timeout: nothing within...
      late              ----------------        15.00 ms  cancelled x3
      quick    #                                812.3 us  200
             0 s                  20 ms  31 ms
    ");
}

#[test]
fn the_statuses_differ_without_colour_and_retries_are_counted() {
    let bars = [
        Bar {
            note: "503",
            status: Status::Failed,
            attempts: 3,
            ..bar("users", 0, 700)
        },
        Bar {
            note: "timeout: no answer within 900 ms",
            status: Status::Failed,
            ..bar("orders", 0, 900)
        },
        Bar {
            note: "",
            status: Status::Cancelled,
            attempts: 2,
            ..bar("prices", 200, 500)
        },
        Bar {
            note: "skipped",
            status: Status::Cancelled,
            attempts: 0,
            ..bar("after_users", 0, 0)
        },
        bar("stock", 100, 433),
    ];
    insta::assert_snapshot!(plain("concurrent", 901, &bars), @"
    concurrent                                  901.0 ms
      users        ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒        700.0 ms  503 ×3
      orders       ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒  900.0 ms  timeout: no answer within…
      prices             ░░░░░░░░░░░░░░░        500.0 ms  ×2
      after_users                                      –  skipped
      stock           █████████████             433.0 ms  200
                   0 s                  901 ms
    ");
}

#[test]
fn colours_are_written_only_when_asked_for() {
    let bars = [
        bar("ok", 0, 10),
        Bar {
            status: Status::Failed,
            note: "502",
            ..bar("bad", 0, 10)
        },
        Bar {
            status: Status::Cancelled,
            note: "",
            ..bar("late", 0, 10)
        },
    ];
    let waterfall = Waterfall {
        title: "t",
        total: Duration::from_millis(10),
        bars: &bars,
        scale: None,
    };
    let coloured = drawn(
        waterfall,
        Style {
            colour: true,
            width: 40,
            ..Style::default()
        },
    );
    insta::assert_snapshot!(coloured.replace('\x1b', "ESC"), @"
    ESC[1mtESC[0m                          ESC[1m10.00 msESC[0m
      ok    ESC[32m█████████████████ESC[0m  10.00 ms  ESC[32m200ESC[0m
      bad   ESC[31m▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒ESC[0m  10.00 ms  ESC[31m502ESC[0m
      late  ESC[2mESC[33m░░░░░░░░░░░░░░░░░ESC[0m  10.00 ms
            ESC[2m0 s         10 msESC[0m
    ");
    let plain = drawn(
        waterfall,
        Style {
            width: 40,
            ..Style::default()
        },
    );
    assert!(!plain.contains('\x1b'));
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
}

#[test]
fn no_bars_leave_the_title() {
    insta::assert_snapshot!(plain("nothing to do", 0, &[]), @"nothing to do                                                              0 s");
}

#[test]
fn times_of_zero_draw_no_bar_and_divide_by_nothing() {
    insta::assert_snapshot!(plain("zero", 0, &[bar("a", 0, 0), bar("b", 0, 0)]), @"
    zero                                                                    0 s
      a                                                                     0 s  200
      b                                                                     0 s  200
         0 s
    ");
    insta::assert_snapshot!(plain("no total", 0, &[bar("a", 0, 5), bar("b", 5, 5)]), @"
    no total                                                                0 s
      a  ██████████████████████████████                                5.000 ms  200
      b                                ██████████████████████████████  5.000 ms  200
         0 s         2 ms        4 ms        6 ms        8 ms   10 ms
    ");
}

#[test]
fn the_shortest_call_has_a_cell_and_what_lies_beyond_the_axis_is_at_its_end() {
    let bars = [
        Bar {
            elapsed: Duration::from_nanos(1),
            ..bar("blink", 500, 0)
        },
        bar("beyond", 5000, 300),
        bar("across", 900, 4000),
        Bar {
            start: Duration::MAX,
            elapsed: Duration::MAX,
            ..bar("never", 0, 0)
        },
    ];
    insta::assert_snapshot!(plain("edges", 1000, &bars), @"
    edges                                                               1.000 s
      blink                        ▏                                   0.001 µs  200
      beyond                                          █                300.0 ms  200
      across                                       ████                 4.000 s  200
      never                                           █  18446744073709551616 s  200
              0 s                  500 ms           1 s
    ");
}

#[test]
fn wide_and_long_names_keep_the_columns_aligned() {
    let long = "a_name_that_goes_on_and_on_and_never_ends";
    let bars = [
        bar("注文サービス", 0, 50),
        bar("cafe\u{301}", 0, 80),
        bar("🚀", 20, 80),
        bar(long, 50, 50),
    ];
    let text = plain("mixed", 100, &bars);
    insta::assert_snapshot!(text, @"
    mixed                                                              100.0 ms
      注文サービス          ████████████████████▌                      50.00 ms  200
      café                  ████████████████████████████████▊          80.00 ms  200
      🚀                            █████████████████████████████████  80.00 ms  200
      a_name_that_goes_on…                       ████████████████████  50.00 ms  200
                            0 s                  50 ms         100 ms
    ");
    let ends: Vec<usize> = text.lines().skip(1).take(4).map(cells).collect();
    assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "{ends:?}");
}

#[test]
fn control_characters_never_reach_the_terminal() {
    let bars = [Bar {
        note: "a\nb\u{202e}c",
        ..bar("\x1b[2Jx\r\u{9b}", 0, 1)
    }];
    let text = plain("t\u{7}\u{200d}itle", 1, &bars);
    assert!(
        text.chars()
            .all(|character| character == '\n' || !character.is_control())
    );
    insta::assert_snapshot!(text, @r#"
    t\u{7}\u{200d}itle                                       1.000 ms
      \u{1b}[2Jx\r\u{9b}  █████████████████████████████████  1.000 ms  a\nb\u{202e}c
                          0 s              500 µs      1 ms
    "#);
}

#[test]
fn any_width_is_kept_and_a_thousand_bars_are_drawn() {
    let names: Vec<String> = (0..1000).map(|number| format!("call_{number}")).collect();
    let bars: Vec<Bar<'_>> = (0..)
        .zip(&names)
        .map(|(at, name)| Bar {
            note: "timeout: nothing came in 30 s",
            attempts: 12,
            ..bar(name, at, at * 7)
        })
        .collect();
    for (asked, width) in [
        (0, 40),
        (40, 40),
        (57, 57),
        (80, 80),
        (200, 200),
        (9999, 200),
    ] {
        for unicode in [true, false] {
            let waterfall = Waterfall {
                title: &"long ".repeat(100),
                total: Duration::from_secs(7),
                bars: &bars,
                scale: None,
            };
            let text = drawn(
                waterfall,
                Style {
                    whole_notes: false,
                    width: asked,
                    colour: false,
                    unicode,
                },
            );
            assert_eq!(text.lines().count(), 1002);
            for line in text.lines() {
                assert!(cells(line) <= width, "{width}: {line}");
                assert_eq!(line, line.trim_end(), "no trailing space");
            }
        }
    }
}

#[test]
fn a_narrow_drawing_is_still_readable() {
    let style = Style {
        width: 40,
        ..Style::default()
    };
    let bars = [
        bar("ping_1", 0, 2002),
        Bar {
            note: "timeout: late",
            status: Status::Failed,
            ..bar("ping_2", 2002, 2002)
        },
    ];
    let text = drawn(
        Waterfall {
            title: "sequential",
            total: Duration::from_millis(4004),
            bars: &bars,
            scale: None,
        },
        style,
    );
    insta::assert_snapshot!(text, @"
    sequential               4.004 s
      ping_1  ██████▌        2.002 s  200
      ping_2         ▒▒▒▒▒▒  2.002 s  timeo…
              0 s       4 s
    ");
}

#[test]
fn durations_have_four_digits_and_a_fitting_unit() {
    let shown = |nanos| duration(Duration::from_nanos(nanos), true);
    let cases = [
        (0, "0 s"),
        (1, "0.001 µs"),
        (250, "0.250 µs"),
        (41_000, "41.00 µs"),
        (912_345, "912.3 µs"),
        (999_960, "1.000 ms"),
        (150_000_000, "150.0 ms"),
        (999_960_000, "1.000 s"),
        (2_002_400_000, "2.002 s"),
        (61_200_000_000, "61.20 s"),
        (12_345_600_000_000, "12346 s"),
    ];
    for (nanos, text) in cases {
        assert_eq!(shown(nanos), text, "{nanos} ns");
    }
    assert_eq!(duration(Duration::from_micros(41), false), "41.00 us");
    assert!(duration(Duration::MAX, true).ends_with(" s"));
}
