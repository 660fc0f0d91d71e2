// The parts that the scenarios share: the gateways' origins, their metrics, and the pictures.

import assert from "node:assert/strict";
import path from "node:path";

/** The gateway's origin, and the origin of a gateway that compresses and has its metrics elsewhere. */
export const { CONSOLE, ADMIN } = process.env;

export const page_at = (origin) => `${origin}/console`;

/** In the page: notes each bar's state and width at each frame. */
export function watchFrames() {
  globalThis.frames_seen = [];
  const note = () => {
    const bars = {};
    for (const item of document.querySelectorAll(".run li")) {
      const mode = item.closest(".run").classList[1];
      const width = item.querySelector(".bar").getBoundingClientRect().width;
      bars[`${mode} ${item.querySelector(".name span").textContent}`] = { state: item.dataset.state, width };
    }
    globalThis.frames_seen.push(bars);
    requestAnimationFrame(note);
  };
  requestAnimationFrame(note);
}

/** Returns the value of a series of the gateway's metrics, or zero if it doesn't exist. */
export async function metric(series) {
  const text = await (await fetch(`${CONSOLE}/metrics`)).text();
  const line = text.split("\n").find((line) => line.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.split(" ").at(-1));
}

/** Asks until `holds` is true, for ten seconds at most. */
export async function until(holds) {
  const end = Date.now() + 10_000;
  while (!(await holds())) {
    assert.ok(Date.now() < end, `never: ${holds}`);
  }
}

export async function picture(page, name) {
  const { SCREENSHOTS } = process.env;
  if (SCREENSHOTS) {
    await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`), fullPage: true });
  }
}
