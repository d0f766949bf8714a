// The stepper of transposed convolution: one input position a step.
import { filled, formatFactor, formatNumber, largestMagnitude, shapeOf } from "./core/arrays.js";
import { contributionsOf, contributionsTo, crop, overlapCounts, transposedCanvas, transposedSize } from "./core/transposed.js";
import { button, choice, codeLine, colouredText, frame, h, numberTable, setAttribute, setText, setTraits, stepper, toggle, watchTraits } from "./ui.js";

const TRAITS = [
  "input", "kernel", "yours", "incomparable", "stride", "padding", "output_padding", "in_channels", "out_channels",
  "step", "playing", "hovered", "pinned", "show_overlap", "predict", "guess",
];
const STRIDES = [1, 2, 3];
const PADDINGS = [0, 1, 2, 3];
const OUTPUT_PADDINGS = [0, 1, 2];
const between = (low, value, high) => Math.max(low, Math.min(high, value));
const visible = (table, shown) => { table.element.hidden = !shown; };

/** Whether `padding` leaves at least one row and one column of output. */
const leavesOutput = (s, padding, outputPadding) =>
  Math.min(
    transposedSize(s.height, s.kH, s.stride, padding, outputPadding),
    transposedSize(s.width, s.kW, s.stride, padding, outputPadding),
  ) >= 1;

/** Everything that the view shows, from the traits alone. Settings that do not go together are brought back
 * to the nearest that do. */
function present(get) {
  // a link may hold any number
  const whole = (trait, low, high) => between(low, Math.round(get(trait)), high);
  const s = { stride: whole("stride", 1, 3) };
  s.channelsGiven = get("input").length;
  s.outChannelsGiven = get("kernel")[0].length;
  const inChannels = whole("in_channels", 0, s.channelsGiven) || s.channelsGiven;
  const outChannels = whole("out_channels", 0, s.outChannelsGiven) || s.outChannelsGiven;
  s.x = get("input").slice(0, inChannels);
  s.weight = get("kernel").slice(0, inChannels).map((kernels) => kernels.slice(0, outChannels));
  [, s.height, s.width] = shapeOf(s.x);
  [, , s.kH, s.kW] = shapeOf(s.weight);
  s.outputPadding = whole("output_padding", 0, s.stride - 1);
  s.padding = whole("padding", 0, 3);
  while (s.padding > 0 && !leavesOutput(s, s.padding, s.outputPadding)) s.padding--;

  s.steps = s.height * s.width;
  s.step = whole("step", 0, s.steps);
  s.at = s.step === 0 ? null : [Math.floor((s.step - 1) / s.width), (s.step - 1) % s.width];
  s.canvas = transposedCanvas(s.x, s.weight, { stride: s.stride, outputPadding: s.outputPadding, steps: s.step });
  s.final = transposedCanvas(s.x, s.weight, { stride: s.stride, outputPadding: s.outputPadding });
  s.overlap = overlapCounts(s.height, s.width, s.kH, s.kW, { stride: s.stride, outputPadding: s.outputPadding });
  s.reached = overlapCounts(s.height, s.width, s.kH, s.kW, { stride: s.stride, outputPadding: s.outputPadding, steps: s.step });
  [s.rows, s.columns] = shapeOf(s.overlap);
  s.isCropped = (row, column) =>
    row < s.padding || column < s.padding || row >= s.rows - s.padding || column >= s.columns - s.padding;

  const legalFocus = ([kind, ...at]) => {
    const sizes = {
      input: [s.height, s.width],
      output: [s.weight[0].length, s.rows, s.columns],
      kernel: [s.x.length, s.weight[0].length, s.kH, s.kW],
    }[kind];
    const isLegal = sizes?.length === at.length && at.every((k, d) => Number.isInteger(k) && k >= 0 && k < sizes[d]);
    return isLegal ? [kind, ...at] : null;
  };
  s.pinned = legalFocus(get("pinned"));
  s.focus = legalFocus(get("hovered")) ?? s.pinned;
  s.source = s.focus?.[0] === "input" ? s.focus.slice(1) : s.at;
  s.isDone = (term) => term.i * s.width + term.j < s.step;

  s.showOverlap = get("show_overlap");
  s.predict = get("predict");
  s.question = s.predict && s.at ? askFor(s) : null;
  s.answered = s.question !== null && get("guess") !== "";
  s.guess = get("guess");
  s.yours = get("yours");
  s.incomparable = get("incomparable");
  return s;
}

/** The cell to predict at this step: one that already holds something, so that accumulation is what counts. */
function askFor(s) {
  const landed = contributionsOf(s.x, s.weight, ...s.at, s.stride).filter((t) => t.c === 0 && t.o === 0);
  const reached = (t) => contributionsTo(s.x, s.weight, 0, t.row, t.column, s.stride).filter(s.isDone).length;
  const weigh = (t) => reached(t) * 10 + (t.product !== 0 ? 5 : 0) + (s.isCropped(t.row, t.column) ? -100 : 0);
  const best = landed.reduce((a, b) => (weigh(b) > weigh(a) ? b : a));
  const terms = contributionsTo(s.x, s.weight, 0, best.row, best.column, s.stride).filter(s.isDone);
  const now = terms.filter((t) => t.i === s.at[0] && t.j === s.at[1]);
  const before = terms.filter((t) => !now.includes(t)).reduce((sum, t) => sum + t.product, 0);
  return { row: best.row, column: best.column, before, now, answer: s.canvas[0][best.row][best.column] };
}

// ---- sentences ------------------------------------------------------------------------------------------

const inputText = (text) => ({ text, role: "input" });
const kernelText = (text) => ({ text, role: "kernel" });
const outputText = (text) => ({ text, role: "output" });
const quietText = (text) => ({ text, role: "quiet" });

const channel = (many, c) => (many > 1 ? `${c}, ` : "");
const inputName = (s, c, i, j) => `x[${channel(s.x.length, c)}${i}, ${j}]`;
const outputName = (s, o, row, column) => `y[${channel(s.weight[0].length, o)}${row - s.padding}, ${column - s.padding}]`;
const kernelName = (s, c, o, u, v) => `w[${channel(s.x.length, c)}${channel(s.weight[0].length, o)}${u}, ${v}]`;

/** 1·2 + (−1)·0: the terms with their numbers, each factor in its hue. */
const sumOfProducts = (terms) =>
  terms.flatMap((t, k) => [k ? " + " : "", inputText(k || t.x < 0 ? formatFactor(t.x) : formatNumber(t.x)), "·", kernelText(formatFactor(t.w))]);

function sayStep(s) {
  const [i, j] = s.at ?? [0, 0];
  const values = s.x.flatMap((plane, c) => [c ? " and " : "", inputText(`${inputName(s, c, i, j)} = ${formatNumber(plane[i][j])}`)]);
  if (!s.at) return [...values, ": press ", { text: "Next step", role: "quiet" }, " to multiply the kernel by it and add the result to the output."];
  const rows = `rows ${i * s.stride}–${i * s.stride + s.kH - 1}`;
  const columns = `columns ${j * s.stride}–${j * s.stride + s.kW - 1}`;
  const where = s.padding ? `${rows} and ${columns}, counted before the crop` : `${rows} and ${columns}`;
  if (s.x.every((plane) => plane[i][j] === 0)) return [...values, `: the kernel times 0 adds nothing to ${where}.`];
  const many = s.x.length > 1;
  return [...values, ": ", kernelText(many ? "each channel's kernel" : s.weight[0].length > 1 ? "each kernel" : "the kernel"), many ? ", times its channel's value, is added to " : `, times ${formatFactor(s.x[0][i][j])}, is added to `, outputText(where), "."];
}

function sayOutput(s, [, o, row, column]) {
  const name = outputText(outputName(s, o, row, column));
  const all = contributionsTo(s.x, s.weight, o, row, column, s.stride);
  const done = all.filter(s.isDone);
  const waiting = all.length - done.length;
  if (s.isCropped(row, column)) return ["This cell is cropped away by the padding. It holds ", outputText(formatNumber(s.canvas[o][row][column])), "."];
  if (all.length === 0) return [name, " = 0: no input reaches this cell."];
  if (s.question && !s.answered && o === 0 && row === s.question.row && column === s.question.column) return [name, " is the cell to predict."];
  if (done.length === 0) return [name, ` = 0 so far: ${waiting} of ${waiting} products are still to come.`];
  return [name, " = ", ...sumOfProducts(done), " = ", outputText(formatNumber(s.canvas[o][row][column])), waiting ? quietText(`  (${waiting} more to come)`) : ""];
}

function sayInput(s, [, i, j]) {
  const values = s.x.flatMap((plane, c) => [c ? " and " : "", inputText(`${inputName(s, c, i, j)} = ${formatNumber(plane[i][j])}`)]);
  return [...values, " reaches ", outputText(`rows ${i * s.stride}–${i * s.stride + s.kH - 1}, columns ${j * s.stride}–${j * s.stride + s.kW - 1}`), s.padding ? " before the crop." : "."];
}

function sayKernel(s, [, c, o, u, v]) {
  const shift = (offset, k) => (s.stride > 1 ? `${s.stride}${k}` : k) + (offset > 0 ? ` + ${offset}` : offset < 0 ? ` − ${-offset}` : "");
  return [
    kernelText(`${kernelName(s, c, o, u, v)} = ${formatNumber(s.weight[c][o][u][v])}`), " multiplies every input ", inputText(`x[${channel(s.x.length, c)}i, j]`),
    ", and the product is added to ", outputText(`y[${channel(s.weight[0].length, o)}${shift(u - s.padding, "i")}, ${shift(v - s.padding, "j")}]`), ".",
  ];
}

const SAY = { output: sayOutput, input: sayInput, kernel: sayKernel };
const say = (s) => (s.focus ? SAY[s.focus[0]](s, s.focus) : sayStep(s));

function judge(s) {
  const { before, now, answer, row, column } = s.question;
  const sum = [formatNumber(before), ...now.map((t) => `${formatFactor(t.x)}·${formatFactor(t.w)}`)].join(" + ");
  const equation = `${outputName(s, 0, row, column)} = ${sum} = ${formatNumber(answer)}`;
  if (s.guess === "show") return { text: equation, kind: "" };
  const right = Math.abs(Number(s.guess.replace("−", "-")) - answer) < 0.005;
  return { text: right ? `Right: ${equation}` : `Not ${s.guess}: ${equation}`, kind: right ? "right" : "wrong" };
}

/** The PyTorch call that computes the finished output. */
function pytorchLine(s) {
  const options = [["stride", s.stride, 1], ["padding", s.padding, 0], ["output_padding", s.outputPadding, 0]]
    .filter(([, value, usual]) => value !== usual).map(([name, value]) => `, ${name}=${value}`).join("");
  const shape = [1, s.weight[0].length, s.rows - 2 * s.padding, s.columns - 2 * s.padding].join(", ");
  return `y = F.conv_transpose2d(x, w${options})\n# x (1, ${s.x.length}, ${s.height}, ${s.width})  w (${shapeOf(s.weight).join(", ")})  y (${shape})`;
}

// ---- the view -------------------------------------------------------------------------------------------

function render({ model, el }) {
  const { root, share } = frame(model, el, { label: "Transposed convolution, step by step", kind: "transposed-convolution" });
  const get = (name) => model.get(name);
  const original = { input: get("input"), kernel: get("kernel") };
  const [channels, outChannels] = [get("input").length, get("kernel")[0].length];
  const point = (...focus) => setTraits(model, { hovered: focus });
  const pin = (...focus) => setTraits(model, { pinned: String(get("pinned")) === String(focus) ? [] : focus });
  /** A copy of a trait's array in which one number is new. */
  const edit = (trait, path, value) => {
    const changed = structuredClone(get(trait));
    path.slice(0, -1).reduce((array, k) => array[k], changed)[path.at(-1)] = value;
    setTraits(model, { [trait]: changed, guess: "" });
  };
  const pointer = (make) => ({ onPoint: (row, column) => (row === null ? point() : point(...make(row, column))) });
  const each = (n, make) => Array.from({ length: n }, (_, k) => make(k));

  const inputs = each(channels, (c) => numberTable({ role: "input", onEdit: (i, j, value) => edit("input", [c, i, j], value), ...pointer((i, j) => ["input", i, j]) }));
  const kernels = each(channels, (c) => each(outChannels, (o) => numberTable({ role: "kernel", onEdit: (u, v, value) => edit("kernel", [c, o, u, v], value), ...pointer((u, v) => ["kernel", c, o, u, v]) })));
  const weighted = each(channels, () => each(outChannels, () => numberTable({ role: "kernel" })));
  const outputs = each(outChannels, (o) => numberTable({ role: "output", ...pointer((row, column) => ["output", o, row, column]), onPick: (row, column) => pin("output", o, row, column) }));
  const hasYours = get("yours").length > 0;
  const yours = hasYours ? each(outChannels, (o) => numberTable({ role: "output", ...pointer((row, column) => ["output", o, row + present(get).padding, column + present(get).padding]) })) : [];

  const incomparable = get("incomparable") ? h("p", {}) : null;

  const steps = stepper(model, { describe: (step) => (step ? `step ${step}` : "before the first step"), pauses: () => get("predict") });
  const says = h("output", { class: "pw-says", "aria-live": "polite" });
  const code = codeLine();
  const stride = choice({
    label: "stride", options: STRIDES,
    onChoose: (value) => setTraits(model, { stride: value, output_padding: Math.min(get("output_padding"), value - 1), guess: "" }),
  });
  const padding = choice({ label: "padding", options: PADDINGS, onChoose: (value) => setTraits(model, { padding: value }) });
  const outputPadding = choice({ label: "output padding", options: OUTPUT_PADDINGS, onChoose: (value) => setTraits(model, { output_padding: value }) });
  const inChoice = channels > 1 ? choice({ label: "channels in", options: each(channels, (c) => c + 1), onChoose: (value) => setTraits(model, { in_channels: value, guess: "" }) }) : null;
  const outChoice = outChannels > 1 ? choice({ label: "channels out", options: each(outChannels, (o) => o + 1), onChoose: (value) => setTraits(model, { out_channels: value, guess: "" }) }) : null;
  const overlap = toggle({ label: "overlap counts", onChange: (value) => setTraits(model, { show_overlap: value }) });
  const predict = toggle({ label: "predict first", onChange: (value) => setTraits(model, { predict: value, guess: "" }) });
  const reset = button({ label: "Reset the numbers", iconName: "reset", onPress: () => setTraits(model, { ...original, guess: "" }) });

  const question = h("label", { for: null });
  const guess = h("input", { type: "text", inputmode: "text", autocomplete: "off", "aria-label": "Your prediction" });
  const answer = h("span", { "aria-live": "polite" });
  const tell = button({ label: "Show", visible: true, onPress: () => get("guess") === "" && setTraits(model, { guess: "show" }) });
  tell.element.classList.add("pw-text-button");
  guess.addEventListener("keydown", (event) => {
    const text = guess.value.trim().replace("−", "-");
    if (event.key === "Enter" && text !== "" && Number.isFinite(Number(text))) setTraits(model, { guess: text });
  });
  const predictRow = h("div", { class: "pw-predict" }, question, guess, tell.element, answer);

  const arrays = (tables, across) => h("div", { class: "pw-arrays", style: `--across: ${across}` }, tables.flat().map((t) => t.element));
  const sign = (text) => h("span", { class: "pw-sign", "aria-hidden": "true" }, text);
  // one line a channel: input × kernels = weighted kernels
  const channelRows = inputs.map((table, c) =>
    h("div", { class: "pw-row" }, arrays([table], 1),
      h("div", { class: "pw-together" }, sign("×"), arrays(kernels[c], outChannels)),
      h("div", { class: "pw-together" }, sign("="), arrays(weighted[c], outChannels))));
  root.append(
    h("div", { class: "pw-bar" }, steps.element, reset.element, share),
    h("div", { class: "pw-stage" },
      h("div", { class: "pw-products" }, channelRows),
      h("div", { class: "pw-row" }, arrays(outputs, 1), hasYours ? arrays(yours, 1) : null, incomparable)),
    predictRow, says,
    h("div", { class: "pw-bar pw-settings" }, [stride, padding, outputPadding, inChoice, outChoice, overlap, predict].filter(Boolean).map((control) => control.element)),
    code.element,
  );

  let askedAt = null;
  function update() {
    const s = present(get);
    const shade = (value, largest) => (largest ? value / largest : 0);
    const term = s.focus?.[0] === "output" ? contributionsTo(s.x, s.weight, ...s.focus.slice(1), s.stride) : [];
    const isSource = (i, j) => s.source?.[0] === i && s.source?.[1] === j;
    const [inLargest, kLargest, outLargest] = [s.x, s.weight, s.final].map(largestMagnitude);

    steps.update(s.steps);

    inputs.forEach((table, c) => {
      channelRows[c].hidden = c >= s.x.length;
      if (c >= s.x.length) return;
      table.resize(s.height, s.width);
      // a small input has no room for its size above it
      table.caption(`input x${s.x.length > 1 ? `[${c}]` : s.width > 3 ? ` · ${s.height} × ${s.width}` : ""}`);
      s.x[c].forEach((row, i) => row.forEach((value, j) => {
        const reaches = term.some((t) => t.i === i && t.j === j);
        table.show(i, j, {
          value, shade: shade(value, inLargest), label: `input ${inputName(s, c, i, j)}`,
          marks: reaches ? "pw-linked" : term.length === 0 && isSource(i, j) ? "pw-active" : "",
        });
      }));
    });

    const weight = (c, o, u, v) => s.weight[c][o][u][v];
    for (let c = 0; c < channels; c++)
      for (let o = 0; o < outChannels; o++) {
        const shown = c < s.x.length && o < s.weight[0].length;
        visible(kernels[c][o], shown);
        visible(weighted[c][o], shown);
        if (!shown) continue;
        const which = s.x.length * s.weight[0].length > 1 ? `[${c}, ${o}]` : "";
        const factor = s.source ? s.x[c][s.source[0]][s.source[1]] : null;
        kernels[c][o].resize(s.kH, s.kW);
        weighted[c][o].resize(s.kH, s.kW);
        kernels[c][o].caption(which ? `w${which}` : "kernel w");
        weighted[c][o].caption(factor === null ? "weighted" : `${formatNumber(factor)}·w${which}`);
        for (let u = 0; u < s.kH; u++)
          for (let v = 0; v < s.kW; v++) {
            const used = term.some((t) => t.c === c && t.o === o && t.u === u && t.v === v);
            const pointed = String(s.focus) === String(["kernel", c, o, u, v]);
            kernels[c][o].show(u, v, { value: weight(c, o, u, v), shade: shade(weight(c, o, u, v), kLargest), marks: used || pointed ? "pw-linked" : "", label: `kernel ${kernelName(s, c, o, u, v)}` });
            const product = factor === null ? 0 : factor * weight(c, o, u, v);
            weighted[c][o].show(u, v, { value: product, text: factor === null ? "" : undefined, shade: shade(product, outLargest), label: `weighted kernel ${u}, ${v}` });
          }
      }

    const landing = new Set(s.source && s.focus?.[0] !== "output" ? contributionsOf(s.x, s.weight, ...s.source, s.stride).map((t) => `${t.o},${t.row},${t.column}`) : []);
    outputs.forEach((table, o) => {
      visible(table, o < s.weight[0].length);
      if (o >= s.weight[0].length) return;
      table.resize(s.rows, s.columns);
      table.element.classList.toggle("pw-is-cropped", s.padding > 0);
      const cropped = s.padding ? `, cropped from ${s.rows} × ${s.columns}` : "";
      table.caption(`output y${s.weight[0].length > 1 ? `[${o}]` : ""} · ${s.rows - 2 * s.padding} × ${s.columns - 2 * s.padding}${cropped}`);
      s.canvas[o].forEach((row, r) => row.forEach((value, c) => {
        const hidden = s.question && !s.answered && o === 0 && r === s.question.row && c === s.question.column;
        const untouched = s.reached[r][c] === 0;
        const marks = [
          s.isCropped(r, c) && "pw-cropped", untouched && "pw-untouched", edgesOf(s, r, c),
          String(s.pinned) === String(["output", o, r, c]) ? "pw-pinned"
            : String(s.focus) === String(["output", o, r, c]) ? "pw-linked"
              : s.focus?.[0] === "kernel" ? kernelLands(s, r, c) && s.focus[2] === o && "pw-landing"
                : landing.has(`${o},${r},${c}`) && "pw-landing",
        ].filter(Boolean).join(" ");
        table.show(r, c, {
          value, text: hidden ? "?" : undefined, shade: hidden ? 0 : shade(value, outLargest), marks,
          note: s.showOverlap ? `${s.overlap[r][c]}×` : "",
          label: `${s.isCropped(r, c) ? "cropped away" : outputName(s, o, r, c)}: ${hidden ? "to predict" : formatNumber(value)}${s.showOverlap ? `, reached by ${s.overlap[r][c]}` : ""}`,
        });
      }));
    });
    if (incomparable) setText(incomparable, `yours · ${s.incomparable}`);
    if (hasYours) showYours(s);

    stride.update(s.stride);
    padding.update(s.padding, (value) => leavesOutput(s, value, s.outputPadding));
    outputPadding.update(s.outputPadding, (value) => value < s.stride && leavesOutput(s, s.padding, value));
    inChoice?.update(s.x.length);
    outChoice?.update(s.weight[0].length);
    overlap.update(s.showOverlap);
    predict.update(s.predict);
    code.update(pytorchLine(s));

    predictRow.hidden = !s.predict;
    if (s.predict) showQuestion(s);
    says.setAttribute("aria-live", get("playing") ? "off" : "polite");
    colouredText(says, say(s));
    root.dataset.step = s.step;
  }

  /** Where the frame of what the crop keeps runs along this cell. */
  const edgesOf = (s, row, column) => {
    if (!s.padding || s.isCropped(row, column)) return "";
    const [top, left] = [row === s.padding, column === s.padding];
    const [bottom, right] = [row === s.rows - s.padding - 1, column === s.columns - s.padding - 1];
    return [top && "pw-top", left && "pw-left", bottom && "pw-bottom", right && "pw-right"].filter(Boolean).join(" ");
  };
  const kernelLands = (s, row, column) => {
    const [i, j] = [(row - s.focus[3]) / s.stride, (column - s.focus[4]) / s.stride];
    return Number.isInteger(i) && Number.isInteger(j) && i >= 0 && j >= 0 && i < s.height && j < s.width;
  };

  function showQuestion(s) {
    if (askedAt !== s.step && get("guess") === "") guess.value = "";
    askedAt = s.step;
    guess.hidden = tell.element.hidden = !s.question;
    guess.readOnly = s.answered; // not hidden: the focus would be lost
    tell.update({ disabled: s.answered });
    if (!s.question) return setText(question, "Press Next step, then predict."), setText(answer, "");
    const { row, column, before, now } = s.question;
    const products = now.map((t) => `${formatFactor(t.x)}·${formatFactor(t.w)}`).join(" + ");
    setText(question, `${outputName(s, 0, row, column)} held ${formatNumber(before)} and now receives ${products}. What does it hold?`);
    const verdict = s.answered ? judge(s) : { text: "", kind: "" };
    answer.className = verdict.kind ? `pw-verdict-${verdict.kind}` : "";
    setText(answer, verdict.text);
  }

  function showYours(s) {
    const right = s.final.map((plane) => crop(plane, s.padding));
    const [, rows, columns] = shapeOf(s.yours);
    const [rightRows, rightColumns] = [s.rows - 2 * s.padding, s.columns - 2 * s.padding];
    yours.forEach((table, o) => {
      const plane = s.yours[o];
      visible(table, o < s.weight[0].length && plane !== undefined);
      if (plane === undefined) return;
      table.resize(rows, columns);
      let wrong = 0;
      plane.forEach((row, r) => row.forEach((value, c) => {
        const differs = !(Math.abs(value - (right[o]?.[r]?.[c] ?? NaN)) <= 1e-4 * Math.max(1, Math.abs(value)));
        wrong += differs;
        const isNumber = typeof value === "number"; // else "nan", "inf"
        const text = isNumber ? formatNumber(value) : String(value);
        const shade = isNumber ? shade1(value, largestMagnitude(right)) : 0;
        table.show(r, c, { value, text, shade, marks: differs ? "pw-wrong" : "", label: `yours ${r}, ${c}: ${text}${differs ? `, expected ${formatNumber(right[o]?.[r]?.[c] ?? 0)}` : ""}` });
      }));
      const sameShape = rows === rightRows && columns === rightColumns;
      table.caption(`yours · ${!sameShape ? `${rows} × ${columns} instead of ${rightRows} × ${rightColumns}` : wrong ? `${wrong} of ${rows * columns} differ` : "all cells agree"}`);
    });
  }
  const shade1 = (value, largest) => (largest ? between(-1, value / largest, 1) : 0);

  // A new step brings a new question.
  const forgetGuess = () => { if (get("guess") !== "") setTraits(model, { guess: "" }); };
  model.on("change:step", forgetGuess);
  const stopWatching = watchTraits(model, TRAITS, update);
  update();
  return () => {
    stopWatching();
    model.off("change:step", forgetGuess);
    steps.stop();
  };
}
export default { render };
