/* The tokens at the end of a text that goes on: sampling/segmentation.py and sampling/beginning.py. */

function same(a, b) {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}

/** Whether some ids are the standard segmentation of their text, or, where it goes on, the beginning of one. */
function isStandard(vocabulary, ids, goesOn = true) {
  const tokens = ids[ids.length - 1] === EOS ? ids.slice(0, -1) : ids;
  if (same(vocabulary.encode(vocabulary.decode(tokens)), tokens)) return true;
  // a space at the end may belong to a word that follows
  return goesOn && vocabulary.decode(ids.slice(-1)) === " " && isStandard(vocabulary, ids.slice(0, -1), false);
}

/** Whether the text of a line, or of its beginning, is read as the same words. */
function readsBack(vocabulary, line) {
  let stop = line.length;
  const isSpace = (id) => new RegExp(`^[${WHITE}]+$`, "u").test(vocabulary.decode([id]));
  if (line[stop - 1] !== EOS) while (stop && isSpace(line[stop - 1])) stop--;
  const kept = line.slice(0, stop);
  return same(vocabulary.encode(vocabulary.decode(kept)), kept);
}

/** The ids of a text that stay whatever follows it, and the text of the others: those of its last piece. */
function divided(vocabulary, text) {
  const ids = vocabulary.encode(text);
  if (vocabulary.level !== "subword" || !text) return { ids, rest: "" };
  const pieces = piecesOf(text),
    characters = Array.from(text);
  const least = characters.length - Array.from(pieces[pieces.length - 1]).length;
  let stay = ids.length,
    start = characters.length;
  while (start > least && ids[stay - 1] > UNKNOWN) start -= vocabulary.widths[ids[--stay]];
  return { ids: ids.slice(0, stay), rest: characters.slice(start).join("") };
}

/** The tokens at the end of a standard segmentation that what follows may change. */
function lastPiece(vocabulary, ids) {
  const texts = ids.map((id) => vocabulary.decode([id]));
  if (!texts.length || texts[texts.length - 1] === "\n") return [];
  const pieces = piecesOf(texts.join(""));
  let units = pieces[pieces.length - 1].length,
    start = ids.length;
  while (units > 0) units -= texts[--start].length;
  return ids.slice(start);
}

/** The tokens after the end of the last whole line. */
function lineOf(ids) {
  return ids.slice(ids.lastIndexOf(EOS) + 1);
}

/** All ways in which tokens may stand at the end of a text: {before, token}; token is null where the text ends with the
 * tokens `before`, and else also has characters of what follows. */
function coversOf(vocabulary, rest) {
  const characters = Array.from(rest),
    whole = vocabulary.encode(rest),
    covers = [{ before: whole, token: null }];
  if (rest.endsWith(" ")) {
    const split = [...vocabulary.encode(rest.slice(0, -1)), ...vocabulary.encode(" ")];
    if (!same(split, whole)) covers.push({ before: split, token: null });
  }
  for (let stop = 0; stop < characters.length; stop++) {
    const before = vocabulary.encode(characters.slice(0, stop).join("")),
      end = characters.slice(stop).join("");
    vocabulary.symbols.forEach((symbol, index) => {
      if (symbol.length > end.length && symbol.startsWith(end) && isStandard(vocabulary, [...before, index + 2]))
        covers.push({ before, token: index + 2 });
    });
  }
  return covers;
}

/** The covers of the end of a text with their probabilities: `nats` of each. state: before them. */
class Ends {
  constructor(predictor, vocabulary, state, rest) {
    this.predictor = predictor;
    this.read = new Map([["", this._node(state, 0)]]);
    this.covers = coversOf(vocabulary, rest);
    this.nats = this.covers.map(({ before, token }) => {
      const { nats, following } = this.after(before);
      return token === null ? nats : nats + following[token];
    });
  }

  _node(state, nats) {
    const [sum, highest] = powersOf(state.logits, new Float64Array(state.logits.length));
    const log = logarithm(sum) + highest;
    return { state, nats, following: state.logits.map((logit) => log - logit) };
  }

  /** After some of the tokens of a cover: {state, nats of the tokens, following: nats of each token after them}. */
  after(tokens) {
    const name = tokens.join();
    if (!this.read.has(name)) {
      const before = this.after(tokens.slice(0, -1)),
        token = tokens[tokens.length - 1],
        state = copyOf(before.state);
      this.predictor.step(state, token);
      this.read.set(name, this._node(state, before.nats + before.following[token]));
    }
    return this.read.get(name);
  }
}

/** How samples begin: with a text. first: the token that the model reads first. */
class Beginning {
  constructor(predictor, vocabulary, decoding, text, first) {
    this.decoding = decoding;
    const { ids, rest } = divided(vocabulary, text);
    Object.assign(this, { ids, rest, state: predictor.begin(first) });
    for (const id of ids) predictor.step(this.state, id);
    this.ends = rest ? new Ends(predictor, vocabulary, this.state, rest) : null;
  }

  /** A new opening {tokens, state, line, following}: the tokens that the sample begins with, the state after them, the
   * last ones of them, which what follows may change, and the token that comes next, null if it is free. */
  opening(random) {
    if (!this.rest) return { tokens: this.ids, state: copyOf(this.state), line: lineOf(this.ids), following: null };
    const { covers, nats } = this.ends;
    const chosen =
      covers.length > 1
        ? this.decoding.sample(
            nats.map((value) => -value),
            random.next(),
          )
        : 0;
    const { before, token } = covers[chosen];
    return {
      tokens: [...this.ids, ...before],
      state: copyOf(this.ends.after(before).state),
      line: before,
      following: token,
    };
  }
}
