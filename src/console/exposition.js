// Reads Prometheus' text format: samples by the name of their metric. Lines that can't be read are left out, as one
// must not hide the others.

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/;
const LABEL = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?/y;
const ESCAPES = { n: "\n", "\\": "\\", '"': '"' };

/** Returns a map from a metric's name to its samples, each `{ labels, value }`. */
export function parse(text) {
  const metrics = new Map();
  for (const line of text.split("\n")) {
    const found = line.startsWith("#") ? null : SAMPLE.exec(line.trim());
    if (!found) {
      continue;
    }
    const [, name, labels, number] = found;
    const read = { labels: labelsOf(labels ?? ""), value: numberOf(number) };
    if (read.labels === null || read.value === null) {
      continue;
    }
    if (!metrics.has(name)) {
      metrics.set(name, []);
    }
    metrics.get(name).push(read);
  }
  return metrics;
}

function labelsOf(text) {
  const labels = {};
  LABEL.lastIndex = 0;
  let end = 0;
  for (let found = LABEL.exec(text); found; found = LABEL.exec(text)) {
    const [, name, value] = found;
    labels[name] = value.replace(/\\(.)/g, (whole, letter) => ESCAPES[letter] ?? whole);
    end = LABEL.lastIndex;
  }
  return text.slice(end).trim() === "" ? labels : null;
}

function numberOf(text) {
  const special = { "+Inf": Infinity, "-Inf": -Infinity, NaN }[text];
  const number = special ?? Number(text);
  return special === undefined && Number.isNaN(number) ? null : number;
}

/** Returns the sum of a metric's samples that `take` selects by their labels; zero if there are none. */
export function sum(metrics, name, take = () => true) {
  const samples = metrics.get(name) ?? [];
  return samples
    .filter((sample) => take(sample.labels))
    .reduce((total, sample) => total + sample.value, 0);
}
