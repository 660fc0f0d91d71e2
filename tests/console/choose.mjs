// Scenarios: the choices of a request, the parameters that it passes on, the answer without a stream, and the form's
// text.

import assert from "node:assert/strict";
import { begin, desktop, done, inLooks, inspect, phone, rows, visit, wider } from "./browser.mjs";
import { CONSOLE, page_at } from "./scene.mjs";

/** Returns the number of lines of the first matching element's text, and `true` if all of it is visible. */
const lines = (page, selector) =>
  page.$eval(selector, (element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const tops = new Set([...range.getClientRects()].map(({ top }) => Math.round(top)));
    return { lines: tops.size, isWhole: element.scrollWidth <= element.clientWidth + 1 || getComputedStyle(element).display === "inline" };
  });

export const scenarios = {
  async "parameters, headers and `wait_for` go to the upstreams, and into the commands"(tab) {
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      await page.selectOption("#aggregate", "passing");
      assert.match(await page.textContent("#forwarded-title"), /2 parameters, 5 headers/);
      await page.getByLabel("id query").fill("a&b=c d");
      await page.getByLabel("q[] query").fill("é");
      await page.getByLabel("x-tenant header").fill("it's 7");
      await page.getByLabel("cookie header").fill("session=1");
      assert.match(await page.textContent("#forwarded"), /cookie header.*A browser doesn't let a page set it/s);
      assert.ok(await page.getByLabel("accept header").isDisabled());
      await page.fill("#wait-for", "all");
      await inLooks(page, "forwarded");
      await page.setViewportSize(desktop.viewport);
      await begin(page, "passing", "concurrent");
      await done(page);
      const text = await page.textContent("#answer pre");
      assert.match(text, /"query": "id=a%26b%3Dc%20d&q%5B%5D=%C3%A9"/);
      assert.match(text, /"tenant": "it's 7"/);
      assert.match(text, /"cookie": ""/);
      await page.check("input[value=curl]", { force: true });
      const command = await page.textContent("#answer pre");
      const asked = "mode=concurrent&wait_for=all&id=a%26b%3Dc%20d&q%5B%5D=%C3%A9'";
      assert.ok(command.includes(asked), command);
      assert.ok(command.includes("-H 'cookie: session=1' -H 'x-tenant: it'\\''s 7' 'http"), command);
      // The stored runs have names, and no values.
      const kept = await page.evaluate(() => localStorage.getItem("gather.console.runs"));
      assert.ok(kept.includes("with id, q[], cookie, x-tenant") && !/it's|session|a&b/.test(kept), kept);
      await page.getByLabel("x-tenant header").fill("é");
      await page.click("#run");
      assert.match(await page.textContent("#mistake"), /x-tenant: a header's value is plain ASCII/);
      await page.getByLabel("x-tenant header").fill("");
      await page.fill("#wait-for", "none");
      await page.click("#run");
      assert.match(await page.textContent("#mistake"), /all, required, first, or a number/);
      await page.fill("#wait-for", "");
      // An aggregate that passes nothing on but a trace has its fields folded away.
      await page.selectOption("#aggregate", "default");
      assert.equal(await page.$eval("#forwarded", (details) => details.open), false);
    });
  },

  async "`wait_for` ends a run with the first success"(tab) {
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      await page.fill("#wait-for", "first");
      await begin(page, "half", "concurrent");
      await done(page);
      assert.deepEqual((await rows(page, "concurrent")).map(({ state }) => state), ["ok", "idle"]);
      assert.match(await page.textContent("#summary"), /wait_for first/);
    });
  },

  async "the page says that it shows a stream, and the plain answer comes for the asking"(tab) {
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      await begin(page, "default", "concurrent");
      await done(page);
      assert.match(await page.textContent("#answer-note"), /stream/);
      await page.check("input[value=headers]", { force: true });
      assert.match(await page.textContent("#answer-note"), /headers of the stream/);
      assert.doesNotMatch(await page.textContent("#answer table"), /server-timing/);
      await page.check("input[value=plain]", { force: true });
      assert.match(await page.textContent("#answer-body"), /run once more, with all its calls/);
      assert.ok(await page.isHidden("#copy"));
      await inLooks(page, "plain-unasked");
      await page.setViewportSize(desktop.viewport);
      await page.click("#ask-plain");
      await page.waitForSelector("#answer pre");
      await done(page);
      const table = await page.textContent("#answer table");
      assert.match(table, /content-typeapplication\/json/);
      assert.match(table, /server-timingtotal;dur=/);
      assert.match(table, /gather-elapsed/);
      const answer = JSON.parse(await page.textContent("#answer pre"));
      assert.deepEqual([answer.mode, answer.outcome, answer.results.length], ["concurrent", "complete", 3]);
      await inLooks(page, "plain");
      await page.setViewportSize(desktop.viewport);
      // It stays with its run, and the stream is still there.
      await page.check("input[value=json]", { force: true });
      assert.match(await page.textContent("#answer pre"), /"index": 0/);
      await page.check("input[value=plain]", { force: true });
      assert.equal(JSON.parse(await page.textContent("#answer pre")).results.length, 3);
    });
  },

  async "a plain answer can be stopped, and a failed one is shown as well"(tab) {
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      await begin(page, "hanging", "concurrent");
      await page.waitForSelector(".run.concurrent li[data-state=running] .bar");
      await page.click("#stop");
      await done(page);
      await page.check("input[value=plain]", { force: true });
      await page.click("#ask-plain");
      await page.waitForSelector("body[data-running]");
      await page.keyboard.press("Escape");
      await done(page);
      assert.match(await page.textContent("#answer-body"), /Stopped/);
      await begin(page, "strict", "concurrent");
      await done(page);
      await page.click("#ask-plain");
      await page.waitForSelector("#answer pre");
      assert.match(await page.textContent("#answer table"), /status502/);
      assert.match(await page.textContent("#answer pre"), /urn:gather:problem:upstream-failed/);
    }, ["Failed to load resource"]);
  },

  async "names are read whole beside one another, at any width"(tab) {
    for (const look of [desktop, wider, phone]) {
      await visit(tab, page_at(CONSOLE), look, async (page) => {
        await page.selectOption("#aggregate", "named");
        const note = await lines(page, ".calls .whom small");
        assert.ok(note.lines <= 2 && note.isWhole, `the upstream: ${JSON.stringify(note)}`);
        const name = await lines(page, ".calls .whom span");
        assert.ok(name.lines <= 3 && name.isWhole, `the call: ${JSON.stringify(name)}`);
        const box = await page.$eval(".calls input", (input) => input.getBoundingClientRect().width);
        assert.equal(box, 16);
        await begin(page, "named", "concurrent");
        await done(page);
        const drawn = await lines(page, ".run .name span");
        assert.ok(drawn.lines <= 5 && drawn.isWhole, `in the timeline: ${JSON.stringify(drawn)}`);
        await inspect(page, "long names");
      });
    }
  },

  async "breakers are shown where one is configured, and only those"(tab) {
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      await page.waitForSelector("[data-breaker]");
      assert.match(await page.textContent("#tiles .breakers"), /^(1 closed|broken (open|half-open))$/);
    });
    const listed = "**/console/aggregates";
    await tab.page.route(listed, async (route) => {
      const facts = await (await route.fetch()).json();
      await route.fulfill({ json: { ...facts, breakers: [] } });
    });
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      await page.waitForFunction(() => /\d/.test(document.querySelector(".tile .number").textContent));
      assert.doesNotMatch(await page.textContent("#tiles"), /Breakers/);
      await inspect(page, "without breakers");
    });
    await tab.page.unroute(listed);
  },

  async "on a phone a run comes into sight"(tab) {
    for (const look of [phone, wider, { ...phone, viewport: { width: 740, height: 360 } }]) {
      await visit(tab, page_at(CONSOLE), look, async (page) => {
        for (const aggregate of ["default", "exact"]) {
          await page.evaluate(() => document.querySelector("#run").scrollIntoView({ block: "center" }));
          await begin(page, aggregate);
          await done(page);
          // The run that was drawn last is visible as a whole.
          const { top, bottom, height } = await page.$eval(".run.concurrent", (run) => {
            const { top, bottom } = run.getBoundingClientRect();
            return { top, bottom, height: innerHeight };
          });
          assert.ok(top >= 0 && bottom <= height + 1, `${aggregate}: ${top} to ${bottom} of ${height}`);
        }
      });
    }
  },
};
