/* The worker of a page: it opens the model, and samples, scores and predicts when the page asks. It is made from a Blob
 * of the files that payload.worker_script() joins; this one is the last.
 *
 * Each message to the worker has an `id`, a number that its answers bear too, and says in `do` what to do:
 *
 *   {id, do: "open", payload}   payload: ArrayBuffer, the bytes that the page's base64 stands for (gzip, not unpacked)
 *     → {id, opened: header}
 *   {id, do: "sample", seed, count, temperature, topP, topK, minP, beginning, length, given}
 *       seed: a whole number from 0 to 2⁶⁴ - 1, as a number or as decimal digits; the others may be missing (1, 1, 1,
 *       0, 0, "", the usual length, null). count: of items, of a model of lists; 0 is endless. length: tokens of a
 *       stream, or the most of an item; 0 is an endless stream. given: a label of header.labels, for task "generate".
 *     of a stream → {id, kind: "piece", text}, as it is written, one every 50 ms or so, and
 *                   {id, kind: "copied", start, stop}: these characters (UTF-16 units of the text so far) stand in the
 *                   training text; the pieces with them were sent before, and a later message with the same start
 *                   replaces this one
 *     of a list   → {id, item, copied, rejected}, each when it is whole. copied: null, "training" (the item or a long
 *                   run of it stands in the training text) or "held-out". rejected: how many were rejected before it
 *     at the end  → {id, done: {tokens, characters, seconds, copied, stopped, rejected: {unknown, words, subwords,
 *                   empty, long}}}. copied: how many items, or runs of a stream, were marked; stopped: by "stop"
 *   {id, do: "pause", of}, {id, do: "go on", of}   the work with that id waits, and goes on as if it had not
 *   {id, do: "stop", of}   the work with that id ends early: a sample with `done`, a score with {id, stopped: true}
 *   {id, do: "score", text, top, given}   top: how many tokens `next` has (5). A score that is asked before the last
 *       one has ended stops that one. In a list, each line is an item and a line feed ends it; where items have several
 *       lines (header.separator is not null), the whole text is one item
 *     → {id, scored: [{text, nats, rank, known, next: [{text, probability, end}, …]}, …], nats, tokens,
 *        after: [{text, probability, end}, …]}
 *       next: the most likely tokens where this one stands; after: those after the text. end: this is the
 *       end of a line or item. text: what one appends to the text; "<UNK>" is an unknown symbol. known: false of a
 *       symbol that the model does not know. rank: 1 is the most likely token. Of bytes, scored has whole characters
 *   {id, do: "predict", text, top}   top: how many labels (all). Of task "tag", white space separates the words
 *     → {id, predicted: {labels: [{label, probability}, …]}}, the most likely first; with several labels a line
 *       (header.several) each probability is on its own, and 0.5 is the threshold
 *       or {id, predicted: {tokens: [{text, tag, probability}, …]}} or {id, predicted: {text}}
 *   anything that fails → {id, error: "one sentence"}
 *
 * `header` says what the model is; payload.py lists its keys. The worker never waits longer than about 40 ms between
 * two looks at its messages, so that "stop" and "score" are answered while it samples.
 */

const SLICE = 40; // milliseconds of work between two looks at the messages
const works = new Map(); // id → {stopped}, of what is under way
let model = null,
  scoring = null;

/** Waits until the messages that have arrived are read. */
function pause() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** Runs a generator to its end, in slices. seen: is given what it yields; sliced: is called after each slice. Returns
 * the value of the generator, null if the work was stopped. */
async function inSlices(generator, work, seen = () => {}, sliced = () => {}) {
  for (;;) {
    const until = performance.now() + SLICE;
    do {
      const { value, done } = generator.next();
      if (done) return value;
      if (value) seen(value);
    } while (performance.now() < until);
    sliced();
    await pause();
    while (work.paused && !work.stopped) await new Promise((resolve) => (work.wake = resolve));
    if (work.stopped) return null;
  }
}

/** Changes what is under way with an id, if anything is. */
function change(id, state) {
  const work = works.get(id);
  if (!work) return;
  Object.assign(work, state);
  if (work.wake) work.wake();
}

const DOES = {
  async open({ payload }) {
    model = await Model.open(payload);
    return { opened: model.header };
  },

  async sample(message, work) {
    if (!model.stack) throw new Error("this model does not write text");
    const begun = performance.now(),
      sampler = new Sampler(model, message),
      { id } = message;
    let text = "",
      marks = [];
    const flush = () => {
      if (text) postMessage({ id, kind: "piece", text });
      marks.forEach((mark) => postMessage({ id, ...mark }));
      text = "";
      marks = [];
    };
    const seen = (event) => {
      if (event.kind === "piece") text += event.text;
      else if (event.kind === "copied") marks.push(event);
      else postMessage({ id, ...event });
    };
    await inSlices(sampler.events(), work, seen, flush);
    flush();
    const seconds = (performance.now() - begun) / 1000;
    return { done: { ...sampler.counts, seconds, stopped: work.stopped } };
  },

  async score({ text, top, given }, work) {
    if (!model.stack) throw new Error("this model does not score text");
    if (scoring) scoring.stopped = true;
    scoring = work;
    return (await inSlices(model.scorer.score(text, top, given ?? null), work)) ?? { stopped: true };
  },

  async predict({ text, top }) {
    if (!model.predict) throw new Error("this model does not predict labels, tags or targets");
    const { normalize } = model.vocabulary;
    return { predicted: model.predict(normalize === "none" ? text : text.normalize(normalize), top) };
  },

  async stop({ of }) {
    change(of, { stopped: true });
  },

  async pause({ of }) {
    change(of, { paused: true });
  },

  async "go on"({ of }) {
    change(of, { paused: false });
  },
};

onmessage = async ({ data }) => {
  const { id } = data,
    work = { stopped: false };
  works.set(id, work);
  try {
    if (!Object.hasOwn(DOES, data.do)) throw new Error(`the worker cannot do ${data.do}`);
    if (!model && data.do !== "open") throw new Error("no model is open");
    const answer = await DOES[data.do](data, work);
    if (answer) postMessage({ id, ...answer });
  } catch (error) {
    postMessage({ id, error: error.message });
  } finally {
    works.delete(id);
  }
};
