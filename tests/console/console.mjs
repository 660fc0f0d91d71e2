// Tests the console in a real browser before a real gateway. CHROMIUM is the program. CONSOLE is the gateway's origin.
// ADMIN is the origin of a gateway that compresses and has its metrics elsewhere. SCREENSHOTS is a directory for
// pictures, and may be missing. ONLY is a part of the names of the scenarios to run, if not all. The aggregates are
// those of tests/peers/console.rs.

import { scenarios as bodies } from "./bodies.mjs";
import { launch, open } from "./browser.mjs";
import { scenarios as choose } from "./choose.mjs";
import { scenarios as composed } from "./composed.mjs";
import { scenarios as runs } from "./runs.mjs";
import { scenarios as use } from "./use.mjs";

const { CHROMIUM, ONLY = "" } = process.env;

/** The number of the first scenarios, which run by themselves. */
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

const chosen = Object.entries({ ...runs, ...use, ...bodies, ...choose, ...composed }).filter(([name]) => name.includes(ONLY));
const player = async (tab) => {
  while (chosen.length > 0) {
    await play(chosen.shift(), tab);
  }
};
// Scenarios that look at times and frames come first and run alone. The others mostly wait.
const tab = await open(browser);
for (const scenario of chosen.splice(0, ALONE)) {
  await play(scenario, tab);
}
await Promise.all([player(tab), open(browser).then(player)]);
await browser.close();
process.exitCode = failed === 0 ? 0 : 1;
