// A headless Chromium, and pages that notice every event that must not happen: messages on the console, errors of a
// script, breaches of the policy, requests to other hosts.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { picture } from "./scene.mjs";

const FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The longest that a page may take for anything, in milliseconds. */
const SOON = 15_000;

export const desktop = { viewport: { width: 1280, height: 900 }, colorScheme: "light" };
export const phone = { viewport: { width: 360, height: 740 }, colorScheme: "light" };
export const wider = { viewport: { width: 390, height: 844 }, colorScheme: "light" };

/** Starts a browser with a profile of its own, which is removed with it. */
export function launch(executablePath) {
  return chromium.launch({ executablePath, headless: true, chromiumSandbox: false, args: FLAGS });
}

/** Opens a tab that notices such events. It is used again and again, because a new one takes a second in a whole
    Chromium. */
export async function open(browser) {
  const context = await browser.newContext(desktop);
  context.setDefaultTimeout(SOON);
  const page = await context.newPage();
  const tab = { page, messages: [], hosts: new Set() };
  page.on("console", (message) => tab.messages.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => tab.messages.push(`fault: ${error.message}`));
  page.on("request", (request) => tab.hosts.add(new URL(request.url()).host));
  await page.addInitScript(() => {
    globalThis.breaches = [];
    document.addEventListener("securitypolicyviolation", (event) => globalThis.breaches.push(event.violatedDirective));
  });
  return tab;
}

/** Visits the console at `url` as if for the first time, runs `scenario`, and then checks that nothing forbidden
    happened. */
export async function visit(tab, url, look, scenario, expected = []) {
  const { page } = tab;
  const { viewport, colorScheme, reducedMotion = "no-preference" } = look;
  await page.setViewportSize(viewport);
  await page.emulateMedia({ colorScheme, reducedMotion });
  tab.messages.length = 0;
  tab.hosts.clear();
  try {
    const response = await page.goto(url, { waitUntil: "commit" });
    assert.equal(response.status(), 200);
    await page.waitForSelector("body[data-ready]");
    await scenario(page);
    assert.deepEqual(await page.evaluate(() => globalThis.breaches), [], "breaches of the policy");
    assert.deepEqual([...tab.hosts], [new URL(url).host], "hosts that were asked");
    const strange = tab.messages.filter((message) => !expected.some((part) => message.includes(part)));
    assert.deepEqual(strange, [], "messages on the console");
    await page.evaluate(() => localStorage.clear());
  } finally {
    await page.goto("about:blank");
  }
}

/** Begins a run of this aggregate. */
export async function begin(page, aggregate, mode = "both") {
  await page.selectOption("#aggregate", aggregate);
  await page.check(`input[name=mode][value=${mode}]`, { force: true });
  await page.click("#run");
}

/** Waits until nothing runs. */
export const done = (page) => page.waitForSelector("body:not([data-running])");

/** Returns the page's rows about a run's calls: `name`, `state`, `said`, `took` in milliseconds, `more`, and the bar's
    place in pixels. */
export const rows = (page, mode) =>
  page.$$eval(`.run.${mode} li`, (items) =>
    items.map((item) => {
      const text = (selector) => item.querySelector(selector).textContent;
      const bar = item.querySelector(".bar").getBoundingClientRect();
      return {
        name: text(".name span"),
        state: item.dataset.state,
        said: text(".said"),
        took: parseFloat(text(".took")) * (text(".took").endsWith(" s") ? 1000 : 1),
        more: text(".more"),
        left: bar.left,
        width: bar.width,
      };
    }),
  );

/** Inspects the page in light, in dark and as wide as a phone, and takes a picture of each. */
export async function inLooks(page, what) {
  const looks = [
    ["light", desktop],
    ["dark", { ...desktop, colorScheme: "dark" }],
    ["phone", phone],
  ];
  for (const [name, { viewport, colorScheme }] of looks) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(viewport);
    await inspect(page, `${what}, ${name}`);
    await picture(page, `${what}-${name}`);
  }
}

/** Fails if axe has an objection, or if the page is wider than its window. */
export async function inspect(page, what) {
  await page.evaluate(axe);
  const violations = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  });
  assert.deepEqual(violations, [], `axe: ${what}`);
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(excess <= 0, `${what}: ${excess} pixels too wide`);
}
