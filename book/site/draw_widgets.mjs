// Draws widgets without a browser: reads {model id: {state, buffers}} from standard input, writes {model id: HTML}.
import { readFileSync } from "node:fs";
import { parseHTML } from "linkedom";

const page = parseHTML("<!doctype html><html><body></body></html>");
globalThis.document = page.document;

/** What a view needs of a model to draw itself once. */
const asModel = (state) => ({ get: (name) => state[name], set() {}, save_changes() {}, on() {}, off() {}, send() {} });

const pictures = {};
for (const [id, { state, buffers = [] }] of Object.entries(JSON.parse(readFileSync(0, "utf8")))) {
  for (const { path, data } of buffers) {
    const bytes = Uint8Array.from(Buffer.from(data, "base64"));
    path.slice(0, -1).reduce((part, key) => part[key], state)[path.at(-1)] = new DataView(bytes.buffer);
  }
  const module = await import(`data:text/javascript;base64,${Buffer.from(state._esm).toString("base64")}`);
  const el = document.createElement("div");
  await module.default.render({ model: asModel(state), el });
  pictures[id] = el.outerHTML;
}
process.stdout.write(JSON.stringify(pictures), () => process.exit(0));
