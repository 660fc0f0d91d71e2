// Elements made from data. Text only ever becomes text: nothing here, nor anywhere in the console, parses markup.

const SVG = "http://www.w3.org/2000/svg";

/** Returns the element with this id. */
export const byId = (id) => document.getElementById(id);

/**
 * Makes an element: attributes by name (`class`, `aria-label`, …; those that are null or false are left out), children
 * as nodes or texts.
 */
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Makes an element in the SVG namespace. */
export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets a text if it differs, so that an unchanged text is not announced. */
export function write(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/**
 * Makes a table with a caption for screen readers. `rows` are lists of texts or nodes, and the first of each names its
 * row.
 */
export function table(caption, columns, rows) {
  const head = make("tr", {}, ...columns.map((column) => make("th", { scope: "col" }, column)));
  const body = rows.map(([first, ...rest]) =>
    make("tr", {}, make("th", { scope: "row" }, first), ...rest.map((cell) => make("td", {}, cell))),
  );
  return make(
    "table",
    {},
    make("caption", { class: "unseen" }, caption),
    make("thead", {}, head),
    make("tbody", {}, ...body),
  );
}

const announcer = byId("announcer");

/** Announces a text to screen readers. */
export function announce(text) {
  announcer.textContent = text;
}
