// Splits newline-delimited JSON from pieces of text that end anywhere, even in the middle of a line.

export class Lines {
  /** The line that has begun, in its pieces. They are joined once it is whole, as a long line comes in many. */
  #begun = [];

  /** Returns the whole lines that this piece ends, without empty ones. */
  push(piece) {
    const parts = piece.split("\n");
    const begun = parts.pop();
    if (parts.length > 0) {
      parts[0] = this.rest + parts[0];
      this.#begun = [];
    }
    this.#begun.push(begun);
    return parts.filter((line) => line.trim() !== "");
  }

  /** Returns the text after the last newline: empty, unless the text was cut. */
  get rest() {
    return this.#begun.join("");
  }
}
