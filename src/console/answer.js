// The gateway's answer to one run at a time: the stream's JSON and headers, the answer that is not a stream, and the
// command that asks for the same.

import { commands } from "./curl.js";
import { byId, make, table, write } from "./dom.js";
import { joined, members, pretty } from "./json.js";

/** The longest text that is laid out and shown, as more makes a page slow. */
const SHOWN = 200_000;

const TITLES = { sequential: "Sequential", concurrent: "Concurrent" };

/** The note above each part. */
const NOTES = {
  json: "Put together from the stream that this page asks for, to draw each call as it ends.",
  refused: "The answer that came instead of a stream.",
  headers: "The headers of the stream. An answer in one piece has others: see the next part.",
  plain: "",
  curl: "",
};

export class Answer {
  /**
   * Keeps by mode `{ run, url, comparison, sent, wished, status, headers, text, plain }`. `sent` is what was sent,
   * `wished` the same with all header fields that were entered.
   */
  #kept = new Map();
  /** The mode that the reader has chosen, while it is there. */
  #picked = null;
  /**
   * Runs the aggregate again for its answer in one piece. Resolves to the value of `whole`, or to null if it may not
   * now.
   */
  #ask;

  constructor(ask) {
    this.#ask = ask;
    byId("answer").addEventListener("change", (event) => {
      if (event.target.name === "of") {
        this.#picked = event.target.value;
      }
      this.#show();
    });
    byId("copy").addEventListener("click", () => this.#copy());
  }

  /** Shows these answers: those that have come are drawn, the others later. */
  show(answers) {
    this.#kept = answers;
    byId("answer").hidden = answers.size === 0;
    const legend = byId("answer-run").querySelector("legend");
    const modes = [...answers.keys()];
    const chosen = modes.includes(this.#picked) ? this.#picked : modes.at(-1);
    const radios = modes.map((mode) =>
      make(
        "label",
        {},
        make("input", { type: "radio", name: "of", value: mode, checked: mode === chosen }),
        make("span", {}, TITLES[mode]),
      ),
    );
    byId("answer-run").replaceChildren(legend, ...radios);
    byId("answer-run").hidden = modes.length < 2;
    this.#show();
  }

  get #mode() {
    return document.querySelector("input[name=of]:checked")?.value ?? null;
  }

  #show() {
    const kept = this.#kept.get(this.#mode);
    if (kept === undefined) {
      return;
    }
    const part = document.querySelector("input[name=part]:checked").value;
    write(byId("answer-note"), part === "json" && kept.text !== null ? NOTES.refused : NOTES[part]);
    byId("answer-note").hidden = byId("answer-note").textContent === "";
    let shown;
    try {
      shown = this.#part(kept, part);
    } catch (error) {
      // A text that is longer than the browser allows, for example.
      shown = [make("p", { class: "muted" }, `This can't be shown here (${error.message}): ask with curl.`)];
    }
    byId("answer-body").replaceChildren(...shown);
    byId("copy").hidden = byId("answer-body").querySelector("pre") === null;
  }

  #part(kept, part) {
    switch (part) {
      case "headers":
        return [headers(kept, "The answer's headers")];
      case "plain":
        return this.#plain(kept);
      case "curl":
        return [block(commands(kept.url, kept.comparison, kept.wished), "The same as commands")];
      default:
        return kept.text === null ? ofStream(kept.run) : json(kept.text, "The answer's JSON");
    }
  }

  /** Makes the answer in one piece, or the button that asks for it. */
  #plain(kept) {
    if (kept.plain !== null && kept.plain.error === undefined) {
      const { status, text } = kept.plain;
      return [
        headers(kept.plain, "The plain answer's headers"),
        ...(text === "" ? [] : json(text, `The plain answer, with status ${status}`)),
      ];
    }
    const button = make("button", { type: "button", id: "ask-plain", class: "plain" }, "Run it once more");
    button.addEventListener("click", () => this.#again(kept, button));
    const sentence =
      "Without a stream, the answer comes in one piece once it is complete, with headers such as Server-Timing. " +
      "To see it, the aggregate has to run once more, with all its calls.";
    const failed = kept.plain === null ? null : make("p", { class: "mistake", role: "alert" }, kept.plain.error);
    return [make("p", { class: "hint" }, sentence), make("p", {}, button), failed].filter((part) => part !== null);
  }

  async #again(kept, button) {
    if (button.getAttribute("aria-disabled") === "true") {
      return;
    }
    button.setAttribute("aria-disabled", "true");
    write(button, "Running…");
    kept.plain = (await this.#ask(kept)) ?? kept.plain;
    const isShown = button.isConnected;
    const hadFocus = document.activeElement === button || document.activeElement === document.body;
    this.#show();
    if (isShown && hadFocus) {
      (byId("ask-plain") ?? byId("answer-body").querySelector("[tabindex]"))?.focus({ preventScroll: true });
    }
  }

  async #copy() {
    const text = byId("answer-body").querySelector("pre").textContent;
    const button = byId("copy");
    const copied = await copy(text);
    write(button, copied ? "Copied" : "Press Ctrl-C");
    button.addEventListener("blur", () => write(button, "Copy"), { once: true });
  }
}

/** Shows the JSON that a run's lines make, below the answer itself if that has a shape of its own. */
function ofStream(run) {
  const value = run.outcomeLine === null ? undefined : members(run.outcomeLine).get("value");
  if (value === undefined) {
    return json(streamed(run), "The answer's JSON");
  }
  const note = make("p", { class: "hint" }, "The answer is the last line's value. This is the whole stream:");
  return [...json(value, "The answer's JSON"), note, ...json(streamed(run), "The stream's JSON")];
}

/** Returns the JSON that a run's lines make. */
function streamed(run) {
  const lines = run.calls.filter((call) => call.line !== null).map((call) => call.line);
  return joined(lines, run.outcomeLine);
}

/** Returns JSON laid out if that is possible, otherwise as it came. */
function json(text, what) {
  const isLong = text.length > SHOWN;
  const begun = isLong ? text.slice(0, SHOWN) : text;
  const laidOut = pretty(begun);
  const rest = isLong ? `\n\n… and ${text.length - SHOWN} characters more: ask with curl` : "";
  const note = "As it came: it is nested too deeply, or would get too long, to be laid out.";
  return [
    ...(laidOut === null ? [make("p", { class: "hint", id: "as-it-came" }, note)] : []),
    block((laidOut ?? begun) + rest, what),
  ];
}

function block(text, what) {
  return make("pre", { tabindex: "0", "aria-label": what, role: "region" }, text === "" ? "Nothing came." : text);
}

function headers({ status, headers }, caption) {
  if (status === null) {
    return make("p", { class: "muted" }, "No answer came.");
  }
  const rows = headers.map(([name, value]) => [name, value]);
  const shown = table(caption, ["Header", "Value"], [["status", String(status)], ...rows]);
  return make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption }, shown);
}

/** Copies it if that is allowed. Otherwise selects it for the keyboard. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Only a secure context has a clipboard.
    const range = document.createRange();
    range.selectNodeContents(byId("answer-body").querySelector("pre"));
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    return false;
  }
}
