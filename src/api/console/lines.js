// Newline-delimited JSON from pieces of text that end anywhere: in the middle of a line, or of none.

export class Lines {
  #rest = "";

  /** The whole lines that this piece ends, without empty ones. */
  push(piece) {
    const lines = (this.#rest + piece).split("\n");
    this.#rest = lines.pop();
    return lines.filter((line) => line.trim() !== "");
  }

  /** What came after the last newline: empty, unless the text was cut. */
  get rest() {
    return this.#rest;
  }
}
