/* The model, in its worker. */

const LAST = ["done", "scored", "stopped", "predicted", "opened", "error"]; // keys of the last answer to a request

/** ``ask`` sends a request to the worker, and gives each answer to a function. */
class Model {
  constructor() {
    const source = new Blob([find(".worker").textContent], { type: "text/javascript" });
    this.worker = new Worker(URL.createObjectURL(source));
    this.listeners = new Map();
    this.last = 0;
    this.worker.onmessage = ({ data }) => {
      const listen = this.listeners.get(data.id);
      if (LAST.some((key) => key in data)) this.listeners.delete(data.id);
      if (listen) listen(data);
    };
  }

  ask(request, listen, transfer = []) {
    const id = ++this.last;
    this.listeners.set(id, listen);
    this.worker.postMessage({ id, ...request }, transfer);
    return id;
  }

  /** Send a request that has no answer: to stop, pause or go on with the work of a request. */
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
