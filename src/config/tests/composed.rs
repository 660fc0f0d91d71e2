//! The keys of composition: the requests that calls send, and what goes into the answer.

use http::Method;

use super::{composition::text, said};
use crate::{
    compose::{Place, Select, Shape},
    config::{Call, Config, effective, load_text},
    upstream::Tolerance,
};

fn load(settings: &str, calls: &[&str]) -> Config {
    let text = text(settings, calls);
    load_text("x.toml", &text).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"))
}

fn calls(config: &Config) -> &[Call] {
    &config.services.aggregates[0].calls
}

#[test]
fn what_has_no_reference_is_a_fixed_request() {
    let config = load(
        "",
        &[
            "{ upstream = 'users', path = '/a/b', query = { q = ['x y', 2], z = true }, headers = { accept = 'a', x-b = 'c' } }",
            "{ upstream = 'orders', method = 'POST', json = { b = 1, a = [true, 'x'] } }",
            "{ upstream = 'posts', form = { a = 'b c' } }",
            "{ upstream = 'posts', name = 'got', method = 'GET' }",
            "{ upstream = 'users', name = 'plain', optional = false }",
        ],
    );
    let requests: Vec<_> = calls(&config)
        .iter()
        .map(|call| call.request.as_ref())
        .collect();
    let [Some(users), Some(orders), Some(posts), Some(got), None] = requests[..] else {
        panic!("{requests:?}");
    };
    assert_eq!(users.target, "/api/a/b?v=1&q=x%20y&q=2&z=true");
    let headers = users.headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(headers, [("x-a", "1"), ("accept", "a"), ("x-b", "c")]);
    assert!(users.forward_query.is_empty() && users.composed.is_none());
    assert_eq!(orders.method, Method::POST);
    assert_eq!(
        orders.body.as_deref(),
        Some(&br#"{"a":[true,"x"],"b":1}"#[..])
    );
    assert_eq!(orders.headers[0].1, "application/json");
    assert!(orders.composed.is_none() && posts.composed.is_none());
    assert_eq!(posts.headers[0].1, "application/x-www-form-urlencoded");
    assert_eq!(got.body, None);
}

#[test]
fn what_has_a_reference_is_made_for_each_request() {
    let config = load(
        "methods = ['POST']\nresponse_headers = ['set-cookie']",
        &[
            "{ upstream = 'users', path = '/{path.id}', query = { a = '{query.since?}', b = '1' } }",
            "{ upstream = 'orders', method = 'PUT', json = { a = '{body.a}' }, headers = { x = '{users.headers.etag}' }, \
               after = ['posts'], each = '{users.body.items}', tolerate = '10%', expect = 'orders.body.ok' }",
            "{ upstream = 'posts', forward_body = true, headers = { y = '{headers.accept-language}' }, idempotency_key = true }",
        ],
    );
    let [users, orders, posts] = calls(&config) else {
        panic!()
    };
    assert_eq!(
        (&*users.after, &*orders.after, &*posts.after),
        (&[][..], &[0, 2][..], &[][..])
    );
    let request = |call: &Call| call.request.clone().unwrap();
    let fields = |call: &Call| {
        let fields = request(call).kept_fields;
        fields.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(fields(users), ["etag", "set-cookie"]);
    assert_eq!(fields(orders), ["set-cookie"]);
    assert_eq!(request(users).target, "/api/?v=1&b=1");
    let composed = request(users).composed.unwrap();
    assert!(composed.path.is_some() && composed.query.len() == 1 && composed.headers.is_empty());
    assert_eq!(users.takes.query, ["since".into()]);
    assert!(orders.takes.json && !orders.takes.body);
    assert!(posts.takes.body && !posts.takes.json && posts.takes.headers == ["accept-language"]);
    let composed = request(orders).composed.unwrap();
    let each = composed.each.as_ref().unwrap();
    assert_eq!(
        (each.concurrency.get(), each.max, each.tolerate),
        (10, 100, Tolerance::Share(0.1))
    );
    assert!(composed.expect.is_some() && composed.call == 1);
    assert!(request(posts).body.is_none() && request(posts).composed.unwrap().idempotency_key);
}

#[test]
fn the_parts_for_the_answer_are_references_or_expressions() {
    let config = load(
        "shape = 'merge'",
        &[
            "{ upstream = 'users', select = 'users.body.a[0][\"x-y\"]', keep = ['id', 'items[*].price'], into = 'a.b' }",
            "{ upstream = 'orders', select = 'size(orders.body.items)', drop = ['x'], into = '.' }",
            "{ upstream = 'posts', answer = false, fallback = { b = 1, a = 'x' } }",
        ],
    );
    assert!(matches!(config.services.aggregates[0].shape, Shape::Merge));
    let [users, orders, posts] = calls(&config) else {
        panic!()
    };
    assert!(matches!(&users.shape.select, Some(Select::Reference(_))));
    assert!(matches!(&orders.shape.select, Some(Select::Expression(_))));
    let place = ["a".into(), "b".into()];
    assert_eq!(users.shape.into, Some(Place::At(place.into())));
    assert_eq!(orders.shape.into, Some(Place::Spread));
    assert!(posts.shape.is_hidden && users.shape.prune.is_some());
    assert_eq!(posts.fallback.as_deref(), Some(&br#"{"a":"x","b":1}"#[..]));
}

#[test]
fn a_call_is_odd_whose_name_has_another_meaning_in_references() {
    let warned = |name: &str| {
        let named = format!("{{ upstream = 'orders', name = '{name}' }}");
        let user = "{ upstream = 'users', query = { q = '{query.q}' } }";
        let config = load("", &[&named, user, "'posts'"]);
        let lines = config.warnings.iter().map(ToString::to_string);
        lines.collect::<Vec<_>>()
    };
    let told = "x.toml: aggregates.home.calls[0]: the call has the name `query`, which in references is the client's query; \
                give it another `name`";
    assert_eq!(warned("query"), [told]);
    assert_eq!(warned("body"), [""; 0], "no reference has this root");
}

#[test]
fn members_of_an_object_are_odd_where_the_body_is_a_list() {
    let warned = |keys: &str| {
        let each = format!("{{ upstream = 'orders', each = '{{users.body.ids}}', {keys} }}");
        let config = load("", &["'users'", &each, "'posts'"]);
        let lines = config.warnings.iter().map(ToString::to_string);
        lines.collect::<Vec<_>>()
    };
    let place = "x.toml: aggregates.home.calls[1].";
    for (keys, told) in [
        (
            "keep = ['[*].id', 'id']",
            "keep[1]: `id` is no part of the body, which is the list of all elements' bodies (`each`); did you mean `[*].id`?",
        ),
        (
            "drop = ['[\"x-y\"].z']",
            "drop[0]: `[\"x-y\"].z` is no part of the body, which is the list of all elements' bodies (`each`); did you mean \
             `[*][\"x-y\"].z`?",
        ),
    ] {
        assert_eq!(warned(keys), [format!("{place}{told}")]);
    }
    for keys in [
        "keep = ['[*].id', '[*].b']",
        "select = 'orders.body[0]', keep = ['id']",
    ] {
        assert_eq!(warned(keys), [""; 0], "{keys}");
    }
}

#[test]
fn the_composition_in_force_has_no_secret_and_loads_again_to_the_same() {
    let config = load(
        "methods = ['QUERY']\nshape = { value = '{\"a\": users.body}' }\nmax_request_body = '1KiB'\nparameters = false\n\
         response_headers = ['set-cookie']",
        &[
            "{ upstream = 'users', path = '/{path.id}', query = { key = 'hunter2{query.since ?? \"hunter2\"}', b = ['hunter2', 1], page = '{query.page ?? \"7\"}' }, \
               headers = { authorization = 'Bearer hunter2{query.a}', accept = 'text/plain' } }",
            "{ upstream = 'orders', method = 'PUT', json = { a = '{body.a}', b = ['hunter2', 5, true] }, \
               each = '{users.body.items}', fallback = [1, 1.5], keep = ['a'], into = 'b' }",
            "{ upstream = 'posts', form = { a = 'hunter2' }, answer = false, fallback = 'hunter2', when = 'users.ok' }",
            "{ upstream = 'posts', name = 'other', body = 'hunter2', idempotency_key = true }",
        ],
    );
    let shown = effective(&config);
    assert!(!shown.contains("hunter2"), "{shown}");
    for part in [
        "path = \"/users/{id:int}/home\"",
        "methods = [\"QUERY\"]",
        "***{query.a}",
        "page = '{query.page ?? \"7\"}'",
        "accept = \"text/plain\"",
        "concurrency = 10",
        "fallback = [1, 1.5]",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let again =
        load_text("y.toml", &shown).unwrap_or_else(|mistakes| panic!("{mistakes}\n{shown}"));
    assert_eq!(effective(&again), shown);
}

#[test]
fn a_retry_is_a_mistake_only_where_no_call_may_be_sent_twice() {
    let with = |upstream: &str, call: &str| {
        format!(
            "[upstreams.a]\nurl = 'http://a'\nretry = {{ attempts = 2 }}\n{upstream}\n[aggregates.home]\n\
             calls = [{{ upstream = 'a', {call} }}]\n"
        )
    };
    let post = "method = 'POST'";
    assert_eq!(
        said(&with(post, "name = 'b'")),
        ["upstreams.a.retry: POST is not idempotent: it may not be sent twice"]
    );
    for call in ["method = 'GET'", "idempotency_key = true"] {
        let config = load_text("x.toml", &with(post, call)).unwrap();
        assert_eq!(config.warnings, [], "{call}");
        let shown = effective(&config);
        assert!(shown.contains("attempts = 2"), "{shown}");
        assert_eq!(effective(&load_text("y.toml", &shown).unwrap()), shown);
    }
    let config = load_text("x.toml", &with("", "method = 'POST', body = 'x'")).unwrap();
    let [warning] = config.warnings.as_slice() else {
        panic!("{:?}", config.warnings);
    };
    assert!(
        warning.message.contains("`idempotency_key = true`"),
        "{warning}"
    );
}

#[test]
fn a_name_and_a_fixed_body_that_look_as_if_they_had_a_reference_are_warned_of() {
    let warned = |keys: &str| -> Vec<String> {
        let config = load("", &[&format!("{{ upstream = 'users', {keys} }}")]);
        let warnings = config.warnings.iter().map(ToString::to_string);
        warnings.filter(|it| it.contains("sent as it is")).collect()
    };
    for (keys, at, what) in [
        ("query = { '{path.id}' = '1' }", "query.", "a name"),
        (
            "form = { 'a{path.id}' = '1' }, method = 'PUT'",
            "form.",
            "a name",
        ),
        (
            "json = { a = [{ '{path.id}' = 1 }] }, method = 'PUT'",
            "json: ",
            "a name",
        ),
        (
            "body = '{\"a\": {path.id}}', method = 'PUT'",
            "body: ",
            "a fixed body",
        ),
    ] {
        let warned = warned(keys);
        let [warning] = warned.as_slice() else {
            panic!("{keys}: {warned:?}");
        };
        let ending = format!(": `{{path.id}}` is sent as it is: {what} has no references");
        assert!(
            warning.contains(&format!("aggregates.home.calls[0].{at}")),
            "{warning}"
        );
        assert!(warning.ends_with(&ending), "{warning}");
    }
    let plain =
        "json = { '{}' = '{{a.b}}', '{a b.c}' = 1 }, query = { 'a[b.c]' = '1' }, method = 'PUT'";
    assert!(warned(plain).is_empty());
}
