// The form: shows what the chosen aggregate allows, and makes a choice of what was entered, or shows the mistake in it.

import { method, takesOwn } from "./choice.js";
import { byId, make, write } from "./dom.js";
import { Forwarded } from "./forwarded.js";
import { count, round } from "./scale.js";

const MODES = {
  both: ["sequential", "concurrent"],
  sequential: ["sequential"],
  concurrent: ["concurrent"],
};

export class Form {
  #aggregates;
  #form = byId("form");
  #forwarded = new Forwarded();
  #run = byId("run");
  #stop = byId("stop");

  /** Calls `run` with each choice, and `stop` when the run is no longer wanted. */
  constructor(aggregates, { run, stop }) {
    this.#aggregates = aggregates;
    const names = aggregates.map(({ name }) => make("option", { value: name }, name));
    byId("aggregate").append(...names);
    if (aggregates.some(({ name }) => name === "default")) {
      byId("aggregate").value = "default";
    }
    byId("aggregate").addEventListener("change", () => this.#show());
    byId("all").addEventListener("click", () => this.#check(true));
    byId("none").addEventListener("click", () => this.#check(false));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#run.getAttribute("aria-disabled") === "true") {
        return;
      }
      const choice = this.#choice();
      if (choice !== null) {
        run(choice);
      }
    });
    this.#stop.addEventListener("click", stop);
    this.#show();
  }

  /** Shows if something runs. The button stays where the focus is, and does nothing meanwhile. */
  set isRunning(running) {
    this.#run.setAttribute("aria-disabled", String(running));
    write(this.#run, running ? "Running…" : "Run");
    if (!running && document.activeElement === this.#stop) {
      this.#run.focus();
    }
    this.#stop.disabled = !running;
  }

  get #aggregate() {
    const name = byId("aggregate").value;
    return this.#aggregates.find((aggregate) => aggregate.name === name);
  }

  /** Shows the aggregate's calls and bounds. */
  #show() {
    const aggregate = this.#aggregate;
    const { calls, mode, deadline_ms: deadline, wait_for: needed } = aggregate;
    const most = Math.min(aggregate.concurrency, calls.length);
    const own = takesOwn(aggregate) ? "" : "; it takes no choices: mode, calls and times are as configured";
    write(byId("about"), `${count(calls.length, "call")}, ${mode} by default${waits(needed)}${own}`);
    write(byId("concurrency-note"), `1 to ${most}`);
    byId("concurrency").placeholder = String(most);
    write(byId("timeout-note"), `up to ${round(deadline)}`);
    byId("timeout").placeholder = round(deadline);
    byId("wait-for").placeholder = String(needed ?? "all");
    write(byId("wait-for-note"), `all, required, first, or a number up to ${calls.length}`);
    this.#forwarded.show(aggregate);
    if (method({ aggregate }) !== "GET") {
      // It may change something, so it is not run twice unless that is asked for.
      this.#form.querySelector(`input[name=mode][value=${mode}]`).checked = true;
    }
    byId("calls").replaceChildren(
      ...calls.map((call) =>
        make(
          "label",
          {},
          make("input", { type: "checkbox", name: "call", value: call.name, checked: true }),
          make("span", { class: "whom" }, make("span", {}, call.name), note(call)),
        ),
      ),
    );
    byId("calls-all").hidden = calls.length < 3;
    this.#complain("", null);
  }

  #check(checked) {
    for (const box of this.#boxes) {
      box.checked = checked;
    }
  }

  get #boxes() {
    return [...this.#form.querySelectorAll("input[name=call]")];
  }

  /** Returns the choice; null after it has shown a mistake. */
  #choice() {
    const aggregate = this.#aggregate;
    const concurrency = byId("concurrency").value.trim();
    const timeout = byId("timeout").value.trim();
    const waitFor = byId("wait-for").value.trim();
    const { path, parameters, headers, body, wrong, input } = this.#forwarded.read();
    const chosen = new Set(this.#boxes.filter((box) => box.checked).map((box) => box.value));
    const calls = aggregate.calls.filter((call) => chosen.has(call.name));
    if (concurrency !== "" && !/^[1-9]\d{0,3}$/.test(concurrency)) {
      return this.#complain("Concurrency is a whole number from 1.", byId("concurrency"));
    }
    if (timeout !== "" && !/[a-z]/i.test(timeout)) {
      return this.#complain("Timeout is a time with a unit, such as 500ms or 2s.", byId("timeout"));
    }
    if (waitFor !== "" && !/^(all|required|first|[1-9]\d{0,3})$/.test(waitFor)) {
      return this.#complain("Wait for is all, required, first, or a number of successes from 1.", byId("wait-for"));
    }
    if (wrong !== undefined) {
      return this.#complain(wrong, input);
    }
    if (calls.length === 0) {
      return this.#complain("Choose at least one call.", this.#boxes[0]);
    }
    this.#complain("", null);
    const rest = { parameters, headers, path, body };
    if (!takesOwn(aggregate)) {
      return { aggregate, modes: [aggregate.mode], concurrency: null, timeout: null, waitFor: null, calls: null, ...rest };
    }
    return {
      aggregate,
      modes: MODES[new FormData(this.#form).get("mode")],
      concurrency: concurrency === "" ? null : Number(concurrency),
      timeout: timeout === "" ? null : timeout.replaceAll(/\s+/g, ""),
      waitFor: waitFor === "" ? null : waitFor,
      ...rest,
      calls: calls.length === aggregate.calls.length ? null : calls,
    };
  }

  #complain(sentence, field) {
    write(byId("mistake"), sentence);
    for (const marked of this.#form.querySelectorAll("[aria-invalid]")) {
      marked.removeAttribute("aria-invalid");
    }
    field?.setAttribute("aria-invalid", "true");
    field?.focus();
    return null;
  }
}

/** Describes what ends a run, unless it waits for all calls to settle. */
function waits(needed) {
  if (needed === null) {
    return "";
  }
  if (needed === "required") {
    return ", waits for the calls that are not optional";
  }
  return `, ends with ${needed} ${needed === 1 ? "success" : "successes"}`;
}

/** Names the upstream of a call with another name, and notes if the call may fail. */
function note({ name, upstream, optional }) {
  const notes = [name === upstream ? "" : upstream, optional ? "optional" : ""];
  const text = notes.filter((note) => note !== "").join(", ");
  return text === "" ? null : make("small", {}, text);
}
