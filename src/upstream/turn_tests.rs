//! The decisions of a call whose turn has come.

use std::num::NonZeroUsize;

use http::Method;

use super::*;
use crate::{
    exchange::ClientContext,
    upstream::{
        Tolerance,
        fixture::{client, known, path, request, with_body},
    },
};

fn each(list: &str, max: usize, tolerate: Tolerance) -> Composition {
    let composed = Composed {
        each: Some(EachSettings {
            list: known(|known| Reference::parse(list, known)).unwrap(),
            concurrency: NonZeroUsize::new(10).unwrap(),
            max,
            tolerate,
        }),
        path: Some(path("/stock/{item.sku}/{index}")),
        ..Composed::default()
    };
    composition(composed)
}

fn composition(composed: Composed) -> Composition {
    let address = crate::upstream::Settings::of("http://users")
        .service
        .address;
    Composition::new(&address, &request(Method::GET, composed), None).unwrap()
}

/// Returns a client whose body has a list of this many elements.
fn list(elements: usize) -> ClientContext {
    let elements: Vec<_> = (0..elements)
        .map(|index| format!("{{\"sku\":\"s{index}\"}}"))
        .collect();
    with_body(format!("{{\"items\" : [ {} ]}}", elements.join(" ,\n")))
}

fn elements<'a>(composition: &'a Composition, client: &'a ClientContext) -> Elements<'a, Sending> {
    match composition.turn(client, Earlier::NONE) {
        Turn::Each(elements) => *elements,
        Turn::Send(_) => panic!("one request"),
        Turn::Omit => panic!("omitted"),
        Turn::Fail(failure) => panic!("{failure:?}"),
    }
}

fn failure(composition: &Composition, client: &ClientContext) -> Failure {
    match composition.turn(client, Earlier::NONE) {
        Turn::Fail(failure) => failure,
        _ => panic!("no failure"),
    }
}

#[test]
fn each_element_has_a_request_up_to_max() {
    let composition = each("body.items", 100, Tolerance::Count(0));
    for count in [0, 1, 100] {
        let client = list(count);
        let elements = elements(&composition, &client);
        assert_eq!((elements.total, elements.tolerate), (count, 0));
        let starts: Vec<_> = elements
            .requests
            .map(|request| {
                let rendered = request.unwrap().unwrap();
                let (bytes, _) = rendered.bytes(&client, crate::fanout::AttemptId::ONLY);
                assert!(rendered.item().is_none(), "nothing needs it");
                String::from_utf8(bytes)
                    .unwrap()
                    .lines()
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        let expected = (0..count).map(|at| format!("GET /stock/s{at}/{at}?fixed=1 HTTP/1.1"));
        assert_eq!(starts, expected.collect::<Vec<_>>());
    }
    for count in [101, 10_000] {
        let failure = failure(&composition, &list(count));
        assert_eq!(failure.kind, FailureKind::TooLarge);
        assert_eq!(
            failure.detail,
            format!("the list has {count} elements, more than `max` = 100")
        );
    }
}

#[test]
fn an_element_without_the_value_fails_alone() {
    let composition = each("body", 100, Tolerance::Count(0));
    let client = with_body(r#"[{"sku":1},{},null,{"sku":[]},{"sku":"x"}]"#);
    let kinds: Vec<_> = elements(&composition, &client)
        .requests
        .map(|request| request.err().map(|failure| failure.kind))
        .collect();
    let skipped = Some(FailureKind::Skipped);
    assert_eq!(kinds, [None, skipped, skipped, skipped, None]);
}

#[test]
fn what_is_no_list_skips_the_call() {
    let composition = each("body.items", 100, Tolerance::Count(0));
    for (body, detail) in [
        ("{}", "`{body.items}` is missing"),
        (
            "{\"items\":null}",
            "`{body.items}` is null, where a list is needed",
        ),
        (
            "{\"items\":{}}",
            "`{body.items}` is an object, where a list is needed",
        ),
        (
            "{\"items\":\"[]\"}",
            "`{body.items}` is text, where a list is needed",
        ),
        (
            "{\"items\":1}",
            "`{body.items}` is a number, where a list is needed",
        ),
    ] {
        let failure = failure(&composition, &with_body(body));
        assert_eq!(failure.kind, FailureKind::Skipped);
        assert_eq!(failure.detail, detail);
    }
    let composition = each("path.id", 100, Tolerance::Count(0));
    let failure = failure(&composition, &client("42"));
    assert_eq!(
        failure.detail,
        "`{path.id}` is text, where a list is needed"
    );
}

#[test]
fn a_query_parameter_is_a_list_also_if_it_is_given_once() {
    let composed = Composed {
        path: Some(path("/stock/{item}")),
        ..Composed::default()
    };
    let mut composition = each("query.id", 100, Tolerance::Count(0));
    composition.recipe = self::composition(composed).recipe;
    for pairs in [&["id=a%22b"][..], &["id=a%22b", "id=%C3%A9"]] {
        let mut client = client("42");
        for pair in pairs {
            client.query.push(("id".to_owned(), (*pair).to_owned()));
        }
        let elements = elements(&composition, &client);
        assert_eq!(elements.total, pairs.len());
        for (request, segment) in elements.requests.zip(["a%22b", "%C3%A9"]) {
            let rendered = request.unwrap().unwrap();
            let (bytes, _) = rendered.bytes(&client, crate::fanout::AttemptId::ONLY);
            let start = format!("GET /stock/{segment}?fixed=1 HTTP/1.1\r\n");
            assert!(bytes.starts_with(start.as_bytes()), "{start}");
        }
    }
}

#[test]
fn elements_that_are_picked_one_by_one_are_a_list_too() {
    let composition = each("body.items[*].of", 2, Tolerance::Share(0.5));
    let client = with_body(r#"{"items":[{"of":{"sku":"a"}},{},{"of":{"sku":"b"}}]}"#);
    let mut elements = elements(&composition, &client);
    assert_eq!((elements.total, elements.tolerate), (2, 1));
    assert!(elements.requests.all(|request| request.is_ok()));
}

#[test]
fn a_tolerated_share_is_rounded_down() {
    for (share, total, most) in [
        (0.1, 9, 0),
        (0.1, 10, 1),
        (0.1, 19, 1),
        (0.29, 100, 29),
        (0.07, 100, 7),
        (1.0, 3, 3),
        (0.0, 3, 0),
    ] {
        assert_eq!(
            Tolerance::Share(share).most(total),
            most,
            "{share} of {total}"
        );
    }
    assert_eq!(Tolerance::Count(5).most(3), 5);
}

#[test]
fn a_call_of_which_nothing_varies_sends_what_was_made_ready() {
    let composition = composition(Composed::default());
    assert!(matches!(
        composition.turn(&client("42"), Earlier::NONE),
        Turn::Send(None)
    ));
}
