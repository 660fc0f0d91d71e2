// Header fields that a browser sets itself and lets no page set (the Fetch standard's forbidden request-headers), and
// fields that this page itself needs.

const NAMES = new Set([
  "accept-charset",
  "accept-encoding",
  "access-control-request-headers",
  "access-control-request-method",
  "access-control-request-private-network",
  "connection",
  "content-length",
  "cookie",
  "cookie2",
  "date",
  "dnt",
  "expect",
  "host",
  "keep-alive",
  "origin",
  "referer",
  "set-cookie",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  // The standard lets the page set it, but Chromium does not.
  "user-agent",
  "via",
]);

/** Returns the reason why this page can't set the field; null if it can. */
export function whyNot(name) {
  const lower = name.toLowerCase();
  if (lower === "accept") {
    return "This page sets it, to ask for a stream.";
  }
  if (NAMES.has(lower) || lower.startsWith("proxy-") || lower.startsWith("sec-")) {
    return "A browser doesn't let a page set it: it is in the curl command only.";
  }
  return null;
}
