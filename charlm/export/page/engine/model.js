/* The bytes that payload.py makes → a model that samples, scores and predicts. */

async function unpacked(payload) {
  const stream = new Blob([payload]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** The header and the arrays, by name, of unpacked bytes; payload.py says how they stand there. */
function contentsOf(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))),
    arrays = {};
  let start = 4 + length;
  for (const { name, type, size, scales } of header.arrays) {
    const kind = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array, f2: Uint16Array, i1: Int8Array }[
      type
    ];
    const raw = new kind(buffer.slice(start, (start += size * kind.BYTES_PER_ELEMENT)));
    if (type === "f2") arrays[name] = fromHalves(raw);
    else if (type === "i1") arrays[name] = scaled(raw, arrays[`${name}.scales`], scales);
    else arrays[name] = raw;
  }
  return { header, arrays };
}

/** Weights of 8 bits as numbers. scales: of each row or of each column; axis: "rows" or "columns". */
function scaled(raw, scales, axis) {
  const values = new Float32Array(raw.length),
    rows = axis === "rows" ? scales.length : raw.length / scales.length;
  for (let row = 0, i = 0, columns = raw.length / rows; row < rows; row++)
    for (let column = 0; column < columns; column++, i++) values[i] = raw[i] * scales[axis === "rows" ? row : column];
  return values;
}

class Model {
  constructor({ header, arrays }) {
    Object.assign(this, { header, lines: header.lines, vocabulary: new Vocabulary(header.vocabulary) });
    const { counts, copies, task } = header;
    if (task === "text" || task === "generate") {
      this.stack = new Stack(header.architecture, arrays);
      if (counts) {
        const ngrams = new NGrams(counts, arrays, this.vocabulary.size);
        this.mixture = new Mixture(ngrams, counts.weights, counts.has_unknown);
      }
      const bits = (_, index) => ({
        lines: arrays[`lines${index}`] || new Uint8Array(0),
        runs: arrays[`runs${index}`],
      });
      this.novelty = copies && copies.records ? new Novelty(copies, copies.records.map(bits)) : null;
      this.scorer = new Scorer(this);
    }
    if (task !== "text") this.predict = PREDICTORS[task](header, arrays, this.vocabulary);
  }

  static async open(payload) {
    return new Model(contentsOf(await unpacked(payload)));
  }

  nextToken() {
    return new NextToken(this.stack, this.mixture);
  }

  /** The token that a text begins after: <EOS>, or the label that it is given. */
  first(given) {
    const { task, labels } = this.header;
    if (task !== "generate") return EOS;
    const index = given === null || given === undefined ? 0 : labels.indexOf(given);
    if (index < 0) throw new Error("the model does not know this label");
    return this.vocabulary.size + index;
  }
}
