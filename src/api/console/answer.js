// What the gateway answered, for one run at a time: the JSON, the headers, and the command that asks for the same.

import { commands } from "./curl.js";
import { byId, make, table, write } from "./dom.js";
import { joined, pretty } from "./json.js";

/** The longest text that is laid out and shown: a page is slow with more. */
const SHOWN = 200_000;

const TITLES = { sequential: "Sequential", concurrent: "Concurrent" };

export class Answer {
  /** By mode: `{ run, url, comparison, status, headers, text }`. */
  #kept = new Map();
  /** The mode that the reader has chosen, while it is there. */
  #picked = null;

  constructor() {
    byId("answer").addEventListener("change", (event) => {
      if (event.target.name === "of") {
        this.#picked = event.target.value;
      }
      this.#show();
    });
    byId("copy").addEventListener("click", () => this.#copy());
  }

  /** Has these answers to show: those that are there are drawn, the others come. */
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
    byId("copy").hidden = part === "headers";
    byId("answer-body").replaceChildren(part === "headers" ? headers(kept) : block(this.#text(kept, part), part));
  }

  #text(kept, part) {
    return part === "curl" ? commands(kept.url, kept.comparison) : body(kept);
  }

  async #copy() {
    const text = byId("answer-body").querySelector("pre").textContent;
    const button = byId("copy");
    const copied = await copy(text);
    write(button, copied ? "Copied" : "Press Ctrl-C");
    button.addEventListener("blur", () => write(button, "Copy"), { once: true });
  }
}

/** The answer's JSON, laid out. */
function body({ run, text }) {
  if (text !== null) {
    return cut(text);
  }
  const lines = run.calls.filter((call) => call.line !== null).map((call) => call.line);
  return cut(joined(lines, run.outcomeLine));
}

function cut(text) {
  if (text.length <= SHOWN) {
    return pretty(text);
  }
  return `${pretty(text.slice(0, SHOWN))}\n\n… and ${text.length - SHOWN} characters more: ask with curl`;
}

function block(text, part) {
  const what = part === "curl" ? "The same as commands" : "The answer's JSON";
  return make("pre", { tabindex: "0", "aria-label": what, role: "region" }, text === "" ? "Nothing came." : text);
}

function headers({ status, headers }) {
  if (status === null) {
    return make("p", { class: "muted" }, "No answer came.");
  }
  const rows = headers.map(([name, value]) => [name, value]);
  const shown = table("The answer's headers", ["Header", "Value"], [["status", String(status)], ...rows]);
  return make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "The answer's headers" }, shown);
}

/** Copies it where that is allowed; else marks it, so that the keyboard does. */
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
