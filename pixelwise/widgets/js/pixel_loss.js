// The scores of a pixel, what they cost and where the gradient pulls them; and a map of such pixels.
import { formatFactor, formatNumber, shapeOf } from "./core/arrays.js";
import { descend, logSumExp, mapLoss } from "./core/cross_entropy.js";
import { button, choice, codeLine, colouredText, frame, h, numberTable, setAttribute, setText, setTraits, watchTraits } from "./ui.js";

const TRAITS = ["scores", "target", "class_weights", "pixel", "hovered", "about"];
/** A slider reaches from −10 to 10; a number that is typed may be larger. */
const REACH = 10;
const LARGEST = 99;
/** The loss with the strongest shade on the map. */
const COSTLIEST = 6;
const VOID = "void";

const limited = (value, largest) => Math.max(-largest, Math.min(largest, value));
/** Scores are kept to two decimals, as they are shown: a step of the gradient leaves no tail of digits. */
const tidy = (value) => Math.round(limited(value, LARGEST) * 100) / 100;
const same = (a, b) => String(a) === String(b);
const replaced = (array, [i, ...rest], value) => array.map((part, k) => (k !== i ? part : rest.length ? replaced(part, rest, value) : value));

/** Everything that the view shows, from the traits alone. */
function present(get) {
  const { classes, void: voidLabel } = get("about");
  const s = { classes, voidLabel, scores: get("scores"), target: get("target") };
  [, s.height, s.width] = shapeOf(s.scores);
  s.isMap = s.height * s.width > 1;
  s.weights = get("class_weights").map((weight) => Math.max(0, weight));
  s.loss = mapLoss(s.scores, s.target, s.weights);
  const legal = ([row, column] = []) => (s.loss.pixels[row]?.[column] ? [row, column] : null);
  s.pixel = legal(get("pixel")) ?? [0, 0];
  s.hovered = legal(get("hovered"));
  s.at = (row, column) => ({ ...s.loss.pixels[row][column], label: s.target[row][column], scores: s.scores.map((plane) => plane[row][column]) });
  s.chosen = s.at(...s.pixel);
  s.isVoid = !(s.chosen.label in classes);
  return s;
}
const nameOf = (s, label) => s.classes[label]?.name ?? VOID;
const predictionOf = (scores) => scores.indexOf(Math.max(...scores));

// ---- sentences ------------------------------------------------------------------------------------------

const purple = (text) => ({ text, role: "loss" });
const green = (text) => ({ text, role: "output" });

/** A probability, or the size of a gradient: with three decimals, or as 4.5·10⁻⁵. */
export function formatProbability(p) {
  if (p >= 0.001) return p.toFixed(3);
  if (p === 0) return "0";
  const [digits, exponent] = p.toExponential(1).split("e-");
  return `${digits}·10⁻${[...exponent].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("")}`;
}

/** How the loss of the chosen pixel comes about. */
function pixelSentence(s) {
  const { scores, label, weight, loss, probabilities } = s.chosen;
  if (s.isVoid) return ["Void: nobody knows this pixel’s class. It costs ", purple("nothing"), ", and its gradient is 0."];
  const weighted = weight === 1 ? "" : ` · ${formatNumber(weight)}`;
  return [
    purple("ℓ"), " = log Σ exp ", green("s"), " − ", green(`s[${nameOf(s, label)}]`),
    ` = ${formatNumber(logSumExp(scores))} − ${formatFactor(scores[label])} = `, purple(formatNumber(loss / (weight || 1))),
    ` = −log ${formatProbability(probabilities[label])}`, weighted ? `, times its weight ${formatNumber(weight)}: ` : "", weighted ? purple(formatNumber(loss)) : "", ".",
  ];
}

/** The loss of the map, and who pays most of it. */
function mapSentence(s) {
  const { sum, mean, weight, counted, pixels } = s.loss;
  if (s.hovered) {
    const { label, loss, scores } = s.at(...s.hovered);
    return [`[${s.hovered}] is ${nameOf(s, label)}, predicted ${nameOf(s, predictionOf(scores))}, and costs `, purple(formatNumber(loss)), ". Click to take its scores above."];
  }
  if (!weight) return ["No pixel counts, so the sum is ", purple("0"), " and the mean is 0 / 0."];
  const place = pixels.flatMap((row, i) => row.map((pixel, j) => ({ i, j, loss: pixel.loss }))).reduce((a, b) => (b.loss > a.loss ? b : a));
  return [
    `The sum over ${counted} ${counted === 1 ? "pixel" : "pixels"} is `, purple(sum.toFixed(2)), ", the mean ",
    `${sum.toFixed(2)} / ${formatNumber(weight)} = `, purple(mean.toFixed(2)), weight === counted ? "" : " (divided by the sum of their weights)",
    sum > 0 ? `. Pixel [${place.i}, ${place.j}] alone pays ${place.loss.toFixed(2)}: ${Math.round((100 * place.loss) / sum)} % of the sum.` : ".",
  ];
}

/** The PyTorch line for the whole loss; scores have the shape (1, K, H, W). */
export function pytorchLine({ scores, target, weights, voidLabel }) {
  const plain = weights.every((weight) => weight === 1);
  const weight = plain ? "" : `, weight=torch.tensor([${weights.map((w) => (Number.isInteger(w) ? `${w}.` : w)).join(", ")}])`;
  const isPixel = target.flat().length === 1;
  const what = isPixel ? `torch.tensor([[${scores.map((plane) => plane[0][0]).map((v) => (Number.isInteger(v) ? `${v}.` : v)).join(", ")}]]), torch.tensor([${target[0][0]}])` : "scores, target";
  const ignore = target.flat().includes(voidLabel) ? `, ignore_index=${voidLabel}` : "";
  return `F.cross_entropy(${what}${weight}${ignore}, reduction="sum")`;
}

// ---- the view -------------------------------------------------------------------------------------------

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

/** A bar from zero to a value, on an axis from `low` to `high`. */
function bar(kind, low, high) {
  const make = (tag, attributes) => {
    const element = document.createElementNS(SVG_NAMESPACE, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const fill = make("rect", { y: 0, height: 1 });
  const element = make("svg", { class: `pw-${kind}-bar`, viewBox: `${low} 0 ${high - low} 1`, preserveAspectRatio: "none", "aria-hidden": "true" });
  element.append(make("line", { x1: 0, x2: 0, y1: 0, y2: 1, "vector-effect": "non-scaling-stroke" }), fill);
  return {
    element,
    update(value) {
      const end = Math.max(low, Math.min(high, value));
      setAttribute(fill, "x", Math.min(0, end));
      setAttribute(fill, "width", Math.abs(end));
      setAttribute(fill, "class", value < 0 ? "pw-below" : null);
    },
  };
}

/** The row of a class: a bar that is dragged to change the score, its probability, its part of the gradient. */
function classRow({ name, onScore, onWeight }) {
  const score = bar("score", -REACH, REACH), probability = bar("probability", 0, 1), gradient = bar("gradient", -1, 1);
  const slider = h("input", { type: "range", min: -REACH, max: REACH, step: 0.1, "aria-label": `score of ${name}`, oninput: () => onScore(Number(slider.value)) });
  const field = (label, onNumber) => {
    const input = h("input", {
      type: "number", step: "any", "aria-label": label,
      onchange: () => (input.value.trim() === "" || !Number.isFinite(Number(input.value)) ? (input.value = input.dataset.value) : onNumber(Number(input.value))),
    });
    return input;
  };
  const number = field(`score of ${name}, as a number`, onScore);
  const weight = field(`weight of ${name}`, onWeight);
  const p = h("span", { class: "pw-value" }), g = h("span", { class: "pw-value" });
  const write = (input, value) => {
    if (Number(input.value) !== value || input.value === "") input.value = value;
    setAttribute(input, "value", value);
    input.dataset.value = value;
  };
  const swatch = h("span", { class: "pw-swatch" });
  const element = h(
    "div", { class: "pw-class", role: "group", "aria-label": name },
    h("span", { class: "pw-class-name" }, swatch, name),
    h("span", { class: "pw-drag" }, score.element, slider), number,
    probability.element, p, gradient.element, g,
  );
  return {
    element, swatch,
    weight: h("label", { class: "pw-weight-field" }, h("span", {}, name), weight),
    update({ value, probability: share, slope, isTrue, ownWeight }) {
      setAttribute(element, "class", isTrue ? "pw-class pw-true" : "pw-class");
      score.update(value);
      slider.value = value;
      setAttribute(slider, "value", value);
      setAttribute(slider, "aria-valuetext", formatNumber(value));
      write(number, value);
      write(weight, ownWeight);
      probability.update(share);
      gradient.update(slope);
      setText(p, formatProbability(share));
      setText(g, formatGradient(slope));
    },
  };
}
const formatGradient = (value) => (value < 0 ? "−" : "") + formatProbability(Math.abs(value));

function render({ model, el }) {
  const { root, share } = frame(model, el, { label: "The loss of a pixel", kind: "pixel-loss" });
  const get = (name) => model.get(name);
  const { classes, void: voidLabel } = get("about");
  const original = Object.fromEntries(["scores", "target", "class_weights"].map((name) => [name, get(name)]));

  classes.forEach(({ colour: [red, green, blue] }, k) => {
    root.style.setProperty(`--class-${k}`, `rgb(${red}, ${green}, ${blue})`);
    // black or white, whichever stands out: relative luminance, WCAG 2
    const linear = [red, green, blue].map((v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    root.style.setProperty(`--on-class-${k}`, luminance > 0.179 ? "#000" : "#fff");
  });

  const setScores = (values) => {
    const { pixel } = present(get);
    setTraits(model, { scores: values.reduce((all, value, k) => replaced(all, [k, ...pixel], tidy(value)), get("scores")) });
  };
  const change = (make) => setScores(make(present(get).chosen));
  const shift = (by) => change(({ scores }) => (scores.every((v) => Math.abs(v + by) <= REACH) ? scores.map((v) => v + by) : scores));

  const rows = classes.map(({ name }, k) => classRow({
    name,
    onScore: (value) => change(({ scores }) => scores.with(k, value)),
    onWeight: (value) => setTraits(model, { class_weights: get("class_weights").with(k, Math.max(0, limited(value, LARGEST))) }),
  }));
  rows.forEach((row, k) => setAttribute(row.swatch, "class", `pw-swatch pw-class-${k}`));
  const truth = choice({
    label: "true class", options: [...classes.map(({ name }) => name), VOID],
    onChoose: (name) => {
      const label = classes.findIndex((entry) => entry.name === name);
      setTraits(model, { target: replaced(get("target"), present(get).pixel, label < 0 ? voidLabel : label) });
    },
  });
  const less = button({ label: "all scores − 1", visible: true, onPress: () => shift(-1) });
  const more = button({ label: "all scores + 1", visible: true, onPress: () => shift(1) });
  const step = button({ label: "s ← s − gradient", visible: true, onPress: () => change(({ scores, label, weight }) => descend(scores, label, weight)) });
  const reset = button({ label: "Reset the numbers", iconName: "reset", onPress: () => setTraits(model, original) });
  for (const { element } of [less, more, step]) element.classList.add("pw-text-button");

  const heads = ["score s", "probability p", "gradient ∂ℓ/∂s"].map((text, k) => h("span", { class: `pw-head pw-head-${k}` }, text));
  const sums = ["pw-sum-label", "pw-sum-p", "pw-sum-g"].map((name) => h("span", { class: name }));
  const panel = h("div", { class: "pw-classes" },
    h("div", { class: "pw-class pw-heads", "aria-hidden": "true" }, heads), rows.map((row) => row.element), h("div", { class: "pw-class pw-sums" }, sums));
  const says = h("output", { class: "pw-says", "aria-live": "polite" });

  const linked = {
    onPoint: (row, column) => setTraits(model, { hovered: row === null ? [] : [row, column] }),
    onPick: (row, column) => setTraits(model, { pixel: [row, column] }),
  };
  const truths = numberTable({ role: "input", caption: "true class t", ...linked });
  const predicted = numberTable({ role: "output", caption: "predicted class", ...linked });
  const losses = numberTable({ role: "loss", caption: "loss ℓ", ...linked });
  const mapSays = h("output", { class: "pw-says pw-map-says", "aria-live": "polite" });
  const weights = h("div", { class: "pw-bar pw-weights", role: "group", "aria-label": "weights of the classes" }, h("span", { class: "pw-text-quiet" }, "weights"), rows.map((row) => row.weight));
  const map = h("div", { class: "pw-map" }, h("div", { class: "pw-stage" }, truths.element, predicted.element, losses.element), mapSays, weights);
  const code = codeLine();

  root.append(h("div", { class: "pw-bar" }, truth.element, h("span", { class: "pw-bar-end" }, reset.element, share)), panel, h("div", { class: "pw-bar pw-actions" }, less.element, more.element, step.element), says, map, code.element);

  function update() {
    const s = present(get);
    const { scores, probabilities, gradient, label } = s.chosen;
    setText(heads[0], s.isMap ? `score s[${s.pixel.join(", ")}]` : "score s");
    rows.forEach((row, k) => row.update({
      value: scores[k], probability: probabilities[k], slope: gradient[k], isTrue: k === label, ownWeight: s.weights[k],
    }));
    truth.update(nameOf(s, label));
    less.update({ disabled: scores.some((v) => v - 1 < -REACH) });
    more.update({ disabled: scores.some((v) => v + 1 > REACH) });
    step.update({ disabled: s.isVoid });
    setText(sums[0], "sum");
    setText(sums[1], formatNumber(probabilities.reduce((a, b) => a + b, 0)));
    setText(sums[2], formatNumber(gradient.reduce((a, b) => a + b, 0)));
    colouredText(says, pixelSentence(s));
    setAttribute(map, "hidden", s.isMap ? null : "");
    if (s.isMap) drawMap(s);
    code.update(pytorchLine(s));
    Object.assign(root.dataset, { sum: s.loss.sum, loss: s.chosen.loss });
  }

  function drawMap(s) {
    for (const table of [truths, predicted, losses]) table.resize(s.height, s.width);
    for (let row = 0; row < s.height; row++)
      for (let column = 0; column < s.width; column++) {
        const { label, scores, loss } = s.at(row, column);
        const isVoid = !(label in s.classes);
        const guess = predictionOf(scores);
        const wrong = !isVoid && guess !== label;
        const place = [same([row, column], s.pixel) && "pw-chosen", same([row, column], s.hovered) && "pw-pointed-at"].filter(Boolean).join(" ");
        const name = `[${row}, ${column}]`;
        const initial = (k) => nameOf(s, k)[0].toUpperCase();
        truths.show(row, column, { value: label, text: isVoid ? "" : initial(label), marks: `${isVoid ? "pw-cropped" : `pw-class-${label}`} ${place}`, label: `true class of ${name}: ${nameOf(s, label)}` });
        predicted.show(row, column, { value: guess, text: initial(guess), marks: `pw-class-${guess} ${place}`, note: wrong ? "×" : "", label: `predicted class of ${name}: ${nameOf(s, guess)}${wrong ? ", wrong" : ""}` });
        losses.show(row, column, { value: loss, text: isVoid ? "" : loss.toFixed(1), shade: Math.min(1, loss / COSTLIEST), marks: `${isVoid ? "pw-cropped" : ""} ${place}`, label: `loss of ${name}: ${isVoid ? "none" : loss.toFixed(1)}` });
      }
    colouredText(mapSays, mapSentence(s));
  }

  const stopWatching = watchTraits(model, TRAITS, update);
  update();
  return stopWatching;
}
export default { render };
