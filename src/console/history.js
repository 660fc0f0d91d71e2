// The runs so far, as two tables: their times by aggregate and mode, and each run.

import { announce, byId, make, table, write } from "./dom.js";
import { count, time } from "./scale.js";

export class History {
  #records;

  constructor(records) {
    this.#records = records;
    byId("clear").addEventListener("click", () => {
      records.clear();
      this.draw();
      announce("The history is empty.");
      byId("results").focus();
    });
    this.draw();
  }

  draw() {
    const runs = this.#records.runs;
    byId("history").hidden = runs.length === 0;
    const summary = this.#records
      .summary()
      .map(({ aggregate, options, mode, runs, answered, p50, p90 }) => [
        named(aggregate, options),
        mode,
        answered === runs ? String(runs) : `${answered} of ${runs}`,
        p50 === null ? "–" : time(p50),
        p90 === null ? "–" : time(p90),
      ]);
    const columns = ["Aggregate", "Mode", "Runs", "p50", "p90"];
    place("summary", "Times of the answered runs", columns, summary);
    write(byId("runs-title"), `${count(runs.length, "run")}, the last one first`);
    const each = [...runs]
      .reverse()
      .map((run) => [
        new Date(run.at).toLocaleTimeString(),
        named(run.aggregate, run.options),
        run.mode,
        time(run.elapsed),
        `${run.outcome}, ${run.ok} of ${run.calls}`,
      ]);
    place("runs", "Each run", ["At", "Aggregate", "Mode", "Took", "Outcome"], each);
  }
}

/** Makes an aggregate's name with its differences from the configuration. */
export function named(aggregate, options) {
  const name = make("span", { class: "mono" }, aggregate);
  return options === "" ? name : make("span", {}, name, " ", make("small", {}, options));
}

function place(id, caption, columns, rows) {
  const shown = make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption });
  shown.append(table(caption, columns, rows));
  byId(id).replaceChildren(shown);
}
