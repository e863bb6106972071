// The worker of a page, run by Node: reads messages from standard input, one JSON object a line, and writes the
// answers. A message with `file` gets its payload from there; one with `run` gets the value of a function.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { runInThisContext } from "node:vm";

const write = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
globalThis.postMessage = write;
globalThis.onmessage = null;
runInThisContext(readFileSync(process.argv[2], "utf8"));
for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.run) write({ id: message.id, value: runInThisContext(`(${message.run})`)(message.of) });
  else {
    if (message.file) message.payload = new Uint8Array(readFileSync(message.file)).buffer;
    globalThis.onmessage({ data: message });
  }
}
