// The shell commands that do the same as the page.

/** Returns `text` as one word of a POSIX shell, whatever is in it. */
export function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * Returns both ways to ask for the answer at `url` with `{ method, headers, body }`. `comparison` is the URL that runs
 * both modes, if there is one.
 */
export function commands(url, comparison = null, { method = "GET", headers: fields = [], body = null } = {}) {
  const headers = [
    method === "GET" ? "" : `-X ${method} `,
    ...fields.map(([name, value]) => `-H ${quoted(`${name}: ${value}`)} `),
    body === null ? "" : `--data-raw ${quoted(body)} `,
  ].join("");
  const both = comparison
    ? `\n\n# both modes in one request\ncurl ${headers}${quoted(comparison)}`
    : "";
  return (
    `# the answer in one piece, with its headers\ncurl -i ${headers}${quoted(url)}\n\n` +
    `# each result the moment it is there, as this page asks for it\n` +
    `curl -N -H 'Accept: application/x-ndjson' ${headers}${quoted(url)}` +
    both
  );
}
