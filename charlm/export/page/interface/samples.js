/* What the model has written, as a person sees it: a stream, or the items of a list. */

const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const AT_ONCE = 600; // characters of a stream that are shown as soon as they are there
const PACE = 250; // characters a second that follow them
const PORTION = 4000; // characters after which a stream pauses, so that a page left alone rests
const AHEAD = 500; // characters, at most, that the worker has written and nobody has seen

/** The text of a stream: it grows at a pace at which one can watch, and copies are marked. tell: sends "pause" or "go
 * on" to the worker; rested: is called when a portion is written. isOver: the worker writes no more. */
class Stream {
  constructor(place, tell, rested) {
    Object.assign(this, { place, tell, rested, raw: "", shown: 0, limit: 0, isAhead: false, isOver: false });
    this.text = made("div", "stream");
    this.text.dir = "auto";
    place.replaceChildren(this.text);
    this.copies = new Map(); // where a copy begins → where it ends
    this.goOn();
  }

  /** Write the next portion. */
  goOn() {
    if (this.shown >= this.limit) this.limit += isCalm ? AT_ONCE : PORTION;
    if (this.shown) this.tell("go on");
    this.isAhead = false;
    let before = performance.now();
    const draw = (now) => {
      this.frame = requestAnimationFrame(draw);
      this.draw((now - before) / 1000);
      before = now;
    };
    this.frame = requestAnimationFrame(draw);
  }

  /** Write no more, until it goes on. */
  rest() {
    cancelAnimationFrame(this.frame);
    this.tell("pause");
  }

  add(text) {
    this.raw += text;
    if (this.isAhead || this.raw.length < Math.max(this.shown, AT_ONCE) + AHEAD) return;
    this.isAhead = true;
    this.tell("pause");
  }

  mark(start, stop) {
    this.copies.set(start, stop);
    if (start < this.shown) this.paint(0, this.shown);
  }

  /** Show what one sees after some more seconds. */
  draw(seconds) {
    const atOnce = isCalm ? this.limit : AT_ONCE, { place } = this;
    this.due = this.shown < atOnce ? atOnce : this.due + Math.min(0.1, seconds) * PACE;
    this.due = Math.min(this.due, this.raw.length, this.limit);
    let stop = Math.floor(this.due);
    if (/[\udc00-\udfff]/.test(this.raw[stop] ?? "")) stop += 1; // a character is shown whole
    if (stop > this.shown) {
      const isAtEnd = place.scrollHeight - place.scrollTop - place.clientHeight < 60;
      this.paint(this.shown, stop);
      if (isAtEnd && !isCalm) place.scrollTop = place.scrollHeight;
    }
    if (this.isOver && this.shown >= this.raw.length) cancelAnimationFrame(this.frame);
    else if (this.shown >= this.limit) this.rested();
    else if (this.isAhead && this.raw.length - this.shown < AHEAD / 4) {
      this.isAhead = false;
      this.tell("go on");
    }
  }

  /** Show the characters start … stop - 1 of the text, which follow those that are shown; from 0 on, all anew. */
  paint(start, stop) {
    if (!start) this.text.replaceChildren();
    const edges = [...this.copies].flat().filter((edge) => start < edge && edge < stop).sort((a, b) => a - b);
    let from = start;
    for (const to of [...edges, stop]) {
      const part = visible(this.raw.slice(from, to));
      if ([...this.copies].some(([first, end]) => first <= from && to <= end)) {
        const mark = made("mark", "", part);
        mark.title = "stands in the training text";
        this.text.append(mark);
      } else if (this.text.lastChild instanceof Text) this.text.lastChild.appendData(part);
      else this.text.append(part);
      from = to;
    }
    this.shown = stop;
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
      line.append(" ", made("small", "", `in the ${copied === "held-out" ? "held-out" : "training"} text`));
    }
    if (item.length > 40 || item.includes("\n")) this.list.classList.add("long");
    this.list.append(line);
  }
}
