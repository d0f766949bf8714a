// Kernel size and stride against overlap: on a line, in the plane, and on a picture.
import { formatFactor, formatNumber } from "./core/arrays.js";
import { isEven, kernelProfile, phases, shrink, spread, upsampleResized, upsampleTransposed } from "./core/upsampling.js";
import { button, choice, codeLine, colouredText, frame, h, numberTable, setAttribute, setText, setTraits, toggle, watchTraits } from "./ui.js";

const TRAITS = ["kernel_size", "stride", "weights", "seed", "enlarge", "picture", "hovered", "pinned"];
const KERNEL_SIZES = [1, 2, 3, 4, 5, 6];
const STRIDES = [1, 2, 3, 4];
const WEIGHTS = ["uniform", "bilinear", "random"];
const PICTURE_SIZE = 96;
/** So many input samples that the output fits on a page and its middle is free of borders. */
const SAMPLES = { 1: 6, 2: 5, 3: 4, 4: 3 };
/** What the bars' colours mean, against the mean away from the border. */
const KEY = [
  [{ class: "pw-more" }, "more than the mean"], [{ class: "pw-less" }, "less"],
  [{ class: "pw-equal" }, "equal"], [{ class: "pw-border" }, "border"],
];
const between = (low, value, high) => Math.max(low, Math.min(high, value));
const same = (a, b) => String(a) === String(b);

/** Everything that the view shows, from the traits alone; the pictures apart. */
function present(get) {
  const s = { size: between(1, get("kernel_size"), 6), stride: between(1, get("stride"), 4), seed: get("seed"), enlarge: get("enlarge") };
  s.weights = WEIGHTS.includes(get("weights")) ? get("weights") : "uniform";
  s.profile = kernelProfile(s.weights, s.size, s.seed);
  s.samples = SAMPLES[s.stride];
  s.line = spread(s.samples, s.profile, s.stride);
  s.length = s.line.sums.length;
  s.phases = phases(s.profile, s.stride);
  s.mean = s.phases.sums.reduce((sum, value) => sum + value, 0) / s.stride;
  s.divisible = s.size % s.stride === 0;
  s.evenCounts = isEven(s.phases.counts);
  s.even = isEven(s.phases.sums);
  // A border cell would receive more if the input went on.
  s.isBorder = (position) => s.line.counts[position] < s.phases.counts[position % s.stride];
  const legal = ([kind, a, b] = []) =>
    kind === "line" && a >= 0 && a < s.length ? [kind, a] : kind === "plane" && a >= 0 && b >= 0 && a < s.length && b < s.length ? [kind, a, b] : null;
  s.pinned = legal(get("pinned"));
  s.focus = legal(get("hovered")) ?? s.pinned;
  return s;
}

// ---- sentences ------------------------------------------------------------------------------------------

const blue = (text) => ({ text, role: "input" });
const vermilion = (text) => ({ text, role: "kernel" });
const green = (text) => ({ text, role: "output" });

/** "1 or 2", "1, 2 or 4": the different numbers among many. */
function listed(numbers) {
  const texts = [...new Set(numbers.map((value) => formatNumber(value)))].sort((a, b) => Number(a) - Number(b));
  return texts.length < 2 ? texts[0] : `${texts.slice(0, -1).join(", ")} or ${texts.at(-1)}`;
}
const inPlane = (numbers) => numbers.flatMap((a) => numbers.map((b) => a * b));

/** Why it is even or not. */
function verdict(s) {
  const { counts, sums } = s.phases;
  const sizes = [vermilion(`Kernel size ${s.size}`), s.size < s.stride ? ` is smaller than stride ${s.stride}: ` : s.divisible ? ` is divisible by stride ${s.stride}: ` : ` is not divisible by stride ${s.stride}: `];
  const products = [green(s.evenCounts ? "every output cell" : "output cells"), s.evenCounts ? " receives " : " receive ", `${listed(counts)} ${s.evenCounts && counts[0] === 1 ? "product" : "products"} (${listed(inPlane(counts))} in 2‑D)`];
  if (s.weights === "uniform") return [...sizes, ...products, s.evenCounts ? "." : ". That is the checkerboard."];
  const weights = s.even ? `every sum of weights is ${formatNumber(sums[0])}: no checkerboard.` : `the weights they bring add up to ${listed(sums)}: a checkerboard.`;
  return [...sizes, ...products, s.evenCounts === s.even ? ", and " : ", but ", weights];
}

/** The cell that the reader points at. */
function cellSentence(s) {
  const products = (position) => s.profile.flatMap((w, u) => {
    const i = (position - u) / s.stride;
    return Number.isInteger(i) && i >= 0 && i < s.samples ? [{ i, u, w }] : [];
  }).reverse();
  const [kind, a, b] = s.focus;
  if (kind === "line") {
    const terms = products(a);
    if (!terms.length) return [green(`y[${a}]`), " receives nothing: no kernel reaches it."];
    return [
      green(`y[${a}]`), " = ", ...terms.flatMap((t, k) => [k ? " + " : "", blue(`x[${t.i}]`), "·", vermilion(formatNumber(t.w))]),
      `: ${terms.length === 1 ? "1 product" : `${terms.length} products`}, weights that add up to `, green(formatNumber(s.line.sums[a])), s.isBorder(a) ? ". At the border some are missing." : ".",
    ];
  }
  const [row, column] = [s.line.sums[a], s.line.sums[b]];
  return [
    green(`y[${a}, ${b}]`), ` receives ${s.line.counts[a] * s.line.counts[b]} = ${s.line.counts[a]} · ${s.line.counts[b]} products`,
    s.weights === "uniform" ? "" : `, weights that add up to ${formatFactor(row)} · ${formatFactor(column)} = `, s.weights === "uniform" ? "" : green(formatNumber(row * column)),
    s.isBorder(a) || s.isBorder(b) ? ". At the border some are missing." : ".",
  ];
}

/** The PyTorch lines for the two pictures: x is (1, 1, n, n), w sums to 1. */
export function pytorchLines({ profile, stride }) {
  const list = profile.map((w) => String(Math.round(w * 1e4) / 1e4)).join(", ");
  const row = profile.every((w) => w === 1) ? `torch.ones(${profile.length})` : `torch.tensor([${list}])`;
  return [
    `v = ${row}`,
    "w = torch.outer(v, v)[None, None] / v.sum()**2",
    `F.conv_transpose2d(x, w * ${stride}**2, stride=${stride})`,
    `F.conv2d(F.interpolate(x, scale_factor=${stride}), w, padding="same")`,
  ].join("\n");
}

// ---- pictures -------------------------------------------------------------------------------------------

/** The bytes of a picture, wherever they come from; none while a page is being built. */
const pixelsOf = (value) => (value?.byteLength === PICTURE_SIZE ** 2 ? new Uint8Array(value.buffer ?? value, value.byteOffset ?? 0, value.byteLength) : null);

/** A picture with a caption; its canvas keeps its place where nothing can be drawn. */
function pictureFrame(role) {
  const canvas = h("canvas", { width: PICTURE_SIZE, height: PICTURE_SIZE, role: "img" });
  const caption = h("figcaption");
  return {
    element: h("figure", { class: `pw-picture pw-role-${role}` }, canvas, caption),
    caption: (text, label) => {
      setText(caption, text);
      setAttribute(canvas, "aria-label", label);
    },
    /** Shows n × n numbers, or their middle third, as blocks of whole pixels. */
    draw(numbers, n, enlarge) {
      const context = canvas.getContext?.("2d");
      if (!context) return;
      const shown = enlarge ? PICTURE_SIZE / 3 : PICTURE_SIZE;
      const first = (PICTURE_SIZE - shown) / 2;
      if (canvas.width !== shown) canvas.width = canvas.height = shown;
      const image = context.createImageData(shown, shown);
      for (let r = 0; r < shown; r++)
        for (let c = 0; c < shown; c++) {
          const at = (k) => Math.floor(((first + k) * n) / PICTURE_SIZE);
          const value = between(0, Math.round(numbers[at(r) * n + at(c)]), 255);
          image.data.set([value, value, value, 255], 4 * (r * shown + c));
        }
      context.putImageData(image, 0, 0);
    },
  };
}

// ---- the view -------------------------------------------------------------------------------------------

function render({ model, el }) {
  const { root, share } = frame(model, el, { label: "Checkerboard artefacts: kernel size, stride and overlap", kind: "checkerboard" });
  const get = (name) => model.get(name);
  const point = (...focus) => setTraits(model, { hovered: focus });
  const pin = (...focus) => setTraits(model, { pinned: same(get("pinned"), focus) ? [] : focus });
  const linked = (make) => ({ onPoint: (row, column) => (row === null ? point() : point(...make(row, column))), onPick: (row, column) => pin(...make(row, column)) });

  const size = choice({ label: "kernel size", options: KERNEL_SIZES, onChoose: (value) => setTraits(model, { kernel_size: value }) });
  const stride = choice({ label: "stride", options: STRIDES, onChoose: (value) => setTraits(model, { stride: value }) });
  const weights = choice({ label: "weights", options: WEIGHTS, onChoose: (value) => setTraits(model, { weights: value }) });
  const another = button({ label: "Reset the random weights", iconName: "reset", onPress: () => get("weights") === "random" && setTraits(model, { seed: (get("seed") + 1) % 100 }) });
  const enlarge = toggle({ label: "enlarge the pictures", onChange: (value) => setTraits(model, { enlarge: value }) });
  const says = h("output", { class: "pw-says", "aria-live": "polite" });
  const pointed = h("output", { class: "pw-says pw-pointed", "aria-live": "polite" });
  const code = codeLine();

  const footprints = numberTable({ role: "kernel", ...linked((_, column) => ["line", column]) });
  const bars = h("div", { class: "pw-bars", "aria-hidden": "true" });
  const sumsTitle = h("p", { class: "pw-line-title", "aria-hidden": "true" });
  const sums = numberTable({ role: "output", ...linked((_, column) => ["line", column]) });
  const plane = numberTable({ role: "output", ...linked((row, column) => ["plane", row, column]) });
  const line = h("div", { class: "pw-line" }, footprints.element, sumsTitle, bars, sums.element,
    h("div", { class: "pw-key", "aria-hidden": "true" }, KEY.map(([look, text]) => h("div", { class: "pw-together" }, h("span", look), text))));
  const before = pictureFrame("input"), after = pictureFrame("output"), instead = pictureFrame("output");

  root.append(
    h("div", { class: "pw-bar" }, size.element, stride.element, weights.element, another.element, enlarge.element, share),
    says,
    h("div", { class: "pw-dimensions" }, line, h("div", { class: "pw-line" }, plane.element)),
    pointed,
    h("div", { class: "pw-pictures" }, before.element, after.element, instead.element),
    code.element,
  );

  let drawnKey = null;
  let drawnPicture = null;
  function drawPictures(s) {
    const key = JSON.stringify([s.profile, s.stride, s.enlarge]);
    if (key === drawnKey && get("picture") === drawnPicture) return;
    [drawnKey, drawnPicture] = [key, get("picture")];
    const n = PICTURE_SIZE / s.stride;
    const size = `${n} × ${n}`;
    before.caption(`input · ${size}`, `A portrait of Grace Hopper in ${size} pixels`);
    after.caption("transposed convolution", s.even ? "The transposed convolution of the portrait: smooth" : "The transposed convolution of the portrait, covered by a regular grid of brighter and darker pixels");
    instead.caption("nearest neighbour, then convolution", "The portrait enlarged first and then convolved: no grid");
    const pixels = pixelsOf(get("picture"));
    if (!pixels) return;
    const small = shrink(Float64Array.from(pixels), PICTURE_SIZE, s.stride);
    before.draw(small, n, s.enlarge);
    after.draw(upsampleTransposed(small, n, s.profile, s.stride), PICTURE_SIZE, s.enlarge);
    instead.draw(upsampleResized(small, n, s.profile, s.stride), PICTURE_SIZE, s.enlarge);
  }

  function update() {
    const s = present(get);
    const [kind, a, b] = s.focus ?? [];
    const inFocus = (column) => (kind === "line" ? column === a : kind === "plane" && (column === a || column === b));
    const largest = Math.max(...s.profile);

    line.parentElement.style.setProperty("--columns", s.length);
    footprints.resize(s.samples, s.length);
    footprints.caption(`1-D: ${s.samples} inputs, each spreads ${s.size === 1 ? "1 weight" : `${s.size} weights`}`);
    for (let i = 0; i < s.samples; i++)
      for (let column = 0; column < s.length; column++) {
        const u = column - i * s.stride;
        const w = s.profile[u];
        const on = w !== undefined;
        footprints.show(i, column, {
          value: w ?? 0, text: on ? undefined : "", label: on ? `x[${i}] times weight ${u}, ${formatNumber(w)}, lands on y[${column}]` : `x[${i}] does not reach y[${column}]`,
          marks: [on && "pw-footprint", inFocus(column) && on && "pw-linked", inFocus(column) && !on && "pw-passing"].filter(Boolean).join(" "), shade: on ? w / largest : 0,
        });
      }
    sums.resize(1, s.length);
    const meaning = s.weights === "uniform" ? "products at each output" : "sum of the weights at each output";
    setText(sumsTitle, meaning);
    setAttribute(sums.element, "aria-label", meaning);
    plane.resize(s.length, s.length);
    plane.caption(`2-D: the same for ${s.length} × ${s.length} outputs`);
    const deviation = (value, mean, border) => (border || mean === 0 || Math.abs(value - mean) < 1e-9 ? 0 : between(-1, (value - mean) / mean, 1));
    const highest = Math.max(...s.line.sums);
    while (bars.children.length > s.length) bars.lastElementChild.remove();
    while (bars.children.length < s.length) bars.append(h("span"));
    s.line.sums.forEach((value, column) => {
      const shade = deviation(value, s.mean, s.isBorder(column));
      const place = `${inFocus(column) ? "pw-linked" : ""}${s.isBorder(column) ? " pw-untouched" : ""}`;
      sums.show(0, column, { value, shade, marks: place, label: `y[${column}]: ${formatNumber(value)}${shade ? ", uneven" : s.isBorder(column) ? ", at the border" : ""}` });
      const bar = bars.children[column];
      setAttribute(bar, "style", `--height: ${((100 * value) / highest).toFixed(1)}%; --shade: ${Math.round(Math.abs(shade) * 100)}%`);
      setAttribute(bar, "class", `${s.isBorder(column) ? "pw-border" : shade > 0 ? "pw-more" : shade < 0 ? "pw-less" : ""}`);
      s.line.sums.forEach((other, row) => {
        const border = s.isBorder(row) || s.isBorder(column);
        const here = kind === "plane" ? a === row && b === column : kind === "line" && a === column;
        const off = deviation(other * value, s.mean ** 2, border);
        plane.show(row, column, {
          value: other * value, shade: off, marks: `${here ? same(s.pinned, ["plane", row, column]) ? "pw-pinned" : "pw-linked" : ""}${border ? " pw-untouched" : ""}`,
          label: `y[${row}, ${column}]: ${formatNumber(other * value)}${off ? ", uneven" : border ? ", at the border" : ""}`,
        });
      });
    });

    size.update(s.size);
    stride.update(s.stride);
    weights.update(s.weights);
    another.update({ disabled: s.weights !== "random" });
    enlarge.update(s.enlarge);
    colouredText(says, verdict(s));
    colouredText(pointed, s.focus ? cellSentence(s) : ["Point at a cell to see where it comes from."]);
    code.update(pytorchLines(s));
    drawPictures(s);
    root.dataset.even = s.even;
  }

  const stopWatching = watchTraits(model, TRAITS, update);
  update();
  return stopWatching;
}
export default { render };
