// The U-Net as the paper draws it, built in steps, and what each layer puts out, costs and sees.
import { buildSteps, describeUNet, nearestLegal, takes } from "./core/unet_shapes.js";
import { button, choice, codeLine, colouredText, frame, h, setAttribute, setText, setTraits, stepper, toggle, watchTraits } from "./ui.js";

const TRAITS = [
  "size", "depth", "base_channels", "padding", "in_channels", "num_classes", "copy_paths",
  "step", "playing", "selected", "hovered",
];
const DEPTHS = [1, 2, 3, 4, 5];
const BASE_CHANNELS = [8, 16, 32, 64];
const LARGEST_SIZE = 4096;
const between = (low, value, high) => Math.max(low, Math.min(high, value));

/** Everything that the view shows, from the traits alone. */
function present(get) {
  // a link may hold any number
  const whole = (trait, low, high) => between(low, Math.round(get(trait)), high);
  const settings = {
    in_channels: whole("in_channels", 1, 64), num_classes: whole("num_classes", 1, 64),
    base_channels: whole("base_channels", 1, 128), depth: whole("depth", 1, 5), padding: whole("padding", 0, 1),
    copy_paths: get("copy_paths"),
  };
  const s = { settings, size: whole("size", 1, LARGEST_SIZE) };
  ({ layers: s.layers, broken: s.broken } = describeUNet(settings, s.size));
  s.legal = takes(settings, s.size);
  s.nearest = nearestLegal(settings, s.size);
  s.steps = buildSteps(s.layers);
  s.last = s.steps.length - 1;
  s.step = whole("step", 0, s.last);
  s.now = s.steps[s.step];
  s.built = s.now.at(-1);
  s.total = (what) => s.layers.reduce((sum, layer) => sum + layer[what], 0);
  const layerOf = (trait) => (s.layers[get(trait)] ? get(trait) : -1);
  s.selected = layerOf("selected");
  // the complete network says most where it has the most: at the end of the bottom
  const shown = s.step === s.last ? s.layers.findLastIndex(({ part }) => part === "bottom") : s.built;
  s.focus = [layerOf("hovered"), s.selected, s.broken ?? -1, shown].find((k) => k >= 0);
  return s;
}

// ---- numbers and sentences ------------------------------------------------------------------------------

const grouped = (value) => value.toLocaleString("en-US");
const counted = (value) =>
  value >= 1e9 ? `${(value / 1e9).toFixed(1)} billion` : value >= 1e6 ? `${(value / 1e6).toFixed(1)} million` : grouped(value);
const square = (size) => `${size} × ${size}`;
const channelsText = (n) => (n === 1 ? "1 channel" : `${n} channels`);
const blue = (text) => ({ text, role: "input" });
const green = (text) => ({ text, role: "output" });
const vermilion = (text) => ({ text, role: "kernel" });
const isCopy = ({ operation }) => operation === "copy and crop";
const isUp = ({ operation }) => operation.startsWith("up-convolution");
const isPooling = ({ operation }) => operation.startsWith("max pooling");
/** Expanding path in the wide sense: what stands on the right arm of the U. */
const isUpwards = ({ part }) => part === "up-convolutions" || part === "expanding path" || part === "head";

const placeOf = (layer) =>
  layer.part === "image" || layer.part === "head" ? "" : layer.part === "bottom" ? "bottom" : `${isUpwards(layer) ? "expanding" : "contracting"} path, level ${layer.level + 1 - isPooling(layer)}`;
const operationOf = (layer) => (isUp(layer) ? "up-convolution 2 × 2" : layer.operation);
const titleOf = (layer) => [operationOf(layer), placeOf(layer)].filter(Boolean).join(" · ");
const sizesOf = (s, positions) => positions.map((k) => s.layers[k].size).join(" → ");

/** What a layer adds at its step, one sentence each. */
function sayStep(s) {
  const layer = s.layers[s.built];
  const first = s.layers[s.now[0]];
  const source = s.layers[first.from.at(-1)];
  const from = (positions) => `${source.size} → ${sizesOf(s, positions)}`;
  if (s.broken !== null && s.broken <= s.built) return ["The network stops at the ", { text: "crossed-out layer", role: "loss" }, `. Image size ${s.size} gets no further.`];
  if (s.step === 0) return [blue("The image"), `: ${channelsText(layer.channels)} of ${square(layer.size)} pixels.`];
  if (layer.part === "head") {
    const rest = layer.size === s.size ? `. All ${square(s.size)} positions have theirs.` : `. Of ${square(s.size)} positions, the ${square(layer.size)} in the middle have theirs.`;
    return [vermilion("A 1 × 1 convolution"), ` turns the ${layer.inputs} numbers at each position into `, green(`${layer.channels} class ${layer.channels === 1 ? "score" : "scores"}`), rest];
  }
  if (isPooling(layer)) return ["Max pooling keeps the largest number of each 2 × 2 block: ", blue(from(s.now)), `, still ${channelsText(layer.channels)}.`];
  if (isUp(layer) && s.now.length === 1) return [vermilion("The up-convolution"), ", a transposed convolution with a 2 × 2 kernel and stride 2, doubles rows and columns and halves the channels: ", green(from(s.now)), `, ${channelsText(layer.channels)}.`];
  if (isCopy(layer)) {
    const copied = s.layers[layer.from[0]];
    const crop = layer.cut ? `are cropped by ${layer.cut} at every side, ${copied.size} → ${layer.size}, ` : "keep their size ";
    return ["Copy and crop: the ", blue(`${copied.channels} channels of level ${layer.level + 1}`), ` ${crop}and stand beside the ${layer.channels - copied.channels} from below: ${channelsText(layer.channels)}.`];
  }
  if (layer.part === "bottom") return ["The bottom: pooling and two convolutions, ", blue(from(s.now)), `. It has the most channels, ${layer.channels}, on the smallest map.`];
  if (isUp(first)) return [`Level ${layer.level + 1} repeats this: `, vermilion("up-convolution"), s.settings.copy_paths ? ", copy and crop" : "", ", two convolutions: ", green(from(s.now)), `, ${channelsText(layer.channels)}.`];
  if (isPooling(first)) return [`Level ${layer.level + 1} repeats this: pooling and two convolutions, `, blue(from(s.now)), `, ${channelsText(layer.channels)}.`];
  const loss = s.settings.padding ? "Zeros around each map keep the size: " : "Each takes a pixel off every side: ";
  return [vermilion("Two 3 × 3 convolutions"), `, each with a ReLU, from ${channelsText(first.inputs)} to ${layer.channels}. ${loss}`, (isUpwards(layer) ? green : blue)(from(s.now)), "."];
}

/** Why the size is not legal. */
function sayBreak(s) {
  const layer = s.layers[s.broken];
  const before = s.layers[layer.from[0]].size;
  const level = `level ${layer.level + 1 - isPooling(layer)}`;
  return isPooling(layer)
    ? [`the pooling of ${level} meets `, { text: before === 1 ? "1 row" : `${before} rows`, role: "loss" }, before === 1 ? ", and cannot pair it." : ", an odd number: one would be left over."]
    : [`a 3 × 3 convolution of ${layer.part === "bottom" ? "the bottom" : level} finds only `, { text: `${before} × ${before}`, role: "loss" }, ": nothing would be left."];
}

function sayVerdict(s) {
  if (!s.legal) return [{ text: `${s.size} breaks`, role: "loss" }, ": ", ...sayBreak(s)];
  return [
    green(`${s.size} is legal`), `: ${square(s.layers.at(-1).size)} scores. ${grouped(s.total("parameters"))} parameters, ${counted(s.total("multiplyAdds"))} multiply-adds.`,
  ];
}

/** Rows of the table of a layer: [name, what]. */
function factsOf(s, k) {
  const layer = s.layers[k];
  const reached = s.broken === null || k < s.broken;
  const { inputs, channels, parameters, size } = layer;
  const side = layer.operation.match(/convolution (\d)/)?.[1] ?? 2;
  const kernel = side === "1" ? "" : `${side} · ${side} · `;
  const products = isUp(layer) ? "" : kernel;
  return [
    ["puts out", reached ? `${channels} × ${square(size)}` : k === s.broken ? "nothing: here it breaks" : "never reached"],
    ["parameters", parameters ? `${kernel}${inputs} · ${channels} + ${channels} = ${grouped(parameters)}` : "none"],
    ["multiply-adds", !reached ? "–" : layer.multiplyAdds ? `${products}${inputs} · ${channels} · ${size} · ${size} = ${counted(layer.multiplyAdds)}` : "none"],
    ["sees", !reached ? "–" : k === 0 ? "itself" : `${square(layer.receptiveField)} pixels of the image`],
  ];
}

/** What the small square beside the facts shows: a frame in a map. */
function insetOf(s, k) {
  const layer = s.layers[k];
  if (k === s.broken && isPooling(layer)) {
    const rows = s.layers[layer.from[0]].size;
    return { whole: rows, part: rows, title: `pooling meets ${square(rows)}`, text: `2 · ${Math.floor(rows / 2)} + 1`, cut: 0, role: "left-over", says: "one row and one column are left over" };
  }
  if (s.broken !== null && k >= s.broken) return null;
  if (isCopy(layer)) {
    const whole = s.layers[layer.from[0]].size;
    const what = layer.cut ? `${layer.cut} of ${whole} rows are cut at each side` : "nothing is cut";
    return { whole, part: layer.size, title: `copied: ${square(whole)}`, text: `${square(layer.size)}`, cut: layer.cut, role: "copied", says: what };
  }
  const all = k === 0 || layer.receptiveField >= s.size;
  const seen = all ? s.size : layer.receptiveField;
  return { whole: s.size, part: seen, title: `image: ${square(s.size)}`, text: k > 0 && all ? "all of it" : "", cut: 0, role: "seen", says: all ? "all of the image" : `sees ${square(seen)} pixels` };
}

/** The PyTorch lines for this network. */
export function pytorchLines({ settings, size, legal, layers }) {
  const { in_channels, num_classes, base_channels, depth, padding, copy_paths } = settings;
  const options = [["base_channels", base_channels, 64], ["depth", depth, 4], ["padding", padding, 0], ["copy_paths", copy_paths ? "True" : "False", "True"]]
    .filter(([, value, usual]) => value !== usual).map(([name, value]) => `, ${name}=${value}`).join("");
  const out = layers.at(-1).size;
  return [
    `net = UNet(${in_channels}, ${num_classes}${options})`,
    legal ? "y = net(x)" : "y = net(x)  # ValueError",
    `# x (1, ${in_channels}, ${size}, ${size})${legal ? `  y (1, ${num_classes}, ${out}, ${out})` : ""}`,
  ].join("\n");
}

// ---- the drawing ----------------------------------------------------------------------------------------

/** An SVG element. */
function drawn(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(name, value);
  element.append(...children.flat().filter(Boolean));
  return element;
}

const WIDTH = 880, MARGIN = 104, TALLEST = 184, GAP = 46, LEAST_HEIGHT = 5, BETWEEN = 15;
const round = (value) => Math.round(value * 10) / 10;

/**
 * Where the boxes stand. Heights are to scale, widths grow with the root of the channels. A level that is one
 * deeper starts below the last box of the level above, so that poolings and up-convolutions are vertical.
 */
function placed(s) {
  const { layers } = s;
  const column = [];
  layers.forEach((layer, k) => {
    const before = column[k - 1] ?? -1;
    // an up-convolution and the copy beside it share a column
    column.push(isPooling(layer) || isUp(layer) || isCopy(layer) ? before : before + 1);
  });
  const boxWidth = ({ channels }) => 1.5 * Math.sqrt(channels);
  const widthOf = (k) => {
    const layer = layers[k];
    if (isCopy(layer)) return boxWidth(layers[layer.from[0]]);
    return Math.max(2, boxWidth(layer));
  };
  const columns = Array.from({ length: column.at(-1) + 1 }, () => 0);
  const inColumn = (layer, k) => (isUp(layer) && isCopy(layers[k + 1]) ? widthOf(k) + widthOf(k + 1) : widthOf(k));
  layers.forEach((layer, k) => { columns[column[k]] = Math.max(columns[column[k]], inColumn(layer, k)); });
  const room = WIDTH - 2 * MARGIN - BETWEEN * (columns.length - 1);
  const wide = columns.reduce((a, b) => a + b, 0);
  const shrink = Math.min(1.25, room / wide);
  const gap = Math.min(40, (WIDTH - 2 * MARGIN - wide * shrink) / (columns.length - 1));
  let x = (WIDTH - wide * shrink - gap * (columns.length - 1)) / 2;
  const centres = columns.map((width) => {
    const centre = x + (width * shrink) / 2;
    x += width * shrink + gap;
    return centre;
  });

  const scale = TALLEST / Math.max(...layers.map(({ size }) => size));
  const heightOf = ({ size }) => Math.max(LEAST_HEIGHT, size * scale);
  const rows = Array.from({ length: s.settings.depth + 1 }, (_, level) => Math.max(...layers.filter((layer) => layer.level === level).map(heightOf)));
  let y = 34;
  const middles = rows.map((height) => {
    const middle = y + height / 2;
    y += height + GAP;
    return middle;
  });
  const boxes = layers.map((layer, k) => {
    const [width, height, centre] = [widthOf(k) * shrink, heightOf(layer), centres[column[k]]];
    // the copied half stands at the left, the half from below at the right
    const both = isCopy(layer) ? width + widthOf(k - 1) * shrink : isUp(layer) && isCopy(layers[k + 1] ?? {operation: ""}) ? width + widthOf(k + 1) * shrink : width;
    const left = isCopy(layer) ? centre - both / 2 : isUp(layer) ? centre + both / 2 - width : centre - width / 2;
    return { left: round(left), top: round(middles[layer.level] - height / 2), width: round(width), height: round(height), middle: round(middles[layer.level]) };
  });
  return { boxes, rows, middles, height: round(y - GAP + 30), scale, gap };
}

const right = ({ left, width }) => left + width;
const bottom = ({ top, height }) => top + height;
const centre = ({ left, width }) => round(left + width / 2);

function arrow(kind, [x1, y1], [x2, y2]) {
  const [dx, dy] = [Math.sign(round(x2 - x1)), Math.sign(round(y2 - y1))];
  const tip = dx ? `M${x2} ${y2}l${-6 * dx} -3.5v7z` : `M${x2} ${y2}l-3.5 ${-6 * dy}h7z`;
  return drawn("g", { class: `pw-operation pw-${kind}` }, drawn("path", { class: "pw-shaft", d: `M${x1} ${y1}L${x2 - 5 * dx} ${y2 - 5 * dy}` }), drawn("path", { class: "pw-tip", d: tip }));
}

const label = (x, y, text, { anchor = "middle", kind = "" } = {}) =>
  drawn("text", { x: round(x), y: round(y), "text-anchor": anchor, class: kind || null }, text);

/** All that a layer draws: its operation as an arrow, its box, its words, and the place that answers to the pointer. */
function drawLayer(s, place, k) {
  const { boxes } = place;
  const layer = s.layers[k];
  const box = boxes[k];
  // copied and upsampled channels stand side by side: what reads both starts at the right of them
  const from = layer.from.at(-1);
  const source = boxes[isCopy(s.layers[from] ?? layer) ? s.layers[from].from[1] : from];
  const parts = [];
  const hit = (left, top, width, height) => drawn("rect", { class: "pw-hit", x: round(left), y: round(top), width: round(width), height: round(height) });

  if (isCopy(layer)) {
    const copied = boxes[layer.from[0]];
    const [start, end] = [right(copied) + 5, box.left - 3];
    parts.push(hit(start, box.middle - 13, end - start, 26), arrow("copy", [start, box.middle], [end, box.middle]));
    const room = end - start;
    const words = layer.cut && room > 110 ? `copy, crop ${s.layers[layer.from[0]].size} → ${layer.size}` : "copy";
    if (room > 60) parts.push(label((start + end) / 2, box.middle - 8, words, { kind: "pw-words" }));
    parts.push(label((box.left + right(source)) / 2, Math.min(box.top, source.top) - 7, `${layer.channels}`, { kind: "pw-channels pw-long" }));
    if (layer.cut) {
      const cut = round(layer.cut * place.scale);
      const strip = (top) => drawn("rect", { class: "pw-cut", x: copied.left, y: round(top), width: copied.width, height: cut });
      parts.push(strip(copied.top), strip(bottom(copied) - cut));
    }
  } else if (isPooling(layer)) parts.push(arrow("pool", [centre(source), bottom(source) + 3], [centre(source), box.top - 3]));
  else if (isUp(layer)) {
    const x = between(box.left + 1, centre(box), right(box) - 1);
    parts.push(arrow("up", [x, source.top - 3], [x, bottom(box) + 3]));
  } else if (source) {
    // a level's first convolution reads what stands beside it on the left
    parts.push(arrow("convolution", [right(source) + 3, box.middle], [box.left - 3, box.middle]));
  }

  parts.push(drawn("rect", { class: "pw-box", x: box.left, y: box.top, width: box.width, height: box.height, rx: 1.5 }));
  const tall = Math.max(box.height + 20, 62); // a finger wide, also on a phone
  const [before, after] = isCopy(layer) ? [6, 0] : isUp(layer) && s.settings.copy_paths ? [0, 6] : [place.gap / 2, place.gap / 2];
  parts.push(hit(box.left - before, box.middle - tall / 2, box.width + before + after, tall));

  // the size of a level stands outside the U, the channels above their boxes
  const second = layer.operation === s.layers[k - 1]?.operation;
  const outside = (x, anchor, ...lines) => lines.map(([text, kind], line) => label(x, box.middle + 5 + (line - (lines.length - 1) / 2) * 17, text, { anchor, kind }));
  if (k === 0) parts.push(...outside(box.left - 10, "end", ["image", "pw-name"], [square(layer.size), "pw-long"], [`${layer.size}²`, "pw-short"]));
  if (layer.part === "head") parts.push(...outside(right(box) + 10, "start", ["scores", "pw-name"], [square(layer.size), "pw-long"], [`${layer.size}²`, "pw-short"]));
  if (isPooling(layer) && k !== s.broken) parts.push(label(box.left - 8, box.middle + 5, `${layer.size}²`, { anchor: "end", kind: "pw-size" }));
  if (second && layer.level > 0 && layer.part !== "contracting path") parts.push(label(right(box) + 8, box.middle + 5, `${layer.size}²`, { anchor: "start", kind: "pw-size" }));
  // on the way up an arrow leaves the second box upwards: the number stands above the first
  if (second) parts.push(label(layer.part === "contracting path" ? (boxes[k - 1].left + right(box)) / 2 : centre(boxes[k - 1]), Math.min(box.top, boxes[k - 1].top) - 7, `${layer.channels}`, { kind: "pw-channels" }));

  if (k === s.broken) {
    const [x, y] = [centre(box), box.middle];
    parts.push(drawn("path", { class: "pw-cross", d: `M${x - 9} ${y - 9}l18 18M${x + 9} ${y - 9}l-18 18` }));
  }
  const kind = layer.part === "bottom" ? "bottom" : isCopy(layer) ? "copied" : isUpwards(layer) ? "upwards" : "downwards";
  return drawn("g", { class: `pw-layer pw-${kind}`, "data-layer": k }, parts);
}

/** A map with a frame in it: what a crop keeps, what a number sees, what a pooling cannot pair. */
function drawInset({ whole, part, title, text, cut, role }) {
  const side = 112, left = 24, top = 24;
  const [x, y] = [left + side / 2, top + side / 2];
  const inner = Math.max(3, (part / whole) * side);
  const strip = (side - inner) / 2;
  // a thin strip has no room for its number: it stands outside
  const [beside, above] = [strip > 20 ? strip / 2 : -11, strip > 11 ? strip / 2 : -8];
  const numbers = [[x, top + side - above], [left + beside, y], [left + side - beside, y], ...(above > 0 ? [[x, top + above]] : [])];
  const frameOf = (kind, start, length) => drawn("rect", { class: kind, x: round(left + start), y: round(top + start), width: round(length), height: round(length) });
  return [
    label(x, 14, title, { kind: "pw-inset-title" }),
    ...(role === "left-over" ? [frameOf("pw-inset-left-over", 0, side), frameOf("pw-inset-whole", 0, side - 8)] : [frameOf("pw-inset-whole", 0, side), frameOf(`pw-inset-part pw-inset-${role}`, strip, inner)]),
    ...(text && inner > 60 ? [label(x, y + 4, text)] : []),
    ...(cut ? numbers.map(([across, down]) => label(across, down + 4, String(cut))) : []),
  ];
}

const LEGEND = [
  ["→", "convolution 3 × 3, ReLU", "kernel"], ["↓", "max pooling 2 × 2", "quiet"],
  ["↑", "up-convolution 2 × 2", "kernel"], ["⇢", "copy and crop", "input"],
];

// ---- the view -------------------------------------------------------------------------------------------

function render({ model, el }) {
  const { root, share } = frame(model, el, { label: "U-Net, step by step and layer by layer", kind: "unet-explorer" });
  const get = (name) => model.get(name);
  const steps = stepper(model, { describe: (step) => (step ? `step ${step}` : "the image") });
  const says = h("output", { class: "pw-says", "aria-live": "polite" });
  const verdict = h("output", { class: "pw-says pw-verdict", "aria-live": "polite" });
  const code = codeLine();

  // One stop for the keyboard: the layers stand in one order, that of the forward pass.
  const svg = drawn("svg", { class: "pw-unet", role: "slider", tabindex: 0, "aria-label": "Layer", "aria-valuemin": 0, "aria-orientation": "horizontal" });
  const layerAt = (event) => Number(event.target.closest?.("[data-layer]")?.getAttribute("data-layer") ?? -1);
  const hover = (layer) => get("hovered") !== layer && setTraits(model, { hovered: layer });
  const select = (layer) => setTraits(model, { selected: layer });
  svg.addEventListener("pointerover", (event) => event.pointerType !== "touch" && hover(layerAt(event)));
  svg.addEventListener("pointerleave", () => hover(-1));
  svg.addEventListener("click", (event) => select(layerAt(event) === get("selected") ? -1 : layerAt(event)));
  svg.addEventListener("keydown", (event) => {
    const s = present(get);
    const goals = {
      ArrowRight: s.focus + 1, ArrowUp: s.focus + 1, ArrowLeft: s.focus - 1, ArrowDown: s.focus - 1,
      Home: 0, End: s.layers.length - 1, Escape: -1,
    };
    if (!(event.key in goals)) return;
    event.preventDefault();
    setTraits(model, { hovered: -1, selected: event.key === "Escape" ? -1 : between(0, goals[event.key], s.layers.length - 1) });
  });

  const title = h("p", { class: "pw-layer-title" });
  const facts = h("dl", { class: "pw-facts" });
  const rows = ["puts out", "parameters", "multiply-adds", "sees"].map((name) => {
    const value = h("dd");
    facts.append(h("dt", {}, name), value);
    return value;
  });
  const inset = drawn("svg", { class: "pw-inset", viewBox: "0 0 160 152", role: "img" });
  const details = h("div", { class: "pw-details" }, inset, h("div", { class: "pw-detail-text", "aria-live": "polite" }, title, facts));

  const size = h("input", {
    type: "number", class: "pw-size-field", min: 1, max: LARGEST_SIZE, step: 1, "aria-label": "image size",
    oninput: () => {
      const value = Number(size.value);
      if (Number.isInteger(value) && value >= 1 && value <= LARGEST_SIZE) setTraits(model, { size: value });
    },
    onchange: () => { size.value = present(get).size; },
  });
  const legal = [0, 1].map((which) => {
    const press = button({ label: "legal size", visible: true, onPress: () => {
      const goal = present(get).nearest[which];
      if (goal !== null && goal <= LARGEST_SIZE) setTraits(model, { size: goal });
    } });
    press.element.classList.add("pw-text-button");
    return press;
  });
  const sizes = h("div", { class: "pw-together" },
    h("label", { class: "pw-together" }, h("span", { class: "pw-text-quiet pw-plain" }, "image size"), size), h("span", { class: "pw-text-quiet pw-plain" }, "legal:"), legal.map(({ element }) => element));

  // Who looks at the whole network goes on to look at the whole network.
  const change = (changes) => {
    const s = present(get);
    setTraits(model, { selected: -1, ...(s.step === s.last ? { step: 99 } : {}), ...changes });
  };
  const depth = choice({ label: "depth", options: DEPTHS, onChoose: (value) => change({ depth: value }) });
  const base = choice({ label: "channels", options: BASE_CHANNELS, onChoose: (value) => change({ base_channels: value }) });
  const padding = choice({ label: "padding", options: [0, 1], onChoose: (value) => change({ padding: value }) });
  const copies = toggle({ label: "copy paths", onChange: (value) => change({ copy_paths: value }) });

  const legend = LEGEND.map(([sign, text, role]) => h("span", {}, h("span", { class: `pw-text-${role}`, "aria-hidden": "true" }, sign), ` ${text}`));
  root.append(
    h("div", { class: "pw-bar" }, steps.element, share),
    says, svg,
    h("div", { class: "pw-legend" }, legend),
    details,
    h("div", { class: "pw-bar pw-settings" }, sizes, [depth, base, padding, copies].map(({ element }) => element)),
    verdict, code.element,
  );

  let drawnKey = "";
  let layers = [];
  function draw(s) {
    const key = JSON.stringify([s.settings, s.size]);
    if (key === drawnKey) return;
    drawnKey = key;
    const place = placed(s);
    layers = s.layers.map((_, k) => drawLayer(s, place, k));
    setAttribute(svg, "viewBox", `0 0 ${WIDTH} ${place.height}`);
    setAttribute(svg, "aria-valuemax", s.layers.length - 1);
    svg.replaceChildren(...layers);
  }

  let insetKey = "";
  function update() {
    const s = present(get);
    draw(s);
    layers.forEach((group, k) => {
      const reached = s.broken === null || k <= s.broken;
      const state = [
        k === s.focus && "pw-focus", k === s.selected && "pw-pinned", k === s.broken && "pw-broken",
        k > s.built || !reached ? "pw-ghost" : s.now.includes(k) && s.step < s.last && "pw-now",
      ].filter(Boolean).join(" ");
      const [kind] = group.getAttribute("class").match(/^pw-layer pw-\w+/);
      setAttribute(group, "class", state ? `${kind} ${state}` : kind);
    });
    steps.update(s.last);
    setAttribute(says, "aria-live", get("playing") ? "off" : "polite");
    colouredText(says, sayStep(s));
    colouredText(verdict, sayVerdict(s));

    const values = factsOf(s, s.focus);
    setText(title, titleOf(s.layers[s.focus]));
    values.forEach(([, text], row) => setText(rows[row], text));
    setAttribute(svg, "aria-valuenow", s.focus);
    setAttribute(svg, "aria-valuetext", `${titleOf(s.layers[s.focus])}, ${values[0][1]}`);
    const shown = insetOf(s, s.focus);
    const key = JSON.stringify(shown);
    if (key !== insetKey) {
      insetKey = key;
      inset.replaceChildren(...(shown ? drawInset(shown) : []));
      setAttribute(inset, "aria-label", shown ? `${shown.title}, ${shown.says}` : "nothing to show");
    }

    setAttribute(size, "value", s.size);
    if (document.activeElement !== size || Number(size.value) !== s.size) size.value = s.size;
    legal.forEach((press, which) => press.update({ label: s.nearest[which] === null ? "none" : String(s.nearest[which]), disabled: s.nearest[which] === null || s.nearest[which] > LARGEST_SIZE }));
    depth.update(s.settings.depth);
    base.update(s.settings.base_channels);
    padding.update(s.settings.padding);
    copies.update(s.settings.copy_paths);
    code.update(pytorchLines(s));
    root.dataset.step = s.step;
    root.dataset.legal = s.legal;
  }

  // A new step shows its own layer.
  const letGo = () => { if (get("selected") !== -1) setTraits(model, { selected: -1 }); };
  model.on("change:step", letGo);
  const stopWatching = watchTraits(model, TRAITS, update);
  update();
  return () => {
    stopWatching();
    model.off("change:step", letGo);
    steps.stop();
  };
}
export default { render };
