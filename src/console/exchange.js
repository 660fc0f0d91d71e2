// One request to the gateway, read as a stream: each line is passed on as soon as it is here. It must not know what
// lines mean.

import { read as readJson } from "./json.js";
import { Lines } from "./lines.js";

/** The longest part of an unexpected answer that is shown. */
const SHOWN = 400;

/**
 * Asks `url` with `sent`: `{ method, headers, body }`, its headers a list of names and values. `head` gets the response,
 * then `line` gets each line and returns true for the last one.
 * Resolves to `{ end: null }` after the last line, otherwise to one of the ends of a run, with `problem` if one is
 * known.
 */
export async function exchange(url, sent, signal, head, line) {
  try {
    const response = await fetch(url, request(sent, "application/x-ndjson", signal));
    head(response);
    const type = response.headers.get("content-type") ?? "";
    if (!response.ok || !type.startsWith("application/x-ndjson")) {
      return { end: "refused", problem: await refusal(response, type) };
    }
    return await read(response.body, signal, line);
  } catch (error) {
    if (signal.aborted) {
      return { end: "stopped", problem: null };
    }
    return {
      end: "unreachable",
      problem: { title: "No answer", detail: `The gateway could not be reached (${error.message}).` },
    };
  }
}

/** Returns what `fetch` takes, for an answer of this type. */
function request({ method, headers, body }, type, signal) {
  return { method, headers: [...headers, ["accept", type]], body: body ?? undefined, cache: "no-store", signal };
}

async function read(body, signal, line) {
  const lines = new Lines();
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  const cut = (detail) => ({ end: "cut", problem: { title: "The answer was cut short", detail } });
  let last = false;
  for (;;) {
    let piece;
    try {
      piece = await reader.read();
    } catch (error) {
      if (signal.aborted) {
        throw error;
      }
      return last ? { end: null } : cut("The connection ended before the last line.");
    }
    if (piece.done) {
      return last ? { end: null } : cut("The stream ended before its last line.");
    }
    for (const whole of lines.push(piece.value)) {
      try {
        last = line(whole) || last;
      } catch {
        await reader.cancel();
        return cut("A line is not valid JSON.");
      }
    }
  }
}

/**
 * Asks `url` for its answer in one piece. Resolves to `{ status, headers, text }`, or to `{ error }` with a sentence.
 */
export async function whole(url, sent, signal) {
  try {
    const response = await fetch(url, request(sent, "application/json", signal));
    return { status: response.status, headers: [...response.headers], text: await response.text() };
  } catch (error) {
    return { error: signal.aborted ? "Stopped." : `The gateway could not be reached (${error.message}).` };
  }
}

/** Returns the description in a refusal: a problem (RFC 9457), or the answer of a proxy on the way. */
async function refusal(response, type) {
  const text = await response.text();
  const status = response.status;
  if (type.startsWith("application/problem+json")) {
    try {
      return { ...readJson(text), status, text };
    } catch {
      // It is shown as it is.
    }
  }
  return {
    title: response.ok ? "This is no stream" : response.statusText || "Refused",
    detail: text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text,
    status,
    text,
  };
}
