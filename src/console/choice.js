// The choice of a run, as addresses and as words. A choice is `{ aggregate, modes, concurrency, timeout, waitFor,
// calls, parameters, headers }`: the aggregate as the gateway lists it, and the modes in turn. Each of the next four is
// null if it is left as configured. The last two are lists of names and values to pass on to upstreams.

import { whyNot } from "./forbidden.js";

/** The longest list of names that is written out. */
const LONGEST = 40;

/** Returns the address that runs it in this mode, relative to the page. */
export function target(choice, mode) {
  const { aggregate, concurrency, timeout, waitFor, calls, parameters } = choice;
  const path = aggregate.name === "default" ? "aggregate" : `aggregate/${aggregate.name}`;
  const query = [`mode=${mode}`];
  if (concurrency !== null) {
    query.push(`concurrency=${concurrency}`);
  }
  if (timeout !== null) {
    query.push(`timeout=${encodeURIComponent(timeout)}`);
  }
  if (waitFor !== null) {
    query.push(`wait_for=${waitFor}`);
  }
  if (calls !== null) {
    query.push(`calls=${calls.map((call) => encodeURIComponent(call.name)).join(",")}`);
  }
  for (const [name, value] of parameters) {
    query.push(`${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  }
  return `${path}?${query.join("&")}`;
}

/** Returns its header fields that this page may send. */
export const sendable = ({ headers }) => headers.filter(([name]) => whyNot(name) === null);

/** Returns the calls that it makes. */
export const called = (choice) => choice.calls ?? choice.aggregate.calls;

/** Returns the most calls at a time in this mode. */
export function limit(choice, mode) {
  const most = Math.min(choice.concurrency ?? Infinity, choice.aggregate.concurrency);
  return mode === "sequential" ? 1 : most;
}

/**
 * Describes the differences from the configuration; empty if there are none. Choices with equal words can be compared.
 * The words are kept, so they hold no value that is passed on, which may be a secret.
 */
export function options({ concurrency, timeout, waitFor, calls, parameters, headers }) {
  const words = [];
  if (concurrency !== null) {
    words.push(`concurrency ${concurrency}`);
  }
  if (timeout !== null) {
    words.push(`timeout ${timeout}`);
  }
  if (waitFor !== null) {
    words.push(`wait_for ${waitFor}`);
  }
  if (calls !== null) {
    const names = calls.map((call) => call.name).join(", ");
    words.push(names.length > LONGEST ? `${calls.length} calls (${digest(names)})` : names);
  }
  const passed = [...parameters, ...headers].map(([name]) => name);
  if (passed.length > 0) {
    words.push(`with ${passed.join(", ")}`);
  }
  return words.join(" · ");
}

/** Returns a few letters that tell long texts apart. */
function digest(text) {
  let hash = 0;
  for (const letter of text) {
    hash = (Math.imul(hash, 31) + letter.codePointAt(0)) >>> 0;
  }
  return hash.toString(36);
}
