// Tests of what the console's modules know of composed aggregates: routes, bodies, edges and the critical path.

import assert from "node:assert/strict";
import { test } from "node:test";

import { method, options, sent, target } from "../../src/console/choice.js";
import { commands } from "../../src/console/curl.js";
import { read } from "../../src/console/json.js";
import { Run } from "../../src/console/run.js";

const calls = ["a", "b", "c"].map((name) => ({ name, upstream: name, optional: false }));
const result = (index, start_ms, elapsed_ms, more = {}) =>
  JSON.stringify({ index, name: "abc"[index], ok: true, status: 200, start_ms, elapsed_ms, attempts: 1, ...more });
const states = (run, now) => run.calls.map((call) => run.span(call, now).state);

test("a command sends the method and the body too", () => {
  const posted = commands("http://gateway/x", null, { method: "POST", headers: [["a", "b"]], body: '{"a":"it\'s"}' });
  assert.equal(posted.match(/-X POST -H 'a: b' --data-raw '\{"a":"it'\\''s"\}' 'http/g).length, 2);
});

test("a call begins when all have settled that it waits for", () => {
  const [a, b, c] = calls;
  const run = new Run("concurrent", [a, { ...b, after: ["a"] }, { ...c, after: ["a", "b"] }], 9);
  assert.deepEqual(states(run, 5), ["running", "waiting", "waiting"]);
  run.take(result(0, 0, 10), 10);
  assert.deepEqual(states(run, 15), ["ok", "running", "waiting"]);
  run.take(result(1, 10, 10), 20);
  assert.deepEqual(states(run, 25), ["ok", "ok", "running"]);
  assert.equal(run.calls[2].began, 20);
});

test("the critical path is the chain of waiting calls that ended last", () => {
  const [a, b, c] = calls;
  const run = new Run("concurrent", [a, b, { ...c, after: ["a", "b"] }], 9);
  run.take(result(0, 0, 10), 10);
  run.take(result(1, 0, 20), 20);
  run.take(result(2, 20, 5), 25);
  assert.deepEqual([...run.critical], ["c", "b"]);
  const plain = new Run("concurrent", calls, 9);
  plain.take(result(0, 0, 10), 10);
  assert.equal(plain.critical.size, 0);
  const skipped = new Run("concurrent", [a, { ...b, after: ["a"] }], 9);
  skipped.take(result(0, 0, 10), 10);
  skipped.take(result(1, 10, 0, { ok: false, failure: "skipped", attempts: 0 }), 10);
  assert.equal(skipped.critical.size, 0);
});

test("a route's address has its values, and what is sent its method and its body", () => {
  const aggregate = { name: "home", concurrency: 5, calls, path: "/users/{id}/home", methods: ["GET"] };
  const plain = {
    aggregate, concurrency: null, timeout: null, waitFor: null, calls: null, parameters: [], headers: [],
    path: [["id", "a/b c"]], body: null,
  };
  assert.equal(target(plain, "concurrent"), "users/a%2Fb%20c/home?mode=concurrent");
  const own = { ...plain, aggregate: { ...aggregate, parameters: false } };
  assert.equal(target(own, "concurrent"), "users/a%2Fb%20c/home");
  assert.equal(target({ ...own, parameters: [["q", "1"]] }, "concurrent"), "users/a%2Fb%20c/home?q=1");
  assert.deepEqual(sent(plain), { method: "GET", headers: [], body: null });
  const posting = (methods, body) => ({ ...plain, aggregate: { ...aggregate, methods }, body });
  const json = [["content-type", "application/json"]];
  assert.deepEqual(sent(posting(["POST"], "{}")), { method: "POST", headers: json, body: "{}" });
  assert.deepEqual([["QUERY"], ["GET", "PUT"], ["PUT"]].map((methods) => method(posting(methods, null))), ["POST", "GET", "PUT"]);
  assert.equal(method(posting(["GET", "PUT"], "{}")), "PUT");
  assert.equal(options(posting(["POST"], "{}")), "with id, a body");
});

test("no value is made of a merged answer", () => {
  const last = `{"outcome":"complete","elapsed_ms":1,"value":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
  assert.deepEqual(read(last), { outcome: "complete", elapsed_ms: 1 });
});
