/* The part of the page that gives labels, tags or a target. */

const MOST_LABELS = 10; // that are shown

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
    const text = this.field.value;
    if (!text.trim()) {
      this.answer.replaceChildren();
      this.status.textContent = "";
      return;
    }
    this.model.ask({ do: "predict", text }, (answer) => {
      if (text !== this.field.value) return;
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
