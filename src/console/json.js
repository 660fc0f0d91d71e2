// Reads and lays out JSON text without making values of what upstreams wrote. 12345678901234567890 and 1.50 stay as
// they are, while JSON.parse would make other numbers of them. Any depth, length or lone surrogate is allowed. Nothing
// here calls itself, so nothing overflows.

const INDENT = "  ";

/** The deepest nesting that is laid out. Indentation beyond it would be longer than the text. */
const DEEPEST = 100;

/** The longest text that comes out, for the same reason. */
const LONGEST = 1_000_000;

/** Returns the index after the string that begins at `at`; the end of the text if the string doesn't end. */
function behindString(text, at) {
  let end = text.indexOf('"', at + 1);
  while (end !== -1) {
    let back = end - 1;
    while (back > at && text[back] === "\\") {
      back -= 1;
    }
    if ((end - back) % 2 === 1) {
      return end + 1;
    }
    end = text.indexOf('"', end + 1);
  }
  return text.length;
}

const MARKS = new Set("{}[],:");
const SPACE = /\s/;

/** Yields whole strings, single marks, and everything else between them. */
function* tokens(text) {
  let at = 0;
  while (at < text.length) {
    const start = at;
    if (text[at] === '"') {
      at = behindString(text, at);
      yield text.slice(start, at);
    } else if (MARKS.has(text[at])) {
      at += 1;
      yield text[start];
    } else if (SPACE.test(text[at])) {
      at += 1;
    } else {
      while (at < text.length && text[at] !== '"' && !MARKS.has(text[at]) && !SPACE.test(text[at])) {
        at += 1;
      }
      yield text.slice(start, at);
    }
  }
}

/**
 * Returns valid JSON `text` with one member a line; null if it is nested too deeply or gets too long. Other text comes
 * out with other whitespace, and is not judged.
 */
export function pretty(text) {
  const parts = [];
  let length = 0;
  let depth = 0;
  const put = (part) => {
    parts.push(part);
    length += part.length;
  };
  const line = () => put("\n" + INDENT.repeat(depth));
  // The opening mark, until it is known if anything is between it and the closing one.
  let opened = null;
  for (const token of tokens(text)) {
    if (opened !== null) {
      put(opened);
      if (token === (opened === "{" ? "}" : "]")) {
        put(token);
        opened = null;
        continue;
      }
      depth += 1;
      line();
      opened = null;
    }
    if (token === "{" || token === "[") {
      opened = token;
    } else if (token === "}" || token === "]") {
      depth = Math.max(0, depth - 1);
      line();
      put(token);
    } else if (token === ",") {
      put(token);
      line();
    } else {
      put(token === ":" ? ": " : token);
    }
    if (depth > DEEPEST || length > LONGEST) {
      return null;
    }
  }
  if (opened !== null) {
    depth += 1;
    put(opened);
    line();
  }
  return parts.join("");
}

/**
 * Returns the members of the JSON object `text` by name, each value as it was written and not judged. Of two with one
 * name, it takes the last. Throws a SyntaxError if it is not an object, or is cut.
 */
export function members(text) {
  const found = new Map();
  const wrong = () => new SyntaxError("this is no whole JSON object");
  let at = 0;
  const skip = () => {
    while (at < text.length && SPACE.test(text[at])) {
      at += 1;
    }
  };
  const take = (mark) => {
    if (text[at] !== mark) {
      throw wrong();
    }
    at += 1;
    skip();
  };
  skip();
  take("{");
  while (text[at] !== "}") {
    if (found.size > 0) {
      take(",");
    }
    const name = at;
    at = text[at] === '"' ? behindString(text, at) : at;
    const key = JSON.parse(text.slice(name, at));
    skip();
    take(":");
    const value = at;
    at = behindValue(text, at);
    if (at === value) {
      throw wrong();
    }
    found.set(key, text.slice(value, at).trimEnd());
  }
  at += 1;
  skip();
  if (at !== text.length) {
    throw wrong();
  }
  return found;
}

/**
 * Returns the index of the comma or the bracket that ends the value which begins at `at`; the end of the text if the
 * value doesn't end.
 */
function behindValue(text, at) {
  let depth = 0;
  let place = at;
  while (place < text.length) {
    const letter = text[place];
    if (letter === '"') {
      place = behindString(text, place);
      continue;
    }
    if (letter === "{" || letter === "[") {
      depth += 1;
    } else if (depth === 0 && (letter === "," || letter === "}" || letter === "]")) {
      return place;
    } else if (letter === "}" || letter === "]") {
      depth -= 1;
    }
    place += 1;
  }
  return place;
}

/** The members with data of upstreams. They are kept as text, and no values are made of them. */
const THEIRS = new Set(["body", "results", "value"]);

/** Reads the gateway's own members of an object, without those with data of upstreams. */
export function read(text) {
  const own = [...members(text)].filter(([name]) => !THEIRS.has(name));
  return Object.fromEntries(own.map(([name, value]) => [name, JSON.parse(value)]));
}

/** Returns the JSON that a stream's lines make: its last line with the results put into it. */
export function joined(results, outcome) {
  if (outcome === null) {
    return results.join("\n");
  }
  const begun = outcome.trim().replace(/\}$/, "");
  return `${begun},"results":[${results.join(",")}]}`;
}
