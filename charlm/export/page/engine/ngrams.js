/* The counts of n-grams and their mixture with a network: text/ngrams.py and network/mixture.py. */

const UNKNOWN = 1,
  EOS = 0;

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

/** The tree of n-grams. Node 0 is the empty history, node 1 + w the token w; see text/ngrams.py. */
class NGrams {
  /** fields: order, sizes. arrays: children, ranks, own, backoff; see payload.py. V: the number of tokens. */
  constructor(fields, arrays, V) {
    const { order, sizes } = fields,
      size = 1 + sizes.reduce((sum, number) => sum + number, 0);
    Object.assign(this, { order, size, V });
    this.first = new Uint32Array(size + 2);
    this.first[0] = 1;
    for (let i = 0; i < size; i++) {
      const children = i === 0 ? V : i <= arrays.children.length ? arrays.children[i - 1] : 0;
      this.first[i + 1] = this.first[i] + children;
    }
    this.first[size + 1] = this.first[size]; // node `size` stands for a history that was not counted
    this.tokens = new Uint32Array(size); // the last token of each n-gram
    for (let v = 0; v < V; v++) this.tokens[1 + v] = v;
    this._name(arrays.ranks);
    this.own = new Float32Array(size);
    this.backoff = new Float32Array(size + 1).fill(1);
    this._decode(arrays.own, arrays.backoff);
    this.unigrams = new Float64Array(V);
    for (let v = 0; v < V; v++) this.unigrams[v] = this.own[1 + v] + this.backoff[0] / V;
  }

  /** Find the last token of each n-gram. ranks: its place among the children of the history without the oldest
   * token. */
  _name(ranks) {
    const { first, tokens, V } = this,
      suffixes = new Uint32Array(this.size);
    for (let node = 1; node < this.size; node++)
      for (let child = first[node], stop = first[node + 1]; child < stop; child++) {
        suffixes[child] = first[suffixes[node]] + ranks[child - 1 - V];
        tokens[child] = tokens[suffixes[child]];
      }
  }

  _decode(own, backoff) {
    const { first } = this;
    let ownCode = 0,
      backoffCode = 0;
    for (let i = 0; i < this.size; i++) {
      const start = first[i],
        stop = first[i + 1];
      if (start === stop) continue;
      let left = BACKOFFS[backoff[backoffCode++]];
      const codes = ownCode;
      let sum = stop - start === 1 ? 1 : 0;
      if (stop - start > 1) for (let child = start; child < stop; child++) sum += WEIGHTS[own[ownCode++]];
      if (sum === 0) left = 1;
      const share = (1 - left) / (sum > 0 ? sum : 1);
      for (let child = start; child < stop; child++)
        this.own[child] = (stop - start === 1 ? 1 : WEIGHTS[own[codes + child - start]]) * share;
      this.backoff[i] = left;
    }
  }

  /** The nodes of the histories of 0, 1, … tokens before any token. */
  noHistory() {
    const nodes = new Int32Array(this.order).fill(this.size);
    nodes[0] = 0;
    return nodes;
  }

  /** Make the nodes those after one token more. */
  step(nodes, token) {
    for (let n = nodes.length - 1; n > 0; n--) nodes[n] = this.child(nodes[n - 1], token);
  }

  /** The node of a history with one token more, `size` if it was not counted. */
  child(node, token) {
    let low = this.first[node],
      high = this.first[node + 1];
    const stop = high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.tokens[middle] < token) low = middle + 1;
      else high = middle;
    }
    return low < stop && this.tokens[low] === token ? low : this.size;
  }

  /** q of every token into `q`. Returns the length of the longest history that has children. */
  probabilities(nodes, q) {
    const { first, tokens, own, backoff, unigrams } = this;
    let length = 0,
      product = 1;
    for (let n = 1; n < nodes.length && first[nodes[n]] !== first[nodes[n] + 1]; n++) {
      length = n;
      product *= backoff[nodes[n]];
    }
    for (let v = 0; v < q.length; v++) q[v] = unigrams[v] * product;
    product = 1;
    for (let n = length; n > 0; n--) {
      for (let i = first[nodes[n]], stop = first[nodes[n] + 1]; i < stop; i++) q[tokens[i]] += own[i] * product;
      product *= backoff[nodes[n]];
    }
    return length;
  }
}

/** The logits of the mixture, in place of those of the network. */
class Mixture {
  /** weights: [[α, β], …] by the length of the history. knowsUnknown: <UNK> was counted; if it was not, it keeps the
   * probability that the network gives it. */
  constructor(ngrams, weights, knowsUnknown) {
    Object.assign(this, { ngrams, weights, knowsUnknown });
    this.q = new Float64Array(ngrams.V);
    this.powers = new Float64Array(ngrams.V);
  }

  mix(logits, nodes) {
    const { q, powers } = this,
      ofUnknown = logits[UNKNOWN];
    const [alpha, beta] = this.weights[this.ngrams.probabilities(nodes, q)];
    if (!this.knowsUnknown) logits[UNKNOWN] = -Infinity;
    const network = this.knowsUnknown ? 0 : this._logOfSum(logits);
    for (let v = 0; v < q.length; v++) logits[v] = alpha * logits[v] + beta * logarithm(q[v]);
    if (!this.knowsUnknown) logits[UNKNOWN] = ofUnknown + this._logOfSum(logits) - network;
  }

  _logOfSum(logits) {
    const [sum, highest] = powersOf(logits, this.powers);
    return logarithm(sum) + highest;
  }
}

/** What predicts the next token: a stack, with counts if there are any. The state has the logits of the next token. */
class NextToken {
  constructor(stack, mixture) {
    Object.assign(this, { stack, mixture });
  }

  /** The state when a text begins. first: the token that is read first, a label's or <EOS>. */
  begin(first = EOS) {
    const state = this.stack.zeroState();
    state.nodes = this.mixture ? this.mixture.ngrams.noHistory() : null;
    this.step(state, first);
    return state;
  }

  /** Read one token more: changes the state, whose logits are a new array. */
  step(state, token) {
    state.logits = this.stack.logits(this.stack.step(state, token));
    if (!this.mixture) return;
    this.mixture.ngrams.step(state.nodes, token);
    this.mixture.mix(state.logits, state.nodes);
  }
}
