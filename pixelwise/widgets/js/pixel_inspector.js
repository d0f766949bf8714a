// All the numbers of one pixel: what goes in, the scores, the probabilities, the class; and how good the whole is.
import { coloursOf, hexOf } from "./core/painting.js";
import { atPosition, classMapOf, iouOf } from "./core/segmentation.js";
import { fromHalf } from "./core/unet.js";
import { screen } from "./screen.js";
import { choice, codeLine, colouredText, frame, h, setAttribute, setText, setTraits, toggle, watchTraits } from "./ui.js";

const TRAITS = ["pixels", "truth", "scores", "about", "source", "errors", "pixel", "hovered"];

const bytesOf = (value) => (value?.byteLength ? new Uint8Array(value.buffer ?? value, value.byteOffset ?? 0, value.byteLength) : new Uint8Array());
const percent = (share) => (share > 0 && share < 0.005 ? "< 1 %" : share < 1 && share >= 0.995 ? "> 99 %" : `${Math.round(100 * share)} %`);
const two = (value) => value.toFixed(2).replace("-", "−");

// ---- from the traits to numbers -------------------------------------------------------------------------

/** Scores, class map and IoU of one source, from the bytes of all: K × positions of half-precision numbers. */
function readSource(get, source) {
  const { height, width, classes } = get("about");
  const count = classes.length * height * width;
  const bytes = bytesOf(get("scores"));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const scores = Float64Array.from({ length: count }, (_, n) => fromHalf(view.getUint16(2 * (source * count + n), true)));
  const map = classMapOf(scores, classes.length);
  const truth = bytesOf(get("truth"));
  let [right, known] = [0, 0];
  map.forEach((k, n) => {
    if (truth[n] >= classes.length) return;
    known++;
    right += k === truth[n];
  });
  const iou = iouOf(map, truth, classes.length);
  const counted = iou.filter((value) => value !== null);
  return { scores, map, iou, accuracy: right / known, meanIou: counted.reduce((a, b) => a + b, 0) / counted.length };
}

/** Everything that the view shows. */
function present(get, answerOf) {
  const about = get("about");
  const { height, width } = about;
  const inside = ([row, column] = []) => row >= 0 && row < height && column >= 0 && column < width;
  const s = { about, errors: get("errors") };
  s.source = Math.max(0, Math.min(about.sources.length - 1, Math.round(get("source"))));
  const [row, column] = inside(get("hovered")) ? get("hovered") : inside(get("pixel")) ? get("pixel") : [0, 0];
  Object.assign(s, { row: Math.floor(row), column: Math.floor(column) });
  s.at = s.row * width + s.column;
  s.answer = answerOf(s.source);
  const d = about.channels.length;
  s.input = Array.from(bytesOf(get("pixels")).subarray(s.at * d, (s.at + 1) * d), (value) => value / 255);
  Object.assign(s, atPosition(s.answer.scores, about.classes.length, s.at));
  s.predicted = s.answer.map[s.at];
  s.truth = bytesOf(get("truth"))[s.at];
  return s;
}

// ---- pictures and sentences -----------------------------------------------------------------------------

const inColour = (pixels, channels) => (channels === 3 ? pixels : Uint8Array.from({ length: 3 * pixels.length }, (_, n) => pixels[Math.floor(n / 3)]));

function classPicture(map, classes) {
  const rgb = new Uint8Array(3 * map.length); // void stays black
  map.forEach((k, n) => classes[k] && rgb.set(classes[k].colour, 3 * n));
  return rgb;
}

/** The picture, dark and grey; pixels that are wrong light up. Void is nobody's error. */
function errorPicture(picture, map, truth, { classes, error }) {
  const rgb = new Uint8Array(3 * map.length);
  map.forEach((k, n) => {
    const grey = Math.round((picture[3 * n] + picture[3 * n + 1] + picture[3 * n + 2]) / 6);
    rgb.set(truth[n] < classes.length && truth[n] !== k ? coloursOf(error) : [grey, grey, grey], 3 * n);
  });
  return rgb;
}

const nameOf = (s, k) => s.about.classes[k]?.name ?? "void";

function sentence(s) {
  const verdict = s.truth >= s.about.classes.length ? "Nobody knows the truth here: void." : s.predicted === s.truth ? `The truth is ${nameOf(s, s.truth)}, too.` : `The truth is ${nameOf(s, s.truth)}.`;
  return [
    { text: `x[${s.row}, ${s.column}] = (${s.input.map(two).join(", ")})`, role: "input" },
    " → ",
    { text: `${nameOf(s, s.predicted)}, ${percent(s.probabilities[s.predicted])}`, role: "output" },
    ". ",
    s.predicted === s.truth ? verdict : { text: verdict, role: "loss" },
  ];
}

/** The probability of the predicted class, with its numbers. */
function equation(s) {
  const power = (score) => h("span", {}, "e", h("sup", {}, two(score)));
  const terms = s.scores.flatMap((score, k) => [k ? " + " : "", power(score)]);
  return ["p(", nameOf(s, s.predicted), ") = ", power(s.scores[s.predicted]), " / (", ...terms, `) = ${two(s.probabilities[s.predicted])}`];
}

export const pytorchLines = ({ row, column, predicted }) =>
  [`image[:, ${row}, ${column}]`, `scores[:, ${row}, ${column}]`, `scores[:, ${row}, ${column}].softmax(0)`, `scores.argmax(0)[${row}, ${column}]  # class ${predicted}`].join("\n");

/** A row for each class: score and probability of the pixel, and the IoU of the whole picture. */
function classRows(classes) {
  const rows = classes.map(({ name, colour }) => {
    const own = `--class: ${hexOf(colour)}`;
    const cells = { mark: h("span", { class: "pw-inspector-truth" }), score: h("td"), bar: h("span", { class: "pw-bar-of", style: own }), probability: h("span"), iou: h("td") };
    const row = h(
      "tr", {}, h("th", { scope: "row" }, h("span", { class: "pw-swatch", style: own }), name, cells.mark),
      cells.score, h("td", { class: "pw-probability" }, cells.bar, cells.probability), cells.iou,
    );
    return { row, own, ...cells };
  });
  const head = ["class", "score", "probability", "IoU"].map((text, k) => h("th", { scope: "col", class: k === 2 ? "pw-probability" : null, title: k === 3 ? "intersection over union, of the whole picture" : null }, text));
  return {
    element: h("table", { class: "pw-classes pw-inspector-classes" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows.map(({ row }) => row))),
    update(s) {
      rows.forEach((cells, k) => {
        setText(cells.mark, k === s.truth ? "truth" : "");
        setText(cells.score, two(s.scores[k]));
        setText(cells.probability, percent(s.probabilities[k]));
        setText(cells.iou, s.answer.iou[k] === null ? "–" : two(s.answer.iou[k]));
        setAttribute(cells.bar, "style", `${cells.own}; --share: ${s.probabilities[k].toFixed(3)}`);
        setAttribute(cells.row, "class", k === s.predicted ? "pw-winner" : null);
      });
    },
  };
}

// ---- the view -------------------------------------------------------------------------------------------

function render({ model, el }) {
  const { root, share } = frame(model, el, { label: "Pixel inspector: one pixel's numbers, prediction and truth", kind: "inspector" });
  const get = (name) => model.get(name);
  const about = get("about");
  const { height, width, classes, channels } = about;
  const answers = new Map();
  const answerOf = (source) => answers.get(source) ?? answers.set(source, readSource(get, source)).get(source);
  const size = { height, width };

  const sources = choice({ label: "scores from", options: about.sources, onChoose: (name) => setTraits(model, { source: about.sources.indexOf(name) }) });
  const errors = toggle({ label: "errors only", onChange: (value) => setTraits(model, { errors: value }) });
  const place = (name, most) =>
    h("input", {
      type: "number", min: 0, max: most - 1, step: 1, "aria-label": name,
      onchange: (event) => {
        const value = Math.round(Number(event.target.value));
        const [row, column] = get("pixel");
        const pixel = name === "row" ? [value, column] : [row, value];
        if (event.target.value.trim() !== "" && value >= 0 && value < most) setTraits(model, { pixel, hovered: [] });
        else event.target.value = name === "row" ? row : column;
      },
    });
  const [row, column] = [place("row", height), place("column", width)];

  const picture = screen({ tabindex: 0, role: "application", "aria-label": "The image. Arrow keys move to the next pixel, with Shift by eight." });
  const prediction = screen({ role: "img" });
  const truth = screen({ role: "img", "aria-label": "The true class map" });
  const predictionCaption = h("figcaption", { class: "pw-text-output" });
  const vector = channels.map((name) => {
    const parts = { bar: h("span", { class: "pw-inspector-bar" }), value: h("span") };
    return { ...parts, element: h("div", { class: "pw-inspector-channel" }, h("span", {}, name), h("span", { class: "pw-inspector-track" }, parts.bar), parts.value) };
  });
  const chip = h("span", { class: "pw-inspector-chip", "aria-hidden": "true" });
  const table = classRows(classes);
  const total = h("p", { class: "pw-inspector-total" });
  const says = h("output", { class: "pw-says", "aria-live": "polite" });
  const formula = h("p", { class: "pw-inspector-formula" });
  const code = codeLine();

  root.append(
    h("div", { class: "pw-bar" }, about.sources.length > 1 ? sources.element : null, errors.element, share),
    h(
      "div", { class: "pw-inspector-grid" },
      h("figure", {}, h("figcaption", { class: "pw-text-input" }, `image · ${height} × ${width} × ${channels.length}`), picture.element),
      h(
        "div", { class: "pw-inspector-vector" },
        h("div", { class: "pw-inspector-place" }, h("label", {}, "row ", row), h("label", {}, "column ", column)),
        h("div", { class: "pw-inspector-input" }, chip, h("div", {}, vector.map(({ element }) => element))),
      ),
      h("figure", {}, predictionCaption, prediction.element),
      h("figure", {}, h("figcaption", {}, `truth · ${height} × ${width}`), truth.element),
      h("div", { class: "pw-inspector-scores" }, table.element, total),
    ),
    says, formula, code.element,
  );

  const move = (changes) => setTraits(model, changes);
  for (const { element, placeOf } of [picture, prediction, truth]) {
    element.addEventListener("pointermove", (event) => move({ hovered: placeOf(event, size) ?? [] }));
    element.addEventListener("pointerleave", () => move({ hovered: [] }));
    element.addEventListener("pointerdown", (event) => {
      const pixel = placeOf(event, size);
      if (pixel) move({ pixel });
    });
  }
  picture.element.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (!moves[event.key]) return;
    const step = event.shiftKey ? 8 : 1;
    const { row: r, column: c } = present(get, answerOf);
    const within = (value, most) => Math.max(0, Math.min(most - 1, value));
    move({ pixel: [within(r + step * moves[event.key][0], height), within(c + step * moves[event.key][1], width)], hovered: [] });
    event.preventDefault();
  });

  const rgb = inColour(bytesOf(get("pixels")), channels.length);
  picture.draw(rgb, height, width);
  truth.draw(classPicture(bytesOf(get("truth")), classes), height, width);
  let drawn = null;

  function update() {
    const s = present(get, answerOf);
    sources.update(about.sources[s.source]);
    errors.update(s.errors);
    for (const [field, value] of [[row, s.row], [column, s.column]]) {
      setAttribute(field, "value", value);
      if (document.activeElement !== field || Number(field.value) !== value) field.value = value;
    }
    for (const one of [picture, prediction, truth]) one.point([s.row, s.column], 1, "square", size);
    const key = `${s.source} ${s.errors}`;
    if (key !== drawn) {
      drawn = key;
      const shown = s.errors ? errorPicture(rgb, s.answer.map, bytesOf(get("truth")), about) : classPicture(s.answer.map, classes);
      prediction.draw(shown, height, width);
      const wrong = `${percent(1 - s.answer.accuracy)} of the pixels are wrong`;
      setText(predictionCaption, s.errors ? `errors · ${wrong.replace(" are wrong", "")}` : `prediction · ${height} × ${width}`);
      setAttribute(prediction.element, "aria-label", `${s.errors ? "Where the prediction is wrong" : "The predicted class map"}: ${wrong}`);
      setText(total, `pixel accuracy ${percent(s.answer.accuracy)} · mean IoU ${two(s.answer.meanIou)}`);
    }
    const shade = s.input.length === 3 ? s.input : Array(3).fill(s.input[0]);
    setAttribute(chip, "style", `background: ${hexOf(shade.map((value) => Math.round(255 * value)))}`);
    vector.forEach(({ bar, value }, k) => {
      setAttribute(bar, "style", `width: ${(100 * s.input[k]).toFixed(1)}%`);
      setText(value, two(s.input[k]));
    });
    table.update(s);
    colouredText(says, sentence(s));
    formula.replaceChildren(...equation(s));
    code.update(pytorchLines(s));
    root.dataset.pixel = `${s.row} ${s.column}`;
  }

  const stopWatching = watchTraits(model, TRAITS, update);
  update();
  return stopWatching;
}
export default { render };
