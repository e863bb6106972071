/* The decoder of kernels/coding.py, which explains contexts: bytes → binary decisions → numbers. */

const MEMORY = 60; // earlier decisions that a chance is a mean of, about
const CERTAIN = 1 - 1 / 8192; // the highest chance
const INTERVAL = 0xffffff; // of 24 bits, so that all numbers stay small integers
const RATES = Float64Array.from({ length: MEMORY + 1 }, (_, seen) => 1 / (seen + 1.5));

class Decoder {
  /** bytes: Uint8Array. contexts: how many there are. */
  constructor(bytes, contexts) {
    Object.assign(this, { bytes, at: 0, code: 0, low: 0, high: 0 });
    this.chances = new Float64Array(contexts).fill(0.5);
    this.seen = new Uint8Array(contexts);
    for (let i = 0; i < 3; i++) this._shift();
  }

  /** The next decision, 0 or 1. */
  bit(context) {
    const { chances, seen } = this,
      chance = chances[context],
      middle = this.low + (((this.high - this.low) * chance) | 0),
      bit = this.code <= middle ? 1 : 0;
    if (bit) this.high = middle;
    else this.low = middle + 1;
    while ((this.low ^ this.high) >> 16 === 0) this._shift();
    chances[context] = chance + ((bit ? CERTAIN : 1 - CERTAIN) - chance) * RATES[seen[context]];
    if (seen[context] < MEMORY) seen[context]++;
    return bit;
  }

  /** Read a byte more. */
  _shift() {
    this.low = (this.low << 8) & INTERVAL;
    this.high = ((this.high << 8) & INTERVAL) | 255;
    this.code = ((this.code << 8) & INTERVAL) | (this.at < this.bytes.length ? this.bytes[this.at] : 0);
    this.at++;
  }

  /** A number from 0 on: first how many bits number + 1 has after its first 1, longest at most, then these. */
  number(context, longest) {
    let length = 0,
      read = 1;
    while (length < longest && this.bit(context + (1 << length))) length++;
    for (let place = 0; place < length; place++) read = 2 * read + this.bit(context + (1 << length) + read);
    return read - 1;
  }
}
