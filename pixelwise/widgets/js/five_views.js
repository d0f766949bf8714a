// One transposed convolution seen five ways. Every product of the operation is one term: an input cell, a kernel
// weight and an output cell. Pointing at anything selects terms; each view lights up its part of them.
import { formatFactor, formatNumber, shapeOf } from "./core/arrays.js";
import { convolutionMatrix, insertZeros, transposed } from "./core/equivalence.js";
import { contributionsOf, transposedCanvas, transposedSize } from "./core/transposed.js";
import { button, choice, codeLine, colouredText, frame, h, numberTable, setAttribute, setText, setTraits, stepper, watchTraits } from "./ui.js";

const TRAITS = ["input", "kernel", "stride", "padding", "step", "playing", "hovered", "pinned"];
const STRIDES = [1, 2, 3];
const PADDINGS = [0, 1];
const between = (low, value, high) => Math.max(low, Math.min(high, value));
const same = (a, b) => String(a) === String(b);

/** Whether a padding crops less than the whole output and leaves the zero-inserted input its numbers. */
const isLegalPadding = (s, padding) =>
  padding < Math.min(s.kH, s.kW) &&
  Math.min(transposedSize(s.height, s.kH, s.stride, padding), transposedSize(s.width, s.kW, s.stride, padding)) >= 1;

/** The same arguments as last time give the same result, without computing it again. */
function remembered(compute) {
  let last = [], result;
  return (...given) => {
    if (given.some((value, k) => value !== last[k])) [last, result] = [given, compute(...given)];
    return result;
  };
}

/** What the numbers and settings decide and steps leave alone. */
const operation = remembered((x, kernel, askedStride, askedPadding) => {
  const s = { x, kernel, stride: between(1, askedStride, 3) };
  [s.height, s.width] = shapeOf(s.x);
  [s.kH, s.kW] = shapeOf(s.kernel);
  s.padding = isLegalPadding(s, askedPadding) ? askedPadding : 0;
  s.canvas = transposedCanvas([s.x], [[s.kernel]], { stride: s.stride })[0];
  [s.canvasRows, s.canvasColumns] = shapeOf(s.canvas);
  [s.rows, s.columns] = [s.canvasRows - 2 * s.padding, s.canvasColumns - 2 * s.padding];
  s.isCropped = (row, column) =>
    row < s.padding || column < s.padding || row >= s.canvasRows - s.padding || column >= s.canvasColumns - s.padding;
  s.inserted = insertZeros(s.x, [s.kH, s.kW], s.stride, s.padding);
  s.matrix = transposed(convolutionMatrix([s.height, s.width], [s.rows, s.columns], [s.kH, s.kW], s.stride, s.padding));
  s.terms = s.x.flatMap((row, i) => row.flatMap((_, j) => contributionsOf([s.x], [[s.kernel]], i, j, s.stride)));

  // Where things stand in the other views.
  s.outputAt = (index) => [Math.floor(index / s.columns) + s.padding, (index % s.columns) + s.padding];
  s.inputAt = (index) => [Math.floor(index / s.width), index % s.width];
  s.inputInserted = (row, column) => {
    const [i, j] = [(row - s.kH + 1 + s.padding) / s.stride, (column - s.kW + 1 + s.padding) / s.stride];
    return Number.isInteger(i) && Number.isInteger(j) && s.x[i]?.[j] !== undefined ? [i, j] : null;
  };
  return s;
});

/** Everything that the view shows, from the traits alone. */
function present(get) {
  const s = { ...operation(get("input"), get("kernel"), get("stride"), get("padding")) };
  s.steps = s.rows * s.columns - 1;
  s.step = between(0, get("step"), s.steps);
  const legal = ([kind, a, b] = []) => {
    const within = (rows, columns) => a >= 0 && b >= 0 && a < rows && b < columns;
    if (kind === "inserted" && within(...shapeOf(s.inserted))) return s.inputInserted(a, b) ? ["input", ...s.inputInserted(a, b)] : [kind, a, b];
    const sizes = { input: [s.height, s.width], kernel: [s.kH, s.kW], output: [s.canvasRows, s.canvasColumns], entry: [s.rows * s.columns, s.height * s.width] };
    return sizes[kind] && within(...sizes[kind]) ? [kind, a, b] : null;
  };
  s.pinned = legal(get("pinned"));
  s.focus = legal(get("hovered")) ?? s.pinned ?? ["output", ...s.outputAt(s.step)];

  const [kind, a, b] = s.focus;
  if (kind === "output") s.output = [a, b];
  if (kind === "input") s.source = [a, b];
  if (kind === "kernel") s.weight = [a, b];
  if (kind === "entry") {
    [s.output, s.source] = [s.outputAt(a), s.inputAt(b)];
    s.weight = s.matrix[a][b];
  }
  s.selected = kind === "inserted" ? [] : s.terms.filter((t) =>
    (!s.output || (t.row === s.output[0] && t.column === s.output[1])) &&
    (!s.source || (t.i === s.source[0] && t.j === s.source[1])) &&
    (!s.weight || (t.u === s.weight[0] && t.v === s.weight[1])));
  return s;
}

// ---- sentences ------------------------------------------------------------------------------------------

const blue = (text) => ({ text, role: "input" });
const vermilion = (text) => ({ text, role: "kernel" });
const green = (text) => ({ text, role: "output" });
const quiet = (text) => ({ text, role: "quiet" });
const xName = (i, j) => `x[${i}, ${j}]`;
const wName = (u, v) => `w[${u}, ${v}]`;
const yName = (s, row, column) => `y[${row - s.padding}, ${column - s.padding}]`;

/** 2·(−1) + 1·0: the products with their numbers, each factor in its hue. */
const products = (terms) =>
  terms.flatMap((t, k) => [k ? " + " : "", blue(k || t.x < 0 ? formatFactor(t.x) : formatNumber(t.x)), "·", vermilion(formatFactor(t.w))]);

/** "i + 4", "i − 1", or "i" without an offset. */
const offsetBy = (offset, letter) => letter + (offset > 0 ? ` + ${offset}` : offset < 0 ? ` − ${-offset}` : "");

const SENTENCES = {
  output(s, row, column) {
    const value = green(formatNumber(s.canvas[row][column]));
    if (s.isCropped(row, column)) return ["This cell is cropped away by padding ", `${s.padding}`, ". It would hold ", value, "; the other views never compute it."];
    const name = green(yName(s, row, column));
    return s.selected.length ? [name, " = ", ...products(s.selected), " = ", value] : [name, " = ", value, ": no input reaches this cell."];
  },
  input(s, i, j) {
    const kept = s.selected.filter((t) => !s.isCropped(t.row, t.column)).length;
    const cut = s.selected.length - kept;
    return [
      blue(`${xName(i, j)} = ${formatNumber(s.x[i][j])}`), ", times ", vermilion("w[u, v]"), ", is added to ",
      green(`y[${offsetBy(i * s.stride - s.padding, "u")}, ${offsetBy(j * s.stride - s.padding, "v")}]`),
      `: ${kept} output cells`, cut ? `, and ${cut} that are cropped away.` : ".",
    ];
  },
  kernel(s, u, v) {
    return [
      vermilion(`${wName(u, v)} = ${formatNumber(s.kernel[u][v])}`), " multiplies every input ", blue("x[i, j]"), " and adds it to ",
      green(`y[${["i", "j"].map((letter, k) => offsetBy([u, v][k] - s.padding, s.stride > 1 ? `${s.stride}${letter}` : letter)).join(", ")}]`), ".",
    ];
  },
  inserted: () => ["An inserted zero: whichever weight lies on it, it adds nothing."],
  entry(s, row, column) {
    const [input, output] = [blue(xName(...s.source)), green(yName(s, ...s.output))];
    if (!s.weight) return [quiet(`Mᵀ[${row}, ${column}]`), " = 0: ", input, " does not reach ", output, ". Training never changes this zero."];
    const t = s.selected[0];
    return [quiet(`Mᵀ[${row}, ${column}]`), " = ", vermilion(`${wName(...s.weight)} = ${formatNumber(t.w)}`), ": ", input, " adds ", blue(t.x < 0 ? formatFactor(t.x) : formatNumber(t.x)), "·", vermilion(formatFactor(t.w)), " to ", output, "."];
  },
};
const sentence = (s) => SENTENCES[s.focus[0]](s, s.focus[1], s.focus[2]);

const many = (n, one, more) => `${n === 0 ? "No" : n} ${n === 1 ? one : more}`;

/** What each view says about the same selection. */
function captions(s) {
  const [row, column] = s.output ?? [];
  const [kind] = s.focus;
  const shown = s.output && !s.isCropped(row, column);
  const index = shown && (row - s.padding) * s.columns + column - s.padding;
  return {
    scatter: kind === "output" ? `${many(s.selected.length, "input adds a product", "inputs add a product each")} to this cell.`
      : kind === "entry" && !s.weight ? "This input does not reach this cell."
      : s.source ? "This input adds its multiple of the kernel." : "Every input adds its multiple of the kernel.",
    gather: `${many(s.stride - 1, "zero", "zeros")} between the inputs, k − 1 − p = ${[s.kH - 1 - s.padding, s.kW - 1 - s.padding].filter((n, k, all) => k === 0 || n !== all[0]).join(" and ")} around them. Over this slides the kernel, turned by 180°.`,
    matrix: shown ? `Row ${index} of Mᵀ times x is this cell.` : s.source ? `Column ${s.source[0] * s.width + s.source[1]} of Mᵀ spreads this input.` : s.weight ? "One weight stands once in every column." : "Each row of Mᵀ times x is one output cell.",
    gradient: shown ? [quiet("∂ℓ/∂image"), green(`[${row - s.padding}, ${column - s.padding}]`), " is the same sum, ", green(formatNumber(s.canvas[row][column])), ", if x holds ", quiet("∂ℓ/∂out"), "."]
      : ["If x holds ", quiet("∂ℓ/∂out"), ", then y holds ", quiet("∂ℓ/∂image"), "."],
    call: `${s.height} × ${s.width} → ${s.rows} × ${s.columns}: (${s.height} − 1)·${s.stride} − 2·${s.padding} + ${s.kH} = ${s.rows} rows.`,
  };
}

/** The lines of PyTorch that compute the same, one a view. */
export function pytorchLines({ stride, padding, rows, columns }) {
  const options = (stride > 1 ? `, stride=${stride}` : "") + (padding > 0 ? `, padding=${padding}` : "");
  return {
    gather: "F.conv2d(inserted, w.flip(-1, -2))",
    matrix: `(M.T @ x.flatten()).reshape(${rows}, ${columns})`,
    gradient: `out = F.conv2d(image, w${options})\ntorch.autograd.grad(out, image, x)`,
    call: `F.conv_transpose2d(x, w${options})`,
  };
}

// ---- the matrix -----------------------------------------------------------------------------------------

/** An SVG element. */
function drawn(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
const weightClass = (u, v) => `pw-weight pw-weight-row-${u} pw-weight-column-${v}`;

/** Mᵀ with x above and y at its right. Draws again only when a size or number changes. */
function matrixPicture({ onPoint, onPick }) {
  const picture = h("div", { class: "pw-matrix", role: "application", tabindex: 0, "aria-roledescription": "matrix" });
  let drawnFor = null;
  let geometry = null;
  let entries = [];
  let bands = {};
  let focusEntry = [0, 0];

  /** What lies under the pointer: an entry, a number of x or a number of y. */
  function placeOf(event) {
    const { left, top } = picture.firstChild.getBoundingClientRect();
    const { cellWidth, cellHeight, rows, columns, header, width, side } = geometry;
    const column = Math.floor((event.clientX - left) / cellWidth);
    const row = Math.floor((event.clientY - top - header) / cellHeight);
    const inRows = row >= 0 && row < rows;
    const inColumns = column >= 0 && column < columns;
    if (inRows && inColumns) return ["entry", row, column];
    if (inColumns && row < 0) return ["x", column];
    if (inRows && event.clientX - left > width && event.clientX - left < width + side) return ["y", row];
    return null;
  }
  let last = "";
  const point = (place) => {
    if (String(place) === last) return;
    last = String(place);
    onPoint(place);
  };
  picture.addEventListener("pointermove", (event) => point(placeOf(event)));
  picture.addEventListener("pointerleave", () => point(null));
  picture.addEventListener("focusout", () => point(null));
  picture.addEventListener("click", (event) => {
    const place = placeOf(event);
    if (place) onPick(place);
  });
  picture.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (moves[event.key]) {
      const [row, column] = focusEntry.map((at, k) => at + moves[event.key][k]);
      point(["entry", between(0, row, geometry.rows - 1), between(0, column, geometry.columns - 1)]);
    } else if (event.key === "Enter" || event.key === " ") onPick(["entry", ...focusEntry]);
    else return;
    event.preventDefault();
  });

  function draw(s) {
    const [rows, columns] = shapeOf(s.matrix).slice(0, 2);
    const cellHeight = rows <= 40 ? Math.min(18, Math.floor(480 / rows)) : Math.max(6, Math.floor(740 / rows));
    const cellWidth = columns <= 9 ? 22 : 15.5;
    const withNumbers = cellHeight >= 11;
    const gap = 4;
    const yWidth = withNumbers ? 24 : 10;
    const [header, side] = [18 + gap, gap + yWidth];
    const [width, height] = [columns * cellWidth, rows * cellHeight];
    geometry = { rows, columns, cellHeight, cellWidth, header, width, side };
    const number = (value, x, y) => drawn("text", { x, y: y + 3.5 }, formatNumber(value));
    /** The lines between cells; x above the matrix and y beside it have their own, and a frame in their hue. */
    const grid = (x, y, down, across, w, h0) => [
      ...Array.from({ length: down + 1 }, (_, r) => `M${x} ${y + r * h0}h${across * w}`),
      ...Array.from({ length: across + 1 }, (_, c) => `M${x + c * w} ${y}v${down * h0}`),
    ].join("");
    const lines = grid(0, 0, rows, columns, cellWidth, cellHeight) + grid(0, -header, 1, columns, cellWidth, 18) + grid(width + gap, 0, rows, 1, yWidth, cellHeight);
    const framed = (x, y, w, h0) => drawn("rect", { x, y, width: w, height: h0 });
    // Boxes over the drawing rather than in it: moving them leaves the drawing's layout alone.
    const band = (role, w, h0) => h("div", { class: `pw-band pw-band-${role}`, style: `width: ${w + 2}px; height: ${h0 + 2}px` });
    bands = { column: band("input", cellWidth, height + header), row: band("output", width + side, cellHeight), cell: band("entry", cellWidth, cellHeight) };
    const xs = s.x.flat().map((value, c) => number(value, (c + 0.5) * cellWidth, 9 - header));
    const ys = withNumbers ? s.matrix.map((_, r) => number(s.canvas[s.outputAt(r)[0]][s.outputAt(r)[1]], width + gap + yWidth / 2, (r + 0.5) * cellHeight)) : [];
    entries = s.matrix.flatMap((line, r) => line.flatMap((weight, c) => {
      if (!weight) return [];
      const [u, v] = weight;
      const box = drawn("rect", { x: c * cellWidth, y: r * cellHeight, width: cellWidth, height: cellHeight });
      const group = drawn("g", {}, box, ...(withNumbers ? [number(s.kernel[u][v], (c + 0.5) * cellWidth, (r + 0.5) * cellHeight)] : []));
      return [{ r, c, u, v, group, shown: null }];
    }));
    picture.replaceChildren(drawn(
      "svg", { width: width + side + 3, height: height + header + 2, "aria-hidden": "true" },
      drawn("g", { transform: `translate(1 ${header + 1})` },
        drawn("path", { class: "pw-lines", d: lines }), ...entries.map((entry) => entry.group),
        drawn("g", { class: "pw-xs" }, framed(0, -header, width, 18), ...xs),
        drawn("g", { class: "pw-ys" }, framed(width + gap, 0, yWidth, height), ...ys)),
    ), ...Object.values(bands));
    setAttribute(picture, "aria-label", `The matrix M transposed, ${rows} rows and ${columns} columns. Arrow keys move over its entries.`);
  }

  return {
    element: picture,
    update(s) {
      if (s.matrix !== drawnFor) draw(s);
      drawnFor = s.matrix;
      const { cellWidth, cellHeight, header } = geometry;
      const row = s.output && !s.isCropped(...s.output) ? (s.output[0] - s.padding) * s.columns + s.output[1] - s.padding : null;
      const column = s.source ? s.source[0] * s.width + s.source[1] : null;
      const place = (band, shown, x, y) => {
        band.style.visibility = shown ? "visible" : "hidden";
        if (shown) band.style.transform = `translate(${x}px, ${y}px)`;
      };
      place(bands.row, row !== null, 0, header + row * cellHeight);
      place(bands.column, column !== null, column * cellWidth, 0);
      place(bands.cell, row !== null && column !== null, column * cellWidth, header + row * cellHeight);
      for (const entry of entries) {
        const chosen = (row === null || entry.r === row) && (column === null || entry.c === column) && (!s.weight || same(s.weight, [entry.u, entry.v]));
        const shown = `${weightClass(entry.u, entry.v)}${s.focus[0] === "inserted" || chosen ? "" : " pw-faded"}`;
        if (entry.shown !== shown) entry.group.setAttribute("class", shown);
        entry.shown = shown;
      }
      focusEntry = [row ?? focusEntry[0], column ?? (row === null ? focusEntry[1] : Math.max(0, s.matrix[row].findIndex(Boolean)))];
      focusEntry = [Math.min(focusEntry[0], geometry.rows - 1), Math.min(focusEntry[1], geometry.columns - 1)];
    },
  };
}

// ---- the view -------------------------------------------------------------------------------------------

function render({ model, el }) {
  const { root, share } = frame(model, el, { label: "Five views of one transposed convolution", kind: "five-views" });
  const get = (name) => model.get(name);
  const original = { input: get("input"), kernel: get("kernel") };
  const point = (...focus) => setTraits(model, { hovered: focus });
  /** A click on an output cell is a step; a click on anything else holds it until the next step. */
  const pick = (...focus) => {
    const s = present(get);
    if (focus[0] !== "output") return setTraits(model, { pinned: same(get("pinned"), focus) ? [] : focus });
    if (!s.isCropped(focus[1], focus[2])) setTraits(model, { step: (focus[1] - s.padding) * s.columns + focus[2] - s.padding, pinned: [], playing: false });
  };
  const edit = (trait, row, column, value) => {
    const changed = structuredClone(get(trait));
    changed[row][column] = value;
    setTraits(model, { [trait]: changed });
  };
  const linked = (make, picks = true) => ({
    onPoint: (row, column) => (row === null ? point() : point(...make(row, column))),
    ...(picks ? { onPick: (row, column) => pick(...make(row, column)) } : {}),
  });
  const unturn = (a, b) => { const s = present(get); return ["kernel", s.kH - 1 - a, s.kW - 1 - b]; };

  const input = numberTable({ role: "input", onEdit: (i, j, value) => edit("input", i, j, value), ...linked((i, j) => ["input", i, j], false) });
  const kernel = numberTable({ role: "kernel", onEdit: (u, v, value) => edit("kernel", u, v, value), ...linked((u, v) => ["kernel", u, v], false) });
  const output = numberTable({ role: "output", ...linked((row, column) => ["output", row, column]) });
  const inserted = numberTable({ role: "input", ...linked((row, column) => ["inserted", row, column]) });
  const turnedKernel = numberTable({ role: "kernel", ...linked(unturn) });
  const inMatrix = ([kind, a, b]) => {
    const s = present(get);
    return kind === "x" ? ["input", ...s.inputAt(a)] : kind === "y" ? ["output", ...s.outputAt(a)] : [kind, a, b];
  };
  const matrix = matrixPicture({ onPoint: (place) => (place ? point(...inMatrix(place)) : point()), onPick: (place) => pick(...inMatrix(place)) });

  // A step lets go of what a click holds.
  const stepping = { get, set: (name, value) => { model.set(name, value); if (name === "step") model.set("pinned", []); }, save_changes: () => model.save_changes() };
  const steps = stepper(stepping, { describe: (step) => yName({ padding: 0 }, Math.floor(step / present(get).columns), step % present(get).columns) });
  const says = h("output", { class: "pw-says", "aria-live": "polite" });
  const stride = choice({ label: "stride", options: STRIDES, onChoose: (value) => setTraits(model, { stride: value }) });
  const padding = choice({ label: "padding", options: PADDINGS, onChoose: (value) => setTraits(model, { padding: value }) });
  const reset = button({ label: "Reset the numbers", iconName: "reset", onPress: () => setTraits(model, original) });
  /** An array with the sign before it, which stays before it where the line breaks. */
  const after = (sign, table) => h("div", { class: "pw-together" }, h("span", { class: "pw-sign", "aria-hidden": "true" }, sign), table.element);
  const key = h("div", { class: "pw-key" });
  const caption = () => h("p", { class: "pw-view-says" });
  const says1 = caption(), says2 = caption(), says3 = caption(), says4 = caption(), says5 = caption();
  const [code2, code3] = [h("code"), h("code")];
  const [code4, code5] = [codeLine(), codeLine()];
  /** One of the five: a number, a name and a picture. */
  const view = (number, name, ...content) =>
    h("div", { class: "pw-view", role: "group", "aria-label": name },
      h("p", { class: "pw-view-title" }, h("span", { class: "pw-view-number", "aria-hidden": "true" }, String(number)), name), ...content);

  root.append(
    h("div", { class: "pw-bar" }, steps.element, share),
    // above the views, which a setting makes taller: it would not stay under the pointer below them
    h("div", { class: "pw-bar pw-above" }, stride.element, padding.element, reset.element),
    says,
    key,
    h("div", { class: "pw-views" },
      h("div", { class: "pw-views-left" },
        view(1, "Scatter and add", says1,
          h("div", { class: "pw-row" }, input.element, after("·", kernel), after("→", output))),
        view(2, "Zero insertion, kernel turned", says2,
          h("div", { class: "pw-row" }, inserted.element, after("∗", turnedKernel)), code2)),
      view(3, "Transposed matrix", says3, matrix.element, code3)),
    h("div", { class: "pw-views" },
      view(4, "Gradient of a convolution", says4, code4.element),
      view(5, "The PyTorch call", says5, code5.element)),
  );

  function update() {
    const s = present(get);
    const [kind] = s.focus;
    const tint = (t) => (t ? weightClass(t.u, t.v) : "");
    const isWeight = (u, v) => s.selected.some((t) => t.u === u && t.v === v);
    /** The window of the turned kernel that makes the output cell: which weight lies on which inserted cell. */
    const onInserted = (row, column) => {
      if (!s.output || s.isCropped(...s.output)) return null;
      const [a, b] = [row - s.output[0] + s.padding, column - s.output[1] + s.padding];
      return a >= 0 && b >= 0 && a < s.kH && b < s.kW ? { u: s.kH - 1 - a, v: s.kW - 1 - b } : null;
    };

    steps.update(s.steps);
    input.resize(s.height, s.width);
    input.caption(`input x · ${s.height} × ${s.width}`);
    s.x.forEach((row, i) => row.forEach((value, j) => {
      const term = s.selected.find((t) => t.i === i && t.j === j);
      const marks = [term && kind !== "input" && tint(term), term && "pw-linked"].filter(Boolean).join(" ");
      input.show(i, j, { value, marks, label: `input ${xName(i, j)}` });
    }));

    for (const [table, turn] of [[kernel, false], [turnedKernel, true]]) {
      table.resize(s.kH, s.kW);
      table.caption(turn ? "w turned" : "kernel w");
      for (let a = 0; a < s.kH; a++)
        for (let b = 0; b < s.kW; b++) {
          const [u, v] = turn ? [s.kH - 1 - a, s.kW - 1 - b] : [a, b];
          const used = isWeight(u, v);
          table.show(a, b, {
            value: s.kernel[u][v], marks: `${weightClass(u, v)}${used ? s.weight ? " pw-linked" : "" : " pw-faded"}`,
            label: turn ? `${wName(u, v)}: ${formatNumber(s.kernel[u][v])}` : `kernel ${wName(u, v)}`,
          });
        }
    }

    showKey(s);

    output.resize(s.canvasRows, s.canvasColumns);
    output.element.classList.toggle("pw-is-cropped", s.padding > 0);
    const [lastRow, lastColumn] = [s.canvasRows - s.padding - 1, s.canvasColumns - s.padding - 1];
    /** The sides on which a cell touches the frame of what the crop keeps. */
    const edges = (r, c) => (s.padding === 0 || s.isCropped(r, c) ? ""
      : [r === s.padding && "pw-top", c === s.padding && "pw-left", r === lastRow && "pw-bottom", c === lastColumn && "pw-right"].filter(Boolean).join(" "));
    output.caption(`output y · ${s.rows} × ${s.columns}${s.padding ? `, cropped from ${s.canvasRows} × ${s.canvasColumns}` : ""}`);
    s.canvas.forEach((row, r) => row.forEach((value, c) => {
      const here = same(s.output, [r, c]);
      const term = s.selected.find((t) => t.row === r && t.column === c);
      const marks = [s.isCropped(r, c) && "pw-cropped", edges(r, c), here ? "pw-pinned" : !s.output && term && tint(term)].filter(Boolean).join(" ");
      output.show(r, c, { value, marks, label: `${s.isCropped(r, c) ? "cropped away" : yName(s, r, c)}: ${formatNumber(value)}` });
    }));

    inserted.resize(...shapeOf(s.inserted));
    inserted.caption(`x with zeros · ${shapeOf(s.inserted).join(" × ")}`);
    s.inserted.forEach((row, r) => row.forEach((value, c) => {
      const source = s.inputInserted(r, c);
      const term = source && s.selected.find((t) => t.i === source[0] && t.j === source[1]);
      const lying = onInserted(r, c) ?? (kind === "kernel" ? term : null);
      const pointed = same(s.focus, ["inserted", r, c]);
      const marks = [lying ? tint(lying) : !source && "pw-untouched", (term || pointed) && "pw-linked"].filter(Boolean).join(" ");
      inserted.show(r, c, { value, marks, label: source ? `${xName(...source)}: ${formatNumber(value)}` : "inserted zero: 0" });
    }));

    matrix.update(s);
    stride.update(s.stride);
    padding.update(s.padding, (value) => isLegalPadding(s, value));

    const [said, lines] = [captions(s), pytorchLines(s)];
    setText(says1, said.scatter);
    setText(says2, said.gather);
    setText(says3, said.matrix);
    colouredText(says4, said.gradient);
    setText(says5, said.call);
    setText(code2, lines.gather);
    setText(code3, lines.matrix);
    code4.update(lines.gradient);
    code5.update(lines.call);
    says.setAttribute("aria-live", get("playing") ? "off" : "polite");
    colouredText(says, sentence(s));
    root.dataset.step = s.step;
  }

  /** What the colours mean: a row of the kernel has a hue, and the strength says the column. */
  let keyShown = "";
  function showKey({ kH, kW }) {
    if (keyShown === `${kH} × ${kW}`) return;
    keyShown = `${kH} × ${kW}`;
    const rows = Array.from({ length: kH }, (_, u) => h("div", { class: "pw-together" }, h("span", { class: weightClass(u, 0) }), `row ${u}`));
    key.replaceChildren(...rows, kW > 1 ? "of the kernel, paler from left to right" : "of the kernel");
  }

  const stopWatching = watchTraits(model, TRAITS, update);
  update();
  return () => {
    stopWatching();
    steps.stop();
  };
}
export default { render };
