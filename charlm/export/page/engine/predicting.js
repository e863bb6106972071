/* Labels, tags and targets: tasks/classify.py, tasks/generate.py, tasks/tag.py and tasks/translate.py. */

const LONGEST_WORD = 32; // characters; of a longer word the network reads the first 16 and the last 16
const TINY = 1e-45; // in place of a probability that is 0
const UNENDED = 1e9; // nats against an entity that does not end with its sentence
const MOST_READ = 20000; // tokens of a text

/** The ids of a text; those of an empty text are a single <EOS>. */
function readable(vocabulary, text) {
  const ids = vocabulary.encode(text);
  if (ids.length > MOST_READ) throw new Error(`the text is too long: this page reads ${MOST_READ} tokens at most`);
  return ids.length ? ids : [EOS];
}

/** [{label, probability}, …], the most likely first. */
function labelled(labels, probabilities, top) {
  return falling(probabilities)
    .slice(0, top)
    .map((index) => ({ label: labels[index], probability: probabilities[index] }));
}

/** Each predictor: (header, weights, vocabulary) → a function of a text and of how many labels to give. */
const PREDICTORS = {
  classify({ architecture, labels, several }, weights, vocabulary) {
    const stack = new Stack(architecture, weights);
    return (text, top = labels.length) => {
      const logits = stack.logits(stack.summary(readable(vocabulary, text).map((id) => stack.input(id))));
      return { labels: labelled(labels, several ? logits.map(sigmoid) : softmax(logits), top) };
    };
  },

  generate({ architecture, labels }, weights, vocabulary) {
    const predictor = new NextToken(new Stack(architecture, weights), null);
    return (text, top = labels.length) => {
      const ids = text ? [...readable(vocabulary, text), EOS] : [EOS];
      const logs = labels.map((_, index) => {
        const state = predictor.begin(vocabulary.size + index);
        return ids.reduce((sum, id) => {
          sum += logarithm(softmax(state.logits)[id]);
          predictor.step(state, id);
          return sum;
        }, 0);
      });
      return { labels: labelled(labels, softmax(logs), top) };
    };
  },

  tag(header, weights, vocabulary) {
    const { tags, words, marks } = header,
      { embedding_of_words: width } = header;
    const reader = new Stack(header.reader, weights, "reader."),
      sentence = new Stack(header.sentence, weights, "sentence.");
    const known = new Map(words.map((word, index) => [word, index + 1]));
    const vectorOf = (word) => {
      const characters = Array.from(word),
        half = LONGEST_WORD / 2,
        number = known.get(word) || 0;
      const shown =
        characters.length > LONGEST_WORD ? [...characters.slice(0, half), ...characters.slice(-half)] : characters;
      const summary = reader.summary(readable(vocabulary, shown.join("")).map((id) => reader.input(id)));
      return joined(summary, weights["words.E"].subarray(number * width, (number + 1) * width));
    };
    return (text) => {
      const found = text.match(new RegExp(`[^${WHITE}]+`, "gu")) || [];
      if (found.length > MOST_READ) throw new Error(`the text is too long: this page reads ${MOST_READ} words at most`);
      if (!found.length) return { tokens: [] };
      const probabilities = sentence.read(found.map(vectorOf)).map((output) => softmax(sentence.logits(output)));
      const best = marks ? mostLikelyTags(probabilities, marks) : probabilities.map(largestIndex);
      const named = (word, index) => ({
        text: word,
        tag: tags[best[index]],
        probability: probabilities[index][best[index]],
      });
      return { tokens: found.map(named) };
    };
  },

  translate(header, weights, vocabulary) {
    const encoder = new Stack(header.encoder, weights, "encoder."),
      decoder = new Stack(header.decoder, weights, "decoder.");
    return (text) => {
      const summary = encoder.summary(readable(vocabulary, text).map((id) => encoder.input(id)));
      const first = Float64Array.from(weights.b_s),
        state = decoder.zeroState(),
        written = [];
      addProduct(summary, weights.W_s, first);
      let start = 0;
      for (const { a, c } of state.layers)
        for (const part of [a, c]) {
          part.set(first.subarray(start, start + part.length));
          start += part.length;
        }
      for (let token = EOS; written.length < 2 * header.longest; written.push(token)) {
        const logits = decoder.logits(decoder.step(state, token));
        logits[UNKNOWN] = -Infinity;
        token = largestIndex(logits);
        if (token === EOS) break;
      }
      return { text: vocabulary.decode(written) };
    };
  },
};

/** The most likely tags that follow their scheme, by Viterbi's algorithm: tasks/entities.py. marks: of each tag, its
 * role (O, B, I, E or S) and its type. */
function mostLikelyTags(probabilities, marks) {
  const numberOf = (role, type) => marks.findIndex((mark) => mark[0] === role && mark[1] === type);
  const inside = marks.map(([role]) => role === "I" || role === "E");
  const orElse = (number, other) => (number < 0 ? other : number);
  const middle = marks.map(([, type], tag) => orElse(numberOf("I", type), orElse(numberOf("B", type), tag)));
  const begin = marks.map(([, type], tag) => orElse(numberOf("B", type), middle[tag]));
  const hasEnds = marks.some(([role]) => role === "E" || role === "S");
  const isOpen = marks.map(([role]) => hasEnds && (role === "B" || role === "I"));
  const logs = (row) => Array.from(row, (probability) => logarithm(Math.max(probability, TINY)));
  let scores = logs(probabilities[0]).map((score, tag) => (inside[tag] ? -Infinity : score));
  const origins = [];
  for (const row of probabilities.slice(1)) {
    const ended = scores.map((score, tag) => (isOpen[tag] ? -Infinity : score)),
      best = largestIndex(ended),
      before = scores;
    const origin = marks.map((_, tag) =>
      !inside[tag] ? best : before[begin[tag]] >= before[middle[tag]] ? begin[tag] : middle[tag],
    );
    scores = logs(row).map((score, tag) => score + (inside[tag] ? before[origin[tag]] : ended[best]));
    origins.push(origin);
  }
  const found = [largestIndex(scores.map((score, tag) => score - (isOpen[tag] ? UNENDED : 0)))];
  for (const origin of origins.reverse()) found.unshift(origin[found[0]]);
  return found;
}
