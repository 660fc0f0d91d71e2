// Draws runs as bars on one axis of time: a list for each run, an item for each call. While a run goes on, `draw` moves
// only what is under way. An item is written once more when its call has settled.

import { byId, make, write } from "./dom.js";
import { ceiling, count, marks, ratio, round, step, time } from "./scale.js";

const TITLES = { sequential: "Sequential", concurrent: "Concurrent" };
const ABOUT = { sequential: "one call after another", concurrent: "all calls at once" };

/** Says when the calls of a run begin. */
function about({ mode, calls }) {
  const waits = mode === "concurrent" && calls.some((call) => call.after?.length > 0);
  return waits ? "each call as soon as it can" : ABOUT[mode];
}

/** A mark for each state, for users who don't tell colours apart. */
const SIGNS = { waiting: "○", running: "◔", ok: "✓", failed: "✕", idle: "–", lost: "?" };

/** The time between two writes of changing figures, in milliseconds, as sixty a second can't be read. */
const FIGURES = 100;

/** The room for one mark's label on the axis, in pixels. */
const LABEL = 72;

export class Waterfall {
  #chart = byId("chart");
  #axis = make("div", { class: "axis", "aria-hidden": "true" });
  /** The drawn parts of each run, by mode. */
  #views = new Map();
  #marks = "";
  #figured = -Infinity;

  /** Shows these runs and nothing else. */
  show(runs) {
    this.#views = new Map(runs.map((run) => [run.mode, view(run)]));
    this.#figured = -Infinity;
    this.#chart.replaceChildren(this.#axis, ...[...this.#views.values()].map(({ section }) => section));
    this.#chart.hidden = runs.length === 0;
    byId("nothing").hidden = runs.length > 0;
  }

  /**
   * Draws everything as of this time. `clocks` has this page's clock of each run by mode. `expected` is the time that
   * the slowest one will take, as far as it is known.
   */
  draw(clocks, expected) {
    const runs = [...this.#views.values()].map(({ run }) => run);
    const times = runs.map((run) => run.elapsed(clocks[run.mode] ?? 0));
    // An ended run fits exactly, and a run that goes on has room to grow.
    const room = runs.map((run, at) => (run.isOver ? times[at] : ceiling(Math.max(times[at], expected))));
    this.#measure(Math.max(...room, 1e-3));
    const now = performance.now();
    const figures = now - this.#figured >= FIGURES;
    if (figures) {
      this.#figured = now;
    }
    [...this.#views.values()].forEach((shown, at) => drawRun(shown, times[at], figures));
    this.#compare();
  }

  /** Sets the length of the axis, its marks and the lines under them. */
  #measure(length) {
    const width = this.#axis.clientWidth;
    const most = Math.max(2, Math.min(8, Math.floor(width / LABEL)));
    const key = `${length} ${most}`;
    if (this.#marks === key) {
      return;
    }
    this.#marks = key;
    this.#chart.style.setProperty("--length", String(length));
    this.#chart.style.setProperty("--mark", `${(step(length, most) / length) * 100}%`);
    const labels = marks(length, most).map((at) => {
      const share = at / length;
      const side = share < 0.02 ? "first" : share > 0.97 ? "last" : null;
      const label = make("span", { class: side }, at === 0 ? "0" : round(at));
      label.style.left = `${share * 100}%`;
      return label;
    });
    this.#axis.replaceChildren(...labels);
  }

  /** Shows how many times as fast, once both are complete. Otherwise the ratio would compare different things. */
  #compare() {
    const [slow, fast] = ["sequential", "concurrent"].map((mode) => this.#views.get(mode)?.run);
    const times =
      slow?.verdict === "complete" && fast?.verdict === "complete"
        ? ratio(slow.outcome.elapsed_ms, fast.outcome.elapsed_ms)
        : null;
    const over = slow?.isOver && fast?.isOver;
    const none = over ? "No ratio: it needs two complete runs" : "";
    const place = byId("ratio");
    const text = times === null ? none : `${times} times as fast`;
    if (place.textContent === text) {
      return;
    }
    place.classList.toggle("muted", times === null);
    place.replaceChildren(
      ...(times === null ? [text] : [make("strong", {}, times), " times as fast"]),
    );
  }
}

/** Returns the ratio's words as they are shown. */
export const shownRatio = () => byId("ratio").textContent;

function view(run) {
  const total = make("span", { class: "total" });
  const note = make("span", { class: "verdict" });
  const title = make("h3", {}, TITLES[run.mode], make("small", {}, about(run)));
  const problem = make("div", { class: "problem", hidden: true });
  const list = make("ol", { class: "calls-shown" });
  const section = make(
    "section",
    { class: `run ${run.mode}`, "aria-label": `${TITLES[run.mode]} run` },
    make("div", { class: "run-head" }, title, total, note),
    problem,
    list,
  );
  const shown = { run, section, total, note, problem, list, items: [], names: "" };
  list.append(...items(shown));
  return shown;
}

/** Returns the items of a run's calls. They are made again if the gateway has named other calls. */
function items(shown) {
  shown.names = shown.run.calls.map((call) => call.name).join();
  shown.isMarked = false;
  shown.items = shown.run.calls.map((call) => {
    const bar = make("span", { class: "bar", hidden: true });
    const took = make("span", { class: "took" });
    const begins = make("span", { class: "unseen" });
    const said = make("span", { class: "said" });
    const more = make("p", { class: "more", hidden: true });
    const name = make("span", { class: "name" }, make("span", {}, call.name));
    if (call.optional) {
      name.append(make("small", {}, "optional"));
    }
    if (call.after?.length > 0) {
      name.append(make("small", { class: "waits" }, `waits for ${call.after.join(", ")}`));
    }
    const track = make("span", { class: "track", "aria-hidden": "true" }, bar);
    const item = make("li", { "data-state": "" }, name, track, begins, took, said, more);
    return { item, name, bar, begins, took, said, more };
  });
  return shown.items.map(({ item }) => item);
}

function drawRun(shown, now, figures) {
  const { run } = shown;
  if (shown.names !== run.calls.map((call) => call.name).join()) {
    shown.list.replaceChildren(...items(shown));
  }
  if (figures || run.isOver) {
    write(shown.total, time(now));
  }
  const verdict = run.verdict ?? "running";
  write(shown.note, verdict);
  shown.note.dataset.verdict = verdict;
  if (run.problem !== null && shown.problem.hidden) {
    shown.problem.hidden = false;
    shown.problem.append(...told(run.problem, run.id));
  }
  run.calls.forEach((call, at) => drawCall(shown.items[at], call, run.span(call, now), figures));
  if (run.isOver && !shown.isMarked) {
    shown.isMarked = true;
    mark(shown);
  }
}

/** Marks the calls of the critical path. Of calls one after another, all are on it, and none is marked. */
function mark({ run, items }) {
  const critical = run.mode === "sequential" ? new Set() : run.critical;
  run.calls.forEach((call, at) => {
    if (critical.has(call.name)) {
      items[at].item.dataset.critical = "true";
      items[at].name.append(make("small", { class: "critical" }, "critical path"));
    }
  });
}

function drawCall({ item, bar, begins, took, said, more }, call, { state, start, length }, figures) {
  const settled = item.dataset.state === state && state !== "running";
  if (settled) {
    return;
  }
  const begun = state !== "waiting" && !(state === "lost" && call.began === null);
  bar.hidden = !begun;
  bar.style.setProperty("--start", start.toFixed(3));
  bar.style.setProperty("--for", length.toFixed(3));
  if (figures || item.dataset.state !== state) {
    write(took, begun ? time(length) : "");
  }
  if (item.dataset.state === state) {
    return;
  }
  item.dataset.state = state;
  write(begins, call.result === null ? "" : `begins at ${time(start)} and takes`);
  const sign = make("span", { class: "sign", "aria-hidden": "true" }, SIGNS[state]);
  said.replaceChildren(sign, make("span", {}, words(call, state)));
  const parts = [call.result?.detail, shortfall(call.result), tries(call.result)];
  const sentence = parts.filter((part) => part).join(" · ");
  write(more, sentence);
  more.hidden = sentence === "";
}

/** Describes the end of a call in one or two words. */
function words(call, state) {
  const { result } = call;
  if (result === null) {
    return state === "lost" ? "no result" : state;
  }
  if (result.ok) {
    return String(result.status);
  }
  return result.failure === "status" ? `status ${result.status}` : result.failure;
}

/** Describes what of a result is not the upstream's answer: failed elements, and a fallback. */
function shortfall(result) {
  const failed = result?.each?.failed > 0 ? `${result.each.failed} of ${count(result.each.total, "element")} failed` : "";
  const fallback = result?.fallback ? "answered with its fallback" : "";
  return [failed, fallback].filter((part) => part).join(" · ");
}

/** Describes how often it was tried, if that was more than once. */
function tries(result) {
  if (result === null || result.attempts <= 1) {
    return "";
  }
  const hedges = result.hedges ?? 0;
  return count(result.attempts, "attempt") + (hedges > 0 ? `, ${count(hedges, "hedge")}` : "");
}

/** Returns a problem's title, status, detail and id. */
function told({ title, status, detail, type }, id) {
  const name = type?.replace("urn:gather:problem:", "");
  const facts = [status && `status ${status}`, name, id && `request ${id}`].filter((fact) => fact);
  return [
    make("strong", {}, title ?? "Refused"),
    detail ? make("p", {}, detail) : null,
    facts.length > 0 ? make("p", { class: "muted" }, facts.join(" · ")) : null,
  ].filter((part) => part !== null);
}
