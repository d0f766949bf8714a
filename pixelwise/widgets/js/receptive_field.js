// Build a stack of layers, click an output, and see which pixels it depends on and what the stack costs.
import { cost, extent, fields, flatDepth, jumps, KINDS, mayFollow, readLayers, SIDE, trace } from "./core/receptive_field.js";
import { screen } from "./screen.js";
import { button, choice, codeLine, colouredText, frame, h, setAttribute, setText, setTraits, toggle, watchTraits } from "./ui.js";

const TRAITS = ["layers", "cell", "hovered", "paths", "size", "channels", "doubling", "pixels", "truth", "about"];
const SIZES = [64, 256, 512];
const CHANNELS = [16, 32, 64];
const ADDED = { conv: "+ convolution", dilated: "+ dilated", strided: "+ strided", pool: "+ pooling", up: "+ up-convolution" };
const PRESETS = {
  flat: "conv conv conv conv conv conv",
  down: "conv conv pool conv conv pool conv conv",
  hourglass: "conv conv pool conv conv pool conv conv up conv conv up conv conv",
};
const SCREEN = { height: SIDE, width: SIDE };

const bytesOf = (value) => (value?.byteLength ? new Uint8Array(value.buffer ?? value, value.byteOffset ?? 0, value.byteLength) : new Uint8Array());
const clamp = (low, value, high) => Math.max(low, Math.min(high, value));
const UNITS = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
/** Three digits: 1.62 G. */
const short = (value) => {
  const [size, unit] = UNITS.find(([least]) => value >= least) ?? [1, ""];
  return `${Number((value / size).toPrecision(3))}${unit && ` ${unit}`}`;
};
const bytes = (value) => `${short(value)}B`.replace(/(\d)B/, "$1 B");

// ---- from the traits to numbers -------------------------------------------------------------------------

function present(get) {
  const s = { layers: readLayers(get("layers")), paths: get("paths"), doubling: get("doubling") };
  s.size = SIZES.includes(get("size")) ? get("size") : 512;
  s.channels = CHANNELS.includes(get("channels")) ? get("channels") : 64;
  const inside = (place) => place.length === 2 && place.every((value) => value >= 0 && value < SIDE);
  s.pixel = (inside(get("hovered")) ? get("hovered") : inside(get("cell")) ? get("cell") : [0, 0]).map(Math.floor);
  s.jumps = jumps(s.layers);
  s.side = SIDE / s.jumps.at(-1); // of the output
  s.cell = s.pixel.map((place) => Math.floor(place / s.jumps.at(-1)));
  [s.rows, s.columns] = s.cell.map((cell) => trace(s.layers, cell));
  s.fields = fields(s.layers);
  s.field = s.fields.at(-1);
  const settings = { size: s.size, channels: s.channels, doubling: s.doubling };
  s.cost = cost(s.layers, settings);
  s.flatDepth = flatDepth(s.field);
  s.flat = cost(Array(s.flatDepth).fill("conv"), { ...settings, doubling: false });
  return s;
}

/** The image, dark where the output cannot see. */
function seenPicture(s, pixels) {
  const rgb = new Uint8Array(pixels.length);
  const [rows, columns] = [s.rows[0], s.columns[0]];
  const most = Math.max(...rows.values()) * Math.max(...columns.values());
  for (let r = 0; r < SIDE; r++)
    for (let c = 0; c < SIDE; c++) {
      const paths = (rows.get(r) ?? 0) * (columns.get(c) ?? 0);
      const light = paths === 0 ? 0.28 : s.paths ? 0.28 + 0.72 * (paths / most) : 1;
      for (let k = 0; k < 3; k++) rgb[3 * (r * SIDE + c) + k] = Math.round(light * pixels[3 * (r * SIDE + c) + k]);
    }
  return rgb;
}

/** The class that most pixels of each output have: what the output would have to know. */
function wantedPicture(s, truth, classes) {
  const step = s.jumps.at(-1);
  const rgb = new Uint8Array(3 * s.side * s.side);
  for (let r = 0; r < s.side; r++)
    for (let c = 0; c < s.side; c++) {
      const counts = classes.map(() => 0);
      for (let i = 0; i < step; i++) for (let j = 0; j < step; j++) counts[truth[(r * step + i) * SIDE + c * step + j]]++;
      rgb.set(classes[counts.indexOf(Math.max(...counts))][1], 3 * (r * s.side + c));
    }
  return rgb;
}

// ---- sentences ------------------------------------------------------------------------------------------

/** 1 + 2 · 1 + 1 · 1 + 2 · 2: what each layer adds, as long as nothing is upsampled. */
function sum(s) {
  if (s.layers.includes("up") || !s.layers.length) return "";
  const terms = s.layers.map((word, l) => `${(KINDS[word].kernel - 1) * KINDS[word].dilation} · ${s.jumps[l]}`);
  return ` = 1 + ${terms.join(" + ")}`;
}

function sentence(s) {
  const [first, last] = extent(s.rows[0]);
  const width = last - first + 1;
  return [
    { text: `Output [${s.cell.join(", ")}]`, role: "output" }, " sees ", { text: `${width} × ${extent(s.columns[0]).reduce((a, b) => b - a + 1)} pixels`, role: "input" },
    first < 0 || last >= SIDE ? ", partly beyond the border. " : ". ",
    s.layers.includes("up") ? `No output sees more than ${s.field} × ${s.field}.` : `${s.field}${sum(s)}`,
  ];
}

const LINES = {
  conv: "nn.Conv2d({in}, {out}, 3, padding=1)", dilated: "nn.Conv2d({in}, {out}, 3, padding=2, dilation=2)", strided: "nn.Conv2d({in}, {out}, 3, padding=1, stride=2)",
  pool: "nn.MaxPool2d(2)", up: "nn.ConvTranspose2d({in}, {out}, 2, stride=2)",
};

/** The stack in PyTorch, a line for each layer (without the ReLUs, which see nothing and cost nothing here). */
export function pytorchLines({ layers, channels, doubling }) {
  let [now, level] = [3, 0];
  const lines = layers.map((word) => {
    level += word === "up" ? -1 : KINDS[word].stride - 1;
    const out = word === "pool" ? now : doubling ? channels * 2 ** level : channels;
    const line = LINES[word].replace("{in}", now).replace("{out}", out);
    now = out;
    return `    ${line},`;
  });
  return ["nn.Sequential(", ...lines, `    nn.Conv2d(${now}, 4, 1),`, ")"].join("\n");
}

// ---- the ladder: a row of cells for each depth ----------------------------------------------------------

const SVG_SPACE = "http://www.w3.org/2000/svg";
const svg = (tag, attributes, ...children) => {
  const element = document.createElementNS(SVG_SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

function rung() {
  const [cells, lit, grid] = ["pw-rung-cells", "pw-rung-lit", "pw-rung-grid"].map((name) => svg("path", { class: name, d: "" }));
  const strip = svg("svg", { viewBox: `0 0 ${SIDE} 1`, preserveAspectRatio: "none", class: "pw-rung", "aria-hidden": "true" }, cells, lit, grid);
  const parts = { name: h("th", { scope: "row" }), size: h("td"), jump: h("td"), field: h("td") };
  const row = h("tr", {}, parts.name, h("td", { class: "pw-rung-place" }, strip), parts.size, parts.jump, parts.field);
  return {
    row,
    update({ name, step, seen, field }) {
      setText(parts.name, name);
      setText(parts.size, `${SIDE / step}`);
      setText(parts.jump, `${step}`);
      setText(parts.field, `${field}`);
      setAttribute(cells, "d", `M0 0H${SIDE}V1H0z`);
      const inside = [...seen.keys()].filter((cell) => cell >= 0 && cell < SIDE / step);
      setAttribute(lit, "d", inside.map((cell) => `M${cell * step} 0h${step}v1h${-step}z`).join(""));
      setAttribute(grid, "d", Array.from({ length: SIDE / step - 1 }, (_, k) => `M${(k + 1) * step} 0v1`).join(""));
    },
  };
}

// ---- the view -------------------------------------------------------------------------------------------

function render({ model, el }) {
  const { root, share } = frame(model, el, { label: "Receptive field: build a stack of layers and see what an output sees", kind: "receptive-field" });
  const get = (name) => model.get(name);
  const { classes } = get("about");
  let s = present(get);
  const build = (layers) => setTraits(model, { layers: layers.join(" ") });

  const preset = choice({ label: "start from", options: Object.keys(PRESETS), onChoose: (name) => setTraits(model, { layers: PRESETS[name] }) });
  const adders = Object.entries(ADDED).map(([word, label]) => {
    const made = button({ label, visible: true, onPress: () => mayFollow(s.layers, word) && build([...s.layers, word]) });
    made.element.classList.add("pw-text-button");
    return { word, ...made };
  });
  const remove = button({ label: "remove the last", visible: true, onPress: () => s.layers.length && build(s.layers.slice(0, -1)) });
  remove.element.classList.add("pw-text-button");
  const paths = toggle({ label: "shade by the number of paths", onChange: (value) => setTraits(model, { paths: value }) });
  const size = choice({ label: "image", options: SIZES, onChoose: (value) => setTraits(model, { size: value }) });
  const channels = choice({ label: "channels", options: CHANNELS, onChoose: (value) => setTraits(model, { channels: value }) });
  const doubling = toggle({ label: "doubled at each halving", onChange: (value) => setTraits(model, { doubling: value }) });

  const picture = screen({ role: "img" });
  const output = screen({ tabindex: 0, role: "application", "aria-label": "The output. Arrow keys choose which output looks." });
  const outputCaption = h("figcaption", { class: "pw-text-output" });
  const ladder = h("tbody");
  const costs = ["multiply-adds", "parameters", "activations"].map((name) => ({ name, own: h("td"), flat: h("td"), ratio: h("td") }));
  const flatHead = h("th", { scope: "col" });
  const says = h("output", { class: "pw-says", "aria-live": "polite" });
  const code = codeLine();

  root.append(
    h("div", { class: "pw-bar pw-field-build" }, preset.element, share),
    h("div", { class: "pw-bar pw-field-build" }, adders.map(({ element }) => element), remove.element),
    h(
      "div", { class: "pw-field-screens" },
      h("figure", {}, h("figcaption", { class: "pw-text-input" }, `image · ${SIDE} × ${SIDE}`), picture.element),
      h("figure", {}, outputCaption, output.element),
    ),
    says, paths.element,
    h(
      "table", { class: "pw-ladder" },
      h("thead", {}, h("tr", {}, ["layer", "what is seen along one row", "size", "jump", "sees"].map((text) => h("th", { scope: "col" }, text)))),
      ladder,
    ),
    h("div", { class: "pw-bar pw-settings" }, size.element, channels.element, doubling.element),
    h(
      "table", { class: "pw-costs" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "cost"), h("th", { scope: "col" }, "your stack"), flatHead, h("th", { scope: "col" }, "flat : yours"))),
      h("tbody", {}, costs.map(({ name, own, flat, ratio }) => h("tr", {}, h("th", { scope: "row" }, name), own, flat, ratio))),
    ),
    code.element,
  );

  const place = (event) => output.placeOf(event, SCREEN);
  output.element.addEventListener("pointermove", (event) => setTraits(model, { hovered: place(event) ?? [] }));
  output.element.addEventListener("pointerleave", () => setTraits(model, { hovered: [] }));
  output.element.addEventListener("pointerdown", (event) => place(event) && setTraits(model, { cell: place(event) }));
  output.element.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (!moves[event.key]) return;
    const step = s.jumps.at(-1);
    setTraits(model, { cell: s.cell.map((cell, k) => step * clamp(0, cell + moves[event.key][k], s.side - 1)), hovered: [] });
    event.preventDefault();
  });

  const rungs = [];
  function update() {
    s = present(get);
    preset.update(Object.keys(PRESETS).find((name) => PRESETS[name] === s.layers.join(" ")));
    for (const { word, update: show } of adders) show({ disabled: !mayFollow(s.layers, word) });
    remove.update({ disabled: !s.layers.length });
    paths.update(s.paths);
    size.update(s.size);
    channels.update(s.channels);
    doubling.update(s.doubling);

    picture.draw(seenPicture(s, bytesOf(get("pixels"))), SIDE, SIDE);
    const step = s.jumps.at(-1);
    const centre = s.cell.map((cell) => step * cell + (step - 1) / 2);
    setAttribute(picture.element, "aria-label", `A meadow, dark except for the pixels that output ${s.cell.join(", ")} sees`);
    picture.point(centre, step, "square", SCREEN);
    output.draw(wantedPicture(s, bytesOf(get("truth")), classes), s.side, s.side);
    output.point(centre, step, "square", SCREEN);
    setText(outputCaption, `wanted · ${s.side} × ${s.side}`);
    colouredText(says, sentence(s));

    while (rungs.length > s.layers.length + 1) rungs.pop().row.remove();
    while (rungs.length < s.layers.length + 1) ladder.append(rungs[rungs.push(rung()) - 1].row);
    rungs.forEach((one, depth) =>
      one.update({ name: depth ? KINDS[s.layers[depth - 1]].name : "image", step: s.jumps[depth], seen: s.columns[depth], field: s.fields[depth] }),
    );

    setText(flatHead, `${s.flatDepth} ${s.flatDepth === 1 ? "convolution" : "convolutions"}, flat`);
    for (const { name, own, flat, ratio } of costs) {
      const key = { "multiply-adds": "multiplyAdds", parameters: "parameters", activations: "bytes" }[name];
      const shown = key === "bytes" ? bytes : short;
      setText(own, shown(s.cost[key]));
      setText(flat, shown(s.flat[key]));
      setText(ratio, Number((s.flat[key] / s.cost[key]).toPrecision(2)).toString());
    }
    code.update(pytorchLines(s));
    root.dataset.layers = s.layers.join(" ");
    root.dataset.field = s.field;
  }

  const stopWatching = watchTraits(model, TRAITS, update);
  update();
  return stopWatching;
}
export default { render };
