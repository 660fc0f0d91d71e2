// Scenarios: the display of runs, of good ones and of all others.

import assert from "node:assert/strict";
import { begin, desktop, done, inspect, inLooks, rows, visit } from "./browser.mjs";
import { proxy } from "./proxy.mjs";
import { CONSOLE, metric, page_at, until, watchFrames } from "./scene.mjs";

/** Chromium's own messages about a failed status and about a connection that breaks. The page shows the cause. */
const NETWORK = ["Failed to load resource", "net::ERR"];

export const scenarios = {
  async "both modes are six bars on one axis, and about three times as fast"(tab) {
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      // A machine that is busy with something else in the middle of a run spoils its ratio, but not every time.
      for (let left = 5; left > 0; left -= 1) {
        await begin(page, "default");
        await done(page);
        const [slow, fast] = [await rows(page, "sequential"), await rows(page, "concurrent")];
        assert.equal(slow.length + fast.length, 6);
        for (const row of [...slow, ...fast]) {
          assert.deepEqual([row.state, row.said.replace(/\W/g, "")], ["ok", "200"]);
          assert.ok(row.width > 50, JSON.stringify(row));
        }
        for (const at of [1, 2]) {
          const end = slow[at - 1].left + slow[at - 1].width;
          assert.ok(slow[at].left >= end - 2, "one after another");
          assert.ok(Math.abs(fast[at].left - fast[0].left) < 12, "together");
        }
        // A millisecond is as wide in both.
        const [one, other] = [slow[0], fast[0]].map(({ width, took }) => width / took);
        assert.ok(Math.abs(one / other - 1) < 0.05, `one axis: ${one} and ${other} pixels`);
        const words = await page.textContent("#ratio");
        const ratio = Number(/^(\d\.\d\d) times as fast$/.exec(words)[1]);
        if (ratio > 2.5 && ratio < 3.2) {
          break;
        }
        assert.ok(left > 1, words);
      }
      const announced = await page.textContent("#announcer");
      assert.match(announced, /times as fast/);
      await inLooks(page, "results");
    });
  },

  async "a bar grows until its result is here, and the first is drawn while others grow"(tab) {
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      await page.evaluate(watchFrames);
      await begin(page, "steps");
      await done(page);
      const frames = await page.evaluate(() => globalThis.frames_seen);
      const grew = (mode, name) =>
        frames.some((frame, at) => {
          const [before, now] = [frames[at - 1]?.[`${mode} ${name}`], frame[`${mode} ${name}`]];
          return before?.state === "running" && now?.state === "running" && now.width > before.width + 0.5;
        });
      assert.ok(grew("concurrent", "slow"), "a bar grows");
      assert.ok(grew("sequential", "quick"), "the first of a sequential run grows");
      const early = (mode) =>
        frames.some((frame) => frame[`${mode} quick`]?.state === "ok" && frame[`${mode} slow`]?.state === "running");
      assert.ok(early("concurrent") && early("sequential"), "the first result is drawn while another call is under way");
      const together = (mode) => frames.filter((frame) => frame[`${mode} quick`]?.state === "running" && frame[`${mode} slow`]?.state === "running");
      assert.ok(together("concurrent").length > 0 && together("sequential").length === 0);
      const waits = frames.find((frame) => frame["sequential quick"]?.state === "running");
      assert.equal(waits["sequential slow"].state, "waiting");
    });
  },

  async "who wants less motion sees bars move in steps"(tab) {
    await visit(tab, page_at(CONSOLE), { ...desktop, reducedMotion: "reduce" }, async (page) => {
      await page.evaluate(watchFrames);
      await begin(page, "steps", "concurrent");
      await done(page);
      const frames = await page.evaluate(() => globalThis.frames_seen);
      const widths = frames.map((frame) => frame["concurrent slow"]).filter((bar) => bar?.state === "running");
      const [, slow] = await rows(page, "concurrent");
      assert.equal(slow.state, "ok");
      const most = 3 + slow.took / 500;
      assert.ok(new Set(widths.map(({ width }) => width)).size <= most, JSON.stringify(widths));
    });
  },

  async "a failure is shown in its place with its class and its detail"(tab) {
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      await begin(page, "home");
      await done(page);
      for (const mode of ["sequential", "concurrent"]) {
        const [users, orders, prices] = await rows(page, mode);
        assert.equal(users.state, "ok");
        assert.deepEqual([orders.state, orders.name], ["failed", "orders"]);
        assert.match(orders.said, /status 503/);
        assert.match(orders.more, /upstream answered 503 Service Unavailable · 3 attempts/);
        assert.match(prices.said, /protocol/);
        assert.notEqual(prices.more, "");
      }
      assert.match(await page.textContent("#ratio"), /No ratio/);
      assert.match(await page.textContent(".run.concurrent .verdict"), /partial/);
      await inLooks(page, "failures");
    });
  },

  async "a run that failed as a whole says why"(tab) {
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      await begin(page, "strict", "concurrent");
      await done(page);
      const problem = await page.textContent(".run.concurrent .problem");
      assert.match(problem, /Upstream failed/);
      assert.match(problem, /status 502 · upstream-failed · request [0-9a-f]{32}/);
      assert.match(await page.textContent(".run.concurrent .verdict"), /failed/);
    });
  },

  async "a refusal, a cut stream and a gateway that has gone are told apart"(tab) {
    const cutting = await proxy(CONSOLE, "");
    const told = (page) => page.textContent(".run.concurrent .problem");
    const verdict = (page) => page.textContent(".run.concurrent .verdict");
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      await page.fill("#timeout", "1 nonsense");
      await begin(page, "default", "concurrent");
      await done(page);
      assert.equal(await verdict(page), "refused");
      assert.match(await told(page), /Invalid parameter.*`timeout`.*status 400 · invalid-parameter/s);
      assert.match(await page.textContent("#answer pre"), /"parameter": "timeout"/);
      await begin(page, "default", "both");
      await done(page);
      assert.match(await page.textContent(".run.sequential .problem"), /Invalid parameter/);
      assert.equal(await page.$(".run.concurrent"), null, "the other mode would only say it again");
      await inspect(page, "a refusal");
    }, NETWORK);
    await visit(tab, page_at(cutting.origin), desktop, async (page) => {
      await begin(page, "half", "concurrent");
      // A browser throws away what a script has not read yet when its connection breaks.
      await page.waitForSelector(".run.concurrent li[data-state=ok]");
      cutting.cut();
      await done(page);
      assert.equal(await verdict(page), "cut short");
      const [quick, slow] = await rows(page, "concurrent");
      assert.deepEqual([quick.state, slow.state], ["ok", "lost"]);
      assert.match(slow.said, /no result/);
      await cutting.close();
      await page.click("#run");
      await done(page);
      assert.equal(await verdict(page), "unreachable");
    }, NETWORK);
  },

  async "what runs is stopped on the wire, by the button and by Escape"(tab) {
    await visit(tab, page_at(CONSOLE), desktop, async (page) => {
      const cancelled = 'gather_attempts_total{result="cancelled",upstream="hanging"}';
      const before = await metric(cancelled);
      for (const [times, stop] of [() => page.click("#stop"), () => page.keyboard.press("Escape")].entries()) {
        await begin(page, "hanging");
        await page.waitForSelector(".run.sequential li[data-state=running] .bar");
        await until(async () => (await metric('gather_attempts_in_flight{upstream="hanging"}')) === 1);
        await stop();
        await done(page);
        await until(async () => (await metric(cancelled)) === before + times + 1);
        assert.equal(await page.textContent(".run.sequential .verdict"), "stopped");
        assert.equal(await page.$(".run.concurrent"), null, "the second mode was not begun");
      }
      // The focus is at a place from which the user can go on.
      assert.equal(await page.evaluate(() => document.activeElement.id), "run");
    });
  },
};
