/* Reads n-grams from the bytes of a page, as kernels/coding.py writes them. */

const WEIGHTS = new Float64Array(256),
  BACKOFFS = new Float64Array(256);
{
  WEIGHTS[0] = 1;
  for (let i = 1; i < 255; i++) WEIGHTS[i] = WEIGHTS[i - 1] * (15 / 16);
  let odds = 1;
  for (let i = 0; i < 128; i++) {
    odds *= i ? 1.03 + 0.001 * (i - 1) : 1.015;
    BACKOFFS[128 + i] = odds / (1 + odds);
    BACKOFFS[127 - i] = 1 / odds / (1 + 1 / odds);
  }
}

// Contexts: how many there are of each kind.
const SIZES = 6,
  KNOWN = 16,
  OF_HISTORY = 16,
  OF_CHILDREN = 18,
  LEAST = 6,
  LENGTHS = 12,
  MASSES = 8,
  RATIOS = 16,
  FIRST_OF_BACKOFFS = SIZES * KNOWN * OF_HISTORY * OF_CHILDREN;

/** About 2 log₂ x, a whole number: 2 for 1 ≤ x < 1.5, 3 up to 2, 4 up to 3, … */
function halfOctaves(x) {
  BITS[0] = Math.max(x, 1e-300);
  return (WORDS[1] >>> 19) - 2044;
}

function within(x, stop) {
  return Math.min(Math.max(x, 0), stop - 1);
}

class CountsReader {
  /** ngrams: gets what is read. */
  constructor(ngrams, { own, backoff }, bytes) {
    const { size } = ngrams,
      longestOf = (codes) => Math.max(31 - Math.clz32(codes.length), 0);
    Object.assign(this, { ngrams, own, backoff, longest: longestOf(own), longestOfBackoff: longestOf(backoff) });
    this.firstOfWeights = FIRST_OF_BACKOFFS + ((2 * LENGTHS * 3 * MASSES) << this.longestOfBackoff);
    this.decoder = new Decoder(bytes, this.firstOfWeights + ((2 * RATIOS * 4 * 2) << this.longest));
    this.suffixes = new Uint32Array(size); // the node of each n-gram without its oldest token
    this.joint = new Float32Array(size); // p of each n-gram
    this.values = new Float32Array(size); // p of its last token after the others
    this.upTo = new Float32Array(size); // the same of all its siblings up to it
    this.weights = new Float64Array(ngrams.V); // of the children of one node
    this.lower = new Float64Array(ngrams.V);
    Object.assign(this, { start: 1, stop: 1, from: 0, known: 0, ofHistory: 0 });
  }

  /** sizes: the number of n-grams of each order. */
  read(sizes) {
    const { first, tokens, size, V } = this.ngrams;
    let length = 0,
      longer = 1; // the node at which the next order begins
    this.joint[0] = 1;
    for (let h = 0; h < size; h++) {
      if (h === longer) longer += sizes[length++];
      const start = (first[h] = this.stop);
      if (h === 0) for (let v = 0; v < V; v++) tokens[this.stop++] = v;
      else if (length < sizes.length) this._readChildren(h, length);
      if (start < this.stop) this._readProbabilities(h, length, start, this.stop);
    }
    first[size] = first[size + 1] = size;
  }

  /** The children of h are some of those of the history without its oldest token. */
  _readChildren(h, length) {
    const { first } = this.ngrams,
      low = first[this.suffixes[h]],
      high = first[this.suffixes[h] + 1];
    this.ofHistory = within((halfOctaves(this.joint[h]) >> 1) + 23, OF_HISTORY);
    this.start = this.stop;
    this.from = low;
    this.known = LEAST + Math.min(length, KNOWN - LEAST - 1);
    if (low < high) this._find(low, high, false);
  }

  /** Find children among [low, high). certain: there is one. Returns whether there is. */
  _find(low, high, certain) {
    if (!certain) {
      const mass = this.upTo[high - 1] - (low > this.from ? this.upTo[low - 1] : 0),
        ofChildren = within((halfOctaves(mass) >> 1) + 16, OF_CHILDREN),
        size = Math.min(32 - Math.clz32(high - low), SIZES) - 1,
        context = ((size * KNOWN + this.known) * OF_HISTORY + this.ofHistory) * OF_CHILDREN + ofChildren;
      this.known = Math.min(this.stop - this.start, LEAST - 1);
      if (!this.decoder.bit(context)) return false;
    }
    if (high - low === 1) {
      this.ngrams.tokens[this.stop] = this.ngrams.tokens[low];
      this.suffixes[this.stop++] = low;
      this.known = Math.min(this.stop - this.start, LEAST - 1);
      return true;
    }
    const middle = (low + high) >> 1,
      inFirstHalf = this._find(low, middle, false);
    this._find(middle, high, !inFirstHalf);
    return true;
  }

  /** γ of h, and the weights of its children [start, stop). */
  _readProbabilities(h, length, start, stop) {
    const { decoder, ngrams, suffixes, values, joint, upTo, weights, lower, longest, longestOfBackoff } = this,
      number = stop - start;
    let mass = 0,
      highest = 0;
    for (let i = 0; i < number; i++) {
      lower[i] = h ? values[suffixes[start + i]] : 1 / stop;
      mass += lower[i];
      if (lower[i] > highest) highest = lower[i];
    }
    const few = Math.min(length, LENGTHS - 1) * 3 + Math.min(number, 3) - 1,
      ofMass = few * MASSES + within(2 - halfOctaves(mass), MASSES);
    const rank = decoder.number(FIRST_OF_BACKOFFS + ((2 * ofMass) << longestOfBackoff), longestOfBackoff);
    let left = BACKOFFS[this.backoff[rank]],
      sum = 0,
      heaviest = 255;
    for (let i = 0; i < number && number > 1; i++) {
      const ratio = within(2 - halfOctaves(lower[i] / highest), RATIOS) * 4 + Math.min(number - 2, 3),
        ofWeight = 2 * ratio + (i === number - 1 && heaviest > 0 ? 1 : 0),
        code = this.own[decoder.number(this.firstOfWeights + ((2 * ofWeight) << longest), longest)];
      if (code < heaviest) heaviest = code;
      sum += weights[i] = WEIGHTS[code];
    }
    if (number === 1) sum = weights[0] = 1;
    if (sum === 0) left = 1;
    const share = (1 - left) / (sum > 0 ? sum : 1),
      backoff = (ngrams.backoff[h] = Math.fround(left)),
      ofHistory = joint[h];
    sum = 0;
    for (let i = 0; i < number; i++) {
      const child = start + i;
      ngrams.own[child] = weights[i] * share;
      values[child] = ngrams.own[child] + backoff * lower[i];
      joint[child] = ofHistory * values[child];
      upTo[child] = sum += values[child];
    }
  }
}
