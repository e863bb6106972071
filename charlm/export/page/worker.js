/* The worker of a page: it opens the model, and samples, scores and predicts when the page asks. It is made from a Blob
 * of engine.js and this file, one after the other.
 *
 * Each message to the worker has an `id`, a number that its answers bear too, and says in `do` what to do:
 *
 *   {id, do: "open", payload}   payload: ArrayBuffer, the bytes that the page's base64 stands for (gzip, not unpacked)
 *     → {id, opened: header}
 *   {id, do: "sample", seed, count, temperature, topP, topK, minP, beginning, length, given}
 *       seed: a whole number from 0 to 2⁶⁴ - 1, as a number or as decimal digits; the others may be missing (1, 1, 1,
 *       0, 0, "", the usual length, null). count: of items, of a model of lists; 0 is endless. length: tokens of a
 *       stream, or the most of an item; 0 is an endless stream. given: a label of header.labels, for task "generate".
 *     of a stream → {id, kind: "piece", text}, as it is written, at most one every 50 ms, and
 *                   {id, kind: "copied", start, stop}: these characters (UTF-16 units of the text so far) stand in the
 *                   training text; the pieces with them were sent before
 *     of a list   → {id, item, copied, rejected}, each when it is whole. copied: null, "training" (the item or a long
 *                   run of it stands in the training text) or "held-out". rejected: how many were rejected before it
 *     at the end  → {id, done: {tokens, characters, seconds, copied, stopped, rejected: {unknown, words, subwords,
 *                   empty, long}}}. copied: how many items, or runs of a stream, were marked; stopped: by "stop"
 *   {id, do: "stop", of}        the work with that id ends early: a sample with `done`, a score with {id, stopped: true}
 *   {id, do: "score", text, top, given}   top: how many tokens `next` has (5). A score that is asked before the last one
 *       has ended stops that one. In a list, each line is an item and a line feed ends it.
 *     → {id, scored: [{text, nats, rank, known, next: [{text, probability}, …]}, …], nats, tokens,
 *        after: [{text, probability}, …]}
 *       next: the most likely tokens where this one stands; after: those after the text. The text "\n" is the end of a
 *       line or item, and text "<UNK>" is marked by known: false. rank: 1 is the most likely token
 *   {id, do: "predict", text, top}   top: how many labels (all). Of task "tag", white space separates the words
 *     → {id, predicted: {labels: [{label, probability}, …]}}, the most likely first; with several labels a line
 *       (header.several) each probability is on its own, and 0.5 is the threshold
 *       or {id, predicted: {tokens: [{text, tag, probability}, …]}} or {id, predicted: {text}}
 *   anything that fails → {id, error: "one sentence"}
 *
 * `header` says what the model is; payload.py lists its keys. The worker never waits longer than about 40 ms between two
 * looks at its messages, so that "stop" and "score" are answered while it samples.
 */
