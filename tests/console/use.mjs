// Scenarios: further uses of the page.

import assert from "node:assert/strict";
import { begin, desktop, done, inspect, phone, rows, visit } from "./browser.mjs";
import { proxy } from "./proxy.mjs";
import { ADMIN, CONSOLE, page_at, watchFrames } from "./scene.mjs";

export const scenarios = {
  async "all of it works by keyboard alone"(tab) {
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      const focus = () =>
        page.evaluate(() => {
          const { id, name, value } = document.activeElement;
          const marked = document.activeElement.closest("label")?.querySelector("span") ?? document.activeElement;
          const style = [document.activeElement, marked].map((element) => getComputedStyle(element).outlineStyle);
          return { name: id || name || value, visible: style.some((style) => style !== "none") };
        });
      const order = [];
      const tab = async (until) => {
        for (let steps = 0; steps < 40; steps += 1) {
          await page.keyboard.press("Tab");
          const { name, visible } = await focus();
          order.push(name);
          assert.ok(visible, `the focus on ${name} is seen`);
          if (name === until) {
            return;
          }
        }
        assert.fail(`no way to ${until}: ${order}`);
      };
      await tab("aggregate");
      await page.keyboard.type("steps");
      await tab("mode");
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("ArrowRight");
      await tab("concurrency");
      await page.keyboard.type("1");
      await tab("timeout");
      await page.keyboard.type("5s");
      await tab("run");
      await page.keyboard.press("Enter");
      await page.waitForSelector(".run.concurrent");
      await done(page);
      assert.equal(await page.$(".run.sequential"), null);
      assert.equal((await rows(page, "concurrent")).filter(({ state }) => state === "ok").length, 2);
      await tab("part");
      await page.keyboard.press("ArrowRight");
      assert.match(await page.textContent("#answer table"), /x-request-id/);
      await page.keyboard.press("ArrowRight");
      await tab("ask-plain");
      await page.keyboard.press("Enter");
      await page.waitForFunction(() => /server-timing/.test(document.querySelector("#answer table")?.textContent));
      // The focus is on the new content, and the user can go on from there.
      const { region } = await page.evaluate(() => ({ region: document.activeElement.getAttribute("aria-label") }));
      assert.equal(region, "The plain answer's headers");
      await page.focus("input[name=part]:checked");
      await page.keyboard.press("ArrowRight");
      const command = await page.textContent("#answer pre");
      assert.ok(command.includes(`curl -i '${CONSOLE}/aggregate/steps?mode=concurrent&concurrency=1&timeout=5s'`), command);
      await tab("clear");
      await page.keyboard.press("Enter");
      assert.ok(await page.isHidden("#history"));
      assert.ok(order.indexOf("concurrency") < order.indexOf("timeout"));
    });
  },

  async "what is entered wrongly is said, and nothing is sent"(tab) {
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      for (const [field, value, sentence] of [
        ["#concurrency", "0", /whole number/],
        ["#timeout", "2", /with a unit/],
      ]) {
        await page.fill(field, value);
        await page.click("#run");
        assert.match(await page.textContent("#mistake"), sentence);
        assert.equal(await page.getAttribute(field, "aria-invalid"), "true");
        await page.fill(field, "");
      }
      await page.click("#none");
      await page.click("#run");
      assert.match(await page.textContent("#mistake"), /at least one call/);
      await inspect(page, "a mistake");
      assert.ok(await page.isHidden("#chart"));
      await page.click("#all");
      await page.uncheck("input[value=pong_2]");
      await page.click("#run");
      await done(page);
      assert.equal(await page.textContent("#mistake"), "");
      const names = (await rows(page, "concurrent")).map(({ name }) => name);
      assert.deepEqual(names, ["pong_1", "pong_3"]);
    });
  },

  async "the timeline names the aggregate that was run, whatever the form says by then"(tab) {
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      const named = () => page.textContent("#ran");
      assert.equal(await named(), "");
      await page.selectOption("#aggregate", "exact");
      await page.fill("#timeout", "3s");
      await begin(page, "exact", "concurrent");
      await done(page);
      await page.selectOption("#aggregate", "default");
      await page.fill("#timeout", "");
      assert.equal(await named(), "exact timeout 3s");
      await begin(page, "default", "concurrent");
      await done(page);
      assert.equal(await named(), "default");
      await inspect(page, "the timeline's name");
    });
  },

  async "an answer is shown as it came, and its runs are remembered over a reload"(tab) {
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      await begin(page, "exact", "concurrent");
      await done(page);
      const text = await page.textContent("#answer pre");
      assert.match(text, /"id": 12345678901234567890/);
      assert.match(text, /"price": 1\.50/);
      assert.match(text, /"markup": "<img src=x onerror=alert\(1\)>"/);
      assert.equal(JSON.parse(text).outcome, "complete");
      await page.check("input[name=mode][value=sequential]", { force: true });
      await page.click("#run");
      await done(page);
      // The other mode's run stays, and they are compared.
      assert.match(await page.textContent("#ratio"), /times as fast/);
      await page.reload();
      await page.waitForSelector("body[data-ready]");
      const table = await page.textContent("#summary");
      assert.match(table, /exact.*sequential.*1.*ms.*exact.*concurrent.*1.*ms/s);
      assert.equal(await page.textContent("#runs-title"), "2 runs, the last one first");
      await page.click("#clear");
      await page.reload();
      await page.waitForSelector("body[data-ready]");
      assert.ok(await page.isHidden("#history"));
    });
  },

  async "metrics are drawn as they come, and an open breaker is named"(tab) {
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      await begin(page, "breaking", "sequential");
      await done(page);
      await page.waitForSelector("[data-breaker=open]");
      assert.equal(await page.textContent("[data-breaker=open]"), "broken open");
      await page.waitForFunction(() => /L/.test(document.querySelector(".tile .line").getAttribute("d")));
      const label = await page.getAttribute(".tile svg", "aria-label");
      assert.match(label, /^[\d.]+ requests a second now, [\d.]+ at most/);
    });
  },

  async "with an admin listener the metrics are elsewhere, and a compressed answer still comes result by result"(tab) {
    await visit(tab, page_at(ADMIN), desktop, async (page) => {
      assert.match(await page.textContent("#live-note"), /admin listener/);
      assert.ok(await page.isHidden("#tiles"));
      await page.evaluate(watchFrames);
      await begin(page, "steps", "concurrent");
      await done(page);
      const frames = await page.evaluate(() => globalThis.frames_seen);
      const early = (frame) =>
        frame["concurrent quick"]?.state === "ok" && frame["concurrent slow"]?.state === "running";
      assert.ok(frames.some(early), "the first result is drawn while another call is under way");
      await page.check("input[value=headers]", { force: true });
      assert.match(await page.textContent("#answer table"), /content-encoding/);
      await inspect(page, "without metrics");
    });
  },

  async "behind a proxy's prefix everything is still found"(tab) {
    const prefixed = await proxy(CONSOLE, "/some/prefix");
    // The browser is led from the address with a slash to the one without.
    await visit(tab, `${prefixed.origin}/some/prefix/console/`, phone, async (page) => {
      assert.equal(new URL(page.url()).pathname, "/some/prefix/console");
      await begin(page, "default", "concurrent");
      await done(page);
      assert.equal((await rows(page, "concurrent"))[0].state, "ok");
      await page.check("input[value=curl]", { force: true });
      assert.match(await page.textContent("#answer pre"), /some\/prefix\/aggregate\?mode=concurrent'/);
    });
    await prefixed.close();
  },
};
