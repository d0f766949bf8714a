// A training to scrub through: the curves, and the class map of a held-out picture at each recorded moment.
import { coloursOf, hexOf } from "./core/painting.js";
import { nearestMoment, rightSince, smoothed, unpackMap } from "./core/playback.js";
import { iouOf } from "./core/segmentation.js";
import { screen } from "./screen.js";
import { choice, frame, h, setAttribute, setText, setTraits, stepper, watchTraits } from "./ui.js";

const TRAITS = ["pictures", "truths", "class_maps", "about", "step", "playing", "picture", "show", "hovered", "pinned"];
const SHOWN = ["class map", "errors", "right since"];
/** Early is dark, late is bright. */
const [EARLY, LATE] = [[30, 34, 46], [255, 214, 102]];

const bytesOf = (value) => (value?.byteLength ? new Uint8Array(value.buffer ?? value, value.byteOffset ?? 0, value.byteLength) : new Uint8Array());
const clamp = (low, value, high) => Math.max(low, Math.min(high, value));
const percent = (share) => (share > 0 && share < 0.005 ? "< 1 %" : share < 1 && share >= 0.995 ? "> 99 %" : `${Math.round(100 * share)} %`);
const two = (value) => (value == null ? "–" : value.toFixed(2));
const meanOf = (values) => {
  const known = values.filter((value) => value != null);
  return known.length ? known.reduce((a, b) => a + b) / known.length : null;
};

// ---- from the traits to numbers -------------------------------------------------------------------------

/** The pictures, unpacked when they are first asked for. */
function library(get) {
  const about = get("about");
  const area = about.height * about.width;
  const kept = new Map();
  return (number) => {
    if (!kept.has(number)) {
      const given = bytesOf(get("pictures")).subarray(number * area * about.channels, (number + 1) * area * about.channels);
      const rgb = about.channels === 3 ? given : Uint8Array.from({ length: 3 * area }, (_, n) => given[Math.floor(n / 3)]);
      const truth = bytesOf(get("truths")).subarray(number * area, (number + 1) * area);
      const packed = bytesOf(get("class_maps"));
      const maps = about.moments.map((_, k) => unpackMap(packed, about.bits, area, k * about.count + number));
      kept.set(number, { rgb, truth, maps, since: rightSince(maps, truth) });
    }
    return kept.get(number);
  };
}

/** Everything that the view shows, from the traits alone. */
function present(get, pictureOf) {
  const about = get("about");
  const s = { about, classes: about.classes, last: about.moments.length - 1 };
  s.step = clamp(0, Math.round(get("step")), s.last);
  s.number = clamp(0, Math.round(get("picture")), about.count - 1);
  s.show = SHOWN.includes(get("show")) ? get("show") : "class map";
  s.picture = pictureOf(s.number);
  s.map = s.picture.maps[s.step];
  s.moment = about.moments[s.step];
  s.loss = about.losses[Math.min(s.moment, about.losses.length - 1)];
  s.all = about.iou[s.step];
  s.own = iouOf(s.map, s.picture.truth, s.classes.length);
  const legal = ([row, column] = []) => (row >= 0 && row < about.height && column >= 0 && column < about.width ? [Math.floor(row), Math.floor(column)] : null);
  s.pinned = legal(get("pinned"));
  s.focus = legal(get("hovered")) ?? s.pinned;
  return s;
}

/** The share of wrong pixels among those that are not void. */
function wrongShare({ map, picture: { truth }, classes }) {
  let [wrong, known] = [0, 0];
  for (let n = 0; n < map.length; n++) {
    if (truth[n] >= classes.length) continue;
    known++;
    wrong += map[n] !== truth[n];
  }
  return known ? wrong / known : 0;
}

// ---- from numbers to pictures ---------------------------------------------------------------------------

function classPicture(map, classes) {
  const rgb = new Uint8Array(3 * map.length); // void stays black
  const colours = classes.map(({ colour }) => colour);
  for (let n = 0; n < map.length; n++) if (colours[map[n]]) for (let k = 0; k < 3; k++) rgb[3 * n + k] = colours[map[n]][k];
  return rgb;
}

/** The picture, dark and grey; what is wrong lights up. Void is nobody's error. */
function errorPicture({ map, picture: { rgb: shown, truth }, classes, about }) {
  const rgb = new Uint8Array(3 * map.length);
  const error = coloursOf(about.error);
  for (let n = 0; n < map.length; n++) {
    const wrong = truth[n] < classes.length && truth[n] !== map[n];
    const grey = (shown[3 * n] + shown[3 * n + 1] + shown[3 * n + 2]) / 6;
    for (let k = 0; k < 3; k++) rgb[3 * n + k] = wrong ? error[k] : grey;
  }
  return rgb;
}

/** How late each pixel came right for good; what is wrong at the end in the hue of the loss. */
function sincePicture({ picture: { since, truth }, classes, last, about }) {
  const rgb = new Uint8Array(3 * since.length);
  const error = coloursOf(about.error);
  for (let n = 0; n < since.length; n++) {
    if (truth[n] >= classes.length) continue;
    const late = since[n] / Math.max(last, 1);
    for (let k = 0; k < 3; k++) rgb[3 * n + k] = since[n] > last ? error[k] : EARLY[k] + (LATE[k] - EARLY[k]) * late;
  }
  return rgb;
}

// ---- sentences ------------------------------------------------------------------------------------------

const listOf = (texts) => (texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}`);

function sentence(s) {
  const missing = s.classes.filter((_, k) => s.picture.truth.includes(k) && !s.map.includes(k)).map(({ name }) => name);
  return (
    `After ${s.moment} of ${s.about.steps} steps: loss ${two(s.loss)}, mean IoU ${two(meanOf(s.all))}; ` +
    `${percent(wrongShare(s))} of this picture is wrong${missing.length ? `, and no pixel is called ${listOf(missing)}` : ""}.`
  );
}

const SINCE_SAYS = "Right since which moment, to the end? Dark pixels early, bright ones late; in the hue of the loss: wrong at the end.";

/** What became of one pixel: its truth, and since when it is right. */
function pixelSentence(s) {
  if (!s.focus) return "Point at a pixel: its class at every moment.";
  const at = s.focus[0] * s.about.width + s.focus[1];
  const name = s.classes[s.picture.truth[at]]?.name;
  const since = s.picture.since[at];
  const verdict = !name ? "the truth is void" : since > s.last ? `${name}, and wrong at the end` : since === 0 ? `${name}, right from the start` : `${name}, right since step ${s.about.moments[since]}`;
  return `Row ${s.focus[0]}, column ${s.focus[1]}: ${verdict}.`;
}

// ---- curves and table -----------------------------------------------------------------------------------

const drawn = (tag, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};

/** Loss and mean IoU over the steps, in a frame of 1000 × 100, and a cursor on them. */
function curves(about, onStep) {
  const { losses, moments, steps } = about;
  const mean = smoothed(losses, Math.max(1, Math.round(losses.length / 80)));
  const highest = Math.ceil(2 * Math.max(...mean)) / 2 || 1;
  const x = (step) => (1000 * step) / steps;
  const height = (value, most) => 100 - (100 * clamp(0, value, most)) / most;
  const line = (points, name) => drawn("polyline", { class: name, points: points.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join(" ") });
  const iou = about.iou.map(meanOf);
  const svg = drawn("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(
    line(losses.map((value, n) => [x(n), height(value, highest)]), "pw-playback-each"),
    line(mean.map((value, n) => [x(n), height(value, highest)]), "pw-playback-loss"),
    line(moments.map((step, k) => [x(step), height(iou[k] ?? 0, 1)]), "pw-playback-iou"),
    ...moments.map((step) => drawn("line", { x1: x(step), x2: x(step), y1: 96, y2: 100 })),
  );
  const cursor = h("div", { class: "pw-playback-cursor" });
  const dots = ["loss", "iou"].map((name) => h("div", { class: `pw-playback-dot pw-playback-dot-${name}` }));
  const plot = h("div", { class: "pw-playback-plot" }, svg, cursor, dots);
  const stepAt = (event) => {
    const box = plot.getBoundingClientRect();
    return nearestMoment(moments, (steps * (event.clientX - box.left)) / box.width);
  };
  let held = false;
  plot.addEventListener("pointerdown", (event) => {
    held = true;
    plot.setPointerCapture(event.pointerId);
    onStep(stepAt(event));
  });
  plot.addEventListener("pointermove", (event) => held && onStep(stepAt(event)));
  for (const end of ["pointerup", "pointercancel"]) plot.addEventListener(end, () => (held = false));
  const legend = h(
    "div", { class: "pw-playback-legend" },
    h("span", { class: "pw-text-loss" }, `loss of a batch, 0 to ${highest}`), h("span", { class: "pw-text-output" }, `mean IoU of ${about.held_out} held-out pictures, 0 to 1`),
  );
  return {
    element: h("div", { class: "pw-playback-curves" }, legend, plot, h("div", { class: "pw-playback-axis" }, h("span", {}, "0"), h("span", {}, `${steps} steps`))),
    update(k) {
      const left = `left: ${(100 * moments[k]) / steps}%`;
      setAttribute(cursor, "style", left);
      setAttribute(dots[0], "style", `${left}; top: ${height(mean[Math.min(moments[k], mean.length - 1)], highest)}%`);
      setAttribute(dots[1], "style", `${left}; top: ${height(iou[k] ?? 0, 1)}%`);
    },
  };
}

/** A row for each class: its IoU in this picture and over all held-out ones, at this moment. */
function classTable(about) {
  const column = (name) => h("th", { scope: "col" }, name);
  const newRow = (head) => {
    const cells = { own: h("td"), all: h("td"), bar: h("span", { class: "pw-playback-bar" }) };
    return { ...cells, row: h("tr", {}, h("th", { scope: "row" }, head), cells.own, cells.all, h("td", { "aria-hidden": "true" }, cells.bar)) };
  };
  const rows = about.classes.map(({ name, colour }) => {
    const row = newRow([h("span", { class: "pw-playback-swatch", style: `background: ${hexOf(colour)}` }), name]);
    row.colour = hexOf(colour);
    return row;
  });
  const mean = newRow(["mean"]);
  mean.row.className = "pw-playback-mean";
  mean.colour = "var(--pw-output)";
  return {
    element: h(
      "table", { class: "pw-playback-classes" },
      h("thead", {}, h("tr", {}, column("IoU"), column("this picture"), column(`all ${about.held_out}`), h("td"))),
      h("tbody", {}, [...rows, mean].map(({ row }) => row)),
    ),
    update(s) {
      [...rows, mean].forEach((cells, k) => {
        const [own, all] = cells === mean ? [meanOf(s.own), meanOf(s.all)] : [s.own[k], s.all[k]];
        setText(cells.own, two(own));
        setText(cells.all, two(all));
        setAttribute(cells.bar, "style", `background: ${cells.colour}; width: ${(100 * (all ?? 0)).toFixed(1)}%`);
      });
    },
  };
}

// ---- the view -------------------------------------------------------------------------------------------

function render({ model, el }) {
  const { root, share } = frame(model, el, { label: "Training, played back: loss, mean IoU, and the class map as it forms", kind: "playback" });
  const get = (name) => model.get(name);
  const about = get("about");
  const { height, width } = about;
  const size = { height, width };
  const pictureOf = library(get);
  let s = present(get, pictureOf);

  const pictures = choice({ label: "picture", options: about.titles, onChoose: (title) => setTraits(model, { picture: about.titles.indexOf(title), hovered: [], pinned: [] }) });
  const shown = choice({ label: "show", options: SHOWN, onChoose: (show) => setTraits(model, { show }) });
  const steps = stepper(model, { describe: (step) => `after ${about.moments[step]} steps`, interval: 500 });
  const image = screen({ tabindex: 0, role: "application", "aria-label": "The picture. Arrow keys move to another pixel, with Shift by eight; Enter holds it." });
  const result = screen({ role: "img" });
  const truth = screen({ role: "img", "aria-label": "The true class map" });
  const resultCaption = h("figcaption", { class: "pw-text-output" });
  const plot = curves(about, (step) => setTraits(model, { step, playing: false }));
  const table = classTable(about);
  const says = h("output", { class: "pw-says", "aria-live": "polite" });
  const pixelSays = h("p", { class: "pw-playback-pixel", "aria-live": "polite" });
  const cells = about.moments.map(() => h("span"));
  const strip = h("div", { class: "pw-playback-strip", "aria-hidden": "true" }, cells);

  root.append(
    h("div", { class: "pw-bar" }, about.count > 1 ? pictures.element : null, shown.element, share),
    h(
      "div", { class: "pw-playback-screens" },
      h("figure", {}, h("figcaption", { class: "pw-text-input" }, `picture · ${height} × ${width}`), image.element),
      h("figure", {}, resultCaption, result.element),
      h("figure", {}, h("figcaption", {}, "truth"), truth.element),
      h("div", { class: "pw-playback-history" }, pixelSays, strip),
    ),
    steps.element, plot.element, says, table.element,
  );

  for (const { element, placeOf } of [image, result, truth]) {
    element.addEventListener("pointermove", (event) => setTraits(model, { hovered: placeOf(event, size) ?? [] }));
    element.addEventListener("pointerleave", () => setTraits(model, { hovered: [] }));
    element.addEventListener("click", (event) => {
      const place = placeOf(event, size);
      setTraits(model, { pinned: place && String(place) !== String(s.pinned) ? place : [] });
    });
  }
  image.element.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const [row, column] = s.focus ?? [height >> 1, width >> 1];
    const far = event.shiftKey ? 8 : 1;
    if (moves[event.key]) setTraits(model, { hovered: [clamp(0, row + far * moves[event.key][0], height - 1), clamp(0, column + far * moves[event.key][1], width - 1)] });
    else if (event.key === "Enter" || event.key === " ") setTraits(model, { pinned: String(s.pinned) === String([row, column]) ? [] : [row, column] });
    else return;
    event.preventDefault();
  });
  image.element.addEventListener("blur", () => setTraits(model, { hovered: [] }));

  let drawnPicture = null;
  let drawnResult = null;

  function drawPictures() {
    if (s.number !== drawnPicture) {
      drawnPicture = s.number;
      image.draw(s.picture.rgb, height, width);
      truth.draw(classPicture(s.picture.truth, s.classes), height, width);
    }
    const key = s.show === "right since" ? `${s.number} ${s.show}` : `${s.number} ${s.show} ${s.step}`;
    if (key === drawnResult) return;
    drawnResult = key;
    const wrong = percent(wrongShare(s));
    if (s.show === "errors") {
      result.draw(errorPicture(s), height, width);
      setAttribute(result.element, "aria-label", `Where the class map is wrong: ${wrong} of the pixels`);
    } else if (s.show === "right since") {
      result.draw(sincePicture(s), height, width);
      setAttribute(result.element, "aria-label", "Since when each pixel is right: dark early, bright late, purple never");
    } else {
      result.draw(classPicture(s.map, s.classes), height, width);
      setAttribute(result.element, "aria-label", `The predicted class map: ${wrong} of the pixels are wrong`);
    }
  }

  function update() {
    s = present(get, pictureOf);
    if (about.count > 1) pictures.update(about.titles[s.number]);
    shown.update(s.show);
    steps.update(s.last);
    drawPictures();
    setText(resultCaption, s.show === "right since" ? s.show : `${s.show === "errors" ? "errors " : ""}after ${s.moment} steps`);
    for (const one of [image, result, truth]) one.point(s.focus, 1, "square", size);
    plot.update(s.step);
    table.update(s);
    setText(says, s.show === "right since" ? SINCE_SAYS : sentence(s));
    setText(pixelSays, pixelSentence(s));
    const at = s.focus && s.focus[0] * width + s.focus[1];
    cells.forEach((cell, k) => {
      const name = s.focus ? s.classes[s.picture.maps[k][at]].colour : null;
      setAttribute(cell, "style", name ? `background: ${hexOf(name)}` : null);
      setAttribute(cell, "class", k === s.step ? "pw-playback-now" : null);
    });
    root.dataset.step = s.step;
  }

  const stopWatching = watchTraits(model, TRAITS, update);
  update();
  return () => {
    stopWatching();
    steps.stop();
  };
}
export default { render };
