// JSON text laid out for reading without being parsed into values: an upstream's 12345678901234567890 or 1.50 stays what it
// is, where JSON.parse would make another number of it.

const INDENT = "  ";

/** Valid JSON `text` with one member a line. Anything else comes out with other whitespace, and is not judged. */
export function pretty(text) {
  let out = "";
  let depth = 0;
  const line = () => "\n" + INDENT.repeat(depth);
  // Strings whole, single marks, and everything else between them.
  const tokens = text.match(/"(?:[^"\\]|\\.)*"?|[{}[\],:]|[^\s"{}[\],:]+/gs) ?? [];
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token === "{" || token === "[") {
      const close = token === "{" ? "}" : "]";
      if (tokens[at + 1] === close) {
        out += token + close;
        at += 1;
      } else {
        depth += 1;
        out += token + line();
      }
    } else if (token === "}" || token === "]") {
      depth = Math.max(0, depth - 1);
      out += line() + token;
    } else if (token === ",") {
      out += token + line();
    } else if (token === ":") {
      out += ": ";
    } else {
      out += token;
    }
  }
  return out;
}

/** The answer that a request without a stream gets, from a stream's lines: its last one with the results put into it. */
export function joined(results, outcome) {
  if (outcome === null) {
    return results.join("\n");
  }
  const members = outcome.trim().replace(/\}$/, "");
  return `${members},"results":[${results.join(",")}]}`;
}
