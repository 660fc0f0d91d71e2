// The gateway's activity, from its own metrics. It asks every two seconds while the page is visible, and not otherwise.

import { byId, draw, make, write } from "./dom.js";
import { parse, sum } from "./exposition.js";
import { Series, paths, rate } from "./series.js";

const EVERY = 2000;
/** The number of readings in one minute. */
const MOST = 30;
const [WIDTH, HEIGHT] = [160, 32];

/** A breaker's states by their numbers. */
const STATES = ["closed", "half-open", "open"];
/** Results that do not count as failures. */
const FINE = new Set(["ok", "cancelled", "skipped"]);

export class Live {
  #tiles = {
    rate: tile("Requests", "a second"),
    flight: tile("In flight", "requests"),
    failures: tile("Failed attempts", "a second"),
  };
  #breakers = make("dd", { class: "breakers" });
  /** The names of the upstreams that have a breaker. */
  #guarded = new Set();
  #last = { requests: null, failures: null };
  #timer = null;

  /** Begins to ask, or shows why it doesn't. `guarded` names the upstreams that have a breaker. */
  start(isServed, guarded) {
    this.#guarded = new Set(guarded);
    if (!isServed) {
      this.#note("Live metrics are on the admin listener, which this page can't ask.");
      return;
    }
    const shown = Object.values(this.#tiles).map(({ group }) => group);
    if (this.#guarded.size > 0) {
      shown.push(make("div", { class: "tile" }, make("dt", {}, "Breakers"), this.#breakers));
    }
    byId("tiles").append(...shown);
    document.addEventListener("visibilitychange", () => this.#next());
    this.#next();
  }

  #note(sentence) {
    write(byId("live-note"), sentence);
    byId("live-note").hidden = sentence === "";
    byId("tiles").hidden = sentence !== "";
  }

  /** Asks now and later while the page is visible. A hidden page stops asking. */
  #next() {
    clearTimeout(this.#timer);
    if (document.visibilityState === "visible") {
      this.#ask().finally(() => {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#next(), EVERY);
      });
    }
  }

  async #ask() {
    try {
      const response = await fetch("metrics", {
        headers: { accept: "text/plain; version=0.0.4" },
        cache: "no-store",
        signal: AbortSignal.timeout(EVERY * 2),
      });
      if (!response.ok) {
        throw new Error(`status ${response.status}`);
      }
      this.#show(parse(await response.text()), performance.now());
      this.#note("");
    } catch (error) {
      this.#last = { requests: null, failures: null };
      this.#note(`The gateway's metrics can't be read (${error.message}).`);
    }
  }

  #show(metrics, at) {
    const failed = (labels) => !FINE.has(labels.result);
    const requests = { at, value: sum(metrics, "gather_requests_total") };
    const failures = { at, value: sum(metrics, "gather_attempts_total", failed) };
    push(this.#tiles.rate, rate(this.#last.requests, requests), "requests a second");
    push(this.#tiles.failures, rate(this.#last.failures, failures), "failed attempts a second");
    push(this.#tiles.flight, sum(metrics, "gather_requests_in_flight"), "requests in flight");
    this.#last = { requests, failures };
    this.#showBreakers(metrics.get("gather_circuit_state") ?? []);
  }

  #showBreakers(samples) {
    const ours = samples.filter(({ labels }) => this.#guarded.has(labels.upstream));
    const states = ours.map(({ labels, value }) => [labels.upstream, STATES[value] ?? "unknown"]);
    const odd = states.filter(([, state]) => state !== "closed");
    const texts =
      odd.length === 0 ? [[`${states.length} closed`, "closed"]] : odd.map(([name, state]) => [`${name} ${state}`, state]);
    const key = JSON.stringify(texts);
    if (this.#breakers.dataset.key !== key) {
      this.#breakers.dataset.key = key;
      const items = texts.map(([text, state]) => make("li", { "data-breaker": state }, text));
      this.#breakers.replaceChildren(make("ul", {}, ...items));
    }
  }
}

/** Makes a number with a line that shows its last values. */
function tile(title, unit) {
  const number = make("span", { class: "number" }, "–");
  const area = draw("path", { class: "area" });
  const line = draw("path", { class: "line" });
  const chart = draw(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": title },
    area,
    line,
  );
  const value = make("dd", {}, make("span", { class: "value" }, number, make("small", {}, unit)), chart);
  const group = make("div", { class: "tile" }, make("dt", {}, title), value);
  return { group, number, area, line, chart, series: new Series(MOST) };
}

function push({ number, area, line, chart, series }, value, what) {
  if (value === null) {
    return;
  }
  series.push(value);
  const text = Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 1 : 0);
  write(number, text);
  const drawn = paths(series.values, MOST, WIDTH, HEIGHT);
  line.setAttribute("d", drawn.line);
  area.setAttribute("d", drawn.area);
  const most = Math.max(...series.values);
  const highest = Number.isInteger(most) ? most : most.toFixed(1);
  chart.setAttribute("aria-label", `${text} ${what} now, ${highest} at most in the last minute`);
}
