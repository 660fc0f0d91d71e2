//! Each kind of refusal, with its key path and its message.

use super::{LEAST, lines, said, said_of_users, said_with};
use crate::config::load_text;

const BAD_UPSTREAMS: &[(&str, &str)] = &[
    (
        "timeout = '0s'",
        "upstreams.users.timeout: found \"0s\", expected a duration longer than zero",
    ),
    (
        "timeout = '-1'",
        "upstreams.users.timeout: found \"-1\", expected a duration such as",
    ),
    (
        "timeout = '1e99'",
        "upstreams.users.timeout: found \"1e99\", expected a duration such as",
    ),
    (
        "timeout = '25h'",
        "upstreams.users.timeout: found \"25h\", expected a duration of at most \"24h\"",
    ),
    (
        "timeout = 1979-05-27",
        "upstreams.users.timeout: found a date",
    ),
    (
        "connect_timeout = '0ms'",
        "upstreams.users.connect_timeout: found \"0s\"",
    ),
    (
        "keep_alive = '2h'",
        "upstreams.users.keep_alive: found more than an hour, expected at most \"1h\"",
    ),
    (
        "max_depth = 0",
        "upstreams.users.max_depth: found 0, expected a whole number from 1 to 1000",
    ),
    (
        "framed = 'yes'",
        "upstreams.users.framed: found \"yes\", expected",
    ),
    (
        "max_body = '2GiB'",
        "upstreams.users.max_body: found \"2GiB\", expected a size from \"1B\" to \"1GiB\"",
    ),
    (
        "max_in_flight = 0",
        "upstreams.users.max_in_flight: found 0, expected a whole number from 1 to 1000000",
    ),
    (
        "method = 'CONNECT'",
        "upstreams.users.method: found \"CONNECT\", expected one of `GET`",
    ),
    (
        "body = 'hunter2'",
        "upstreams.users.body: the upstream `users` has the method GET, which takes no body",
    ),
    (
        "method = 'HEAD'\nbody = 'hunter2'",
        "upstreams.users.body: the upstream `users` has the method HEAD",
    ),
    (
        "timeout = 800",
        "upstreams.users.timeout: found 800, expected text with a unit, such as \"800ms\" or \"800s\"",
    ),
    (
        "success = []",
        "upstreams.users.success: found an empty list",
    ),
    (
        "success = ['2xx', '6xx']",
        "upstreams.users.success[1]: found \"6xx\", expected a status such as \"404\"",
    ),
    (
        "headers = { Expect = '100-continue' }",
        "upstreams.users.headers.Expect: the header `expect` belongs to the connection",
    ),
    (
        "headers = { Connection = 'hunter2' }",
        "upstreams.users.headers.Connection: the header `connection` belongs",
    ),
    (
        "headers = { x-request-id = 'hunter2' }",
        "upstreams.users.headers.x-request-id: the header `x-request-id` is sent",
    ),
    (
        "headers = { 'a b' = 'hunter2' }",
        "upstreams.users.headers.\"a b\": found \"a b\", expected the name of a header",
    ),
    (
        "headers = { a = \"hunter2\\n\" }",
        "upstreams.users.headers.a: the value has a character",
    ),
    (
        "headers = { a = 'hunter2', A = 'b' }",
        "upstreams.users.headers.a: the header `a` is written twice",
    ),
    (
        "forward_headers = ['Host']",
        "upstreams.users.forward_headers[0]: `host` is never forwarded",
    ),
    (
        "forward_headers = ['a', 'A']",
        "upstreams.users.forward_headers[1]: the header `a` is listed twice",
    ),
    (
        "forward_headers = ['upgrade']",
        "upstreams.users.forward_headers[0]: the header `upgrade` belongs",
    ),
    (
        "forward_headers = ['Accept']\nheaders = { accept = 'x' }",
        "upstreams.users.forward_headers: the header `accept` of the upstream `users` stands in `headers` too",
    ),
    (
        "forward_query = ['q', '']",
        "upstreams.users.forward_query[1]: found an empty text",
    ),
    (
        "forward_query = ['q', 'q']",
        "upstreams.users.forward_query[1]: the parameter `q` is listed twice",
    ),
    (
        "forward_query = ['wait_for']",
        "upstreams.users.forward_query[0]: the parameter `wait_for` is Gather's own",
    ),
    ("tls = {}", "upstreams.users.tls: `tls` is only for https"),
    (
        "cache = { ttl = '2s' }",
        "upstreams.users.cache: unknown key. Allowed here: body,",
    ),
    (
        "retry = { attempts = 0 }",
        "upstreams.users.retry.attempts: found 0, expected a whole number from 1 to 10",
    ),
    (
        "retry = { backoff = '0s' }",
        "upstreams.users.retry.backoff: found \"0s\"",
    ),
    (
        "retry = { on = ['timeout', 'timeout'] }",
        "upstreams.users.retry.on[1]: `timeout` is listed twice",
    ),
    (
        "retry = { on = ['deadline'] }",
        "upstreams.users.retry.on[0]: found \"deadline\", expected connect, tls,",
    ),
    (
        "retry = { on = [] }",
        "upstreams.users.retry.on: found an empty list",
    ),
    (
        "method = 'POST'\nretry = { attempts = 2 }",
        "upstreams.users.retry: POST is not idempotent",
    ),
    (
        "method = 'POST'\nhedge = { after = '50ms' }",
        "upstreams.users.hedge: POST is not idempotent",
    ),
    (
        "hedge = {}",
        "upstreams.users.hedge.after: missing; expected a duration",
    ),
    (
        "hedge = { after = 'p40' }",
        "upstreams.users.hedge.after: found \"p40\", expected a duration such as \"50ms\" or a percentile",
    ),
    (
        "hedge = { after = 95 }",
        "upstreams.users.hedge.after: found 95, expected a duration",
    ),
    (
        "budget = { ratio = 1.5 }",
        "upstreams.users.budget.ratio: found 1.5, expected a number from 0 to 1",
    ),
    (
        "budget = { min_per_second = -1 }",
        "upstreams.users.budget.min_per_second: found -1",
    ),
    (
        "breaker = { failures = 0 }",
        "upstreams.users.breaker.failures: found 0, expected a whole number of failures in a row",
    ),
    (
        "breaker = { failures = '0%' }",
        "upstreams.users.breaker.failures: found \"0%\", expected a whole number",
    ),
    (
        "breaker = { failures = 5, window = '10s' }",
        "upstreams.users.breaker.window: only a share of failures",
    ),
    (
        "timeout = '1s'\ntimeout = '2s'",
        "line 4, column 1: the key `timeout` is written twice",
    ),
];

#[test]
fn each_bad_setting_of_an_upstream_is_named() {
    for &(setting, found) in BAD_UPSTREAMS {
        let said = said_of_users(setting);
        assert_eq!(said.len(), 1, "{setting}: {said:?}");
        assert!(said[0].starts_with(found), "{setting}: {said:?}");
        assert!(!said[0].contains("hunter2"), "{setting}: {said:?}");
    }
}

const BAD_ELSEWHERE: &[(&str, &str)] = &[
    (
        "[server]\ndrain = '5s'",
        "server.drain: found \"5s\", expected at least \"10s\", the deadline of the aggregate `default`",
    ),
    (
        "[server]\ndrain = '0s'",
        "server.drain: found \"0s\", expected a duration longer than zero",
    ),
    (
        "[server]\nmax_connections = 2000000",
        "server.max_connections: found 2000000, expected a whole number from 1 to 1000000",
    ),
    (
        "[server]\nmax_connections = 99999999999999999999",
        "server.max_connections: found a number that is too large",
    ),
    (
        "[server]\nmemory = '1KiB'",
        "server.memory: found \"1KiB\", expected a size from \"1MiB\" to \"1024GiB\"",
    ),
    (
        "[server]\nmemory = 1048576",
        "server.memory: found 1048576, expected text with a unit",
    ),
    (
        "[server]\nmax_headers = 0",
        "server.max_headers: found 0, expected a whole number from 1 to 1000",
    ),
    (
        "[server]\nkeep_alive = '0s'",
        "server.keep_alive: found \"0s\", expected a duration longer than zero",
    ),
    (
        "[server]\ndeadline_headers = ['X-Wait', 'x-wait']",
        "server.deadline_headers[1]: the header `x-wait` is listed twice",
    ),
    (
        "[server]\ndeadline_headers = ['connection']",
        "server.deadline_headers[0]: the header `connection` belongs",
    ),
    (
        "[server]\ndeadline_headers = ['x-wait', 'Prefer']",
        "server.deadline_headers[1]: the header `prefer` never says how long its caller waits",
    ),
    (
        "[server]\ndeadline_headers = ['host']",
        "server.deadline_headers[0]: the header `host` never says how long its caller waits",
    ),
    (
        "[server]\ndeadline_headers = ['traceparent']",
        "server.deadline_headers[0]: the header `traceparent` never says how long its caller waits",
    ),
    (
        "[server]\ndeadline_headers = ['x wait']",
        "server.deadline_headers[0]: found \"x wait\", expected the name of a header",
    ),
    (
        "[server]\ndeadline_headers = ['x-request-id']",
        "server.deadline_headers[0]: the header `x-request-id` is sent with every attempt by Gather itself",
    ),
    (
        "[server]\nconsoles = true",
        "server.consoles: unknown key, did you mean `console`? Allowed here: compression, console, deadline_headers, drain, grace, half_close, header_timeout, keep_alive, listen, max_connections, max_headers, max_in_flight, memory, reuse_port, workers, write_timeout",
    ),
    (
        "[tracing]\notlp_endpoint = 'collector:4318'",
        "tracing.otlp_endpoint: found no scheme, expected http:// or https://",
    ),
    (
        "[tracing]\notlp_endpoint = 'http://me:hunter2@collector'",
        "tracing.otlp_endpoint: found a user or password, expected a URL without; OTEL_EXPORTER_OTLP_HEADERS takes them",
    ),
    (
        "[tracing]\notlp_endpoint = 'http://collector?key=hunter2'",
        "tracing.otlp_endpoint: found a query",
    ),
    (
        "[tracing]\nsample = 1.5",
        "tracing.sample: found 1.5, expected a number from 0 to 1",
    ),
    (
        "[tracing]\nratio = 0.5",
        "tracing.ratio: unknown key. Allowed here: otlp_endpoint, sample",
    ),
    ("[admin]", "admin.listen: missing; expected an address"),
    (
        "[admin]\nlisten = '127.0.0.1:8080'",
        "admin.listen: found \"127.0.0.1:8080\", which server.listen takes",
    ),
    (
        "[admin]\nlisten = '0.0.0.0:8080'",
        "admin.listen: found \"0.0.0.0:8080\", which server.listen takes",
    ),
    ("[defaults]\nurl = 'http://a'", "defaults.url: unknown key"),
    (
        "[defaults]\nbody = 'x'\n[upstreams.last]\nurl = 'http://a'\nmethod = 'POST'",
        "defaults.body: the upstream `orders` has the method GET",
    ),
    (
        "[defaults]\nheaders = { te = 'x' }",
        "defaults.headers.te: the header `te` belongs",
    ),
    (
        "[upstreams.last]",
        "upstreams.last.url: missing; expected a URL such as",
    ),
    (
        "[upstreams.1st]\nurl = 'http://a'",
        "upstreams.1st: expected a name that begins with a letter",
    ),
    (
        "[aggregates.a]",
        "aggregates.a.calls: missing; expected the names of upstreams",
    ),
    (
        "[aggregates.a]\ncalls = []",
        "aggregates.a.calls: found 0 calls, expected 1 to 1000",
    ),
    (
        "[aggregates.a]\ncalls = ['nobody']",
        "aggregates.a.calls[0]: no upstream has the name `nobody`; there are: orders, users",
    ),
    (
        "[aggregates.a]\ncalls = [{ upstream = 'user' }]",
        "aggregates.a.calls[0].upstream: no upstream has the name `user`, did you mean `users`?",
    ),
    (
        "[aggregates.a]\ncalls = [{ upstream = 'users', optional = true }]\nwait_for = 'required'",
        "aggregates.a.wait_for: found \"required\", but every call is optional",
    ),
    (
        "[aggregates.a]\ncalls = [{ name = 'x' }]",
        "aggregates.a.calls[0].upstream: missing",
    ),
    (
        "[aggregates.a]\ncalls = [{ upstream = 'users', cost = 'x' }]",
        "aggregates.a.calls[0].cost: unknown key. Allowed here: after, answer, body, concurrency, drop, each, expect, fallback, form, \
         forward_body, headers, idempotency_key, into, json, keep, max, method, name, optional, pass_status, path, query, select, \
         tolerate, upstream, when",
    ),
    (
        "[aggregates.a]\ncalls = [{ upstream = 'users', pass_status = 401 }]",
        "aggregates.a.calls[0].pass_status: found 401, expected a list",
    ),
    (
        "[aggregates.a]\ncalls = [{ upstream = 'users', pass_status = [401, '404'] }]",
        "aggregates.a.calls[0].pass_status[1]: found \"404\", expected a status from 400 to 599, as a number such as 401",
    ),
    (
        "[aggregates.a]\ncalls = [{ upstream = 'users', pass_status = ['4xx'] }]",
        "aggregates.a.calls[0].pass_status[0]: found \"4xx\", expected a status from 400 to 599, as a number such as 401",
    ),
    (
        "[aggregates.a]\ncalls = [{ upstream = 'users', pass_status = [204] }]",
        "aggregates.a.calls[0].pass_status[0]: found 204, expected a status from 400 to 599",
    ),
    (
        "[aggregates.a]\ncalls = [{ upstream = 'users', pass_status = [403, 407] }]",
        "aggregates.a.calls[0].pass_status[1]: found 407, which is about the way through a proxy: it can't be the answer's own",
    ),
    (
        "[aggregates.a]\ncalls = [{ upstream = 'users', pass_status = [401, 403, 401] }]",
        "aggregates.a.calls[0].pass_status[2]: 401 is listed twice",
    ),
    (
        "[aggregates.a]\ncalls = ['orders', { upstream = 'users', pass_status = [600] }]",
        "aggregates.a.calls[1].pass_status[0]: found 600, expected a status from 400 to 599",
    ),
    (
        "[aggregates.a]\ncalls = [{ upstream = 'users', name = 'A' }]",
        "aggregates.a.calls[0].name: expected a name that begins with a letter",
    ),
    (
        "[aggregates.a]\ncalls = ['users', { upstream = 'orders', name = 'users' }]",
        "aggregates.a.calls[1].name: the name `users` is taken by calls[0]",
    ),
    (
        "[aggregates.a]\ncalls = [{ upstream = 'users', name = 'total' }]",
        "aggregates.a.calls[0].name: the name `total` is the whole answer's",
    ),
    (
        "[aggregates.a]\ncalls = ['users']\nmode = 'parallel'",
        "aggregates.a.mode: found \"parallel\", expected one of `sequential`, `sync`, `concurrent`, `async`",
    ),
    (
        "[aggregates.a]\ncalls = ['users']\nconcurrency = 0",
        "aggregates.a.concurrency: found 0, expected a whole number from 1 to 1000",
    ),
    (
        "[aggregates.a]\ncalls = ['users']\nwait_for = 2",
        "aggregates.a.wait_for: found 2, expected at most 1",
    ),
    (
        "[aggregates.a]\ncalls = ['users']\nwait_for = 0",
        "aggregates.a.wait_for: found 0, expected \"all\", \"required\", \"first\"",
    ),
    (
        "[aggregates.a]\ncalls = ['users']\non_failure = 'stop'",
        "aggregates.a.on_failure: found \"stop\", expected `partial` or `fail`",
    ),
    (
        "[watch]\nfiles = true",
        "watch: unknown key. Allowed here: $schema, admin,",
    ),
];

#[test]
fn each_bad_setting_elsewhere_is_named() {
    for &(text, found) in BAD_ELSEWHERE {
        let said = said_with(text);
        assert!(said[0].starts_with(found), "{text}: {said:?}");
        let allowed = if text.starts_with("[defaults]\nbody") {
            2
        } else {
            1
        };
        assert_eq!(said.len(), allowed, "{text}: {said:?}");
    }
    assert_eq!(said("").len(), 2);
}

#[test]
fn two_thousand_mistakes_end_with_a_word_that_there_are_more() {
    let keys: String = (0..2000).map(|number| format!("x{number} = 1\n")).collect();
    let said = lines(load_text("x.toml", &format!("{keys}{LEAST}")));
    assert_eq!(said.len(), 1001);
    assert_eq!(said[1000], "more than 1000 mistakes; the rest is not shown");
}
