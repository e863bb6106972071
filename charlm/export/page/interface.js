/* The interface of a page that holds a model: what a person touches. The model itself is in a worker (worker.js has the
 * messages). All that comes from the model or from a person is put into the page as text, and never as markup.
 */
"use strict";
(() => {

const root = document.querySelector(".playground");
const find = (selector, from = root) => from.querySelector(selector);
const settings = JSON.parse(find(".settings").textContent); // see ``playground`` in __init__.py
const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const AT_ONCE = 600; // characters of a stream that are shown as soon as they are there
const PACE = 250; // characters a second that follow them
const PORTION = 4000; // characters after which a stream pauses, so that a page left alone rests
const AHEAD = 500; // characters, at most, that the worker has written and nobody has seen
const LONGEST = 4000; // characters that are scored, at most
const MOST_LABELS = 10; // that are shown

/* ---- text and numbers */

/** A text in which every control and format character is visible, as the terminal shows it (text/visible.py). */
function visible(text) {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0), digits = (width) => code.toString(16).padStart(width, "0");
    if (character === "\n" || character === "\t") return character;
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    if (code === 0x7f) return "\u2421";
    return code < 0x100 ? "\\x" + digits(2) : code < 0x10000 ? "\\u" + digits(4) : "\\U" + digits(8);
  });
}

/** The name of a token: white space is visible too. */
function named(text) {
  return visible(text).replaceAll(" ", "\u2423").replaceAll("\t", "\u21e5").replaceAll("\n", "\u21b5") || "\u2205";
}

function percent(p) {
  const value = 100 * p;
  return (value >= 99.95 || value === 0 ? value.toFixed(0) : value >= 10 ? value.toFixed(value >= 99 ? 1 : 0)
    : value >= 0.1 ? value.toFixed(1) : value.toPrecision(1)) + " %";
}

const number = (value) => value.toLocaleString("en");
const counted = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
const bits = (nats) => nats / Math.LN2;
const band = (nats) => settings.bands.filter((edge) => bits(nats) >= edge).length;

/** A new element with a class and a text. */
function made(tag, kind = "", text = "") {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  element.textContent = text;
  return element;
}

/* ---- the worker */

/** The model, in its worker. ``ask`` sends a request and gives each answer to a function. */
class Model {
  constructor() {
    const source = new Blob([find(".worker").textContent], { type: "text/javascript" });
    this.worker = new Worker(URL.createObjectURL(source));
    this.listeners = new Map();
    this.last = 0;
    this.worker.onmessage = ({ data }) => {
      const listen = this.listeners.get(data.id);
      if (["done", "scored", "stopped", "predicted", "opened", "error"].some((end) => end in data)) {
        this.listeners.delete(data.id);
      }
      if (listen) listen(data);
    };
  }

  ask(request, listen, transfer = []) {
    const id = ++this.last;
    this.listeners.set(id, listen);
    this.worker.postMessage({ id, ...request }, transfer);
    return id;
  }

  tell(what, of) { this.worker.postMessage({ id: ++this.last, do: what, of }); }

  /** Open the model that the page holds; ``then`` is called when it is open. */
  open(then) {
    const base64 = find(".payload");
    const packed = atob(base64.textContent), bytes = new Uint8Array(packed.length);
    for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
    base64.remove();
    this.ask({ do: "open", payload: bytes.buffer }, then, [bytes.buffer]);
  }
}

/* ---- writing */

/** What the form of the samples says. Its values also stand in the address, so that a link repeats a sample. */
class Controls {
  constructor(form) {
    this.form = form;
    this.names = ["seed", "temperature", "topP", "beginning", ...(settings.items ? ["count"] : [])];
    if (settings.labels.length) this.names.push("given");
    for (const place of form.querySelectorAll("[data-for]")) place.hidden = !this.names.includes(place.dataset.for);
    for (const label of settings.labels) {
      const option = made("option", "", visible(label));
      option.value = label;
      form.elements.given.append(option);
    }
    this.newSeed();
    this.readAddress();
  }

  newSeed() { this.form.elements.seed.value = crypto.getRandomValues(new Uint32Array(1))[0] % 1e6; }

  /** Take the values that an address has after its #. What is no possible value is left alone. */
  readAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    for (const name of this.names) {
      const field = this.form.elements[name], before = field.value, value = given.get(name);
      if (value === null) continue;
      if (["text", "select-one"].includes(field.type) || /^[0-9]{1,10}(\.[0-9]{1,4})?$/.test(value)) field.value = value;
      const isPossible = field.value !== "" && field.checkValidity() && field.value.length <= 1000;
      if (!isPossible || (field.type === "number" && field.value !== value)) field.value = before;
    }
    this.show();
  }

  show() {
    for (const name of ["temperature", "topP"]) {
      const field = this.form.elements[name], value = Number(field.value).toFixed(2);
      find("output", field.parentNode).textContent = value;
    }
  }

  values() {
    const value = (name) => this.form.elements[name].value, found = { beginning: value("beginning") };
    for (const name of ["seed", "temperature", "topP", "count"]) found[name] = Number(value(name));
    if (settings.labels.length) found.given = value("given");
    return found;
  }

  get areValid() { return this.form.checkValidity(); }

  writeAddress() {
    const values = this.names.map((name) => [name, this.form.elements[name].value]);
    history.replaceState(null, "", "#" + new URLSearchParams(values.filter(([, value]) => value !== "")));
  }
}

/** The text of a stream: it grows at a pace at which one can watch, and copies are marked. */
class Stream {
  constructor(place, pause, goOn) {
    this.place = place;
    this.pause = pause;
    this.goOn = goOn;
    this.text = made("div", "stream");
    this.text.dir = "auto";
    place.replaceChildren(this.text);
    this.raw = "";
    this.shown = 0;
    this.limit = isCalm ? AT_ONCE : PORTION;
    this.copies = [];
    this.waits = false;
    this.frame = requestAnimationFrame((now) => this.draw(now, now));
  }

  add(text) {
    this.raw += text;
    if (this.raw.length - this.shown > AHEAD && this.shown >= AT_ONCE && !this.waits) {
      this.waits = true;
      this.pause();
    }
  }

  mark(start, stop) {
    this.copies.push([start, stop]);
    if (start < this.shown) this.paint(0, this.shown);
  }

  draw(before, now) {
    const step = isCalm ? this.limit : this.shown < AT_ONCE ? AT_ONCE : Math.min(0.1, (now - before) / 1000) * PACE;
    this.exact = Math.min((this.exact ?? 0) + step, this.raw.length, this.limit);
    let stop = Math.floor(this.exact);
    if (stop < this.raw.length && /[\udc00-\udfff]/.test(this.raw[stop])) stop -= 1; // not within a pair
    if (stop > this.shown) {
      const atEnd = this.place.scrollHeight - this.place.scrollTop - this.place.clientHeight < 60;
      this.paint(this.shown, stop);
      this.shown = stop;
      if (atEnd && !isCalm) this.place.scrollTop = this.place.scrollHeight;
    }
    if (this.waits && this.raw.length - this.shown < AHEAD / 4 && this.shown < this.limit) {
      this.waits = false;
      this.goOn();
    }
    this.frame = requestAnimationFrame((next) => this.draw(now, next));
    if (this.shown >= this.limit) this.onLimit();
  }

  onLimit() {}

  /** Show the characters start … stop - 1 of the text, which follow those that are shown; from 0 on, all anew. */
  paint(start, stop) {
    if (!start) this.text.replaceChildren();
    const edges = this.copies.flat().filter((edge) => start < edge && edge < stop).sort((a, b) => a - b);
    let from = start;
    for (const to of [...edges, stop]) {
      const part = visible(this.raw.slice(from, to));
      const isCopy = this.copies.some(([first, end]) => first <= from && to <= end);
      if (isCopy) {
        const mark = made("mark", "", part);
        mark.title = "stands in the training text";
        this.text.append(mark);
      } else if (this.text.lastChild instanceof Text) this.text.lastChild.appendData(part);
      else this.text.append(part);
      from = to;
    }
  }

  rest() { cancelAnimationFrame(this.frame); }

  /** Write on after a rest. */
  resume() {
    if (this.shown >= this.limit) this.limit += isCalm ? AT_ONCE : PORTION;
    this.frame = requestAnimationFrame((now) => this.draw(now, now));
  }
}

/** The items of a list. */
class Items {
  constructor(place) {
    this.list = made("ol", "items");
    place.replaceChildren(this.list);
    place.scrollTop = 0;
    this.copies = 0;
  }

  add(item, copied) {
    const line = made("li", copied ? "copied" : ""), text = made("bdi", "", visible(item) || "\u2205");
    line.append(text);
    if (copied) {
      this.copies += 1;
      line.append(made("small", "", `in the ${copied === "held-out" ? "held-out" : "training"} text`));
    }
    if (item.length > 40 || item.includes("\n")) this.list.classList.add("long");
    this.list.append(line);
  }
}

const REASONS = { // why the worker rejects, in words that follow a number
  unknown: "with unknown symbols", words: "with words run together", subwords: "spelled in unusual subwords",
  empty: "empty", long: "too long",
};

/** What a sample ended with, in one sentence. */
function ended({ done }, items) {
  const speed = done.seconds > 0 ? ` in ${done.seconds.toFixed(done.seconds < 10 ? 1 : 0)} seconds` : "";
  const parts = [items ? `${counted(items.list.children.length, "item")}${speed}`
    : `${counted(done.characters, "character")} written`];
  const rejected = Object.entries(done.rejected).filter(([name, times]) => times > 0 && name in REASONS);
  if (rejected.length) parts.push("rejected: " + rejected.map(([n, times]) => `${number(times)} ${REASONS[n]}`).join(", "));
  const copies = items ? items.copies : done.copied;
  if (copies) parts.push(`${number(copies)} marked, because charlm knows ${copies === 1 ? "it" : "them"} from the text`);
  return parts.join("; ") + ".";
}

/** The part of the page that writes. */
class Writer {
  constructor(model, part) {
    this.model = model;
    this.place = find(".written", part);
    this.status = find(".status", part);
    this.controls = new Controls(find("form", part));
    this.stopButton = find('[data-do="stop"]', part);
    this.state = "idle"; // or "writing", "paused"
    this.onSample = () => {};
    part.hidden = false;
    this.listen(part);
  }

  listen(part) {
    const form = this.controls.form, link = find('[data-do="link"]', part);
    let later = 0;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.controls.newSeed();
      this.write();
    });
    form.addEventListener("input", () => {
      this.controls.show();
      clearTimeout(later);
      later = setTimeout(() => this.controls.areValid && this.write(), 250); // the same seed: one sees what changed
    });
    this.stopButton.addEventListener("click", () => {
      if (this.state === "writing") this.stop();
      else if (this.state === "paused") this.goOn();
    });
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") this.stop(); });
    link.addEventListener("click", async () => {
      this.controls.writeAddress();
      try {
        await navigator.clipboard.writeText(location.href);
        this.say("Copied a link that repeats this sample.");
      } catch {
        this.say("The address of this page repeats this sample.");
      }
    });
    addEventListener("hashchange", () => { this.controls.readAddress(); this.write(); });
  }

  say(words) { this.status.textContent = words; }

  become(state) {
    this.state = state;
    this.stopButton.textContent = state === "paused" ? "Go on" : "Stop";
    this.stopButton.setAttribute("aria-disabled", state === "idle");
  }

  /** Write the sample of the controls. */
  write() {
    if (this.id) this.model.tell("stop", this.id);
    if (this.stream) this.stream.rest();
    this.controls.writeAddress();
    const request = { do: "sample", ...this.controls.values(), ...(settings.items ? {} : { length: 0 }) };
    let isFirst = true, items = null, stream = null;
    const id = this.id = this.model.ask(request, (answer) => {
      if (id !== this.id) return;
      if ("text" in answer) stream.add(answer.text);
      else if (answer.kind === "copied") stream.mark(answer.start, answer.stop);
      else if ("item" in answer) items.add(answer.item, answer.copied);
      else this.end(answer, items);
      if (isFirst && ("text" in answer || "item" in answer)) {
        isFirst = false;
        performance.mark("charlm: first sample");
      }
    });
    if (settings.items) items = new Items(this.place);
    else stream = new Stream(this.place, () => this.model.tell("pause", id), () => this.model.tell("go on", id));
    if (stream) stream.onLimit = () => this.stop(stream);
    this.stream = stream;
    this.become("writing");
    this.say("Writing …");
    this.onSample(items ? items.list : stream.text);
  }

  /** Stop a list, or pause a stream. */
  stop() {
    if (this.state !== "writing") return;
    if (!this.stream) {
      this.model.tell("stop", this.id);
      return;
    }
    this.stream.rest();
    this.model.tell("pause", this.id);
    this.become("paused");
    const copies = this.stream.copies.filter(([start]) => start < this.stream.shown).length;
    const marked = copies ? `; ${counted(copies, "run")} of the training text, marked` : "";
    this.say(`Paused after ${counted(this.stream.shown, "character")}${marked}.`);
  }

  goOn() {
    this.stream.resume();
    this.stream.waits = false;
    this.model.tell("go on", this.id);
    this.become("writing");
    this.say("Writing …");
  }

  end(answer, items) {
    this.become("idle");
    this.say("error" in answer ? answer.error : ended(answer, items));
  }
}

/* ---- reading */

/** A field that grows with its text, and asks when it has changed. */
function listenTo(field, ask) {
  const grow = () => { // where the browser knows no field-sizing
    if (CSS.supports("field-sizing", "content")) return;
    field.style.height = "auto";
    field.style.height = field.scrollHeight + "px";
  };
  field.addEventListener("input", () => { grow(); ask(); });
  grow();
}

/** The part of the page that paints a text by its surprise, and says what may come next. */
class Reader {
  constructor(model, part, given) {
    this.model = model;
    this.given = given;
    this.field = find("textarea", part);
    this.painted = find(".paint", part);
    this.reading = find(".reading", part);
    this.here = find(".here", part);
    this.next = find(".next", part);
    this.status = find(".status", part);
    this.tokens = [];
    this.after = [];
    this.buttons = [];
    part.hidden = false;
    listenTo(this.field, () => this.ask());
    document.addEventListener("selectionchange", () => {
      if (document.activeElement === this.field && this.field.value === this.text) this.point();
    });
    this.ask();
  }

  /** Show a text, as if somebody had typed it. */
  show(text) {
    this.field.value = text;
    this.field.dispatchEvent(new Event("input"));
  }

  get isUntouched() { return this.field.value === "" && document.activeElement !== this.field; }

  ask() {
    const text = this.field.value.slice(0, LONGEST);
    if (this.painted.textContent !== this.field.value) this.painted.classList.remove("shown");
    this.model.ask({ do: "score", text, top: 5, ...this.given() }, (answer) => {
      if (text !== this.field.value.slice(0, LONGEST)) return;
      if ("error" in answer) this.status.textContent = answer.error;
      else if ("scored" in answer) this.take(text, answer);
    });
  }

  take(text, answer) {
    this.text = this.field.value;
    this.tokens = [];
    this.after = answer.after;
    let start = 0;
    for (const token of answer.scored) {
      this.tokens.push({ ...token, start, stop: start += token.text.length });
    }
    const read = answer.scored.map((token) => token.text).join("");
    const isSame = read === text && text === this.text && visible(text) === text;
    this.paint(this.painted, isSame);
    this.painted.append(isSame ? "\u200b" : ""); // so that a line feed at the end makes a line
    this.painted.classList.toggle("shown", isSame);
    this.paint(this.reading, !isSame && text !== "");
    this.reading.hidden = isSame || text === "";
    this.point();
    clearTimeout(this.later);
    const cut = text.length < this.text.length ? `The first ${number(LONGEST)} characters: ` : "";
    this.later = setTimeout(() => {
      const mean = bits(answer.nats) / answer.tokens;
      this.status.textContent = !answer.tokens ? "" : `${cut}${mean.toFixed(2)} bits per ${settings.unit}, perplexity `
        + `${number(Number((2 ** mean).toPrecision(3)))}; ${counted(answer.tokens, settings.unit)}.`;
    }, 400); // said when somebody stops to type
  }

  /** Fill an element with the tokens, each painted by its surprise. */
  paint(element, isWanted) {
    element.replaceChildren(...(isWanted ? this.tokens : []).map((token) => {
      const kind = `s${band(token.nats)}${token.known ? "" : " u"}`;
      const isEnd = token.text === "\n";
      return made("b", kind + (isEnd && band(token.nats) ? " end" : ""), visible(token.text));
    }));
  }

  /** Show what the model expects at the caret. */
  point() {
    const caret = document.activeElement === this.field ? this.field.selectionStart : this.text.length;
    const index = this.tokens.findIndex((token) => token.stop > caret);
    const token = this.tokens[index];
    for (const element of [this.painted, this.reading]) {
      for (const old of element.querySelectorAll(".at")) old.classList.remove("at");
      if (token && element.children[index]) element.children[index].classList.add("at");
    }
    this.place = token ? token.start : this.text.length;
    this.here.replaceChildren();
    if (token) {
      const rank = token.known ? `, number ${number(token.rank)} of what it expected:` : ", which it does not know. It expected:";
      this.here.append(made("bdi", "", named(token.text)),
        `: ${percent(Math.exp(-token.nats))}, ${bits(token.nats).toFixed(1)} bits${rank}`);
    } else this.here.append(this.text ? "Next may come:" : "A text may begin with:");
    this.offer(token ? token.next : this.after);
  }

  /** Show the most likely tokens as buttons that add them. The same buttons stay, so that one keeps the focus. */
  offer(tokens) {
    tokens.forEach((token, index) => {
      const button = this.buttons[index] ?? this.newButton();
      const isUnknown = token.known === false;
      button.firstChild.textContent = isUnknown ? "unknown" : named(token.text);
      button.lastChild.textContent = percent(token.probability);
      button.style.setProperty("--part", 100 * token.probability + "%");
      button.setAttribute("aria-disabled", isUnknown);
      button.text = isUnknown ? "" : token.text;
      button.hidden = false;
    });
    for (const button of this.buttons.slice(tokens.length)) button.hidden = true;
  }

  newButton() {
    const button = made("button");
    button.type = "button";
    button.append(made("bdi"), made("span"));
    button.addEventListener("click", () => {
      if (!button.text) return;
      this.field.setRangeText(button.text, this.place, this.place, "end");
      this.field.dispatchEvent(new Event("input"));
    });
    this.buttons.push(button);
    this.next.append(button);
    return button;
  }
}

/* ---- predicting */

/** The part of the page that gives labels, tags or a target. */
class Predictor {
  constructor(model, part) {
    this.model = model;
    this.field = find("textarea", part);
    this.answer = find(".answer", part);
    this.status = find(".status", part);
    find(".title", part).textContent = settings.question;
    part.hidden = false;
    listenTo(this.field, () => this.ask());
    this.ask();
  }

  ask() {
    const text = this.field.value.slice(0, LONGEST);
    if (!text.trim()) {
      this.answer.replaceChildren();
      this.status.textContent = "";
      return;
    }
    this.model.ask({ do: "predict", text }, (answer) => {
      if (text !== this.field.value.slice(0, LONGEST)) return;
      this.status.textContent = answer.error ?? "";
      if (answer.predicted) this.show(answer.predicted);
    });
  }

  show({ labels, tokens, text }) {
    if (labels) this.answer.replaceChildren(this.table(labels));
    else if (tokens) this.answer.replaceChildren(this.words(tokens));
    else {
      const target = made("div", "target", visible(text));
      target.dir = "auto";
      this.answer.replaceChildren(target);
    }
    const more = labels ? labels.length - MOST_LABELS : 0;
    if (more > 0) this.status.textContent = `and ${counted(more, "label")} less likely.`;
  }

  table(labels) {
    const table = made("table"), caption = table.createCaption();
    caption.className = "unseen";
    caption.textContent = "Labels and their probabilities";
    labels.slice(0, MOST_LABELS).forEach(({ label, probability }, index) => {
      const row = table.insertRow(), bar = made("i"), head = made("th");
      row.className = (settings.several ? probability >= 0.5 : !index) ? "chosen" : "";
      head.scope = "row";
      head.append(made("bdi", "", visible(label)));
      row.append(head);
      row.insertCell().textContent = percent(probability);
      bar.style.width = 100 * probability + "%";
      row.insertCell().append(bar);
    });
    return table;
  }

  words(tokens) {
    const list = made("ol", "words");
    for (const { text, tag, probability } of tokens) {
      const item = made("li"), kind = settings.tags.indexOf(tag.replace(/^[A-Z]-/, ""));
      item.append(made("bdi", "", visible(text)), made("small", "", `${visible(tag)} ${percent(probability)}`));
      if (kind >= 0) item.style.setProperty("--tag", `hsl(${Math.round((kind * 137.5 + 210) % 360)} 70% 50%)`);
      list.append(item);
    }
    return list;
  }
}

/* ---- the page */

const isAble = typeof Worker === "function" && typeof DecompressionStream === "function";
if (isAble) {
  const model = new Model(), part = (name) => find(`[data-part="${name}"]`);
  find(".needs").hidden = true;
  find(".parts").hidden = false;
  model.worker.onerror = () => { for (const place of root.querySelectorAll(".status")) place.textContent = "The model could not be read: the page is damaged."; };
  model.open((answer) => {
    if ("error" in answer) {
      find(".needs").textContent = answer.error;
      find(".needs").hidden = false;
      find(".parts").hidden = true;
      return;
    }
    if (!settings.writes) {
      new Predictor(model, part("predict"));
      return;
    }
    const writer = new Writer(model, part("write"));
    writer.write();
    const given = () => (settings.labels.length ? { given: writer.controls.values().given } : {});
    const reader = new Reader(model, part("read"), given);
    if (settings.labels.length) find("select").addEventListener("change", () => reader.ask());
    setTimeout(() => {
      const text = writer.stream ? writer.stream.raw.trimStart().split("\n", 2).join("\n").slice(0, 120)
        : find("bdi", writer.place)?.textContent ?? "";
      if (reader.isUntouched && text) reader.show(text);
    }, 1000);
  });
}

})();
