// Scenarios: bodies that a browser's parser or its layout could fail on. A run ends and its answer is shown, for any
// body.

import assert from "node:assert/strict";
import { begin, desktop, done, inspect, rows, visit } from "./browser.mjs";
import { proxy } from "./proxy.mjs";
import { CONSOLE, page_at } from "./scene.mjs";

const DEEP = 20_000;

/** Each body with the beginning of its shown text, and `true` if it is laid out. */
const BODIES = [
  ["[".repeat(DEEP) + "]".repeat(DEEP), "[[[[", false],
  ['{"a":'.repeat(DEEP) + "1" + "}".repeat(DEEP), '{"a":{"a":', false],
  [`[1e999999,12345678901234567890,${"9".repeat(5000)}]`, "1e999999,\n", true],
  ['"\\ud800 and \\udfff"', '"\\ud800 and \\udfff"', true],
  [`"${"x".repeat(1_000_000)}"`, "xxxxxxxxxx", true],
  [`"${"\\\\".repeat(500_000)}"`, "\\\\\\", true],
  [`${"[".repeat(90)}${"0,".repeat(90_000)}0${"]".repeat(90)}`, "[[[[", false],
];

const line = (body) =>
  `{"index":0,"name":"exact","ok":true,"status":200,"start_ms":0.1,"elapsed_ms":12,"attempts":1,"body":${body}}\n`;
const LAST = '{"aggregate":"exact","mode":"concurrent","outcome":"complete","elapsed_ms":13,"sequential_ms":12}\n';

export const scenarios = {
  async "a run ends and its answer is shown, whatever a body is"(tab) {
    let stream = "";
    const strange = await proxy(CONSOLE, "", (path) => (path.startsWith("/aggregate") ? stream : null));
    await visit(tab, page_at(strange.origin), desktop, async (page) => {
      for (const [body, beginning, isLaidOut] of BODIES) {
        const what = body.slice(0, 20);
        stream = line(body) + LAST;
        await begin(page, "exact", "concurrent");
        await done(page);
        assert.equal(await page.textContent(".run.concurrent .verdict"), "complete", what);
        const [row] = await rows(page, "concurrent");
        assert.deepEqual([row.state, row.said.replace(/\W/g, "")], ["ok", "200"], what);
        assert.equal(await page.textContent("#run"), "Run", what);
        const shown = await page.textContent("#answer pre");
        assert.ok(shown.includes(beginning), `${what}: ${shown.slice(0, 400)}`);
        assert.equal((await page.$("#as-it-came")) === null, isLaidOut, what);
        assert.ok(await page.isHidden("#broken"), what);
      }
      assert.match(await page.textContent("#summary"), new RegExp(`concurrent\\s*${BODIES.length}`));
      await inspect(page, "a body that isn't laid out");
    });
    await strange.close();
  },

  async "a line that was cut ends the run, and what came before it stays"(tab) {
    let stream = "";
    const strange = await proxy(CONSOLE, "", (path) => (path.startsWith("/aggregate") ? stream : null));
    await visit(tab, page_at(strange.origin), desktop, async (page) => {
      const deep = "[".repeat(DEEP);
      for (const cut of [line(deep).slice(0, -2), '{"outcome":"comp\n', "null\n", `${deep}\n`, '"\\ud800\n']) {
        stream = line('"pong"') + cut;
        await begin(page, "exact", "concurrent");
        await done(page);
        const what = cut.slice(0, 20);
        assert.equal(await page.textContent(".run.concurrent .verdict"), "cut short", what);
        assert.equal((await rows(page, "concurrent"))[0].state, "ok", what);
        assert.match(await page.textContent("#answer pre"), /"body": "pong"/, what);
      }
    });
    await strange.close();
  },

  async "a gateway's deepest body is shown as it came, and one beyond `max_depth` as a failure"(tab) {
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      await begin(page, "deep");
      await done(page);
      for (const mode of ["sequential", "concurrent"]) {
        const [deepest, deeper] = await rows(page, mode);
        assert.equal(deepest.state, "ok");
        assert.match(deeper.said, /invalid_body/);
      }
      assert.match(await page.textContent("#answer pre"), /\[{900}/);
    });
  },
};
