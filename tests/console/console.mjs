// The console in a real browser before a real gateway. Takes CHROMIUM, the program, CONSOLE, the gateway's origin, ADMIN, that of
// one whose metrics are elsewhere and which compresses, SCREENSHOTS, a directory for pictures, which may be missing, and ONLY, a
// part of a scenario's name, if it is not all of them. The aggregates are those of tests/peers/console.rs.

import { scenarios as bodies } from "./bodies.mjs";
import { launch, open } from "./browser.mjs";
import { scenarios as choose } from "./choose.mjs";
import { scenarios as runs } from "./runs.mjs";
import { scenarios as use } from "./use.mjs";

const { CHROMIUM, ONLY = "" } = process.env;

/** How many of the first scenarios run by themselves. */
const ALONE = 3;

const browser = await launch(CHROMIUM);
let failed = 0;

async function play([name, scenario], tab) {
  const began = performance.now();
  try {
    await scenario(tab);
    console.log(`ok ${name} (${Math.round(performance.now() - began)} ms)`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}\n${error.stack}`);
  }
}

const chosen = Object.entries({ ...runs, ...use, ...bodies, ...choose }).filter(([name]) => name.includes(ONLY));
const player = async (tab) => {
  while (chosen.length > 0) {
    await play(chosen.shift(), tab);
  }
};
// Those that look at times and frames come first and are alone; the others mostly wait.
const tab = await open(browser);
for (const scenario of chosen.splice(0, ALONE)) {
  await play(scenario, tab);
}
await Promise.all([player(tab), open(browser).then(player)]);
await browser.close();
process.exitCode = failed === 0 ? 0 : 1;
