/* The part of the page that paints a text by its surprise, and says what may come next. */

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
  }

  /** Show a text, as if somebody had typed it. */
  show(text) {
    this.field.value = text;
    this.field.dispatchEvent(new Event("input"));
  }

  get isUntouched() { return this.field.value === "" && document.activeElement !== this.field; }

  ask() {
    const text = this.field.value;
    if (this.painted.textContent !== this.field.value) this.painted.classList.remove("shown");
    this.model.ask({ do: "score", text, top: 5, ...this.given() }, (answer) => {
      if (text !== this.field.value) return;
      if ("error" in answer) this.status.textContent = answer.error;
      else if ("scored" in answer) this.take(text, answer);
    });
  }

  take(text, answer) {
    let start = 0;
    this.text = text;
    this.after = answer.after;
    this.tokens = answer.scored.map((token) => ({ ...token, start, stop: start += token.text.length }));
    this.isAligned = this.tokens.map((token) => token.text).join("") === text; // the model may read another form of it
    const isSame = this.isAligned && visible(text) === text;
    this.paint(this.painted, isSame);
    this.painted.append(isSame ? "\u200b" : ""); // so that a line feed at the end makes a line
    this.painted.classList.toggle("shown", isSame);
    this.paint(this.reading, !isSame && text !== "");
    this.reading.hidden = isSame || text === "";
    this.point();
    clearTimeout(this.later);
    this.later = setTimeout(() => this.sumUp(answer), 400); // when somebody stops to type
  }

  /** Say how surprising the whole text is. */
  sumUp({ nats, tokens }) {
    const mean = bits(nats) / tokens, perplexity = number(Number((2 ** mean).toPrecision(3)));
    const most = this.text.length >= this.field.maxLength ? " The field holds no more." : "";
    this.status.textContent = tokens ? `${mean.toFixed(2)} bits per ${settings.unit}, perplexity ${perplexity}; `
      + `${counted(tokens, settings.unit)}.${most}` : "";
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
    const caret = this.field.selectionStart;
    const index = this.isAligned ? this.tokens.findIndex((token) => token.stop > caret) : -1;
    const token = this.tokens[index];
    for (const element of [this.painted, this.reading]) {
      for (const old of element.querySelectorAll(".at")) old.classList.remove("at");
      if (token && element.children[index]) element.children[index].classList.add("at");
    }
    this.place = token ? token.start : this.text.length;
    this.here.replaceChildren();
    if (token) {
      const rank = token.known ? `, number ${number(token.rank)} of what it expected:`
        : ", which it does not know. It expected:";
      this.here.append(made("bdi", "", named(token.text)),
        `: ${percent(Math.exp(-token.nats))}, ${bits(token.nats).toFixed(1)} bits${rank}`);
    } else this.here.append(this.text ? "Next may come:" : "A text may begin with:");
    this.offer(token ? token.next : this.after);
  }

  /** Show the most likely tokens as buttons that add them. The same buttons stay, so that one keeps the focus. */
  offer(tokens) {
    tokens.forEach((token, index) => {
      const button = this.buttons[index] ?? this.newButton();
      const isUnknown = token.text === "<UNK>";
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
