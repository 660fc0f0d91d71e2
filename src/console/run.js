// The state of one run, from the lines of its stream: which calls wait, which are under way and which have settled.
// Times are milliseconds of the gateway's clock, which begins with the run. `clock` is this page's, which begins when
// it asks.

import { read } from "./json.js";

/** The ends of a run without its last line. */
export const ENDS = {
  refused: "refused",
  unreachable: "unreachable",
  cut: "cut short",
  stopped: "stopped",
};

export class Run {
  /** Begins a run. `calls` are those of the plan in order, `limit` the most at a time. */
  constructor(mode, calls, limit) {
    this.mode = mode;
    this.calls = calls.map((call) => ({ ...call, began: null, result: null, line: null }));
    /** The last line, both read and as it came. */
    this.outcome = null;
    this.outcomeLine = null;
    /** One of `ENDS`, and its description: `{ title, detail, … }`. */
    this.end = null;
    this.problem = null;
    /** The content of the latest line, without an upstream's body. */
    this.latest = null;
    /** The request's id, once it is known. */
    this.id = null;
    this.#limit = limit;
    this.#begin(0);
  }

  #limit;
  /** The time by which this page's clock is ahead of the gateway's: the way there and back. */
  #ahead = null;
  /** The time of an end without a last line. */
  #ended = null;

  get isOver() {
    return this.outcome !== null || this.end !== null;
  }

  /** Returns `complete`, `partial`, `failed`, one of `ENDS`, or null while it runs. */
  get verdict() {
    return this.end ?? this.outcome?.outcome ?? null;
  }

  /** Takes the plan's names from the gateway, in case the page's are older. */
  plan(names) {
    if (names.length === this.calls.length && names.every((name, at) => name === this.calls[at].name)) {
      return;
    }
    const known = new Map(this.calls.map((call) => [call.name, call]));
    this.calls = names.map((name) => ({
      upstream: name,
      optional: false,
      ...known.get(name),
      name,
      began: null,
      result: null,
      line: null,
    }));
    this.#begin(0);
  }

  /** Takes one line, and returns true for the last one. */
  take(line, clock) {
    const value = read(line);
    value.elapsed_ms = time(value.elapsed_ms);
    this.latest = value;
    if (!Number.isInteger(value.index)) {
      this.outcome = value;
      this.outcomeLine = line;
      if (typeof value.status === "number" && typeof value.title === "string") {
        this.problem = value;
      }
      return true;
    }
    const call = this.calls[value.index];
    if (call !== undefined && call.result === null) {
      value.start_ms = time(value.start_ms);
      call.result = value;
      call.line = line;
      const settled = value.start_ms + value.elapsed_ms;
      const ahead = Math.max(0, clock - settled);
      this.#ahead = Math.min(this.#ahead ?? ahead, ahead);
      this.#begin(settled);
    }
    return false;
  }

  /** Ends it without a last line. */
  close(end, problem, clock) {
    this.#ended = this.elapsed(clock);
    this.end = end;
    this.problem = problem;
  }

  /** Marks as many calls as allowed as under way from `at` on: those that wait for no other. */
  #begin(at) {
    let under = this.calls.filter((call) => call.began !== null && call.result === null).length;
    const open = new Set(this.calls.filter((call) => call.result === null).map(({ name }) => name));
    for (const call of this.calls) {
      if (under >= this.#limit) {
        break;
      }
      const waits = after(call).some((name) => open.has(name));
      if (call.began === null && call.result === null && !waits) {
        call.began = at;
        under += 1;
      }
    }
  }

  /** Returns the time that it has run, or took. */
  elapsed(clock) {
    if (this.outcome !== null) {
      return this.outcome.elapsed_ms;
    }
    if (this.#ended !== null) {
      return this.#ended;
    }
    const ends = this.calls
      .filter((call) => call.result !== null)
      .map((call) => call.result.start_ms + call.result.elapsed_ms);
    return ends.reduce((last, end) => Math.max(last, end), Math.max(0, clock - (this.#ahead ?? 0)));
  }

  /**
   * Returns the position and the state of a call's bar: `{ state, start, length }`. `state` is one of `waiting`,
   * `running`, `ok`, `failed`, `idle` (given up or never begun, without a failure) and `lost` (the run ended before its
   * result came).
   */
  span(call, now) {
    if (call.result !== null) {
      const { ok, failure, start_ms: start, elapsed_ms: length } = call.result;
      const idle = ["cancelled", "skipped", "omitted"].includes(failure);
      return { state: ok ? "ok" : idle ? "idle" : "failed", start, length };
    }
    if (this.isOver) {
      const start = call.began ?? 0;
      return { state: "lost", start, length: call.began === null ? 0 : Math.max(0, now - start) };
    }
    if (call.began === null) {
      return { state: "waiting", start: 0, length: 0 };
    }
    return { state: "running", start: call.began, length: Math.max(0, now - call.began) };
  }

  /**
   * Returns the names of the calls on the critical path: of those that waited for one another, the chain that ended
   * last. It is empty if none of that chain waited.
   */
  get critical() {
    const sent = this.calls.filter(({ result }) => result !== null && result.attempts > 0);
    const end = ({ result }) => result.start_ms + result.elapsed_ms;
    const last = (calls) => calls.reduce((last, call) => (last === null || end(call) > end(last) ? call : last), null);
    const names = new Set();
    let call = last(sent);
    while (call !== null && !names.has(call.name)) {
      names.add(call.name);
      const before = after(call);
      call = last(sent.filter(({ name }) => before.includes(name)));
    }
    return names.size > 1 ? names : new Set();
  }

  /** Returns the number of calls that have succeeded. */
  get ok() {
    return this.calls.filter((call) => call.result?.ok).length;
  }
}

/** Returns the names of the calls that one waits for. */
const after = (call) => call.after ?? [];

/** Reads a time from a line; zero if it is not a number. */
const time = (value) => (Number.isFinite(value) ? value : 0);
