/* The part of the page that writes. */

const REASONS = { // why the worker rejects, in words that follow a number
  unknown: "with unknown symbols", words: "with words run together", subwords: "spelled in unusual subwords",
  empty: "empty", long: "too long",
};

const copiesInWords = (copies) => (copies === 1 ? "1 copy" : `${number(copies)} copies`);

/** What a sample ended with, in one sentence. */
function ended({ done }, items) {
  const speed = done.seconds > 0 ? ` in ${done.seconds.toFixed(done.seconds < 10 ? 1 : 0)} seconds` : "";
  const parts = [items ? `${counted(items.list.children.length, "item")}${speed}`
    : `${counted(done.characters, "character")} written`];
  const rejected = Object.entries(done.rejected).filter(([name, times]) => times > 0 && name in REASONS)
    .map(([name, times]) => `${number(times)} ${REASONS[name]}`);
  if (rejected.length) parts.push(`rejected: ${rejected.join(", ")}`);
  const copies = items ? items.copies : done.copied;
  if (copies) parts.push(`marked: ${copiesInWords(copies)}`);
  return parts.join("; ") + ".";
}

class Writer {
  /** begun: is called for each sample as soon as one sees something of it, or why there is none. */
  constructor(model, part, begun) {
    this.model = model;
    this.begun = begun;
    this.place = find(".written", part);
    this.status = find(".status", part);
    this.controls = new Controls(find("form", part));
    this.stopButton = find('[data-do="stop"]', part);
    this.state = "idle"; // or "writing", "paused"
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
      later = setTimeout(() => { // the same seed: one sees what changed
        if (this.controls.areValid) this.write();
        else this.say(find(":invalid", form).validationMessage);
      }, 250);
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
      if (isFirst) {
        performance.mark("charlm: first sample");
        this.begun();
      }
      isFirst = false;
    });
    if (settings.items) items = new Items(this.place);
    else stream = new Stream(this.place, (what) => this.model.tell(what, id), () => this.stop());
    this.stream = stream;
    this.become("writing");
    this.say("Writing …");
  }

  /** Stop a list, or pause a stream. */
  stop() {
    if (this.state !== "writing") return;
    if (!this.stream) {
      this.model.tell("stop", this.id);
      return;
    }
    this.stream.rest();
    this.become("paused");
    const copies = [...this.stream.copies.keys()].filter((start) => start < this.stream.shown).length;
    const marked = copies ? `; marked: ${copiesInWords(copies)}` : "";
    this.say(`Paused after ${counted(this.stream.shown, "character")}${marked}.`);
  }

  /** A text that the model has written, to be read. */
  get example() {
    if (!this.stream) return find("bdi", this.place)?.textContent ?? "";
    return this.stream.raw.trimStart().split("\n", 2).join("\n").slice(0, 120);
  }

  goOn() {
    this.stream.goOn();
    this.become("writing");
    this.say("Writing …");
  }

  end(answer, items) {
    if (this.stream) this.stream.isOver = true;
    this.become("idle");
    this.say("error" in answer ? answer.error : ended(answer, items));
  }
}
