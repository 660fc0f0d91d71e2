// The last values of a repeated measurement, and the line that they draw.

export class Series {
  #values = [];
  #most;

  constructor(most) {
    this.#most = most;
  }

  push(value) {
    this.#values.push(value);
    if (this.#values.length > this.#most) {
      this.#values.shift();
    }
  }

  get values() {
    return this.#values;
  }
}

/**
 * Returns events a second between two readings of counters, each `{ at, value }` with `at` in milliseconds; null before
 * the second reading. A counter that has gone back began again with a new process.
 */
export function rate(before, now) {
  if (before === null || now.at <= before.at) {
    return null;
  }
  const more = now.value >= before.value ? now.value - before.value : now.value;
  return (more * 1000) / (now.at - before.at);
}

/**
 * Returns the line and the area under it as SVG paths in a box of `width` by `height`. The newest value is at the right
 * edge, the largest at the top, and `most` values fill the width.
 */
export function paths(values, most, width, height) {
  if (values.length === 0) {
    return { line: "", area: "" };
  }
  const top = Math.max(...values, 1e-9);
  const distance = width / (most - 1);
  const x = (index) => width - (values.length - 1 - index) * distance;
  const y = (value) => height - 1 - (value / top) * (height - 2);
  const points = values.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`);
  const line = `M${points.join("L")}`;
  const area = `${line}L${width.toFixed(1)},${height}L${x(0).toFixed(1)},${height}Z`;
  return { line, area };
}
