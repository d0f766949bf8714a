// What the steppers of convolution and transposed convolution share: input × kernel = a table beside it → output,
// one position a step; predict first, a pinned cell, an array of one's own compared with the right one.
import { formatFactor, formatNumber, largestMagnitude, shapeOf } from "./core/arrays.js";
import { button, choice, codeLine, colouredText, frame, h, numberTable, setText, setTraits, stepper, toggle, watchTraits } from "./ui.js";

const TRAITS = [
  "input", "kernel", "yours", "incomparable", "stride", "padding", "in_channels", "out_channels",
  "step", "playing", "hovered", "pinned", "predict", "guess",
];

// ---- the state ------------------------------------------------------------------------------------------

export const between = (low, value, high) => Math.max(low, Math.min(high, value));

/** A trait as a whole number within its bounds: a link may hold any number. */
export const whole = (get, trait, low, high) => between(low, Math.round(get(trait)), high);

/** How many channels take part, in and out; `order(in, out)` is the order of the kernel's first two axes. */
export function channelsOf(get, order) {
  const given = order(...shapeOf(get("kernel")));
  const [inChannels, outChannels] = ["in_channels", "out_channels"].map((trait, k) => whole(get, trait, 0, given[k]) || given[k]);
  return { inChannels, outChannels };
}

/** Adds the step, its position, and the cell that the reader looks at. `positions` are the rows and columns that the
 * steps go through, `sizes` how many of each index a focus may have. */
function addPosition(s, get) {
  const [rows, columns] = s.positions;
  s.steps = rows * columns;
  s.step = whole(get, "step", 0, s.steps);
  s.at = s.step === 0 ? null : [Math.floor((s.step - 1) / columns), (s.step - 1) % columns];
  s.isReached = (row, column) => row * columns + column < s.step;
  const legalFocus = ([kind, ...at]) => {
    const sizes = Object.hasOwn(s.sizes, kind) ? s.sizes[kind] : [];
    const isLegal = at.length > 0 && sizes.length === at.length && at.every((k, d) => Number.isInteger(k) && k >= 0 && k < sizes[d]);
    return isLegal ? [kind, ...at] : null;
  };
  s.pinned = legalFocus(get("pinned"));
  s.focus = legalFocus(get("hovered")) ?? s.pinned;
  const isSame = (a, b) => a !== null && a.length === b.length && a.every((value, k) => value === b[k]);
  s.isFocus = (...focus) => s.focus !== null && isSame(s.focus, focus);
  s.isPinned = (...cell) => s.pinned !== null && isSame(s.pinned, cell);
}

/** Everything that the view shows, from the traits alone. */
function stateOf(operation, get) {
  const s = operation.present(get);
  addPosition(s, get);
  operation.follow(s);
  for (const trait of ["predict", "guess", "yours", "incomparable"]) s[trait] = get(trait);
  s.showCounts = get(operation.counts.trait);
  s.question = s.predict && s.at ? operation.ask(s) : null;
  s.answered = s.question !== null && s.guess !== "";
  s.isHidden = (o, row, column) => s.question !== null && !s.answered && o === 0 && row === s.question.row && column === s.question.column;
  s.largest = { input: largestMagnitude(s.x), kernel: largestMagnitude(s.weight), output: largestMagnitude(s.right) };
  s.naming = [s.inChannels, s.outChannels, s.ring, s.crop, s.showCounts].join();
  s.shade = (value, role) => (s.largest[role] ? between(-1, value / s.largest[role], 1) : 0);
  return s;
}

/** The classes of a cell on the rim of a box of cells, for the sides that lie there. */
export const rim = (row, column, { top, left, bottom, right }) =>
  row < top || row > bottom || column < left || column > right ? "" :
    [row === top && "top", column === left && "left", row === bottom && "bottom", column === right && "right"]
      .filter(Boolean).map((side) => `pw-${side}`).join(" ");

export const joined = (...marks) => marks.filter(Boolean).join(" ");

// ---- sentences ------------------------------------------------------------------------------------------

export const inputText = (text) => ({ text, role: "input" });
export const kernelText = (text) => ({ text, role: "kernel" });
export const outputText = (text) => ({ text, role: "output" });
export const quietText = (text) => ({ text, role: "quiet" });

const channel = (many, c) => (many > 1 ? `${c}, ` : "");
/** Names count rows and columns without the padding (`s.ring`) of the input and before what is cropped from the output. */
export const inputName = (s, c, i, j) => `x[${channel(s.inChannels, c)}${i - s.ring}, ${j - s.ring}]`;
export const outputName = (s, o, row, column) => `y[${channel(s.outChannels, o)}${row - s.crop}, ${column - s.crop}]`;
export const kernelName = (s, c, o, u, v) => `w[${s.order(channel(s.inChannels, c), channel(s.outChannels, o)).join("")}${u}, ${v}]`;
/** The same with an expression for the row and one for the column. */
export const inputAt = (s, row, column) => `x[${channel(s.inChannels, "c")}${row}, ${column}]`;
export const outputAt = (s, o, row, column) => `y[${channel(s.outChannels, o)}${row}, ${column}]`;
/** 2i + 1 */
export const multipleOf = (factor, k, offset) =>
  (factor > 1 ? `${factor}${k}` : k) + (offset > 0 ? ` + ${offset}` : offset < 0 ? ` − ${-offset}` : "");

/** x[0, 1, 2] = 3 and x[1, 1, 2] = 4 */
export const inputValues = (s, i, j) =>
  s.x.flatMap((plane, c) => [c ? " and " : "", inputText(`${inputName(s, c, i, j)} = ${formatNumber(plane[i][j])}`)]);

/** 1·2 + (−1)·0: the terms with their numbers, each factor in its hue. */
export const sumOfProducts = (terms) =>
  terms.flatMap((t, k) => [k ? " + " : "", inputText(k || t.x < 0 ? formatFactor(t.x) : formatNumber(t.x)), "·", kernelText(formatFactor(t.w))]);

/** The same without colours. */
export const plainSum = (terms) => terms.map((t) => `${formatFactor(t.x)}·${formatFactor(t.w)}`).join(" + ");

function judge(s) {
  const { name, sum, answer } = s.question;
  const equation = `${name} = ${sum} = ${formatNumber(answer)}`;
  if (s.guess === "show") return { text: equation, kind: "" };
  const right = Math.abs(Number(s.guess.replace("−", "-")) - answer) < 0.005;
  return { text: right ? `Right: ${equation}` : `Not ${s.guess}: ${equation}`, kind: right ? "right" : "wrong" };
}

/** The PyTorch call that computes the finished output; options with their usual value are left out. */
export function pytorchCall(s, name, options) {
  const given = options.filter(([, value, usual]) => value !== usual).map(([option, value]) => `, ${option}=${value}`).join("");
  const [, height, width] = s.sizeOfInput;
  return `y = F.${name}(x, w${given})\n# x (1, ${s.inChannels}, ${height}, ${width})  w (${shapeOf(s.weight).join(", ")})  y (1, ${shapeOf(s.right).join(", ")})`;
}

// ---- the view -------------------------------------------------------------------------------------------

/** Shows a whole table: its size, its caption, a frame in it and its cells. `naming`: what their names depend on. */
function fill(table, { rows, columns, caption, look = "", frame = null, cell }, naming) {
  table.resize(rows, columns);
  table.caption(caption);
  table.frame(frame);
  if (look) table.element.classList.toggle(look.name, look.on);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) table.show(i, j, cell(i, j), naming);
}

const visible = (table, shown) => { table.element.hidden = !shown; };
const each = (n, make) => Array.from({ length: n }, (_, k) => make(k));

/**
 * The view of an operation that goes through positions and multiplies by a kernel. The operation says:
 *
 * label, kind, traits   what it is called, its class, and its own traits
 * order(c, o)           the order of the kernel's first two axes
 * controls, counts      its settings, and the switch for the numbers that count
 * present(get)          its state: x, weight, right (the finished output), positions, sizes, ring, crop …
 * follow(s)             what depends on the step and on the cell that the reader looks at
 * ask(s)                the cell to predict: { row, column, name, text, sum, answer }
 * say(s), code(s)       the sentence and the line of PyTorch
 * input(s, c), kernel(s, c, o), beside(s, c, o), output(s, o)   the tables, as `fill` takes them
 * inputPath, kernelPath  where in the trait an edited cell stands
 */
export function operatorStepper(operation) {
  const { label, kind, order, counts } = operation;
  const traits = [...TRAITS, ...operation.traits];

  function render({ model, el }) {
    const { root, share } = frame(model, el, { label, kind });
    const get = (name) => model.get(name);
    const original = { input: get("input"), kernel: get("kernel") };
    const [channels, outChannels] = order(...shapeOf(get("kernel")));
    const point = (...focus) => setTraits(model, { hovered: focus });
    const pin = (...focus) => setTraits(model, { pinned: String(get("pinned")) === String(focus) ? [] : focus });
    /** A copy of a trait's array in which one number is new. */
    const edit = (trait, path, value) => {
      const changed = structuredClone(get(trait));
      path.slice(0, -1).reduce((array, k) => array[k], changed)[path.at(-1)] = value;
      setTraits(model, { [trait]: changed, guess: "" });
    };
    const pointer = (make) => ({ onPoint: (row, column) => (row === null ? point() : point(...make(row, column))) });
    const now = () => stateOf(operation, get);

    const inputs = each(channels, (c) => numberTable({ role: "input", onEdit: (i, j, value) => edit("input", operation.inputPath(now(), c, i, j), value), ...pointer((i, j) => ["input", i, j]) }));
    const kernels = each(channels, (c) => each(outChannels, (o) => numberTable({ role: "kernel", onEdit: (u, v, value) => edit("kernel", operation.kernelPath(now(), c, o, u, v), value), ...pointer((u, v) => ["kernel", ...order(c, o), u, v]) })));
    const besides = each(channels, () => each(outChannels, () => numberTable({ role: "kernel" })));
    const outputs = each(outChannels, (o) => numberTable({ role: "output", ...pointer((row, column) => ["output", o, row, column]), onPick: (row, column) => pin("output", o, row, column) }));
    const hasYours = get("yours").length > 0;
    const yours = hasYours ? each(outChannels, (o) => numberTable({ role: "output", ...pointer((row, column) => ["output", o, row + now().crop, column + now().crop]) })) : [];
    const incomparable = get("incomparable") ? h("p", {}) : null;

    const steps = stepper(model, { describe: (step) => (step ? `step ${step}` : "before the first step"), pauses: () => get("predict") });
    const says = h("output", { class: "pw-says", "aria-live": "polite" });
    const code = codeLine();
    const settings = operation.controls(get).map(({ trait, label, options, changes = () => ({}), value, isLegal }) => ({
      ...choice({ label, options, onChoose: (chosen) => setTraits(model, { [trait]: chosen, ...changes(chosen), guess: "" }) }), value, isLegal,
    }));
    const inChoice = channels > 1 ? choice({ label: "channels in", options: each(channels, (c) => c + 1), onChoose: (value) => setTraits(model, { in_channels: value, guess: "" }) }) : null;
    const outChoice = outChannels > 1 ? choice({ label: "channels out", options: each(outChannels, (o) => o + 1), onChoose: (value) => setTraits(model, { out_channels: value, guess: "" }) }) : null;
    const counting = toggle({ label: counts.label, onChange: (value) => setTraits(model, { [counts.trait]: value }) });
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
    // one line a channel: input × kernels = what stands beside them
    const channelRows = inputs.map((table, c) =>
      h("div", { class: "pw-row" }, arrays([table], 1),
        h("div", { class: "pw-together" }, sign("×"), arrays(kernels[c], outChannels)),
        h("div", { class: "pw-together" }, sign("="), arrays(besides[c], outChannels))));
    root.append(
      h("div", { class: "pw-bar" }, steps.element, reset.element, share),
      h("div", { class: "pw-stage" },
        h("div", { class: "pw-products" }, channelRows),
        h("div", { class: "pw-row" }, arrays(outputs, 1), hasYours ? arrays(yours, 1) : null, incomparable)),
      predictRow, says,
      h("div", { class: "pw-bar pw-settings" }, [...settings, inChoice, outChoice, counting, predict].filter(Boolean).map((control) => control.element)),
      code.element,
    );

    let askedAt = null;
    function update() {
      const s = now();
      steps.update(s.steps);
      inputs.forEach((table, c) => {
        channelRows[c].hidden = c >= s.inChannels;
        if (c < s.inChannels) fill(table, operation.input(s, c), s.naming);
      });
      for (let c = 0; c < channels; c++)
        for (let o = 0; o < outChannels; o++) {
          const shown = c < s.inChannels && o < s.outChannels;
          visible(kernels[c][o], shown);
          visible(besides[c][o], shown);
          if (!shown) continue;
          fill(kernels[c][o], showKernel(s, c, o), s.naming);
          fill(besides[c][o], operation.beside(s, c, o), s.naming);
        }
      outputs.forEach((table, o) => {
        visible(table, o < s.outChannels);
        if (o < s.outChannels) fill(table, operation.output(s, o), s.naming);
      });
      if (incomparable) setText(incomparable, `yours · ${s.incomparable}`);
      if (hasYours) showYours(s);

      settings.forEach((control) => control.update(control.value(s), (option) => control.isLegal(s, option)));
      inChoice?.update(s.inChannels);
      outChoice?.update(s.outChannels);
      counting.update(s.showCounts);
      predict.update(s.predict);
      code.update(operation.code(s));

      predictRow.hidden = !s.predict;
      if (s.predict) showQuestion(s);
      says.setAttribute("aria-live", get("playing") ? "off" : "polite");
      colouredText(says, operation.say(s));
      root.dataset.step = s.step;
    }

    function showKernel(s, c, o) {
      const plane = s.planeOf(c, o);
      const [rows, columns] = shapeOf(plane);
      return {
        rows, columns,
        caption: s.inChannels * s.outChannels > 1 ? `w[${order(c, o).join(", ")}]` : columns > 1 ? "kernel w" : "w",
        cell: (u, v) => ({
          value: plane[u][v], shade: s.shade(plane[u][v], "kernel"), label: () => `kernel ${kernelName(s, c, o, u, v)}`,
          marks: s.isFocus("kernel", ...order(c, o), u, v) || s.usesWeight(c, o, u, v) ? "pw-linked" : "",
        }),
      };
    }

    function showQuestion(s) {
      if (askedAt !== s.step && get("guess") === "") guess.value = "";
      askedAt = s.step;
      guess.hidden = tell.element.hidden = !s.question;
      guess.readOnly = s.answered; // not hidden: the focus would be lost
      tell.update({ disabled: s.answered });
      if (!s.question) return setText(question, "Press Next step, then predict."), setText(answer, "");
      setText(question, s.question.text);
      const verdict = s.answered ? judge(s) : { text: "", kind: "" };
      answer.className = verdict.kind ? `pw-verdict-${verdict.kind}` : "";
      setText(answer, verdict.text);
    }

    function showYours(s) {
      const [, rows, columns] = shapeOf(s.yours);
      const [, rightRows, rightColumns] = shapeOf(s.right);
      yours.forEach((table, o) => {
        const plane = s.yours[o];
        visible(table, o < s.outChannels && plane !== undefined);
        if (plane === undefined) return;
        const differs = (value, r, c) => !(Math.abs(value - (s.right[o]?.[r]?.[c] ?? NaN)) <= 1e-4 * Math.max(1, Math.abs(value)));
        const wrong = plane.flatMap((row, r) => row.filter((value, c) => differs(value, r, c))).length;
        const sameShape = rows === rightRows && columns === rightColumns;
        fill(table, {
          rows, columns,
          caption: `yours · ${!sameShape ? `${rows} × ${columns} instead of ${rightRows} × ${rightColumns}` : wrong ? `${wrong} of ${rows * columns} differ` : "all cells agree"}`,
          cell: (r, c) => {
            const value = plane[r][c];
            const isNumber = typeof value === "number"; // else "nan", "inf"
            const text = isNumber ? formatNumber(value) : String(value);
            const isWrong = differs(value, r, c);
            return {
              value, text, shade: isNumber ? s.shade(value, "output") : 0, marks: isWrong ? "pw-wrong" : "",
              label: `yours ${r}, ${c}: ${text}${isWrong ? `, expected ${formatNumber(s.right[o]?.[r]?.[c] ?? 0)}` : ""}`,
            };
          },
        });
      });
    }

    // A new step brings a new question.
    const forgetGuess = () => { if (get("guess") !== "") setTraits(model, { guess: "" }); };
    model.on("change:step", forgetGuess);
    const stopWatching = watchTraits(model, traits, update);
    update();
    return () => {
      stopWatching();
      model.off("change:step", forgetGuess);
      steps.stop();
    };
  }
  return { render };
}
