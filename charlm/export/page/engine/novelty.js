/* The record of the training text, which tells copies: text/novelty.py and text/bloom.py. */

const BASE = 0x9e6d62d06f6a9a9bn;
const BASE_INVERSE = inverse(BASE);
const MULTIPLIER = 0xd1342543de82ef95n;
const BARRIER = -1; // stands between two texts

/** 1/x modulo 2^64, of an odd x: each step doubles the number of right bits. */
function inverse(x) {
  let y = x;
  for (let i = 0; i < 6; i++) y = (y * (2n - x * y)) & MASK;
  return y & MASK;
}

function mixedPoint(point) {
  const x = (BigInt(point + 1) * 0xc2b2ae3d27d4eb4fn) & MASK;
  return x ^ (x >> 31n);
}

function avalanche(x) {
  x ^= x >> 32n;
  x = (x * 0xd6e8feb86659fd93n) & MASK;
  x ^= x >> 29n;
  x = (x * 0xa24baed4963ee407n) & MASK;
  return x ^ (x >> 32n);
}

function isWhite(point, inBytes) {
  if (point < 128) return (point >= 9 && point <= 13) || (point >= 28 && point <= 32);
  if (inBytes) return false;
  return /[\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/u.test(String.fromCodePoint(point));
}

/** A Bloom filter. bits: Uint8Array; hashes: how many bits each member sets; fold: how many bits of a filter of `size`
 * bits have become one. */
class Bloom {
  constructor(bits, hashes, size = 8 * bits.length, fold = 1) {
    Object.assign(this, { bits, hashes, fold, size: BigInt(size) });
  }

  contains(hash) {
    for (let i = 0; i < this.hashes && this.size; i++) {
      hash = (hash * MULTIPLIER) & MASK;
      const number = Math.floor(Number(((hash >> 32n) * this.size) >> 32n) / this.fold);
      if (!(this.bits[number >> 3] & (1 << (number & 7)))) return false;
    }
    return this.size > 0n;
  }
}

/** Finds the copied runs of one text that arrives in parts. record: {runs, run, window, squeezed, inBytes}. */
class RunFinder {
  constructor(record) {
    Object.assign(this, record);
    this.shortest = this.run + this.window - 1;
    this.last = BigInt.asUintN(64, BASE ** BigInt(this.run - 1)); // the power of the newest character of a run
    this.before = [BARRIER, BARRIER]; // the last two characters, counted or not
    this.said = []; // the mixed characters of the last run
    this.positions = []; // of the characters in the last span of `shortest` ones
    this.hash = 0n;
    this.hashes = []; // of the last `window` runs
    this.copied = 0; // characters of the copied run that the text ends with
  }

  /** Read a character that stands at a position. Returns whether it counts. */
  read(point, position) {
    const [first, second] = this.before;
    this.before = [second, point];
    if (this.squeezed) {
      const white = (c) => c !== BARRIER && isWhite(c, this.inBytes);
      if ((point === second && second === first) || (white(point) && white(second) && white(first))) return false;
    }
    const mixed = mixedPoint(point);
    if (this.said.length < this.run) {
      this.hash += mixed * BigInt.asUintN(64, BASE ** BigInt(this.said.length));
    } else {
      this.hash = (this.hash - this.said.shift()) * BASE_INVERSE + mixed * this.last;
    }
    this.hash &= MASK;
    this.said.push(mixed);
    this.positions.push(position);
    if (this.positions.length > this.shortest) this.positions.shift();
    this._look();
    return true;
  }

  _look() {
    if (this.said.length < this.run) return;
    this.hashes.push(avalanche(this.hash));
    if (this.hashes.length > this.window) this.hashes.shift();
    if (this.hashes.length < this.window) return;
    const lowest = this.hashes.reduce((a, b) => (b < a ? b : a));
    if (!this.runs.contains(lowest)) this.copied = 0;
    else if (this.copied) this.copied++;
    else {
      this.copied = this.shortest;
      this.start = this.positions[0];
    }
  }
}

/** The records of the texts that the model was trained on, and of what was held out. */
class Novelty {
  /** fields: {in_bytes, most_copied, records: [{source, run, window, squeezed, …}]}; the source is "training" or, in
   * the last ones, "held-out". bits: of each record, {lines, runs}, Uint8Array. */
  constructor({ in_bytes, most_copied, records }, bits) {
    this.inBytes = in_bytes;
    this.mostCopied = most_copied;
    this.records = records.map(({ source, run, window, squeezed, line_hashes, run_hashes, run_bits, fold }, index) => ({
      ...{ source, run, window, squeezed, inBytes: in_bytes },
      lines: new Bloom(bits[index].lines, line_hashes),
      runs: new Bloom(bits[index].runs, run_hashes, run_bits, fold),
    }));
  }

  points(text) {
    return this.inBytes ? bytesOf(text) : Array.from(text, (character) => character.codePointAt(0));
  }

  /** "training" if an item is a line of a training text or has a long run of it, "held-out" if it is one of a held-out
   * part, null if it is new. */
  sourceOf(text) {
    const points = this.points(text);
    const found = this.records.find((record) => {
      if (this._longestRun(points, record) > this.mostCopied) return true;
      let hash = 0n;
      for (let i = points.length - 1; i >= 0; i--) hash = (hash * BASE + mixedPoint(points[i])) & MASK;
      return record.lines.contains(avalanche(hash));
    });
    return found ? found.source : null;
  }

  _longestRun(points, record) {
    const finder = new RunFinder(record);
    return points.reduce((longest, point, position) => {
      finder.read(point, position);
      return Math.max(longest, finder.copied);
    }, 0);
  }
}

/** Marks the copied runs of a stream as it is written. */
class Marker {
  constructor(novelty) {
    this.limit = novelty.mostCopied;
    this.novelty = novelty;
    this.finders = novelty.records.map((record) => new RunFinder(record));
    this.length = 0; // of the text so far, in UTF-16 units
    this.open = null; // the run that is too long, {start, stop}
    this.found = 0;
  }

  /** Read more of the text: the copied runs {start, stop} that it ends or goes on. */
  add(text) {
    const runs = [];
    for (const character of text) {
      for (const point of this.novelty.points(character)) {
        for (const finder of this.finders) finder.read(point, this.length);
        const long = this.finders.filter((finder) => finder.copied > this.limit);
        if (long.length) {
          const start = Math.min(...long.map((finder) => finder.start));
          if (this.open && start >= this.open.stop) {
            runs.push(this.open); // the run of one text has ended, and that of another one has begun
            this.open = null;
          }
          if (!this.open) this.found++;
          const begun = this.open ? Math.min(start, this.open.start) : start;
          this.open = { start: begun, stop: this.length + character.length };
        } else if (this.open && this.finders.every((finder) => !finder.copied)) {
          runs.push(this.open);
          this.open = null;
        }
      }
      this.length += character.length;
    }
    return this.open ? [...runs, this.open] : runs;
  }
}
