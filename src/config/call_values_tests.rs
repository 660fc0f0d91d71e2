//! The forms that values of a call may have.

use serde_json::json;

use super::*;

#[test]
fn a_pair_is_text_a_whole_number_or_a_truth_or_a_list_of_them() {
    for (value, text) in [
        (json!("a {b}"), "a {b}"),
        (json!(""), ""),
        (json!(-5), "-5"),
        (
            json!(18_446_744_073_709_551_615_u64),
            "18446744073709551615",
        ),
        (json!(true), "true"),
    ] {
        let read = PairValue::deserialize(value).unwrap();
        assert_eq!(read, PairValue::One(text.to_owned()));
    }
    let list = PairValue::deserialize(json!(["a", 1, false, null])).unwrap();
    let texts = ["a", "1", "false"].map(|text| Some(Scalar(text.to_owned())));
    let all = texts.into_iter().chain([None]).collect();
    assert_eq!(list, PairValue::Several(all));
    for value in [
        json!(1.5),
        json!({"a": 1}),
        json!(["a", ["b"]]),
        json!([1.5]),
    ] {
        let refusal = PairValue::deserialize(&value).unwrap_err().to_string();
        assert!(
            refusal.contains("expected text, a whole number"),
            "{refusal}"
        );
    }
}

#[test]
fn a_tolerance_is_a_number_or_a_share_and_is_written_back_as_it_was() {
    for value in [
        json!(0),
        json!(10_000),
        json!("10%"),
        json!("7%"),
        json!("0.5%"),
    ] {
        let read = RawTolerance::deserialize(&value).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), value);
    }
    for value in [
        json!(-1),
        json!(10_001),
        json!("10"),
        json!("101%"),
        json!("-1%"),
        json!(0.1),
    ] {
        let refusal = RawTolerance::deserialize(&value).unwrap_err().to_string();
        assert!(refusal.contains(TOLERANCE), "{refusal}");
    }
}

#[test]
fn a_shape_is_one_of_two_words_or_a_table_with_an_expression() {
    for value in [
        json!("report"),
        json!("merge"),
        json!({"value": "users.body"}),
    ] {
        let read = RawShape::deserialize(&value).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), value);
    }
    for value in [
        json!("merged"),
        json!(1),
        json!({"valeu": "a"}),
        json!(["report"]),
    ] {
        assert!(RawShape::deserialize(value).is_err());
    }
}

#[test]
fn a_route_has_six_methods() {
    for raw in RawRouteMethod::ALL {
        assert_eq!(RawRouteMethod::of(&raw.into()), Some(raw));
    }
    assert_eq!(RawRouteMethod::of(&Method::HEAD), None);
}
