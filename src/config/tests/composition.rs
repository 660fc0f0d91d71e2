//! The keys of composition: each kind of mistake, with its key path and its message.

use super::said;

/// Returns a configuration with an aggregate `home` of these calls, and with these settings of it.
pub(super) fn text(settings: &str, calls: &[&str]) -> String {
    format!(
        "[upstreams.users]\nurl = 'http://users:8080/api/?v=1'\nheaders = {{ accept = 'text/html', x-a = '1' }}\n\
         forward_headers = ['accept-language']\nforward_query = ['q']\n\
         [upstreams.orders]\nurl = 'http://orders'\n[upstreams.posts]\nurl = 'http://posts'\nmethod = 'POST'\nbody = 'x'\n\
         [aggregates.home]\npath = '/users/{{id:int}}/home'\n{settings}\ncalls = [{}]\n",
        calls.join(", ")
    )
}

/// Mistakes of one call of `users` beside a call of `orders`.
const OF_A_CALL: &[(&str, &str)] = &[
    (
        "path = 'users'",
        "path: expected a path that begins with `/`, such as \"/users/{path.id}\"; it is added to the upstream's url",
    ),
    (
        "query = { '' = 'a' }",
        "query.\"\": found an empty text, expected the name of a query parameter",
    ),
    (
        "query = { a = 1.5 }",
        "query.a: found a number, expected text, a whole number, true or false, or a list of them",
    ),
    (
        "query = { t = '{query.timeout}' }",
        "query.t: the query parameter `timeout` is Gather's own; use another name, or set `parameters = false` in the aggregate",
    ),
    (
        "query = { t = '{query.id}' }",
        "query.t: the query parameter `id` has the name of a parameter of the route, which takes its place at /aggregate/NAME; \
         did you mean `path.id`?",
    ),
    (
        "headers = { connection = 'close' }",
        "headers.connection: the header `connection` belongs to the connection, and Gather sets it itself",
    ),
    (
        "headers = { x-request-id = '{query.a}' }",
        "headers.x-request-id: the header `x-request-id` is sent with every attempt by Gather itself",
    ),
    (
        "headers = { a = '1', A = '2' }",
        "headers.a: the header `a` is written twice",
    ),
    (
        "headers = { host = '{query.a}' }",
        "headers.host: the header `host` takes a fixed text alone: it says who sends a request to whom, which no value may decide",
    ),
    (
        "headers = { idempotency-key = 'a' }, idempotency_key = true",
        "headers.idempotency-key: is generated, as `idempotency_key` is true; take one of the two out",
    ),
    (
        "method = 'TRACE'",
        "method: found \"TRACE\", expected one of `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS`, `QUERY`",
    ),
    (
        "method = 'QUERY'",
        "method: QUERY asks with its body; set `json`, `form`, `body` or `forward_body`",
    ),
    (
        "json = { a = 1 }",
        "json: GET takes no body; set `method = \"POST\"` or another",
    ),
    (
        "form = { a = 1 }, method = 'HEAD'",
        "form: HEAD takes no body; set `method = \"POST\"` or another",
    ),
    (
        "json = 1, body = 'hunter2', method = 'POST'",
        "body: a request has one body, and `json` is it; take one out",
    ),
    (
        "forward_body = true, method = 'POST'",
        "forward_body: no client sends a body here: the methods of the aggregate are for requests without one; set \
         `methods = [\"POST\"]` or another in the aggregate",
    ),
    (
        "after = ['odrers']",
        "after[0]: no call of this aggregate has the name `odrers`, did you mean `orders`?",
    ),
    ("after = ['users']", "after[0]: `users` is this call itself"),
    (
        "after = ['orders', 'orders']",
        "after[1]: `orders` is listed twice",
    ),
    (
        "concurrency = 2",
        "concurrency: is only for a call with `each`, which makes one request for each element of a list",
    ),
    (
        "max = 0, each = '{orders.body}'",
        "max: found 0, expected a whole number from 1 to 10000",
    ),
    (
        "tolerate = '10', each = '{orders.body}'",
        "tolerate: found \"10\", expected a number of elements, or a share such as \"10%\"",
    ),
    (
        "each = 'orders.body.items'",
        "each: expected one reference to a list, such as \"{orders.body.items}\"; did you mean \"{orders.body.items}\"?",
    ),
    (
        "each = 'a b'",
        "each: expected one reference to a list, such as \"{orders.body.items}\"",
    ),
    (
        "select = 'orders.body'",
        "select: `orders.body` is a part of another call; `select` takes a part of this one: `users.body`",
    ),
    (
        "keep = ['a'], drop = ['b']",
        "drop: `keep` and `drop` are both given: what is not kept is dropped; take one out",
    ),
    (
        "keep = []",
        "keep: found an empty list, expected members such as [\"id\", \"items[*].price\"]",
    ),
    ("keep = ['a', 'a']", "keep[1]: is listed twice"),
    (
        "into = 'a[0]'",
        "into: expected member names such as \"user.profile\", or \".\" to spread the members of an object",
    ),
    (
        "url = '/a'",
        "url: unknown key; the path of a call is its `path`, after the `url` of its upstream.",
    ),
    (
        "depends_on = ['orders']",
        "depends_on: unknown key; the calls to wait for are listed in `after`.",
    ),
];

/// Returns the difference, unless a configuration has one mistake and it is this one. A message that ends with a dot is
/// only its beginning.
fn wrong(text: &str, place: &str, told: &str) -> Option<String> {
    let said = said(text);
    let [line] = said.as_slice() else {
        return Some(format!("{told}: {said:#?}"));
    };
    let bare = line.strip_prefix(place).unwrap_or(line);
    let is_right = bare == told || (told.ends_with('.') && bare.starts_with(told));
    (!is_right).then(|| format!("{bare}\n{told}"))
}

#[test]
fn each_mistake_in_a_call_is_told_at_its_key() {
    let wrong = OF_A_CALL.iter().filter_map(|&(keys, told)| {
        let call = format!("{{ upstream = 'users', {keys} }}");
        let text = text("shape = 'merge'", &[&call, "'orders'"]);
        wrong(&text, "aggregates.home.calls[0].", told)
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Mistakes that the parts of values and expressions find, by what they begin with and a part of them.
const IN_VALUES: &[(&str, &str, &str)] = &[
    (
        "path = '/{oders.body.id}'",
        "path: ",
        "did you mean `orders`?",
    ),
    (
        "path = '/{path.ids}'",
        "path: ",
        "`ids`, did you mean `id`?",
    ),
    (
        "path = '/{users.body.id}'",
        "path: ",
        "`users` is this call itself",
    ),
    (
        "path = '/{body.id}'",
        "path: ",
        "POST, PUT, PATCH and QUERY",
    ),
    (
        "path = '/{item.id}'",
        "path: ",
        "`item` is only in the request and in the `expect` of a call with `each`",
    ),
    ("path = '/{'", "path: ", ""),
    ("path = '/a?b=c'", "path: ", ""),
    (
        "query = { a = ['b', '{orders}'] }",
        "query.a: ",
        "name a part of its result",
    ),
    (
        "headers = { x-b = '{nowhere.a}' }",
        "headers.x-b: ",
        "`nowhere` is no call",
    ),
    (
        "json = { a = ['{itme}'] }, method = 'PUT'",
        "json: ",
        "`itme`",
    ),
    (
        "form = { a = '{index}' }, method = 'PUT'",
        "form.a: ",
        "`index` is only",
    ),
    ("when = 'orders.body.a =='", "when: ", ""),
    ("when = 'oders.ok'", "when: ", "`orders`"),
    ("when = 'users.ok'", "when: ", ""),
    (
        "when = 'orders.ok && orders.status'",
        "when: ",
        "`orders.status` is neither true nor false",
    ),
    ("expect = '200'", "expect: ", "`200` is neither"),
    ("expect = 'usres.body.ok'", "expect: ", "`users`"),
    ("each = '{item.a}'", "each: ", "`item` is only"),
    (
        "select = 'usres.body'",
        "select: ",
        "`usres` is no call of this aggregate, did you mean `users`?",
    ),
    (
        "select = '{users.body.items}'",
        "select: ",
        "a reference has no braces here; did you mean `users.body.items`?",
    ),
    (
        "select = 'items'",
        "select: ",
        "`items` is no call of this aggregate, did you mean `users.body.items`?",
    ),
    (
        "select = 'uploads.body.items'",
        "select: ",
        "`uploads` is no call of this aggregate; `select` takes a part of this call: `users.body`",
    ),
    ("select = 'size(usres.body)'", "select: ", "`users`"),
    ("select = 'query.a'", "select: ", "client's request"),
    ("keep = ['a b c[']", "keep[0]: ", ""),
];

#[test]
fn mistakes_in_references_and_expressions_are_told_at_their_keys() {
    let mut wrong = Vec::new();
    for &(keys, start, part) in IN_VALUES {
        let call = format!("{{ upstream = 'users', {keys} }}");
        let said = said(&text("", &[&call, "'orders'"]));
        let start = format!("aggregates.home.calls[0].{start}");
        let is_right =
            matches!(said.as_slice(), [line] if line.starts_with(&start) && line.contains(part));
        if !is_right {
            wrong.push(format!("{keys}: {said:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Mistakes of an aggregate.
const OF_AN_AGGREGATE: &[(&str, &str)] = &[
    (
        "methods = []",
        "methods: found an empty list, expected methods such as [\"GET\", \"POST\"]",
    ),
    (
        "methods = ['GET', 'GET']",
        "methods[1]: GET is listed twice",
    ),
    (
        "methods = ['POST', 'QUERY']",
        "methods[1]: QUERY takes the same by POST, so the two can't be told apart; take one of them out",
    ),
    (
        "methods = ['HEAD']",
        "methods[0]: found \"HEAD\", expected one of `GET`, `POST`, `PUT`, `PATCH`, `DELETE`, `QUERY`",
    ),
    (
        "max_request_body = '2GiB'",
        "max_request_body: found \"2GiB\", expected a size from \"1B\" to \"1GiB\"",
    ),
    (
        "shape = 'merged'",
        "shape: found \"merged\", expected \"report\", \"merge\" or a table such as { value = \"users.body\" }",
    ),
    (
        "shape = {}",
        "shape.value: missing; expected an expression such as \"users.body\"",
    ),
    (
        "shape = { value = 'hidden.body.a' }",
        "shape.value: `hidden.body.a` is a part of the body of `hidden`, which has `answer = false`: its body never leaves; \
         take it out, or leave `answer` out",
    ),
    (
        "response_headers = ['Content-Length']",
        "response_headers[0]: the header `content-length` belongs to the connection, and Gather sets it itself",
    ),
    (
        "response_headers = ['set-cookie', 'Date']",
        "response_headers[1]: the header `date` describes the gateway's own answer, and Gather sets it itself",
    ),
    (
        "response_headers = ['a', 'A']",
        "response_headers[1]: the header `a` is listed twice",
    ),
    (
        "method = 'POST'",
        "method: unknown key; the methods of an aggregate are listed in `methods`.",
    ),
];

#[test]
fn each_mistake_in_an_aggregate_is_told_at_its_key() {
    let hidden = "{ upstream = 'orders', name = 'hidden', answer = false }";
    let wrong = OF_AN_AGGREGATE.iter().filter_map(|&(settings, told)| {
        let text = text(settings, &["'users'", hidden]);
        wrong(&text, "aggregates.home.", told)
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_cycle_is_printed_at_the_key_that_closes_it() {
    let call =
        |name: &str, keys: &str| format!("{{ upstream = 'users', name = '{name}', {keys} }}");
    let all = [
        call("a", "after = ['b']"),
        call("b", "query = { x = '{c.body.id}', y = '{d.ok}' }"),
        call("c", "when = 'a.ok'"),
        call("d", "after = ['b', 'e']"),
        call("e", "path = '/'"),
    ];
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    assert_eq!(
        said(&text("", &all)),
        [
            "aggregates.home.calls[2].when: calls wait for one another without end: a → b → c → a; take one of these references out",
            "aggregates.home.calls[3].after[0]: calls wait for one another without end: b → d → b; take one of these references out",
        ]
    );
}

#[test]
fn two_calls_may_not_write_one_member_of_a_merged_answer() {
    let call = |name: &str, keys: &str| format!("{{ upstream = 'users', name = '{name}'{keys} }}");
    let all = [
        call("a", ""),
        call("b", ", into = 'x.y'"),
        call("c", ", into = 'x'"),
        call("d", ", into = 'x.z'"),
        call("e", ", into = '.'"),
        call("f", ", into = 'a.b'"),
        call("errors", ""),
        call("g", ", answer = false"),
    ];
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    assert_eq!(
        said(&text("shape = 'merge'", &all)),
        [
            "aggregates.home.calls[2].into: the member `x` of the merged answer is written by calls[1], at `x.y`; set `into` to \
             another place",
            "aggregates.home.calls[3].into: the member `x.z` of the merged answer is written by calls[2], at `x`; set `into` to \
             another place",
            "aggregates.home.calls[5].into: the member `a.b` of the merged answer is written by calls[0], at `a`; set `into` to \
             another place",
            "aggregates.home.calls[6]: the member `errors` of a merged answer has the failures; set `into` to another place",
        ]
    );
}
