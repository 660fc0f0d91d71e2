// The page: asks what can be run, runs the choice, one mode after the other, and passes the results to the parts that
// show them.

import { Answer } from "./answer.js";
import { called, limit, options, sent as whatIsSent, target, typed } from "./choice.js";
import { announce, byId, write } from "./dom.js";
import { exchange, whole } from "./exchange.js";
import { Form } from "./form.js";
import { History, named } from "./history.js";
import { Live } from "./live.js";
import { percentile, Records } from "./records.js";
import { ENDS, Run } from "./run.js";
import { count, time } from "./scale.js";
import { shownRatio, Waterfall } from "./waterfall.js";

/** The time between two moves of bars, in milliseconds, for a user who wants less motion. */
const CALM = 500;

/** The part of the timeline that must be visible while it is drawn, in pixels: a heading, an axis and some bars. */
const ENOUGH = 320;

const TITLES = { sequential: "Sequential", concurrent: "Concurrent" };

const waterfall = new Waterfall();
const answers = new Answer(again);
const records = new Records(storage());
const history = new History(records);
const lessMotion = matchMedia("(prefers-reduced-motion: reduce)");

/** The runs that are shown: runs of one aggregate with one set of options, by mode. */
let shown = { key: null, runs: new Map(), kept: new Map(), began: new Map() };
/** The choice that was run last. */
let latest = null;
let stopping = null;
let form = null;

function storage() {
  try {
    return globalThis.localStorage;
  } catch {
    // Forbidden by the browser's settings.
    return null;
  }
}

/** Runs a choice, mode by mode. A mode that was run before with the same choice stays, so that the two can be compared. */
async function run(choice) {
  const key = JSON.stringify({ ...choice, aggregate: choice.aggregate.name, modes: null });
  if (shown.key !== key || choice.modes.length > 1) {
    shown = { key, runs: new Map(), kept: new Map(), began: new Map() };
  }
  latest = choice;
  // The form may have changed by the time that the timeline is read.
  byId("ran").replaceChildren(named(choice.aggregate.name, options(choice)));
  await busy(async () => {
    const frames = follow(choice);
    try {
      for (const mode of choice.modes) {
        if (stopping.signal.aborted) {
          break;
        }
        const run = await one(choice, mode);
        if (run.end === ENDS.refused || run.end === ENDS.unreachable) {
          // The other mode would end in the same way.
          break;
        }
      }
    } finally {
      frames.stop();
    }
  });
  draw(choice);
  const ratio = shownRatio();
  if (choice.modes.length > 1 && ratio !== "") {
    announce(`${last()} ${ratio}.`);
  }
}

/** Runs a task that can be stopped, and shows that for as long as it lasts, however it ends. */
async function busy(act) {
  stopping = new AbortController();
  form.isRunning = true;
  document.body.dataset.running = "true";
  try {
    return await act();
  } catch (error) {
    broken(`The console has failed: ${error.message}. Reload the page.`);
    return null;
  } finally {
    delete document.body.dataset.running;
    form.isRunning = false;
  }
}

/** Asks for a run's answer once more, in one piece. Returns null while something else runs. */
async function again({ url, sent, run }) {
  if (document.body.dataset.running) {
    return null;
  }
  announce(`${TITLES[run.mode]} run without a stream has begun.`);
  const answer = await busy(() => whole(url, sent, stopping.signal));
  announce(answer?.error ?? `The plain answer has come, with status ${answer?.status}.`);
  return answer;
}

/** Runs it in one mode. */
async function one(choice, mode) {
  const calls = called(choice);
  const run = new Run(mode, calls, limit(choice, mode));
  const url = new URL(target(choice, mode), document.baseURI).href;
  const compared = choice.aggregate.compare ? target(choice, "compare") : null;
  const comparison = compared && new URL(compared, document.baseURI).href;
  const sent = whatIsSent(choice);
  const wished = { ...sent, headers: typed(choice.body, choice.headers) };
  const kept = { run, url, comparison, sent, wished, status: null, headers: [], text: null, plain: null };
  shown.runs.delete(mode);
  // In the order of the modes, whichever ran last.
  shown.runs = sorted([...shown.runs, [mode, run]]);
  shown.kept.delete(mode);
  const began = performance.now();
  shown.began.set(mode, began);
  const clock = () => performance.now() - began;
  waterfall.show([...shown.runs.values()]);
  draw(choice);
  reveal(mode, mode === choice.modes[0]);
  announce(`${TITLES[mode]} run of ${count(calls.length, "call")} has begun.`);

  const head = (response) => {
    run.id = response.headers.get("x-request-id");
    kept.status = response.status;
    kept.headers = [...response.headers];
    const names = response.headers.get("gather-calls");
    if (response.ok && names !== null) {
      run.plan(names.split(",").map((name) => name.trim()));
    }
  };
  const line = (text) => {
    const isLast = run.take(text, clock());
    tell(run.latest);
    return isLast;
  };
  const { end, problem } = await exchange(url, sent, stopping.signal, head, line);
  if (end !== null) {
    run.close(ENDS[end], problem, clock());
    kept.text = problem?.text ?? null;
  }
  keep(choice, run, clock());
  shown.kept = sorted([...shown.kept, [mode, kept]]);
  answers.show(shown.kept);
  draw(choice);
  announce(last());
  return run;
}

/**
 * Scrolls to a run that would otherwise be drawn out of sight, as on a phone, where it is below the form. It does not
 * if the user has scrolled away from the timeline since the first run began.
 */
function reveal(mode, isFirst) {
  const { top, bottom } = byId("results").getBoundingClientRect();
  if (isFirst && (top < 0 || top + ENOUGH > innerHeight)) {
    byId("results").scrollIntoView();
  }
  if (isFirst || (bottom > 0 && top < innerHeight)) {
    document.querySelector(`.run.${mode}`).scrollIntoView({ block: "nearest" });
  }
}

const sorted = (entries) => new Map(entries.sort(([a], [b]) => (a < b ? 1 : -1)));

/** Announces a call that failed. Successes are announced all together. */
function tell({ name, ok, failure, detail }) {
  if (ok === false && !["cancelled", "skipped", "omitted"].includes(failure)) {
    announce(`${name} failed: ${failure}. ${detail ?? ""}`);
  }
}

/** Returns a sentence about the run that ended last. */
function last() {
  const sentences = [...shown.runs.values()]
    .filter((run) => run.isOver)
    .map((run) => {
      const problem = run.problem ? ` ${run.problem.title}. ${run.problem.detail ?? ""}` : "";
      const calls = `${run.ok} of ${count(run.calls.length, "call")} succeeded`;
      return `${TITLES[run.mode]}: ${run.verdict} after ${time(run.elapsed(0))}, ${calls}.${problem}`;
    });
  return sentences.join(" ");
}

function keep(choice, run, clock) {
  records.add({
    at: Date.now(),
    aggregate: choice.aggregate.name,
    options: options(choice),
    mode: run.mode,
    outcome: run.verdict,
    elapsed: run.elapsed(clock),
    calls: run.calls.length,
    ok: run.ok,
  });
  history.draw();
}

/** Returns the time that the axis has to reach, as far as earlier runs show it. */
function expected(choice) {
  const times = choice.modes.flatMap((mode) => {
    const past = records.times(choice.aggregate.name, options(choice), mode);
    return past.length > 0 ? [percentile(past, 0.9)] : [];
  });
  return Math.max(0, ...times);
}

function draw(choice) {
  const clocks = {};
  for (const [mode, began] of shown.began) {
    clocks[mode] = performance.now() - began;
  }
  waterfall.draw(clocks, expected(choice));
}

/** Draws each frame until it is stopped, or every half second for a user who wants less motion. */
function follow(choice) {
  let going = true;
  let before = -Infinity;
  const frame = (now) => {
    if (!going) {
      return;
    }
    if (!lessMotion.matches || now - before >= CALM) {
      before = now;
      draw(choice);
    }
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  return { stop: () => (going = false) };
}

async function start() {
  const response = await fetch("console/aggregates");
  if (!response.ok) {
    throw new Error(`the gateway answered ${response.status}`);
  }
  const facts = await response.json();
  write(byId("version"), `version ${facts.version}`);
  form = new Form(facts.aggregates, {
    run,
    stop: () => stopping?.abort(),
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.body.dataset.running) {
      stopping?.abort();
    }
  });
  addEventListener("resize", () => latest && draw(latest));
  new Live().start(facts.metrics, facts.breakers);
  document.body.dataset.ready = "true";
}

function broken(sentence) {
  byId("broken").hidden = false;
  write(byId("broken"), sentence);
}

start().catch((error) => broken(`The console could not start: ${error.message}. Is the gateway still running?`));
