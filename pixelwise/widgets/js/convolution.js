// The stepper of convolution: one output position a step.
import { formatFactor, formatNumber, shapeOf } from "./core/arrays.js";
import { convolution, convolutionSize, pad, productsOf, readCounts, readersOf } from "./core/convolution.js";
import { channelsOf, inputAt, inputName, inputText, inputValues, joined, kernelName, kernelText, multipleOf, operatorStepper, outputAt, outputName, outputText, plainSum, pytorchCall, quietText, rim, sumOfProducts, whole } from "./operator_stepper.js";

const STRIDES = [1, 2, 3];
const PADDINGS = [0, 1, 2];
/** A longer sum is told channel by channel. */
const LONGEST_SUM = 18;
const outThenIn = (c, o) => [o, c];

/** The side of the kernel in use, out of the given one: a part from the middle, and no larger than the padded input. */
const sizeInUse = (chosen, given, room) => Math.min(chosen || given, given, room);

/** Settings that do not go together are brought back to the nearest that do. */
function present(get) {
  const s = { ...channelsOf(get, outThenIn), order: outThenIn, crop: 0, stride: whole(get, "stride", 1, 3), padding: whole(get, "padding", 0, 2) };
  s.ring = s.padding;
  const given = get("input").slice(0, s.inChannels);
  s.sizeOfInput = shapeOf(given);
  const [, height, width] = s.sizeOfInput;
  s.x = given.map((plane) => pad(plane, s.padding));
  [, s.height, s.width] = shapeOf(s.x);
  const [, , kH, kW] = shapeOf(get("kernel"));
  const chosen = whole(get, "kernel_size", 0, 5);
  [s.kH, s.kW] = [sizeInUse(chosen, kH, s.height), sizeInUse(chosen, kW, s.width)];
  s.partAt = [Math.floor((kH - s.kH) / 2), Math.floor((kW - s.kW) / 2)];
  const [top, left] = s.partAt;
  s.weight = get("kernel").slice(0, s.outChannels).map((planes) =>
    planes.slice(0, s.inChannels).map((plane) => plane.slice(top, top + s.kH).map((row) => row.slice(left, left + s.kW))));
  s.planeOf = (c, o) => s.weight[o][c];

  const options = { stride: s.stride, padding: s.padding };
  s.right = convolution(given, s.weight, options);
  [, s.rows, s.columns] = shapeOf(s.right);
  s.counts = readCounts(height, width, s.kH, s.kW, options);
  s.readers = (i, j) => readersOf(i, j, height, width, s.kH, s.kW, options);
  s.positions = [s.rows, s.columns];
  s.sizes = { input: [s.height, s.width], output: shapeOf(s.right), kernel: shapeOf(s.weight) };
  return s;
}

function follow(s) {
  s.source = s.focus?.[0] === "output" ? s.focus.slice(2) : s.at;
  s.window = s.source && windowOf(s, ...s.source);
  s.reading = s.focus?.[0] === "input" ? s.readers(...s.focus.slice(1)) : [];
  s.readerAt = (row, column) => s.reading.find((r) => r.row === row && r.column === column);
  s.usesWeight = (c, o, u, v) => s.reading.some((r) => r.u === u && r.v === v);
}

const windowOf = (s, row, column) =>
  ({ top: row * s.stride, left: column * s.stride, bottom: row * s.stride + s.kH - 1, right: column * s.stride + s.kW - 1 });

const isPadding = (s, i, j) =>
  i < s.padding || j < s.padding || i >= s.height - s.padding || j >= s.width - s.padding;

/** Whether the weight that the reader looks at meets this input in some window. */
function meetsWeight(s, i, j) {
  const [, , , u, v] = s.focus;
  return s.readers(i, j).some((r) => r.u === u && r.v === v);
}

const totalOf = (terms) => terms.reduce((sum, t) => sum + t.product, 0);
const ofChannel = (terms, c) => terms.filter((t) => t.c === c);
const productsAt = (s, o, row, column) => productsOf(s.x, s.weight, o, row, column, s.stride);
/** The totals of the channels, joined by +. */
const channelSums = (s, terms) => s.x.map((_, c) => formatNumber(totalOf(ofChannel(terms, c)))).join(" + ");

function ask(s) {
  const [row, column] = s.at;
  const terms = productsAt(s, 0, row, column);
  const name = outputName(s, 0, row, column);
  return {
    row, column, name, answer: s.right[0][row][column],
    text: `The window is on ${placeOf(s, row, column)}. What is ${name}?`,
    sum: terms.length > LONGEST_SUM ? channelSums(s, terms) : plainSum(terms),
  };
}

// ---- sentences ------------------------------------------------------------------------------------------

/** rows 0–2 and columns 1–3, as the input itself counts; the padding is beyond its ends. */
function placeOf(s, row, column) {
  const { top, left, bottom, right } = windowOf(s, row, column);
  const range = (what, first, last) =>
    first === last ? `${what} ${formatNumber(first - s.ring)}` : `${what}s ${formatNumber(first - s.ring)} to ${formatNumber(last - s.ring)}`;
  return `${range("row", top, bottom)}, ${range("column", left, right)}`;
}

function saySum(s, o, row, column) {
  const name = outputText(outputName(s, o, row, column));
  if (s.isHidden(o, row, column)) return [name, " is the cell to predict: it reads ", inputText(placeOf(s, row, column)), "."];
  if (!s.isReached(row, column)) return [name, " is still to come: it reads ", inputText(placeOf(s, row, column)), "."];
  const terms = productsAt(s, o, row, column);
  const value = outputText(formatNumber(s.right[o][row][column]));
  if (terms.length <= LONGEST_SUM) return [name, " = ", ...sumOfProducts(terms), " = ", value];
  const many = s.kH * s.kW;
  return s.inChannels > 1
    ? [name, " = ", channelSums(s, terms), " = ", value, quietText(`  (the sums of the ${many} products of each channel)`)]
    : [name, " = ", value, quietText(`  (the sum of ${many} products)`)];
}

function sayStep(s) {
  if (s.at) return saySum(s, 0, ...s.at);
  return ["Press ", quietText("Next step"), " to lay ", kernelText("the kernel"), " on the first ", inputText("window"), ", multiply cell by cell and write the sum into ", outputText(outputName(s, 0, 0, 0)), "."];
}

function sayInput(s, [, i, j]) {
  const what = isPadding(s, i, j) ? [inputText("This 0"), " of the padding"] : inputValues(s, i, j);
  if (s.reading.length === 0) return [...what, ": no window reads it."];
  const way = (r) => [outputText(outputAt(s, "o", r.row, r.column)), " with ", kernelText(weightAt(s, r.u, r.v))];
  const [first, last] = [s.reading[0], s.reading.at(-1)];
  if (s.reading.length === 1) return [...what, ": one window reads it, that of ", ...way(first), "."];
  return [...what, `: ${s.reading.length} windows read it, from `, ...way(first), " to ", ...way(last), "."];
}

const weightAt = (s, u, v) => `w[${s.outChannels > 1 ? "o, " : ""}${s.inChannels > 1 ? "c, " : ""}${u}, ${v}]`;

function sayKernel(s, [, o, c, u, v]) {
  return [
    kernelText(`${kernelName(s, c, o, u, v)} = ${formatNumber(s.weight[o][c][u][v])}`), " multiplies ",
    inputText(`x[${s.inChannels > 1 ? `${c}, ` : ""}${multipleOf(s.stride, "i", u - s.padding)}, ${multipleOf(s.stride, "j", v - s.padding)}]`),
    " for every output ", outputText(outputAt(s, o, "i", "j")), ".",
  ];
}

const SAY = { input: sayInput, kernel: sayKernel, output: (s, [, o, row, column]) => saySum(s, o, row, column) };

// ---- the tables -----------------------------------------------------------------------------------------

function showInput(s, c) {
  const data = { top: s.padding, left: s.padding, bottom: s.height - s.padding - 1, right: s.width - s.padding - 1 };
  const [, height, width] = s.sizeOfInput;
  return {
    rows: s.height, columns: s.width, look: { name: "pw-is-padded", on: s.padding > 0 },
    frame: s.focus?.[0] === "input" || s.focus?.[0] === "kernel" ? null : s.window,
    // a small input has no room for its size above it
    caption: `input x${s.inChannels > 1 ? `[${c}]` : ""}${s.width > 3 ? ` · ${height} × ${width}${s.padding ? ", padded" : ""}` : ""}`,
    cell: (i, j) => {
      const padding = isPadding(s, i, j);
      const value = s.x[c][i][j];
      return {
        value, fixed: padding, shade: s.shade(value, "input"),
        label: () => `${padding ? "padding" : "input"} ${inputName(s, c, i, j)}${s.showCounts ? `, read ${s.counts[i][j]} times` : ""}`,
        marks: joined(
          padding && "pw-padding", s.showCounts && s.counts[i][j] === 0 && "pw-unread", s.padding > 0 && rim(i, j, data),
          s.isFocus("input", i, j) ? "pw-linked" : s.focus?.[0] === "kernel" && s.focus[2] === c && meetsWeight(s, i, j) && "pw-landing"),
        note: s.showCounts ? `${s.counts[i][j]}×` : "",
      };
    },
  };
}

/** The products in the window, with their sum above. */
function showProducts(s, c, o) {
  const [row, column] = s.source ?? [0, 0];
  const blank = !s.source || s.isHidden(0, row, column);
  const terms = ofChannel(productsAt(s, o, row, column), c);
  return {
    rows: s.kH, columns: s.kW, caption: blank ? (s.kW > 1 ? "products" : "x·w") : `sum ${formatNumber(totalOf(terms))}`,
    cell: (u, v) => {
      const value = blank ? 0 : terms[u * s.kW + v].product;
      return { value, text: blank ? "" : undefined, shade: s.shade(value, "output"), label: () => `product ${u}, ${v}` };
    },
  };
}

const showOutput = (s, o) => ({
  rows: s.rows, columns: s.columns,
  caption: `output y${s.outChannels > 1 ? `[${o}]` : ` · ${s.rows} × ${s.columns}`}`,
  cell: (row, column) => {
    const value = s.right[o][row][column];
    const [hidden, reached] = [s.isHidden(o, row, column), s.isReached(row, column)];
    const shown = reached && !hidden;
    const reader = s.readerAt(row, column);
    return {
      value, text: hidden ? "?" : reached ? undefined : "", shade: shown ? s.shade(value, "output") : 0,
      marks: s.isPinned("output", o, row, column) ? "pw-pinned"
        : s.isFocus("output", o, row, column) ? "pw-linked"
          : (reader || (!s.focus && s.at?.[0] === row && s.at[1] === column)) ? "pw-landing" : "",
      note: reader && s.inChannels === 1 ? `·${formatFactor(s.weight[o][0][reader.u][reader.v])}` : "",
      label: () => `${outputName(s, o, row, column)}: ${hidden ? "to predict" : reached ? formatNumber(value) : "still to come"}`,
    };
  },
});

const withKernelSize = (get) => {
  const [, , kH, kW] = shapeOf(get("kernel"));
  const control = {
    trait: "kernel_size", label: "kernel size", options: Array.from({ length: kH }, (_, k) => k + 1), value: (s) => s.kH,
    isLegal: (s, size) => size <= Math.min(s.height, s.width),
  };
  return kH === kW && kH > 1 ? [control] : [];
};

/** Whether some window fits into the input. */
const leavesOutput = (s, padding) => {
  const [, height, width] = s.sizeOfInput;
  return Math.min(convolutionSize(height, s.kH, s.stride, padding), convolutionSize(width, s.kW, s.stride, padding)) >= 1;
};

export default operatorStepper({
  label: "Convolution, step by step", kind: "convolution", order: outThenIn,
  traits: ["kernel_size", "show_reads"],
  controls: (get) => [
    { trait: "stride", label: "stride", options: STRIDES, value: (s) => s.stride, isLegal: () => true },
    { trait: "padding", label: "padding", options: PADDINGS, value: (s) => s.padding, isLegal: leavesOutput },
    ...withKernelSize(get),
  ],
  counts: { trait: "show_reads", label: "how often read" },
  present, follow, ask,
  say: (s) => (s.focus ? SAY[s.focus[0]](s, s.focus) : sayStep(s)),
  code: (s) => pytorchCall(s, "conv2d", [["stride", s.stride, 1], ["padding", s.padding, 0]]),
  input: showInput, beside: showProducts, output: showOutput,
  inputPath: (s, c, i, j) => [c, i - s.padding, j - s.padding],
  kernelPath: (s, c, o, u, v) => [o, c, u + s.partAt[0], v + s.partAt[1]],
});
