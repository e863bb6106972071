/* Opens the model, and shows the parts of the page that its task has. */

const isAble = typeof Worker === "function" && typeof DecompressionStream === "function";
if (isAble) {
  const model = new Model(), part = (name) => find(`[data-part="${name}"]`);
  find(".needs").hidden = true;
  find(".parts").hidden = false;
  model.open((answer) => {
    if ("error" in answer) {
      find(".needs").textContent = `This page is damaged: ${answer.error}.`;
      find(".needs").hidden = false;
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
