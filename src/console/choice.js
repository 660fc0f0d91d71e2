// What has been chosen to run, as addresses and as words. A choice is `{ aggregate, modes, concurrency, timeout, waitFor, calls,
// parameters, headers }`: the aggregate as the gateway lists it, the modes in turn, null for each of the next four that is left as
// configured, and what is passed on to upstreams, as lists of names and values.

import { whyNot } from "./forbidden.js";

/** The longest list of names that is written out. */
const LONGEST = 40;

/** The address that runs it in this mode, relative to the page. */
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

/** The header fields of it that this page may send. */
export const sendable = ({ headers }) => headers.filter(([name]) => whyNot(name) === null);

/** The calls that it makes. */
export const called = (choice) => choice.calls ?? choice.aggregate.calls;

/** The most calls at a time in this mode. */
export function limit(choice, mode) {
  const most = Math.min(choice.concurrency ?? Infinity, choice.aggregate.concurrency);
  return mode === "sequential" ? 1 : most;
}

/** What differs from the configuration, in words; empty where nothing does. What has equal words is comparable. They are kept, so
    they have no value of what is passed on, which may be a secret. */
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

/** A few letters that tell long texts apart. */
function digest(text) {
  let hash = 0;
  for (const letter of text) {
    hash = (Math.imul(hash, 31) + letter.codePointAt(0)) >>> 0;
  }
  return hash.toString(36);
}
