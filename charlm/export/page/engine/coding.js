/* The decoder of kernels/coding.py, which explains contexts: bytes → binary decisions → numbers. */

const MEMORY = 60; // earlier decisions that a chance is a mean of, about
const RATES = Float64Array.from({ length: MEMORY + 1 }, (_, seen) => 1 / (seen + 1.5));

class Decoder {
  /** bytes: Uint8Array. contexts: how many there are. */
  constructor(bytes, contexts) {
    Object.assign(this, { bytes, at: 4, seen: new Uint8Array(contexts), chances: new Float64Array(contexts).fill(0.5) });
    this.interval = Uint32Array.of(0, 0xffffffff, new DataView(bytes.buffer).getUint32(0)); // low, high, the code in it
  }

  /** The next decision, 0 or 1. */
  bit(context) {
    const { interval, chances, seen } = this,
      chance = chances[context];
    let low = interval[0],
      high = interval[1];
    const middle = low + Math.floor((high - low) * chance),
      bit = interval[2] <= middle ? 1 : 0;
    if (bit) high = middle;
    else low = middle + 1;
    while ((low ^ high) >>> 24 === 0) {
      low = (low << 8) >>> 0;
      high = ((high << 8) | 255) >>> 0;
      interval[2] = (interval[2] << 8) | (this.at < this.bytes.length ? this.bytes[this.at++] : 0);
    }
    interval[0] = low;
    interval[1] = high;
    chances[context] = chance + (bit - chance) * RATES[seen[context]];
    if (seen[context] < MEMORY) seen[context]++;
    return bit;
  }

  /** A number of so many bits. */
  symbol(context, bits) {
    let node = 1;
    for (let place = 0; place < bits; place++) node = 2 * node + this.bit(context + node);
    return node - (1 << bits);
  }
}
