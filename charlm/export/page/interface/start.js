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
    const given = () => (settings.labels.length ? { given: writer.controls.values().given } : {});
    const reader = new Reader(model, part("read"), given);
    const writer = new Writer(model, part("write"), () => reader.ask()); // not before: a sample is to be there at once
    writer.write();
    setTimeout(() => reader.isUntouched && reader.show(writer.example), 1000);
  });
}
