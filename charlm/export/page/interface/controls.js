/* The controls of the samples, and the address that repeats one. */

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
      const isNumber = !["text", "select-one"].includes(field.type);
      if (isNumber && !/^[0-9]{1,10}(\.[0-9]{1,4})?$/.test(value)) continue;
      if (isNumber && !(Number(field.min) <= value && value <= Number(field.max))) continue;
      field.value = value;
      const isPossible = field.value !== "" && field.checkValidity() && field.value.length <= 1000;
      if (!isPossible || (field.type === "number" && field.value !== value)) field.value = before;
    }
    this.show();
  }

  /** Show the value of each slider. */
  show() {
    for (const name of ["temperature", "topP"]) {
      const field = this.form.elements[name], value = Number(field.value).toFixed(2);
      find("output", field.parentNode).textContent = value;
    }
  }

  /** What the worker is asked for. */
  values() {
    const value = (name) => this.form.elements[name].value, found = { beginning: value("beginning") };
    for (const name of ["seed", "temperature", "topP", "count"]) found[name] = Number(value(name));
    if (settings.labels.length) found.given = value("given");
    return found;
  }

  get areValid() { return this.form.checkValidity(); }

  /** Write the values into the address. */
  writeAddress() {
    const values = this.names.map((name) => [name, this.form.elements[name].value]);
    try {
      history.replaceState(null, "", "#" + new URLSearchParams(values.filter(([, value]) => value !== "")));
    } catch {
      // a page inside another one may have no address of its own
    }
  }
}
