// The input fields for the parts of a request that an aggregate takes: parameters of its path and of the query, headers
// and a body, by the names that it declares.

import { byId, make, write } from "./dom.js";
import { whyNot } from "./forbidden.js";
import { count } from "./scale.js";

/** A caller's trace context, which goes on everywhere, and is rarely written by hand. */
const TRACE = new Set(["traceparent", "tracestate"]);

/** The values that a header may have, in a browser and in a shell alike. */
const VALUE = /^[\t\x20-\x7e]*$/;

export class Forwarded {
  /** The fields, each `{ kind, name, input }`, with a `kind` of `path`, `query`, `header` or `body`. */
  #fields = [];

  /** Shows the fields of this aggregate. A value stays if the next aggregate has the same field. */
  show({ forward_query: query, forward_headers: headers, path_parameters: path = [], takes_body: takesBody = false }) {
    const before = new Map(this.#fields.map(({ input }) => [input.id, input.value]));
    const ordered = [...headers].sort((a, b) => TRACE.has(a) - TRACE.has(b));
    const listed = [
      ...path.map((name) => ({ kind: "path", name })),
      ...query.map((name) => ({ kind: "query", name })),
      ...ordered.map((name) => ({ kind: "header", name })),
      ...(takesBody ? [{ kind: "body", name: "JSON" }] : []),
    ];
    this.#fields = listed.map(({ kind, name }) => field(kind, name));
    for (const { input } of this.#fields) {
      input.value = before.get(input.id) ?? "";
    }
    byId("forwarded").hidden = listed.length === 0;
    byId("forwarded").open = listed.some(({ kind, name }) => kind !== "header" || !TRACE.has(name));
    write(byId("forwarded-title"), `To upstreams: ${said(path.length, query.length, headers.length, takesBody)}`);
    byId("forwarded-fields").replaceChildren(...this.#fields.map(({ group }) => group));
  }

  /**
   * Returns what was entered: `{ path, parameters, headers, body }`, lists of names and values and the body's text; or
   * `{ wrong, input }`.
   */
  read() {
    const unset = this.#fields.find(({ kind, input }) => kind === "path" && /^\.{0,2}$/.test(input.value));
    if (unset !== undefined) {
      byId("forwarded").open = true;
      return { wrong: `${unset.name}: the path needs a value.`, input: unset.input };
    }
    const entered = this.#fields.filter(({ input }) => input.value !== "");
    const wrong = entered.find(({ kind, input }) => kind === "header" && !VALUE.test(input.value));
    if (wrong !== undefined) {
      byId("forwarded").open = true;
      return { wrong: `${wrong.name}: a header's value is plain ASCII.`, input: wrong.input };
    }
    const of = (kind) => entered.filter((it) => it.kind === kind).map(({ name, input }) => [name, input.value]);
    const body = of("body").map(([, text]) => text)[0] ?? null;
    return { path: of("path"), parameters: of("query"), headers: of("header"), body };
  }
}

function said(path, parameters, headers, takesBody) {
  const parts = [
    path > 0 ? count(path, "part") + " of the path" : "",
    parameters > 0 ? count(parameters, "parameter") : "",
    headers > 0 ? count(headers, "header") : "",
    takesBody ? "a body" : "",
  ];
  return parts.filter((part) => part !== "").join(", ");
}

function field(kind, name) {
  const id = `${kind} ${name}`.replaceAll(/[^\w-]/g, (letter) => `.${letter.codePointAt(0).toString(16)}.`);
  const why = kind === "header" ? whyNot(name) : null;
  const hint = why === null ? null : make("p", { class: "hint", id: `${id}-why` }, why);
  const input = make(kind === "body" ? "textarea" : "input", {
    id,
    rows: kind === "body" ? 4 : null,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    "aria-describedby": why === null ? null : `${id}-why`,
    disabled: name === "accept" && kind === "header",
  });
  const label = make("label", { for: id }, make("span", { class: "mono" }, name), make("small", {}, ` ${kind}`));
  return { kind, name, input, group: make("div", { class: "field" }, label, input, hint) };
}
