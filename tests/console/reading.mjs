// Tests of the console's modules that read a gateway's answers, whatever is in them. A part of units.mjs.

import assert from "node:assert/strict";
import { test } from "node:test";

import { joined, members, pretty, read } from "../../src/console/json.js";
import { Lines } from "../../src/console/lines.js";
import { Run } from "../../src/console/run.js";

const calls = ["a", "b", "c"].map((name) => ({ name, upstream: name, optional: false }));

test("lines come whole, however the text is cut", () => {
  const text = '{"a":"é"}\n\n{"b":2}\n{"c":';
  for (let size = 1; size <= text.length; size += 1) {
    const lines = new Lines();
    const found = [];
    for (let at = 0; at < text.length; at += size) {
      found.push(...lines.push(text.slice(at, at + size)));
    }
    assert.deepEqual(found, ['{"a":"é"}', '{"b":2}'], `in pieces of ${size}`);
    assert.equal(lines.rest, '{"c":');
  }
});

test("JSON is laid out and no value of it changes", () => {
  const text = '{"id":12345678901234567890,"price":1.50,"e":1E400,"list":[1,[],{}],"text":"{\\"a\\": [1,2]}\\\\","n":null}';
  assert.equal(
    pretty(text),
    `{
  "id": 12345678901234567890,
  "price": 1.50,
  "e": 1E400,
  "list": [
    1,
    [],
    {}
  ],
  "text": "{\\"a\\": [1,2]}\\\\",
  "n": null
}`,
  );
  const again = pretty(pretty(text));
  assert.equal(again, pretty(text));
  assert.equal(pretty('"pong"'), '"pong"');
  assert.equal(pretty("}{"), "\n}{\n  ");
});

/** Bodies that some JSON parser or some renderer can't take. */
const DEEP = 20_000;
const STRANGE = {
  "20,000 levels of lists": "[".repeat(DEEP) + "]".repeat(DEEP),
  "20,000 levels of objects": '{"a":'.repeat(DEEP) + "1" + "}".repeat(DEEP),
  "20,000 levels that are never closed": "[".repeat(DEEP),
  "20,000 ends without a beginning": "]".repeat(DEEP),
  "numbers beyond a double": `[1e999999,-1E+400,${"9".repeat(5000)},0.${"1".repeat(5000)}]`,
  "lone surrogates": '"\\ud800 and \\udfff"',
  "raw lone surrogates": '"\ud800 and \udfff"',
  "one string of 1 MB": `"${"x".repeat(1_000_000)}"`,
  "one string of 1 MB, all of it escapes": `"${'\\"'.repeat(500_000)}"`,
  "one string of 1 MB, all of it backslashes": `"${"\\".repeat(1_000_000)}"`,
  "a million numbers at depth 90": `${"[".repeat(90)}${"0,".repeat(500_000)}0${"]".repeat(90)}`,
  "a string that is cut": '{"a":"b',
  "an escape that is cut": '{"a":"b\\',
  "a value that is missing": '{"a":',
  "nothing": "",
};

test("whatever a body is, it is laid out or not, and never the end of the page", () => {
  for (const [what, text] of Object.entries(STRANGE)) {
    const began = performance.now();
    const laidOut = pretty(text);
    assert.ok(laidOut === null || laidOut.length <= 3_000_000, `${what}: ${laidOut?.length} characters`);
    if (laidOut !== null) {
      const without = (text) => text.replaceAll(/\s/g, "");
      assert.ok(without(laidOut) === without(text), what);
    }
    assert.ok(performance.now() - began < 10_000, `${what} takes for ever`);
  }
  assert.equal(pretty(STRANGE["20,000 levels of lists"]), null);
  assert.equal(pretty(STRANGE["a million numbers at depth 90"]), null);
  assert.equal(pretty(STRANGE["lone surrogates"]), STRANGE["lone surrogates"]);
  // The depth that the gateway takes by default is laid out, with some levels of its own around it.
  assert.notEqual(pretty("[".repeat(70) + "]".repeat(70)), null);
});

test("a line is read whatever body is in it, and the body stays as it came", () => {
  const whole = Object.entries(STRANGE).filter(([what]) => !/cut|missing|nothing|never|without/.test(what));
  assert.ok(whole.length >= 8);
  for (const [what, body] of whole) {
    const line = `{"index":0,"name":"a","ok":true,"status":200,"start_ms":0,"elapsed_ms":5,"attempts":1,"body":${body}}`;
    assert.equal(members(line).get("body"), body, what);
    assert.equal(read(line).body, undefined);
    const run = new Run("concurrent", calls, 9);
    assert.equal(run.take(line, 6), false, what);
    assert.equal(run.take('{"outcome":"complete","elapsed_ms":7}', 8), true);
    assert.equal(run.calls[0].line, line);
    assert.equal(run.latest.elapsed_ms, 7);
    // A problem has the results in it.
    assert.deepEqual(read(`{"title":"t","results":[${line}],"status":502}`), { title: "t", status: 502 });
  }
});

test("what is no whole object is told from what is one", () => {
  assert.deepEqual([...members(' { "a" : [1, {"b":","}] ,"c\\u0041":"}" } ')], [["a", '[1, {"b":","}]'], ["cA", '"}"']]);
  assert.deepEqual([...members("{}")], []);
  const cut = '{"index":0,"name":"a","body":{"b":["c",1e5,"\\"]"]}}';
  for (let length = 0; length < cut.length; length += 1) {
    assert.throws(() => members(cut.slice(0, length)), SyntaxError, cut.slice(0, length));
  }
  for (const wrong of ["null", "[]", '"{}"', "{} {}", "{,}", '{"a"}', '{"a":}', '{"a":1,}', '{a:1}', '{"a":1 "b":2}', "{]}"]) {
    assert.throws(() => read(wrong), SyntaxError, wrong);
  }
});

test("times that are none do no harm", () => {
  const run = new Run("concurrent", calls, 9);
  run.take('{"index":0,"ok":true,"start_ms":"x","elapsed_ms":null}', 5);
  assert.deepEqual(run.span(run.calls[0], 9), { state: "ok", start: 0, length: 0 });
  run.take('{"outcome":"complete","elapsed_ms":[]}', 5);
  assert.equal(run.elapsed(9), 0);
});

test("a line of many pieces costs no more than its length", () => {
  const lines = new Lines();
  const piece = "x".repeat(1000);
  for (let at = 0; at < 20_000; at += 1) {
    assert.deepEqual(lines.push(piece), []);
  }
  assert.equal(lines.rest.length, 20_000_000);
  const [whole] = lines.push("y\n");
  assert.equal(whole.length, 20_000_001);
  assert.equal(lines.rest, "");
});

test("a stream's lines become the answer in one piece", () => {
  const outcome = '{"aggregate":"a","outcome":"complete"}\n';
  const whole = joined(['{"index":0}', '{"index":1}'], outcome);
  assert.deepEqual(JSON.parse(whole), {
    aggregate: "a",
    outcome: "complete",
    results: [{ index: 0 }, { index: 1 }],
  });
  assert.equal(joined(['{"index":0}'], null), '{"index":0}');
});
