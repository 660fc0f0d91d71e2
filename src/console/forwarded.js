// The input fields for values that an aggregate passes on to its upstreams: query parameters and headers, by the names
// that it declares.

import { byId, make, write } from "./dom.js";
import { whyNot } from "./forbidden.js";
import { count } from "./scale.js";

/** A caller's trace context, which goes on everywhere, and is rarely written by hand. */
const TRACE = new Set(["traceparent", "tracestate"]);

/** The values that a header may have, in a browser and in a shell alike. */
const VALUE = /^[\t\x20-\x7e]*$/;

export class Forwarded {
  /** The fields, each `{ kind, name, input }`, with a `kind` of `query` or `header`. */
  #fields = [];

  /** Shows the fields of this aggregate. A value stays if the next aggregate has the same field. */
  show({ forward_query: query, forward_headers: headers }) {
    const before = new Map(this.#fields.map(({ input }) => [input.id, input.value]));
    const ordered = [...headers].sort((a, b) => TRACE.has(a) - TRACE.has(b));
    const listed = [
      ...query.map((name) => ({ kind: "query", name })),
      ...ordered.map((name) => ({ kind: "header", name })),
    ];
    this.#fields = listed.map(({ kind, name }) => field(kind, name));
    for (const { input } of this.#fields) {
      input.value = before.get(input.id) ?? "";
    }
    byId("forwarded").hidden = listed.length === 0;
    byId("forwarded").open = listed.some(({ kind, name }) => kind === "query" || !TRACE.has(name));
    write(byId("forwarded-title"), `To upstreams: ${said(query.length, headers.length)}`);
    byId("forwarded-fields").replaceChildren(...this.#fields.map(({ group }) => group));
  }

  /** Returns what was entered: `{ parameters, headers }`, lists of names and values; or `{ wrong, input }`. */
  read() {
    const entered = this.#fields.filter(({ input }) => input.value !== "");
    const wrong = entered.find(({ kind, input }) => kind === "header" && !VALUE.test(input.value));
    if (wrong !== undefined) {
      byId("forwarded").open = true;
      return { wrong: `${wrong.name}: a header's value is plain ASCII.`, input: wrong.input };
    }
    const of = (kind) => entered.filter((it) => it.kind === kind).map(({ name, input }) => [name, input.value]);
    return { parameters: of("query"), headers: of("header") };
  }
}

function said(parameters, headers) {
  const parts = [parameters > 0 ? count(parameters, "parameter") : "", headers > 0 ? count(headers, "header") : ""];
  return parts.filter((part) => part !== "").join(", ");
}

function field(kind, name) {
  const id = `${kind} ${name}`.replaceAll(/[^\w-]/g, (letter) => `.${letter.codePointAt(0).toString(16)}.`);
  const why = kind === "header" ? whyNot(name) : null;
  const hint = why === null ? null : make("p", { class: "hint", id: `${id}-why` }, why);
  const input = make("input", {
    id,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    "aria-describedby": why === null ? null : `${id}-why`,
    disabled: name === "accept" && kind === "header",
  });
  const label = make("label", { for: id }, make("span", { class: "mono" }, name), make("small", {}, ` ${kind}`));
  return { kind, name, input, group: make("div", { class: "field" }, label, input, hint) };
}
