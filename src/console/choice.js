// The choice of a run, as addresses and as words. A choice is `{ aggregate, modes, concurrency, timeout, waitFor,
// calls, parameters, headers, path, body }`: the aggregate as the gateway lists it, and the modes in turn. Each of the
// next four is null if it is left as configured. Then come lists of names and values: of the query, of header fields and
// of the route's path. The last is the text of the body, null if there is none.

import { whyNot } from "./forbidden.js";

/** The longest list of names that is written out. */
const LONGEST = 40;

/** Returns the address that runs it in this mode, relative to the page. */
export function target(choice, mode) {
  const { aggregate, concurrency, timeout, waitFor, calls, parameters } = choice;
  const query = takesOwn(aggregate) ? [`mode=${mode}`] : [];
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
  return query.length === 0 ? address(choice) : `${address(choice)}?${query.join("&")}`;
}

/** Returns true if an aggregate takes Gather's own parameters. */
export const takesOwn = (aggregate) => aggregate.parameters !== false;

/** Returns the path of the aggregate's route, or of its name if it has none, relative to the page. */
function address({ aggregate, path = [] }) {
  if (aggregate.path) {
    const values = new Map(path);
    const segments = aggregate.path.slice(1).split("/");
    return segments.map((segment) => segmentOf(segment, values)).join("/");
  }
  return aggregate.name === "default" ? "aggregate" : `aggregate/${aggregate.name}`;
}

function segmentOf(segment, values) {
  const name = segment.startsWith("{") ? segment.slice(1, -1) : null;
  return name === null ? segment : encodeURIComponent(values.get(name) ?? "");
}

/** Returns the method that runs it. What QUERY does, POST does too, which every proxy passes on. */
export function method({ aggregate, body = null }) {
  const methods = aggregate.methods ?? ["GET"];
  if (methods.includes("GET") && (body === null || methods.length === 1)) {
    return "GET";
  }
  const other = methods.find((name) => name !== "GET");
  return other === "QUERY" ? "POST" : other;
}

/** Returns what is sent beside the address: `{ method, headers, body }`. A body is JSON if its type is not chosen. */
export function sent(choice) {
  const headers = sendable(choice);
  return { method: method(choice), headers: typed(choice.body, headers), body: choice.body ?? null };
}

/** Returns these header fields with the type of a body. */
export function typed(body, headers) {
  const has = headers.some(([name]) => name.toLowerCase() === "content-type");
  return (body ?? null) === null || has ? headers : [...headers, ["content-type", "application/json"]];
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
export function options({ concurrency, timeout, waitFor, calls, parameters, headers, path = [], body = null }) {
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
  const passed = [...path, ...parameters, ...headers].map(([name]) => name);
  if (body !== null) {
    passed.push("a body");
  }
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
