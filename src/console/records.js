// The last hundred runs in this browser, and their times at the median and at the ninetieth percentile. They are kept
// over a reload if the browser allows it.

/** The number of runs that are kept. */
export const MOST = 100;

const KEY = "gather.console.runs";

const ANSWERED = new Set(["complete", "partial"]);

/** Returns the nearest-rank percentile (0 < `share` <= 1) of numbers in any order; null if there are none. */
export function percentile(numbers, share) {
  if (numbers.length === 0) {
    return null;
  }
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1];
}

export class Records {
  #storage;
  #runs;

  /** Takes the browser's `storage`, or null if there is none. */
  constructor(storage) {
    this.#storage = storage;
    this.#runs = read(storage);
  }

  /** Returns the runs, oldest first: `{ at, aggregate, options, mode, outcome, elapsed, calls, ok }`. */
  get runs() {
    return this.#runs;
  }

  add(run) {
    this.#runs = [...this.#runs, run].slice(-MOST);
    this.#keep();
  }

  clear() {
    this.#runs = [];
    this.#keep();
  }

  /**
   * Returns the times of the answered runs (`complete` or `partial`) of one aggregate, with one set of options and in
   * one mode.
   */
  times(aggregate, options, mode) {
    return this.#runs
      .filter((run) => run.aggregate === aggregate && run.options === options)
      .filter((run) => run.mode === mode && ANSWERED.has(run.outcome))
      .map((run) => run.elapsed);
  }

  /** Returns one row for each aggregate, set of options and mode, those that ran last first. */
  summary() {
    const rows = new Map();
    for (const { aggregate, options, mode } of [...this.#runs].reverse()) {
      const key = JSON.stringify([aggregate, options]);
      const row = rows.get(key) ?? { aggregate, options, modes: new Set() };
      rows.set(key, row);
      row.modes.add(mode);
    }
    return [...rows.values()].flatMap(({ aggregate, options, modes }) =>
      ["sequential", "concurrent"]
        .filter((mode) => modes.has(mode))
        .map((mode) => {
          const times = this.times(aggregate, options, mode);
          const all = this.#runs.filter(
            (run) => run.aggregate === aggregate && run.options === options && run.mode === mode,
          );
          return {
            aggregate,
            options,
            mode,
            runs: all.length,
            answered: times.length,
            p50: percentile(times, 0.5),
            p90: percentile(times, 0.9),
          };
        }),
    );
  }

  #keep() {
    try {
      this.#storage?.setItem(KEY, JSON.stringify(this.#runs));
    } catch {
      // The storage is full or forbidden: the runs last as long as the page.
    }
  }
}

function read(storage) {
  try {
    const runs = JSON.parse(storage?.getItem(KEY) ?? "[]");
    return Array.isArray(runs) ? runs.filter(isRun).slice(-MOST) : [];
  } catch {
    return [];
  }
}

/** Returns true for a run in the form that this version writes. Another version may have written it. */
function isRun(run) {
  const texts = ["aggregate", "options", "mode", "outcome"];
  const numbers = ["at", "elapsed", "calls", "ok"];
  return (
    typeof run === "object" &&
    run !== null &&
    texts.every((key) => typeof run[key] === "string") &&
    numbers.every((key) => Number.isFinite(run[key]))
  );
}
