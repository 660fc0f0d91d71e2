//! Tests of references as a configuration writes them.

use std::sync::Arc;

use super::*;

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

/// Parses in a call `stock`, which has `each`, of an aggregate with the calls `users`, `orders` and `stock`.
fn parse(text: &str) -> Result<Reference, String> {
    parse_with(text, |known| known)
}

fn parse_with(
    text: &str,
    change: impl FnOnce(Known<'_>) -> Known<'_>,
) -> Result<Reference, String> {
    let (path, calls) = (
        names(&["id", "page_no"]),
        names(&["users", "orders", "stock"]),
    );
    let known = Known {
        path: &path,
        calls: &calls,
        own: Some(2),
        own_result: false,
        in_each: true,
        has_body: true,
        has_client: true,
    };
    Reference::parse(text, &change(known)).map_err(|error| error.0)
}

fn field_of(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

#[test]
fn every_root_and_part_is_read() {
    for (text, root, path) in [
        ("path.id", Root::Path(0), ""),
        ("path.page_no", Root::Path(1), ""),
        ("path[\"id\"]", Root::Path(0), ""),
        ("query.since", Root::Query("since".into()), ""),
        ("query.x-y", Root::Query("x-y".into()), ""),
        (
            "query[\"filter[name]\"]",
            Root::Query("filter[name]".into()),
            "",
        ),
        ("query.ids[*]", Root::Query("ids".into()), "[*]"),
        ("query.ids[-1]", Root::Query("ids".into()), "[-1]"),
        (
            "headers.Accept-Language",
            Root::Header(field_of("accept-language")),
            "",
        ),
        ("headers['etag']", Root::Header(field_of("etag")), ""),
        ("body", Root::Body, ""),
        ("body.user.email", Root::Body, "user.email"),
        ("body[0]", Root::Body, "[0]"),
        ("users.body", Root::Call(0, Part::Body), ""),
        ("users.body.team.id", Root::Call(0, Part::Body), "team.id"),
        (
            "orders.body[\"x-y\"][*]",
            Root::Call(1, Part::Body),
            "[\"x-y\"][*]",
        ),
        (
            "users.headers.etag",
            Root::Call(0, Part::Header(field_of("etag"))),
            "",
        ),
        ("users.status", Root::Call(0, Part::Status), ""),
        ("users.ok", Root::Call(0, Part::Ok), ""),
        ("users.failure", Root::Call(0, Part::Failure), ""),
        ("item", Root::Item, ""),
        ("item.sku", Root::Item, "sku"),
        ("item[0]", Root::Item, "[0]"),
        ("index", Root::Index, ""),
    ] {
        let reference = parse(&format!(" {text} ")).unwrap();
        assert_eq!(&*reference.text, text);
        assert_eq!(reference.root, root, "{text}");
        assert_eq!(reference.path.to_string(), path, "{text}");
    }
    assert_eq!(parse("orders.ok").unwrap().call(), Some(1));
    assert_eq!(parse("orders.ok").unwrap().name(), "orders");
    assert_eq!(parse("path.id").unwrap().call(), None);
}

#[test]
fn a_wrong_name_is_told_with_the_one_that_was_meant() {
    for (text, expected) in [
        (
            "usres.body",
            "`usres` is no call of this aggregate, nor `path`, `query`, `headers`, `body`, `item` or `index`, did you mean `users`?",
        ),
        (
            "qeury.id",
            "`qeury` is no call of this aggregate, nor `path`, `query`, `headers`, `body`, `item` or `index`, did you mean `query`?",
        ),
        (
            "nothing.like.it",
            "`nothing` is no call of this aggregate, nor `path`, `query`, `headers`, `body`, `item` or `index`",
        ),
        (
            "path.idd",
            "the route has no parameter `idd`, did you mean `id`?",
        ),
        ("path.something", "the route has no parameter `something`"),
        (
            "users.bdoy.id",
            "a call's result has no `bdoy`, did you mean `body`? It has `body`, `headers.NAME`, `status`, `ok` and `failure`",
        ),
        (
            "users.id",
            "a call's result has no `id`, did you mean `users.body.id`? It has `body`, `headers.NAME`, `status`, `ok` and `failure`",
        ),
        (
            "users.team_id",
            "a call's result has no `team_id`, did you mean `users.body.team_id`? It has `body`, `headers.NAME`, `status`, `ok` and `failure`",
        ),
        (
            "id",
            "`id` is no call of this aggregate, nor `path`, `query`, `headers`, `body`, `item` or `index`, did you mean `path.id`?",
        ),
        (
            "users",
            "`users` is a call: name a part of its result, such as `users.body`",
        ),
        (
            "users[0]",
            "`users` is a call: name a part of its result, such as `users.body`",
        ),
        (
            "stock.body",
            "`stock` is this call itself, which has no result yet",
        ),
    ] {
        assert_eq!(parse(text).unwrap_err(), expected, "{text}");
    }
}

#[test]
fn a_name_is_refused_where_it_has_no_value() {
    let told =
        |text: &str, change: fn(Known<'_>) -> Known<'_>| parse_with(text, change).unwrap_err();
    for text in ["item.sku", "index"] {
        let name = text.split('.').next().unwrap();
        assert_eq!(
            told(text, |known| Known {
                in_each: false,
                ..known
            }),
            format!("`{name}` is only in the request and in the `expect` of a call with `each`")
        );
    }
    assert_eq!(
        told("body.a", |known| Known {
            has_body: false,
            ..known
        }),
        "`body` is the body of the client's request, which has none here: POST, PUT, PATCH and QUERY have one"
    );
    for text in ["path.id", "query.a", "headers.a", "body"] {
        let told = told(text, |known| Known {
            has_client: false,
            ..known
        });
        assert!(
            told.ends_with("is of the client's request, which can't be used here"),
            "{told}"
        );
    }
    assert_eq!(
        told("path.id", |known| Known { path: &[], ..known }),
        "the route has no parameter `id`: it has none; write it as `{id}` in the aggregate's `path`"
    );
    let bare: fn(Known<'_>) -> Known<'_> = |known| Known {
        has_client: false,
        in_each: false,
        ..known
    };
    assert_eq!(
        told("usres.ok", bare),
        "`usres` is no call of this aggregate, did you mean `users`?"
    );
    assert_eq!(
        told("stokc.ok", bare),
        "`stokc` is no call of this aggregate"
    );
    let own: fn(Known<'_>) -> Known<'_> = |known| Known {
        own_result: true,
        ..known
    };
    assert_eq!(
        parse_with("stock.body.ok", own).unwrap().root,
        Root::Call(2, Part::Body)
    );
}

#[test]
fn a_root_word_wins_over_a_call_of_that_name() {
    let calls = names(&["query", "item"]);
    let known = Known {
        path: &[],
        calls: &calls,
        own: None,
        own_result: false,
        in_each: false,
        has_body: false,
        has_client: true,
    };
    let root = Reference::parse("query.body", &known).unwrap().root;
    assert_eq!(root, Root::Query("body".into()));
    assert!(Reference::parse("item.body", &known).is_err());
}

#[test]
fn a_text_that_is_no_reference_is_told_where_it_goes_wrong() {
    for (text, expected) in [
        ("", "a reference is missing"),
        (".body", "`.` begins no reference"),
        ("{body}", "`{` begins no reference"),
        ("body.a b", "` ` after `body.a` is no part of a reference"),
        (
            "body.x-y",
            "`-` after `body.x`: a name with other characters than letters, digits and `_` is written `[\"x-y\"]`",
        ),
        ("body.a?", "`?` after `body.a` is no part of a reference"),
        ("body.", "a name is missing after the last `.`"),
        (
            "body.0",
            "`0` is no name: an element is written `[0]`, a member `[\"0\"]`",
        ),
        (
            "path",
            "a name is missing after `path`, such as `path.id` or `path[\"x.y\"]`",
        ),
        (
            "query[0]",
            "a name is missing after `query`, such as `query.id` or `query[\"x.y\"]`",
        ),
        ("path.id.x", "`path.id` has no parts"),
        ("users.ok.x", "`users.ok` has no parts"),
        ("users.headers.etag[0]", "`users.headers.etag` has no parts"),
        ("index[0]", "`index` has no parts"),
        (
            "query.a.b",
            "`query.a` is text, or a list of texts: `b` is no part of it",
        ),
        ("headers['a b']", "`a b` is no name of a header field"),
    ] {
        assert_eq!(parse(text).unwrap_err(), expected, "{text}");
    }
    assert!(parse(&format!("body{}", "[0]".repeat(33))).is_err());
}
