// What has been chosen to run, as addresses and as words. A choice is `{ aggregate, modes, concurrency, timeout, calls }`:
// the aggregate as the gateway lists it, the modes in turn, and null for each of the others that is left as configured.

/** The longest list of names that is written out. */
const LONGEST = 40;

/** The address that runs it in this mode, relative to the page. */
export function target(choice, mode) {
  const { aggregate, concurrency, timeout, calls } = choice;
  const path = aggregate.name === "default" ? "aggregate" : `aggregate/${aggregate.name}`;
  const query = [`mode=${mode}`];
  if (concurrency !== null) {
    query.push(`concurrency=${concurrency}`);
  }
  if (timeout !== null) {
    query.push(`timeout=${encodeURIComponent(timeout)}`);
  }
  if (calls !== null) {
    query.push(`calls=${calls.map((call) => encodeURIComponent(call.name)).join(",")}`);
  }
  return `${path}?${query.join("&")}`;
}

/** The calls that it makes. */
export const called = (choice) => choice.calls ?? choice.aggregate.calls;

/** The most calls at a time in this mode. */
export function limit(choice, mode) {
  const most = Math.min(choice.concurrency ?? Infinity, choice.aggregate.concurrency);
  return mode === "sequential" ? 1 : most;
}

/** What differs from the configuration, in words; empty where nothing does. What has equal words is comparable. */
export function options({ concurrency, timeout, calls }) {
  const words = [];
  if (concurrency !== null) {
    words.push(`concurrency ${concurrency}`);
  }
  if (timeout !== null) {
    words.push(`timeout ${timeout}`);
  }
  if (calls !== null) {
    const names = calls.map((call) => call.name).join(", ");
    words.push(names.length > LONGEST ? `${calls.length} calls (${digest(names)})` : names);
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
