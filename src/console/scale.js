// Times on an axis: its length, its marks, and the written form of times and counts. All in milliseconds.

const STEPS = [1, 1.5, 2, 3, 5, 7.5, 10];

/** Returns the next round time that is not less. The axis grows in steps, so that bars are seen to grow. */
export function ceiling(time) {
  if (!(time > 0)) {
    return 1;
  }
  const power = 10 ** Math.floor(Math.log10(time));
  const step = STEPS.find((step) => step * power >= time * (1 - 1e-9));
  return step * power;
}

/**
 * Returns the distance between marks on an axis of this length. After zero there are then at least one mark and at most
 * `most` (2 or more).
 */
export function step(length, most) {
  if (!(length > 0)) {
    return 1;
  }
  const power = 10 ** Math.floor(Math.log10(length / most));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => length / step <= most + 1e-9);
}

/** Returns the marks, including zero. */
export function marks(length, most) {
  const distance = step(length, most);
  const count = Math.floor(length / distance + 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => index * distance);
}

/** Writes a measured time: `0.04 ms`, `3.2 ms`, `301 ms`, `2.00 s`, `125 s`. */
export function time(ms) {
  if (!Number.isFinite(ms)) {
    return "–";
  }
  if (ms < 0.995) {
    return `${ms.toFixed(2)} ms`;
  }
  if (ms < 9.95) {
    return `${ms.toFixed(1)} ms`;
  }
  if (ms < 999.5) {
    return `${ms.toFixed(0)} ms`;
  }
  return ms < 99_950 ? `${(ms / 1000).toFixed(2)} s` : `${(ms / 1000).toFixed(0)} s`;
}

/** Writes a time on the axis, or a configured one, without more digits than it needs. */
export function round(ms) {
  const plain = (number) => String(Number(number.toPrecision(6)));
  return ms >= 1000 ? `${plain(ms / 1000)} s` : `${plain(ms)} ms`;
}

/** Says in words how many times as fast the second is; null if that is not a number. */
export function ratio(slow, fast) {
  const times = slow / fast;
  return Number.isFinite(times) && times > 0 ? times.toFixed(2) : null;
}

/** Writes a count of things: `1 call`, `3 calls`. */
export const count = (number, thing) => `${number} ${thing}${number === 1 ? "" : "s"}`;
