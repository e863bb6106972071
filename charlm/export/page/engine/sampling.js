/* Samples of a model, as charlm sample makes them: sampling/decoding.py, candidates.py and acceptance.py. With the same
 * seed and weights they are the same texts, but that a copy of the training text is marked here and not rejected. */

// Tokens of a stream that are accepted or rejected together.
const SEGMENT = 200;
const SEGMENT_OF_SUBWORDS = 50;
const LONGEST_ITEM = 1000;
const STREAM_LENGTH = 500;
const MOST_TRIES = 10000;
const REASONS = {
  unknown: "with an unknown symbol",
  words: "with words run together",
  subwords: "spelled in unusual subwords",
  empty: "empty",
  long: "too long",
};

/** The distribution that the next token is sampled from. */
class Decoding {
  constructor({ temperature = 1, topK = 0, topP = 1, minP = 0 }) {
    const check = (value, least, most, what) => {
      if (typeof value !== "number" || !(value >= least && value <= most)) throw new Error(what);
    };
    check(temperature, 0, 1e300, "the temperature must be a number from 0 on");
    check(topK, 0, 2 ** 31, "top-k must be a whole number from 0 on");
    check(topP, 0, 1, "top-p must be a number from 0 to 1");
    check(minP, 0, 1, "min-p must be a number from 0 to 1");
    Object.assign(this, { temperature, topK: Math.floor(topK), topP, minP });
  }

  get isCertain() {
    return this.temperature === 0 || this.topK === 1;
  }

  /** The probability of each token, or numbers in proportion to them. */
  probabilities(logits) {
    const { temperature, topK, topP, minP } = this,
      size = logits.length,
      powers = new Float64Array(size);
    if (temperature === 0) {
      powers[largestIndex(logits)] = 1;
      return powers;
    }
    let highest = -Infinity;
    for (let v = 0; v < size; v++) if (logits[v] > highest) highest = logits[v];
    for (let v = 0; v < size; v++)
      powers[v] = exponential(Math.max(-745, (logits[v] - highest) / Math.max(temperature, 1e-300)));
    if (topK > 0 && topK < size) {
      const kept = new Set(falling(logits).slice(0, topK));
      for (let v = 0; v < size; v++) if (!kept.has(v)) powers[v] = 0;
    }
    if (topP < 1) keepMost(powers, topP);
    if (minP > 0) {
      const least = minP * powers[largestIndex(powers)];
      for (let v = 0; v < size; v++) if (powers[v] < least) powers[v] = 0;
    }
    return powers;
  }

  /** A token. number: a random number, 0 ≤ number < 1. */
  sample(logits, number) {
    const rates = this.probabilities(logits);
    let total = 0;
    for (let v = 0; v < rates.length; v++) total += rates[v];
    const point = number * total;
    let sum = 0,
      last = 0;
    for (let v = 0; v < rates.length; v++) {
      sum += rates[v];
      if (rates[v] > 0) last = v;
      if (sum > point) return v;
    }
    return last;
  }
}

/** The indices of some numbers, the largest first; of equal ones the first first. */
function falling(values) {
  return Array.from(values, (_, index) => index).sort((a, b) => values[b] - values[a] || a - b);
}

/** Keep the fewest of the largest powers that reach a fraction `topP` of their sum; the others become 0. */
function keepMost(powers, topP) {
  const size = powers.length,
    sum = powers.reduce((a, b) => a + b, 0);
  let order = [],
    cut = 1e-3 * powers[largestIndex(powers)]; // few are above it, and sorting all takes long
  for (let above = 0; above < topP * sum && order.length < size; cut *= 1e-3) {
    order = [];
    for (let v = 0; v < size; v++) if (powers[v] >= cut) order.push(v);
    above = order.reduce((total, v) => total + powers[v], 0);
    if (cut === 0) break;
  }
  order.sort((a, b) => powers[b] - powers[a] || a - b);
  const kept = new Float64Array(size);
  let before = 0;
  for (const v of order) {
    if (before >= topP * sum) break;
    kept[v] = powers[v];
    before += powers[v];
  }
  powers.set(kept);
}

/** Samples. `events` yields them, and null after each token, so that other work may come between. */
class Sampler {
  constructor(model, options) {
    const { seed, count = 1, beginning = "", length, given = null } = options,
      { vocabulary, lines } = model;
    Object.assign(this, { model, vocabulary, lines });
    this.count = wholeNumber(count, "the number of items") || Infinity;
    const usual = lines ? LONGEST_ITEM : STREAM_LENGTH;
    this.length =
      (length === undefined ? usual : wholeNumber(length, "the length")) || (lines ? LONGEST_ITEM : Infinity);
    this.decoding = new Decoding(options);
    this.key = keyOf(seed);
    this.predictor = model.nextToken();
    this.beginning = new Beginning(
      this.predictor,
      vocabulary,
      this.decoding,
      this._checked(beginning),
      model.first(given),
    );
    if (this.beginning.ids.length + 1 >= this.length) throw new Error("the beginning is as long as a sample may be");
    this.marker = !lines && model.novelty ? new Marker(model.novelty) : null;
    this.counts = {
      tokens: 0,
      characters: 0,
      copied: 0,
      rejected: { unknown: 0, words: 0, subwords: 0, empty: 0, long: 0 },
    };
    this.streak = {};
  }

  /** The beginning as the model reads it. */
  _checked(text) {
    const inside = this.vocabulary.inside(text),
      unknown = this.vocabulary.unknownIn(inside);
    const names = unknown.slice(0, 5).map((symbol) => (typeof symbol === "number" ? `byte ${symbol}` : `“${symbol}”`));
    if (unknown.length) throw new Error(`the model has never seen ${names.join(", ")}: leave it out of the beginning`);
    if (this.lines && inside.includes("\n")) throw new Error("the beginning must be part of one line");
    return inside;
  }

  *events() {
    if (this.lines) {
      for (let number = 0; number < this.count; number++)
        yield* this._item(new RandomStream(bitsAt(this.key, BigInt(number))));
    } else yield* this._stream(new RandomStream(bitsAt(this.key, 0n)));
  }

  /** Sample the tokens of a segment, and return them. most: how many there may be. */
  *_segment(state, random, most, following) {
    const segment = [];
    for (;;) {
      const number = random.next();
      const token = following ?? this.decoding.sample(state.logits, number);
      following = null;
      segment.push(token);
      if (token <= UNKNOWN || segment.length >= most) return segment;
      this.predictor.step(state, token);
      yield null;
    }
  }

  *_item(random) {
    for (let rejected = 0; ; rejected++) {
      const { tokens, state, line, following } = this.beginning.opening(random);
      const segment = yield* this._segment(state, random, this.length - tokens.length, following);
      const whole = segment[segment.length - 1] === EOS;
      const text = this.vocabulary.decode([...tokens, ...(whole ? segment.slice(0, -1) : segment)]);
      const reason = this._reason(line, segment, whole) || (!text && "empty");
      if (this._rejects(reason)) continue;
      const { novelty } = this.model,
        copied = novelty ? novelty.sourceOf(text) : null;
      this.counts.tokens += segment.length;
      this.counts.characters += text.length;
      this.counts.copied += copied !== null;
      yield { item: this.vocabulary.outside(text), copied, rejected };
      return;
    }
  }

  *_stream(random) {
    let accepted = null,
      tokens = 0,
      line = [],
      shorter = 0,
      tail = [];
    while (tokens < this.length) {
      const opening = accepted
        ? { tokens: [], state: copyOf(accepted), line, following: null }
        : this.beginning.opening(random);
      const begun = accepted ? tokens : opening.tokens.length,
        { state } = opening;
      const most = this.vocabulary.level === "subword" ? SEGMENT_OF_SUBWORDS >> shorter : SEGMENT;
      const segment = yield* this._segment(state, random, Math.min(most, this.length - begun), opening.following);
      const ends = begun + segment.length >= this.length;
      const reason = this._reason(opening.line, segment, ends);
      if (reason === "subwords") shorter = Math.min(shorter + 1, 5);
      if (this._rejects(reason)) continue;
      shorter = Math.max(0, shorter - 1);
      tokens = begun + segment.length;
      this.counts.tokens += segment.length;
      this.predictor.step(state, segment[segment.length - 1]);
      accepted = state;
      line = segment[segment.length - 1] === EOS ? [] : [...opening.line, ...segment];
      if (this.vocabulary.level === "subword") line = lastPiece(this.vocabulary, line);
      tail = [...tail, ...opening.tokens, ...segment];
      const kept = this.vocabulary.level === "byte" && !ends ? cutOff(this.vocabulary, tail) : 0;
      const text = this.vocabulary.decode(tail.slice(0, tail.length - kept));
      tail = kept ? tail.slice(-kept) : [];
      this.counts.characters += text.length;
      yield { kind: "piece", text: this.vocabulary.outside(text, ends) };
      yield* this._marks(text);
    }
  }

  *_marks(text) {
    if (!this.marker) return;
    for (const { start, stop } of this.marker.add(text)) yield { kind: "copied", start, stop };
    this.counts.copied = this.marker.found;
  }

  /** Why a segment is rejected, a name of REASONS, or null. line: the tokens of the line before it. */
  _reason(line, segment, ends) {
    const last = segment[segment.length - 1],
      all = [...line, ...segment];
    if (last === UNKNOWN) return "unknown";
    if (this.lines && !ends) return "long";
    if (this.vocabulary.level === "word" && !readsBack(this.vocabulary, all)) return "words";
    if (this.vocabulary.level === "subword" && !isStandard(this.vocabulary, all, !ends)) return "subwords";
    return null;
  }

  /** Count a rejection, if there is a reason. Throws where too many come in a row. */
  _rejects(reason) {
    if (!reason) {
      this.streak = {};
      return false;
    }
    this.counts.rejected[reason]++;
    this.streak[reason] = (this.streak[reason] || 0) + 1;
    const total = Object.values(this.streak).reduce((a, b) => a + b);
    const described = Object.entries(this.streak)
      .map(([name, number]) => `${number} ${REASONS[name]}`)
      .join(", ");
    if (this.decoding.isCertain)
      throw new Error(
        `only the most likely token is ever sampled, and the result was rejected (${described}): raise the temperature`,
      );
    if (total >= MOST_TRIES)
      throw new Error(
        `${total} samples in a row were rejected (${described}): change the temperature or the beginning`,
      );
    return true;
  }
}

/** How many of the last bytes are the beginning of a character that is not whole. */
function cutOff(vocabulary, ids) {
  const bytes = ids.map((id) => (id < 2 ? 10 : vocabulary.symbols[id - 2]));
  for (let kept = 1; kept < 4 && kept <= bytes.length; kept++)
    if (characterLength(bytes, bytes.length - kept) === -1) return kept;
  return 0;
}

function wholeNumber(value, what) {
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${what} must be a whole number`);
  return value;
}
