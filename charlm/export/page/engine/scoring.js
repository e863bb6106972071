/* How surprising a text is to a model, token by token, and what may follow it. */

const KEPT_EVERY = 16; // the state is kept after so many tokens, so that a change at the end is scored at once
const MOST_SCORED = 100000; // tokens of a text

/** The most likely tokens: [{text, probability, end}, …]. probabilities: of each id. */
function mostLikely(vocabulary, probabilities, top) {
  const order = [];
  for (let v = 0; v < probabilities.length; v++) {
    if (order.length === top && probabilities[v] <= probabilities[order[top - 1]]) continue;
    let at = order.length;
    while (at > 0 && probabilities[v] > probabilities[order[at - 1]]) at--;
    order.splice(at, 0, v);
    if (order.length > top) order.pop();
  }
  return order.map((id) => ({ text: shownToken(vocabulary, id), probability: probabilities[id], end: id === EOS }));
}

/** A token as a person may write it: at the level of bytes \xNN for bytes that are not ASCII. */
function shownToken(vocabulary, id) {
  if (id === UNKNOWN) return "<UNK>";
  if (vocabulary.level !== "byte")
    return vocabulary.separator !== null && id > 1
      ? vocabulary.outside(vocabulary.texts[id], false)
      : vocabulary.texts[id];
  const byte = id === EOS ? 10 : vocabulary.symbols[id - 2];
  return byte < 128 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`;
}

/** Scores texts with one model, and remembers the last one. */
class Scorer {
  constructor(model) {
    this.model = model;
    this.last = null;
  }

  /** Scores a text; yields null after each token, and returns {scored, nats, tokens, after}. */
  *score(text, top = 5, given = null) {
    wholeNumber(top, "the number of tokens to show");
    const { vocabulary, lines } = this.model,
      inside = vocabulary.inside(text),
      ids = vocabulary.encode(inside);
    if (ids.length > MOST_SCORED)
      throw new Error(`the text is too long: this page reads ${MOST_SCORED} tokens at most`);
    const predictor = this.model.nextToken(),
      first = this.model.first(given),
      known = this._known(ids, top, given);
    const results = this.last.results;
    let state = known ? copyOf(this.last.states[known / KEPT_EVERY]) : predictor.begin(first);
    this.last.states[0] ??= copyOf(state);
    for (let i = known; i < ids.length; i++) {
      const id = ids[i],
        probabilities = softmax(state.logits);
      const nats = -logarithm(probabilities[id]);
      let rank = 1;
      for (let v = 0; v < probabilities.length; v++) rank += probabilities[v] > probabilities[id];
      results[i] = { nats, rank, known: id !== UNKNOWN, next: mostLikely(vocabulary, probabilities, top) };
      if (lines && id === EOS) state = predictor.begin(first);
      else predictor.step(state, id);
      this.last.ids.push(id);
      if ((i + 1) % KEPT_EVERY === 0) this.last.states[(i + 1) / KEPT_EVERY] = copyOf(state);
      yield null;
    }
    const parts = vocabulary
      .split(inside)
      .map((part) => (typeof part === "string" ? vocabulary.outside(part, false) : part));
    const scored = results.map((result, i) => ({ text: parts[i], ...result }));
    const nats = results.reduce((sum, result) => sum + result.nats, 0);
    const after = this._after(predictor, inside, state, top, first);
    return { scored: vocabulary.level === "byte" ? inCharacters(scored) : scored, nats, tokens: ids.length, after };
  }

  /** How many tokens of the last text are the same, a multiple of KEPT_EVERY; forgets the others. */
  _known(ids, top, given) {
    const { last } = this;
    if (!last || last.top !== top || last.given !== given) {
      this.last = { top, given, ids: [], results: [], states: [] };
      return 0;
    }
    let known = 0;
    while (known < Math.min(ids.length, last.ids.length) && ids[known] === last.ids[known]) known++;
    known -= known % KEPT_EVERY;
    last.ids.length = last.results.length = known;
    last.states.length = Math.min(last.states.length, known / KEPT_EVERY + 1);
    return known;
  }

  /** What follows the text. Of subwords, also the tokens that the end of the text may be a part of. */
  _after(predictor, inside, state, top, first) {
    const { vocabulary, lines } = this.model;
    const line = lines ? inside.slice(inside.lastIndexOf("\n") + 1) : inside;
    const { ids, rest } = divided(vocabulary, line);
    if (!rest) return mostLikely(vocabulary, softmax(state.logits), top);
    const before = this._stateAfter(
      predictor,
      ids,
      vocabulary.encode(inside).length - vocabulary.encode(line).length,
      first,
    );
    const ends = new Ends(predictor, vocabulary, before, rest),
      weights = softmax(ends.nats.map((nats) => -nats)),
      found = new Map();
    const add = (id, text, probability) => {
      const known = found.get(text) || { text, probability: 0, end: id === EOS };
      found.set(text, { ...known, probability: known.probability + probability });
    };
    ends.covers.forEach(({ before, token }, index) => {
      const length = rest.length - vocabulary.decode(before).length;
      if (token !== null) return add(token, vocabulary.texts[token].slice(length), weights[index]);
      const probabilities = softmax(ends.after(before).state.logits);
      probabilities.forEach((probability, id) => add(id, shownToken(vocabulary, id), weights[index] * probability));
    });
    return [...found.values()].sort((a, b) => b.probability - a.probability).slice(0, top);
  }

  /** The state after the first tokens of the last line, which begins with token number `start` of the text. */
  _stateAfter(predictor, ids, start, first) {
    const kept = Math.floor((start + ids.length) / KEPT_EVERY);
    if (kept * KEPT_EVERY < start || !this.last.states[kept]) {
      const state = predictor.begin(first);
      for (const id of ids) predictor.step(state, id);
      return state;
    }
    const state = copyOf(this.last.states[kept]);
    for (const id of ids.slice(kept * KEPT_EVERY - start)) predictor.step(state, id);
    return state;
  }
}

/** The scores of bytes as scores of characters: of a character, the sum of its nats and its worst rank. */
function inCharacters(scored) {
  const bytes = scored.map(({ text }) => text),
    found = [];
  for (let i = 0; i < bytes.length;) {
    const length = Math.max(1, characterLength(bytes, i)),
      parts = scored.slice(i, i + length);
    found.push({
      ...parts[0],
      text: textOfBytes(bytes.slice(i, i + length)),
      nats: parts.reduce((sum, part) => sum + part.nats, 0),
      rank: Math.max(...parts.map((part) => part.rank)),
      known: parts.every((part) => part.known),
    });
    i += length;
  }
  return found;
}
