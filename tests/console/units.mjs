// Tests of the console's modules that need no page, by `node --test`. The modules that read answers are in reading.mjs.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

import { limit, options, sendable, target } from "../../src/console/choice.js";
import { commands, quoted } from "../../src/console/curl.js";
import { parse, sum } from "../../src/console/exposition.js";
import { whyNot } from "../../src/console/forbidden.js";
import { MOST, percentile, Records } from "../../src/console/records.js";
import { Run } from "../../src/console/run.js";
import { ceiling, marks, ratio, round, step, time } from "../../src/console/scale.js";
import { paths, rate, Series } from "../../src/console/series.js";
import "./composing.mjs";
import "./reading.mjs";

test("a shell reads a quoted word as it was", () => {
  for (const word of ["a b", "it's", "''", "$(id) `id` \\ \" * ~ & ;", "new\nline", "é"]) {
    const read = execFileSync("sh", ["-c", `printf %s ${quoted(word)}`], { encoding: "utf8" });
    assert.equal(read, word);
  }
});

test("commands name both ways to ask, and a comparison only where there is one", () => {
  const url = "http://gateway/aggregate?mode=sync&calls=a,b";
  const both = commands(url, "http://gateway/aggregate?mode=compare");
  assert.match(both, /^curl -i 'http:\/\/gateway\/aggregate\?mode=sync&calls=a,b'$/m);
  assert.match(both, /^curl -N -H 'Accept: application\/x-ndjson' 'http/m);
  assert.match(both, /^curl 'http:\/\/gateway\/aggregate\?mode=compare'$/m);
  assert.doesNotMatch(commands(url), /compare/);
  const headers = commands(url, `${url}&x`, { headers: [["x-tenant", "it's"], ["cookie", "a=b"]] });
  assert.equal(headers.match(/-H 'x-tenant: it'\\''s' -H 'cookie: a=b' 'http/g).length, 3);
});

test("an axis grows in round steps and never falls short", () => {
  for (const [given, expected] of [[0, 1], [0.3, 0.3], [1, 1], [301, 500], [900, 1000], [1001, 1500], [6010, 7500]]) {
    assert.ok(Math.abs(ceiling(given) - expected) < 1e-9, `${given}: ${ceiling(given)}`);
  }
  for (let length = 0.07; length < 1e6; length *= 1.7) {
    assert.ok(ceiling(length) >= length * (1 - 1e-9), String(length));
    for (const most of [2, 5, 8]) {
      const found = marks(length, most);
      assert.ok(found.length >= 2 && found.length <= most + 1, `${length}: ${found}`);
      assert.equal(found[0], 0);
      assert.ok(found.at(-1) <= length * (1 + 1e-9), `${length}: ${found}`);
    }
  }
  assert.deepEqual(marks(6006, 8), [0, 1000, 2000, 3000, 4000, 5000, 6000]);
  assert.equal(step(0, 5), 1);
});

test("times are written with as many digits as they deserve", () => {
  const written = [0.041, 3.21, 301.4, 999.6, 2001.9, 65_432, 125_000, NaN].map(time);
  assert.deepEqual(written, ["0.04 ms", "3.2 ms", "301 ms", "1.00 s", "2.00 s", "65.43 s", "125 s", "–"]);
  assert.deepEqual([200, 1500, 0.5, 90_000].map(round), ["200 ms", "1.5 s", "0.5 ms", "90 s"]);
  assert.equal(ratio(6006, 2002), "3.00");
  assert.deepEqual([ratio(1, 0), ratio(0, 0), ratio(undefined, 1)], [null, null, null]);
});

test("percentiles are ones that were measured", () => {
  assert.equal(percentile([], 0.5), null);
  assert.equal(percentile([7], 0.9), 7);
  assert.equal(percentile([10, 2, 3, 1], 0.5), 2);
  const tens = Array.from({ length: 10 }, (_, index) => index + 1);
  assert.deepEqual([0.5, 0.9, 1].map((share) => percentile(tens, share)), [5, 9, 10]);
});

const record = (more) => ({
  at: 1, aggregate: "a", options: "", mode: "concurrent", outcome: "complete", elapsed: 5, calls: 3, ok: 3, ...more,
});

function storage(text = null) {
  return { text, getItem() { return this.text; }, setItem(_, text) { this.text = text; } };
}

test("the history keeps the last hundred runs, over a reload too", () => {
  const kept = storage();
  const records = new Records(kept);
  for (let elapsed = 1; elapsed <= MOST + 5; elapsed += 1) {
    records.add(record({ elapsed }));
  }
  assert.equal(records.runs.length, MOST);
  assert.equal(new Records(kept).runs[0].elapsed, 6);
  records.clear();
  assert.deepEqual(new Records(kept).runs, []);
});

test("the history sums up answered runs by aggregate, options and mode", () => {
  const records = new Records(null);
  records.add(record({ aggregate: "b", elapsed: 9 }));
  records.add(record({ mode: "concurrent", elapsed: 2 }));
  records.add(record({ mode: "sequential", elapsed: 6 }));
  records.add(record({ mode: "sequential", elapsed: 8, outcome: "partial" }));
  records.add(record({ mode: "sequential", elapsed: 999, outcome: "stopped" }));
  const rows = records.summary().map(({ aggregate, mode, runs, answered, p50, p90 }) =>
    [aggregate, mode, runs, answered, p50, p90]);
  assert.deepEqual(rows, [
    ["a", "sequential", 3, 2, 6, 8],
    ["a", "concurrent", 1, 1, 2, 2],
    ["b", "concurrent", 1, 1, 9, 9],
  ]);
});

test("a history that can't be read or written is an empty one", () => {
  for (const text of ["{", "null", "[1,null,{}]", '[{"at":"x"}]']) {
    assert.deepEqual(new Records(storage(text)).runs, [], text);
  }
  const broken = { getItem() { throw new Error("no"); }, setItem() { throw new Error("full"); } };
  const records = new Records(broken);
  records.add(record());
  assert.equal(records.runs.length, 1);
});

test("the metrics' text is read, and what is strange in it left out", () => {
  const metrics = parse(
    [
      "# HELP a_total Some.",
      "# TYPE a_total counter",
      'a_total{upstream="x",result="ok"} 3',
      'a_total{upstream="y}\\"\\\\\\n,z",result="status",} 4.5e1 1700000000000',
      'a_total{result="broken} 1',
      'a_total{1="x"} 1',
      "a_total one",
      "plain 7",
      "big +Inf",
      "",
      "nonsense",
    ].join("\n"),
  );
  assert.deepEqual(metrics.get("a_total"), [
    { labels: { upstream: "x", result: "ok" }, value: 3 },
    { labels: { upstream: 'y}"\\\n,z', result: "status" }, value: 45 },
  ]);
  assert.equal(sum(metrics, "a_total"), 48);
  assert.equal(sum(metrics, "a_total", ({ result }) => result !== "ok"), 45);
  assert.equal(sum(metrics, "plain"), 7);
  assert.equal(sum(metrics, "big"), Infinity);
  assert.equal(sum(metrics, "absent"), 0);
});

test("a rate needs two readings, and a counter that went back began anew", () => {
  const at = (at, value) => ({ at, value });
  assert.equal(rate(null, at(0, 5)), null);
  assert.equal(rate(at(0, 5), at(2000, 11)), 3);
  assert.equal(rate(at(0, 500), at(2000, 4)), 2);
  assert.equal(rate(at(5, 1), at(5, 2)), null);
});

test("a line ends at the right edge and stays in its box", () => {
  const series = new Series(3);
  [9, 0, 4, 8].forEach((value) => series.push(value));
  assert.deepEqual(series.values, [0, 4, 8]);
  assert.equal(paths(series.values, 3, 100, 10).line, "M0.0,9.0L50.0,5.0L100.0,1.0");
  assert.equal(paths([], 3, 100, 10).line, "");
  assert.equal(paths([0], 3, 100, 10).line, "M100.0,9.0");
});

const calls = ["a", "b", "c"].map((name) => ({ name, upstream: name, optional: false }));
const result = (index, start_ms, elapsed_ms, more = {}) =>
  JSON.stringify({ index, name: "abc"[index], ok: true, status: 200, start_ms, elapsed_ms, attempts: 1, ...more });
const states = (run, now) => run.calls.map((call) => run.span(call, now).state);

test("of a sequential run only the call whose turn it is moves", () => {
  const run = new Run("sequential", calls, 1);
  assert.deepEqual(states(run, 5), ["running", "waiting", "waiting"]);
  assert.equal(run.take(result(0, 0, 100), 102), false);
  assert.deepEqual(states(run, 110), ["ok", "running", "waiting"]);
  // The time on the network is not the call's.
  assert.equal(run.elapsed(112), 110);
  assert.deepEqual(run.span(run.calls[1], 110), { state: "running", start: 100, length: 10 });
});

test("of a concurrent run as many calls move as may", () => {
  const run = new Run("concurrent", calls, 2);
  assert.deepEqual(states(run, 5), ["running", "running", "waiting"]);
  run.take(result(1, 0, 50, { ok: false, failure: "timeout" }), 51);
  assert.deepEqual(states(run, 60), ["running", "failed", "running"]);
  assert.equal(run.calls[2].began, 50);
  run.take(result(0, 0, 70, { ok: false, failure: "cancelled" }), 71);
  assert.deepEqual(states(run, 80), ["idle", "failed", "running"]);
});

test("the last line ends a run, and says what failed as a whole", () => {
  const run = new Run("concurrent", calls.slice(0, 1), 9);
  run.take(result(0, 0, 5), 6);
  const last = { outcome: "failed", elapsed_ms: 7, status: 502, title: "Upstream failed", detail: "d" };
  assert.equal(run.take(JSON.stringify(last), 8), true);
  assert.deepEqual([run.isOver, run.verdict, run.elapsed(999), run.problem.title], [true, "failed", 7, "Upstream failed"]);
});

test("a run whose answer would have an upstream's status is told as the problem that it is", () => {
  const run = new Run("concurrent", calls.slice(0, 1), 9);
  run.take(result(0, 0, 5, { ok: false, status: 401, failure: "status" }), 6);
  const last = { outcome: "partial", elapsed_ms: 7, status: 401, title: "Upstream status", detail: "d" };
  assert.equal(run.take(JSON.stringify(last), 8), true);
  assert.deepEqual([run.verdict, run.problem.title, run.problem.status], ["partial", "Upstream status", 401]);
});

test("a run that is cut short keeps what came and stands still", () => {
  const run = new Run("sequential", calls, 1);
  run.take(result(0, 0, 10), 10);
  run.close("cut short", { title: "t" }, 30);
  assert.deepEqual(states(run, 99), ["ok", "lost", "lost"]);
  assert.deepEqual([run.elapsed(99), run.verdict, run.ok], [30, "cut short", 1]);
});

test("the gateway's names are taken where they differ from the page's", () => {
  const run = new Run("concurrent", calls, 9);
  run.plan(["a", "b", "c"]);
  assert.equal(run.calls[1].upstream, "b");
  run.plan(["c", "new"]);
  assert.deepEqual(run.calls.map(({ name, upstream }) => [name, upstream]), [["c", "c"], ["new", "new"]]);
  assert.deepEqual(states(run, 0), ["running", "running"]);
});

test("a choice is the address that a client would ask, and words", () => {
  const aggregate = { name: "home", concurrency: 5, calls };
  const plain = { aggregate, concurrency: null, timeout: null, waitFor: null, calls: null, parameters: [], headers: [] };
  assert.equal(target(plain, "sequential"), "aggregate/home?mode=sequential");
  assert.equal(target({ ...plain, aggregate: { ...aggregate, name: "default" } }, "concurrent"), "aggregate?mode=concurrent");
  const chosen = { ...plain, concurrency: 2, timeout: "1.5 s&", calls: calls.slice(1) };
  assert.equal(target(chosen, "compare"), "aggregate/home?mode=compare&concurrency=2&timeout=1.5%20s%26&calls=b,c");
  assert.equal(options(plain), "");
  assert.equal(options(chosen), "concurrency 2 · timeout 1.5 s& · b, c");
  const passing = {
    ...plain,
    waitFor: "first",
    parameters: [["id", "a&b=c"], ["q[]", "é"]],
    headers: [["x-tenant", "hidden"], ["cookie", "hidden"]],
  };
  assert.equal(target(passing, "sequential"), "aggregate/home?mode=sequential&wait_for=first&id=a%26b%3Dc&q%5B%5D=%C3%A9");
  // The browser stores the options, and a value may be a secret.
  assert.equal(options(passing), "wait_for first · with id, q[], x-tenant, cookie");
  assert.deepEqual(sendable(passing), [["x-tenant", "hidden"]]);
  const many = (letter) => ({ ...plain, calls: Array.from("abcdef", (name) => ({ name: letter + name.repeat(9) })) });
  assert.match(options(many("x")), /^6 calls \(\w+\)$/);
  assert.notEqual(options(many("x")), options(many("y")));
  assert.deepEqual([limit(plain, "concurrent"), limit(chosen, "concurrent"), limit(chosen, "sequential")], [5, 2, 1]);
});

test("what a page may not set is known, in any case", () => {
  for (const name of ["Cookie", "host", "User-Agent", "Sec-Fetch-Mode", "proxy-authorization", "DNT", "via"]) {
    assert.match(whyNot(name), /curl/, name);
  }
  assert.match(whyNot("Accept"), /stream/);
  for (const name of ["authorization", "x-tenant", "traceparent", "accept-language", "security"]) {
    assert.equal(whyNot(name), null, name);
  }
});
