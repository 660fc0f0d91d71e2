// Scenarios: aggregates with routes, edges, bodies and answers with a shape.

import assert from "node:assert/strict";
import { begin, desktop, done, inLooks, rows, visit } from "./browser.mjs";
import { CONSOLE, page_at } from "./scene.mjs";

/** Returns the small words beside the name of each call. */
const notes = (page) =>
  page.$$eval(".run.concurrent li", (items) =>
    items.map((item) => [...item.querySelectorAll(".name small")].map((small) => small.textContent)),
  );

export const scenarios = {
  async "a route is run with its values, and what waits is drawn after what it waits for"(tab) {
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      await page.selectOption("#aggregate", "page");
      assert.match(await page.textContent("#forwarded-title"), /1 part of the path, 1 parameter, 2 headers/);
      await page.click("#run");
      assert.match(await page.textContent("#mistake"), /id: the path needs a value/);
      await page.getByLabel("id path").fill("42");
      await page.getByLabel("since query").fill("a&b");
      await begin(page, "page", "concurrent");
      await done(page);
      const drawn = await rows(page, "concurrent");
      assert.deepEqual(drawn.map(({ name, state }) => [name, state]), [
        ["user", "ok"], ["orders", "ok"], ["stock", "idle"], ["extra", "idle"],
      ]);
      assert.ok(drawn[1].left >= drawn[0].left + drawn[0].width - 1, JSON.stringify(drawn));
      assert.match(drawn[2].more, /orders\.body\.missing.* is missing/);
      assert.equal(drawn[3].said.slice(1), "omitted");
      assert.ok(drawn[3].more.length > 0);
      assert.deepEqual(await notes(page), [
        ["critical path"], ["waits for user", "critical path"], ["optional", "waits for orders"], ["waits for user"],
      ]);
      assert.match(await page.textContent(".run.concurrent h3"), /each call as soon as it can/);
      const text = await page.textContent("#answer pre");
      assert.match(text, /^\{\s+"user": \{[^}]*"query": "id=42"/);
      assert.match(text, /"errors": \[/);
      assert.match(await page.textContent("#answer-body"), /last line's value/);
      await page.check("input[value=curl]", { force: true });
      assert.ok((await page.textContent("#answer pre")).includes("/pages/42?mode=concurrent&since=a%26b'"));
      await page.check("input[value=json]", { force: true });
      await inLooks(page, "composed");
    });
  },

  async "a body is posted, once"(tab) {
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      await page.selectOption("#aggregate", "posting");
      assert.ok(await page.isChecked("input[name=mode][value=concurrent]"));
      await page.getByLabel("JSON body").fill('{"id": 1.50}');
      await page.click("#run");
      await done(page);
      assert.match(await page.textContent("#answer pre"), /"query": "id=1\.50"/);
      await page.check("input[value=curl]", { force: true });
      const command = await page.textContent("#answer pre");
      assert.ok(command.includes(`-X POST -H 'content-type: application/json' --data-raw '{"id": 1.50}' 'http`), command);
    });
  },

  async "failed elements and a fallback are told beside their calls"(tab) {
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      await page.selectOption("#aggregate", "parts");
      await page.getByLabel("JSON body").fill('{"ids": [{"id": 1}, {}]}');
      await page.click("#run");
      await done(page);
      const [many, tips] = await rows(page, "concurrent");
      assert.equal(many.state, "ok");
      assert.match(many.more, /^1 of 2 elements failed/);
      assert.equal(tips.state, "failed");
      assert.match(tips.more, / · answered with its fallback/);
    });
  },
};
