// The stepper of transposed convolution: one input position a step.
import { formatFactor, formatNumber, shapeOf } from "./core/arrays.js";
import { contributionsOf, contributionsTo, crop, overlapCounts, transposedCanvas, transposedSize } from "./core/transposed.js";
import { channelsOf, inputAt, inputName, inputText, inputValues, joined, kernelName, kernelText, multipleOf, operatorStepper, outputAt, outputName, outputText, plainSum, pytorchCall, quietText, rim, sumOfProducts, whole } from "./operator_stepper.js";

const STRIDES = [1, 2, 3];
const PADDINGS = [0, 1, 2, 3];
const OUTPUT_PADDINGS = [0, 1, 2];
const inThenOut = (c, o) => [c, o];

/** Whether `padding` leaves at least one row and one column of output. */
const leavesOutput = (s, padding, outputPadding) =>
  Math.min(
    transposedSize(s.height, s.kH, s.stride, padding, outputPadding),
    transposedSize(s.width, s.kW, s.stride, padding, outputPadding),
  ) >= 1;

/** Settings that do not go together are brought back to the nearest that do. */
function present(get) {
  const s = { ...channelsOf(get, inThenOut), order: inThenOut, ring: 0, stride: whole(get, "stride", 1, 3) };
  s.x = get("input").slice(0, s.inChannels);
  s.weight = get("kernel").slice(0, s.inChannels).map((kernels) => kernels.slice(0, s.outChannels));
  s.planeOf = (c, o) => s.weight[c][o];
  s.sizeOfInput = shapeOf(s.x);
  [, s.height, s.width] = s.sizeOfInput;
  [, , s.kH, s.kW] = shapeOf(s.weight);
  s.outputPadding = whole(get, "output_padding", 0, s.stride - 1);
  s.padding = whole(get, "padding", 0, 3);
  while (s.padding > 0 && !leavesOutput(s, s.padding, s.outputPadding)) s.padding--;
  s.crop = s.padding;

  s.options = { stride: s.stride, outputPadding: s.outputPadding };
  s.overlap = overlapCounts(s.height, s.width, s.kH, s.kW, s.options);
  [s.rows, s.columns] = shapeOf(s.overlap);
  s.isCropped = (row, column) =>
    row < s.padding || column < s.padding || row >= s.rows - s.padding || column >= s.columns - s.padding;
  s.right = transposedCanvas(s.x, s.weight, s.options).map((plane) => crop(plane, s.padding));
  s.positions = [s.height, s.width];
  s.sizes = { input: [s.height, s.width], output: [s.outChannels, s.rows, s.columns], kernel: shapeOf(s.weight) };
  return s;
}

function follow(s) {
  s.canvas = transposedCanvas(s.x, s.weight, { ...s.options, steps: s.step });
  s.reached = overlapCounts(s.height, s.width, s.kH, s.kW, { ...s.options, steps: s.step });
  s.source = s.focus?.[0] === "input" ? s.focus.slice(1) : s.at;
  s.isDone = (term) => s.isReached(term.i, term.j);
  s.terms = s.focus?.[0] === "output" ? contributionsTo(s.x, s.weight, ...s.focus.slice(1), s.stride) : [];
  s.usesWeight = (c, o, u, v) => s.terms.some((t) => t.c === c && t.o === o && t.u === u && t.v === v);
  const lands = s.source && s.focus?.[0] !== "output" ? contributionsOf(s.x, s.weight, ...s.source, s.stride) : [];
  s.landing = new Set(lands.map((t) => `${t.o},${t.row},${t.column}`));
}

/** The cell to predict at this step: one that already holds something, so that accumulation is what counts. */
function ask(s) {
  const landed = contributionsOf(s.x, s.weight, ...s.at, s.stride).filter((t) => t.c === 0 && t.o === 0);
  const reached = (t) => contributionsTo(s.x, s.weight, 0, t.row, t.column, s.stride).filter(s.isDone).length;
  const weigh = (t) => reached(t) * 10 + (t.product !== 0 ? 5 : 0) + (s.isCropped(t.row, t.column) ? -100 : 0);
  const { row, column } = landed.reduce((a, b) => (weigh(b) > weigh(a) ? b : a));
  const terms = contributionsTo(s.x, s.weight, 0, row, column, s.stride).filter(s.isDone);
  const now = terms.filter((t) => t.i === s.at[0] && t.j === s.at[1]);
  const before = formatNumber(terms.filter((t) => !now.includes(t)).reduce((sum, t) => sum + t.product, 0));
  const name = outputName(s, 0, row, column);
  return {
    row, column, name, answer: s.canvas[0][row][column],
    text: `${name} held ${before} and now receives ${plainSum(now)}. What does it hold?`,
    sum: `${before} + ${plainSum(now)}`,
  };
}

// ---- sentences ------------------------------------------------------------------------------------------

function sayStep(s) {
  const [i, j] = s.at ?? [0, 0];
  const values = inputValues(s, i, j);
  if (!s.at) return [...values, ": press ", quietText("Next step"), " to multiply the kernel by it and add the result to the output."];
  const rows = `rows ${i * s.stride}–${i * s.stride + s.kH - 1}`;
  const columns = `columns ${j * s.stride}–${j * s.stride + s.kW - 1}`;
  const where = s.padding ? `${rows} and ${columns}, counted before the crop` : `${rows} and ${columns}`;
  if (s.x.every((plane) => plane[i][j] === 0)) return [...values, `: the kernel times 0 adds nothing to ${where}.`];
  const many = s.inChannels > 1;
  return [...values, ": ", kernelText(many ? "each channel's kernel" : s.outChannels > 1 ? "each kernel" : "the kernel"), many ? ", times its channel's value, is added to " : `, times ${formatFactor(s.x[0][i][j])}, is added to `, outputText(where), "."];
}

function sayOutput(s, [, o, row, column]) {
  const name = outputText(outputName(s, o, row, column));
  const done = s.terms.filter(s.isDone);
  const waiting = s.terms.length - done.length;
  if (s.isCropped(row, column)) return ["This cell is cropped away by the padding. It holds ", outputText(formatNumber(s.canvas[o][row][column])), "."];
  if (s.terms.length === 0) return [name, " = 0: no input reaches this cell."];
  if (s.isHidden(o, row, column)) return [name, " is the cell to predict."];
  if (done.length === 0) return [name, ` = 0 so far: ${waiting} of ${waiting} products are still to come.`];
  return [name, " = ", ...sumOfProducts(done), " = ", outputText(formatNumber(s.canvas[o][row][column])), waiting ? quietText(`  (${waiting} more to come)`) : ""];
}

function sayInput(s, [, i, j]) {
  return [...inputValues(s, i, j), " reaches ", outputText(`rows ${i * s.stride}–${i * s.stride + s.kH - 1}, columns ${j * s.stride}–${j * s.stride + s.kW - 1}`), s.padding ? " before the crop." : "."];
}

function sayKernel(s, [, c, o, u, v]) {
  return [
    kernelText(`${kernelName(s, c, o, u, v)} = ${formatNumber(s.weight[c][o][u][v])}`), " multiplies every input ", inputText(inputAt(s, c, "i", "j")),
    ", and the product is added to ", outputText(outputAt(s, o, multipleOf(s.stride, "i", u - s.padding), multipleOf(s.stride, "j", v - s.padding))), ".",
  ];
}

const SAY = { output: sayOutput, input: sayInput, kernel: sayKernel };

// ---- the tables -----------------------------------------------------------------------------------------

const showInput = (s, c) => ({
  rows: s.height, columns: s.width,
  // a small input has no room for its size above it
  caption: `input x${s.inChannels > 1 ? `[${c}]` : s.width > 3 ? ` · ${s.height} × ${s.width}` : ""}`,
  cell: (i, j) => ({
    value: s.x[c][i][j], shade: s.shade(s.x[c][i][j], "input"), label: () => `input ${inputName(s, c, i, j)}`,
    marks: s.terms.some((t) => t.i === i && t.j === j) ? "pw-linked"
      : s.terms.length === 0 && s.source?.[0] === i && s.source[1] === j ? "pw-active" : "",
  }),
});

/** The kernel times the input's value. */
function showWeighted(s, c, o) {
  const factor = s.source ? s.x[c][s.source[0]][s.source[1]] : null;
  const which = s.inChannels * s.outChannels > 1 ? `[${c}, ${o}]` : "";
  return {
    rows: s.kH, columns: s.kW, caption: factor === null ? "weighted" : `${formatNumber(factor)}·w${which}`,
    cell: (u, v) => {
      const value = factor === null ? 0 : factor * s.weight[c][o][u][v];
      return { value, text: factor === null ? "" : undefined, shade: s.shade(value, "output"), label: () => `weighted kernel ${u}, ${v}` };
    },
  };
}

function showOutput(s, o) {
  const kept = { top: s.padding, left: s.padding, bottom: s.rows - s.padding - 1, right: s.columns - s.padding - 1 };
  const cropped = s.padding ? `, cropped from ${s.rows} × ${s.columns}` : "";
  return {
    rows: s.rows, columns: s.columns, look: { name: "pw-is-cropped", on: s.padding > 0 },
    caption: `output y${s.outChannels > 1 ? `[${o}]` : ""} · ${s.rows - 2 * s.padding} × ${s.columns - 2 * s.padding}${cropped}`,
    cell: (row, column) => {
      const value = s.canvas[o][row][column];
      const hidden = s.isHidden(o, row, column);
      return {
        value, text: hidden ? "?" : undefined, shade: hidden ? 0 : s.shade(value, "output"),
        marks: joined(
          s.isCropped(row, column) && "pw-cropped", s.reached[row][column] === 0 && "pw-untouched", s.padding > 0 && rim(row, column, kept),
          s.isPinned("output", o, row, column) ? "pw-pinned"
            : s.isFocus("output", o, row, column) ? "pw-linked"
              : (s.focus?.[0] === "kernel" ? s.focus[2] === o && kernelLands(s, row, column) : s.landing.has(`${o},${row},${column}`)) && "pw-landing"),
        note: s.showCounts ? `${s.overlap[row][column]}×` : "",
        label: () => `${s.isCropped(row, column) ? "cropped away" : outputName(s, o, row, column)}: ${hidden ? "to predict" : formatNumber(value)}${s.showCounts ? `, reached by ${s.overlap[row][column]}` : ""}`,
      };
    },
  };
}

/** Whether the weight that the reader looks at brings some input to this output. */
function kernelLands(s, row, column) {
  const [i, j] = [(row - s.focus[3]) / s.stride, (column - s.focus[4]) / s.stride];
  return Number.isInteger(i) && Number.isInteger(j) && i >= 0 && j >= 0 && i < s.height && j < s.width;
}

export default operatorStepper({
  label: "Transposed convolution, step by step", kind: "transposed-convolution", order: inThenOut,
  traits: ["output_padding", "show_overlap"],
  controls: (get) => [
    { trait: "stride", label: "stride", options: STRIDES, value: (s) => s.stride, isLegal: () => true, changes: (stride) => ({ output_padding: Math.min(get("output_padding"), stride - 1) }) },
    { trait: "padding", label: "padding", options: PADDINGS, value: (s) => s.padding, isLegal: (s, padding) => leavesOutput(s, padding, s.outputPadding) },
    { trait: "output_padding", label: "output padding", options: OUTPUT_PADDINGS, value: (s) => s.outputPadding, isLegal: (s, value) => value < s.stride && leavesOutput(s, s.padding, value) },
  ],
  counts: { trait: "show_overlap", label: "overlap counts" },
  present, follow, ask,
  say: (s) => (s.focus ? SAY[s.focus[0]](s, s.focus) : sayStep(s)),
  code: (s) => pytorchCall(s, "conv_transpose2d", [["stride", s.stride, 1], ["padding", s.padding, 0], ["output_padding", s.outputPadding, 0]]),
  input: showInput, beside: showWeighted, output: showOutput,
  inputPath: (s, c, i, j) => [c, i, j],
  kernelPath: (s, c, o, u, v) => [c, o, u, v],
});
