/* The network: the equations of network/stepper.py, one sequence at a time. Weights are Float32Array, rows multiply
 * (z = x W), and everything else is in double precision. */

/** out[c] += Σ x[k] W[k, c]. W: rows of out.length columns, as many as x has numbers. Eight rows at a time take two
 * thirds of the time of four. */
function addProduct(x, W, out) {
  const columns = out.length,
    rows = x.length;
  let k = 0;
  for (; k + 7 < rows; k += 8) {
    const x0 = x[k],
      x1 = x[k + 1],
      x2 = x[k + 2],
      x3 = x[k + 3],
      x4 = x[k + 4],
      x5 = x[k + 5],
      x6 = x[k + 6],
      x7 = x[k + 7];
    const i0 = k * columns,
      i1 = i0 + columns,
      i2 = i1 + columns,
      i3 = i2 + columns;
    const i4 = i3 + columns,
      i5 = i4 + columns,
      i6 = i5 + columns,
      i7 = i6 + columns;
    for (let c = 0; c < columns; c++) {
      const four = x0 * W[i0 + c] + x1 * W[i1 + c] + x2 * W[i2 + c] + x3 * W[i3 + c];
      out[c] += four + x4 * W[i4 + c] + x5 * W[i5 + c] + x6 * W[i6 + c] + x7 * W[i7 + c];
    }
  }
  for (; k < rows; k++) {
    const xk = x[k],
      i = k * columns;
    for (let c = 0; c < columns; c++) out[c] += xk * W[i + c];
  }
}

/** out[v] += Σ x[k] E[v, k]: the product with the transposed matrix, four rows at a time. */
function addProductTransposed(x, E, out) {
  const width = x.length;
  let v = 0;
  for (; v + 3 < out.length; v += 4) {
    const i0 = v * width,
      i1 = i0 + width,
      i2 = i1 + width,
      i3 = i2 + width;
    let sum0 = 0,
      sum1 = 0,
      sum2 = 0,
      sum3 = 0;
    for (let k = 0; k < width; k++) {
      const xk = x[k];
      sum0 += xk * E[i0 + k];
      sum1 += xk * E[i1 + k];
      sum2 += xk * E[i2 + k];
      sum3 += xk * E[i3 + k];
    }
    out[v] += sum0;
    out[v + 1] += sum1;
    out[v + 2] += sum2;
    out[v + 3] += sum3;
  }
  for (; v < out.length; v++) for (let k = 0; k < width; k++) out[v] += x[k] * E[v * width + k];
}

function addRow(W, row, out) {
  for (let c = 0, i = row * out.length; c < out.length; c++, i++) out[c] += W[i];
}

/* The cells. Each takes z = x W_x (without the bias; it may be overwritten) and changes the state {a, c}. */

const CELLS = {
  rnn(z, { a }, { W_a, b }) {
    addProduct(a, W_a, z);
    for (let i = 0; i < a.length; i++) a[i] = hyperbolicTangent(z[i] + b[i]);
  },

  gru(z, { a }, { W_a, b, scratch }) {
    const H = a.length,
      h = scratch.fill(0);
    addProduct(a, W_a, h);
    for (let i = 0; i < H; i++) {
      const u = sigmoid(z[H + i] + h[i] + b[H + i]);
      const r = sigmoid(z[2 * H + i] + h[H + i] + b[2 * H + i]);
      const candidate = hyperbolicTangent(r * (h[2 * H + i] + b[3 * H + i]) + z[i] + b[i]);
      a[i] = u * candidate + (1 - u) * a[i];
    }
  },

  lstm(z, { a, c }, { W_a, b, p }) {
    const H = a.length;
    addProduct(a, W_a, z);
    for (let i = 0; i < H; i++) {
      let zu = z[i] + b[i],
        zf = z[H + i] + b[H + i],
        zo = z[2 * H + i] + b[2 * H + i];
      if (p) {
        zu += p[i] * c[i];
        zf += p[H + i] * c[i];
      }
      c[i] = sigmoid(zu) * hyperbolicTangent(z[3 * H + i] + b[3 * H + i]) + sigmoid(zf) * c[i];
      if (p) zo += p[2 * H + i] * c[i];
      a[i] = sigmoid(zo) * hyperbolicTangent(c[i]);
    }
  },

  feedforward(z, { a }, { b }) {
    for (let i = 0; i < a.length; i++) a[i] = hyperbolicTangent(z[i] + b[i]);
  },
};
CELLS.peephole = CELLS.lstm;
const COLUMNS = { rnn: 1, gru: 3, lstm: 4, peephole: 4, feedforward: 1 }; // of W_x, of width H each
const HAS_C = { lstm: true, peephole: true };

/** One recurrent layer in one direction. weights: name → Float32Array. */
class Layer {
  constructor(cell, hidden, weights, prefix) {
    this.cell = cell;
    this.hidden = hidden;
    for (const name of ["W_x", "W_a", "b", "p"]) this[name] = weights[prefix + name];
    this.z = new Float64Array(COLUMNS[cell] * hidden);
    this.scratch = new Float64Array(3 * hidden);
  }

  zeroState() {
    return { a: new Float64Array(this.hidden), c: new Float64Array(HAS_C[this.cell] ? this.hidden : 0) };
  }

  /** Change a state by an input: the number of a row of W_x, or a vector. */
  step(state, input) {
    const z = this.z.fill(0);
    if (typeof input === "number") addRow(this.W_x, input, z);
    else addProduct(input, this.W_x, z);
    CELLS[this.cell](z, state, this);
  }

  /** The outputs after each of some inputs, from the zero state. */
  read(inputs) {
    const state = this.zeroState();
    return inputs.map((input) => {
      this.step(state, input);
      return Float64Array.from(state.a);
    });
  }
}

/** A stack of layers with a head. sizes: an architecture as the header has it. prefix: of its weights' names. */
class Stack {
  constructor(sizes, weights, prefix = "") {
    const { cell, hidden, layers, embedding, tied, bidirectional, context, vocabulary_size, outputs } = sizes;
    Object.assign(this, { cell, hidden, embedding, context: context || 0, inputs: vocabulary_size });
    this.outputs = outputs ?? vocabulary_size;
    this.E = weights[prefix + "E"];
    const layer = (number, direction) => new Layer(cell, hidden, weights, `${prefix}layer${number}.${direction}`);
    const numbers = Array.from({ length: layers }, (_, i) => i + 1);
    this.layers = numbers.map((number) => layer(number, ""));
    this.back = bidirectional ? numbers.map((number) => layer(number, "back.")) : null;
    this.W_y = weights[prefix + "W_ya"];
    this.tied = tied;
    this.b_y = weights[prefix + "b_y"];
  }

  zeroState() {
    const layers = this.layers.map((layer) => layer.zeroState());
    return { layers, past: new Int32Array(Math.max(0, this.context - 1)).fill(-1) };
  }

  /** What the first layer sees of a token: its number, or its row of E. */
  input(token) {
    return this.E ? this.E.subarray(token * this.embedding, (token + 1) * this.embedding) : token;
  }

  /** Read the next token: change the state, and return the output of the last layer, which the next step overwrites. */
  step(state, token) {
    let x = this.context ? this._readWithPast(state, token) : this.input(token);
    this.layers.forEach((layer, index) => {
      if (index || !this.context) layer.step(state.layers[index], x);
      x = state.layers[index].a;
    });
    return x;
  }

  /** The first layer of a feed-forward network, which sees the last `context` tokens. */
  _readWithPast(state, token) {
    const first = this.layers[0],
      z = first.z.fill(0),
      seen = [token, ...state.past];
    seen.forEach((id, position) => {
      if (id < 0) return;
      if (!this.E) return addRow(first.W_x, position * this.inputs + id, z);
      const size = this.embedding * z.length;
      addProduct(this.input(id), first.W_x.subarray(position * size, (position + 1) * size), z);
    });
    CELLS[this.cell](z, state.layers[0], first);
    state.past.set(seen.slice(0, state.past.length));
  }

  /** W_y a + b_y: Float64Array. */
  logits(a) {
    const logits = Float64Array.from(this.b_y);
    if (this.tied) addProductTransposed(a, this.E, logits);
    else addProduct(a, this.W_y, logits);
    return logits;
  }

  /** The outputs of the last layer for a whole sequence of inputs (see `input`), each a Float64Array. */
  read(inputs) {
    let x = inputs;
    this.layers.forEach((layer, index) => {
      const ahead = layer.read(x);
      if (this.back) {
        const back = this.back[index].read([...x].reverse()).reverse();
        x = ahead.map((output, step) => joined(output, back[step]));
      } else x = ahead;
    });
    return x;
  }

  /** The output of the last layer when it has read the whole sequence; of two directions, both have. */
  summary(inputs) {
    const outputs = this.read(inputs),
      last = outputs[outputs.length - 1];
    return this.back ? joined(last.subarray(0, this.hidden), outputs[0].subarray(this.hidden)) : last;
  }
}

function joined(...vectors) {
  const all = new Float64Array(vectors.reduce((sum, vector) => sum + vector.length, 0));
  let start = 0;
  for (const vector of vectors) {
    all.set(vector, start);
    start += vector.length;
  }
  return all;
}

/** A copy of a state: of a stack, or of a predictor. */
function copyOf(state) {
  return {
    ...state,
    layers: state.layers.map(({ a, c }) => ({ a: a.slice(), c: c.slice() })),
    past: state.past.slice(),
    nodes: state.nodes && state.nodes.slice(),
  };
}
