// A picture to paint on, and what a U-Net makes of it.
import { bitmapAddress, shrunk } from "./core/bitmap.js";
import { formatNumber } from "./core/arrays.js";
import { beginStroke, channelsFirst, coloursOf, extendStroke, hexOf, orientation, oriented, paintOver, parseStrokes, withoutLastStroke } from "./core/painting.js";
import { atPosition, classMapOf, iouOf, sharesOf } from "./core/segmentation.js";
import { prepare, readNetwork } from "./core/unet.js";
import { screen } from "./screen.js";
import { button, choice, colouredText, frame, h, setAttribute, setText, setTraits, watchTraits } from "./ui.js";

const TRAITS = [
  "network", "weights", "network_without", "weights_without", "pictures", "truths", "about", "picture", "turns", "mirrored", "strokes",
  "tool", "size", "colour", "copy_paths", "show", "layer", "channel", "hovered", "pinned",
];
const TOOLS = { paint: "paint", square: "cover", restore: "restore", pick: "pick colour" };
const SHOWN = ["class map", "errors", "features"];
const LARGEST_BRUSH = 40;
const VOID = 255;

const bytesOf = (value) => (value?.byteLength ? new Uint8Array(value.buffer ?? value, value.byteOffset ?? 0, value.byteLength) : new Uint8Array());
const clamp = (low, value, high) => Math.max(low, Math.min(high, value));
const percent = (share) => (share > 0 && share < 0.005 ? "< 1 %" : share < 1 && share >= 0.995 ? "> 99 %" : `${Math.round(100 * share)} %`);
const isHex = (text) => /^#[0-9a-f]{6}$/.test(text);

// ---- from the traits to numbers -------------------------------------------------------------------------

/** Everything that the view shows, from the traits alone, but for the network's answer. */
function present(get) {
  const about = get("about");
  const s = { about, classes: about.classes.length, copies: get("copy_paths"), strokes: get("strokes"), mirrored: get("mirrored") };
  s.picture = clamp(0, get("picture"), about.count - 1);
  s.turns = clamp(0, get("turns"), 3);
  s.tool = get("tool") in TOOLS ? get("tool") : "paint";
  s.size = clamp(1, get("size"), LARGEST_BRUSH);
  s.colour = isHex(get("colour")) ? get("colour") : about.brushes[0].colour;
  s.hasTruth = bytesOf(get("truths")).length > 0;
  s.show = SHOWN.includes(get("show")) && (s.hasTruth || get("show") !== "errors") ? get("show") : "class map";

  s.view = orientation(about.height, about.width, s.turns, s.mirrored);
  const area = about.height * about.width;
  const given = bytesOf(get("pictures")).subarray(s.picture * area * about.channels, (s.picture + 1) * area * about.channels);
  const painted = paintOver(given, about, parseStrokes(s.strokes));
  s.given = oriented(given, s.view, about.channels);
  s.pixels = oriented(painted.pixels, s.view, about.channels);
  s.touched = oriented(painted.touched, s.view);
  s.truth = s.hasTruth ? oriented(bytesOf(get("truths")).subarray(s.picture * area, (s.picture + 1) * area), s.view) : null;

  const legal = ([row, column] = []) => (row >= 0 && row < s.view.height && column >= 0 && column < s.view.width ? [Math.floor(row), Math.floor(column)] : null);
  s.pinned = legal(get("pinned"));
  s.focus = legal(get("hovered")) ?? s.pinned;
  // what the network's answer depends on
  s.key = JSON.stringify([s.picture, s.turns, s.mirrored, s.copies]);
  return s;
}

/** The networks at work, each prepared once for each orientation; answers are kept as long as they hold. */
function thinker(get) {
  const kept = new Map();
  const once = (key, make) => {
    if (!kept.has(key)) kept.set(key, make());
    return kept.get(key);
  };
  const networkFor = (copies) => {
    const second = !copies && Object.keys(get("network_without")).length > 0;
    const suffix = second ? "_without" : "";
    return { name: suffix, copies: copies || second, network: once(`network${suffix}`, () => readNetwork(get(`network${suffix}`), bytesOf(get(`weights${suffix}`)))) };
  };
  const prepared = (s) => {
    const { name, copies, network } = networkFor(s.copies);
    const { height, width } = s.view;
    return { copies, net: once(`${name} ${height}`, () => prepare(network, height, width)) };
  };
  const unpainted = {};
  let answer = null;
  return {
    layers: (copies) => networkFor(copies).network.layers,
    /** A first pass, which takes longest because the browser has compiled nothing yet: layer by layer, so that the page answers meanwhile. */
    async warmUp(s) {
      const { copies, net } = prepared(s);
      const steps = net.inSteps(channelsFirst(s.pixels, s.about.channels), { copies });
      while (!steps.next().done) await new Promise((done) => setTimeout(done));
    },
    /** Scores, class map and, of the picture without strokes, the IoU of each class. */
    think(s) {
      if (answer?.key === s.key + s.strokes) return answer;
      const { copies, net } = prepared(s);
      const run = (pixels) => net.run(channelsFirst(pixels, s.about.channels), { copies });
      if (s.truth && s.strokes && unpainted.key !== s.key) {
        unpainted.iou = iouOf(classMapOf(run(s.given), s.classes), s.truth, s.classes);
        unpainted.key = s.key;
      }
      const start = globalThis.performance.now();
      const scores = run(s.pixels);
      const milliseconds = globalThis.performance.now() - start;
      const map = classMapOf(scores, s.classes);
      if (s.truth && !s.strokes) Object.assign(unpainted, { iou: iouOf(map, s.truth, s.classes), key: s.key });
      answer = { key: s.key + s.strokes, scores, map, net, milliseconds, iou: s.truth ? unpainted.iou : null, shares: sharesOf(map, s.classes) };
      return answer;
    },
  };
}

// ---- from numbers to pictures ---------------------------------------------------------------------------

const rgbOf = (pixels, channels) => (channels === 3 ? pixels : Uint8Array.from({ length: pixels.length * 3 }, (_, k) => pixels[Math.floor(k / 3)]));

function classPicture(s, map) {
  const rgb = new Uint8Array(3 * map.length);
  map.forEach((k, n) => rgb.set(s.about.classes[k].colour, 3 * n));
  return rgb;
}

/** The picture in dark grey; what is wrong lights up. What was painted has no truth. */
function errorPicture(s, map) {
  const picture = rgbOf(s.given, s.about.channels);
  const rgb = new Uint8Array(3 * map.length);
  let [wrong, known] = [0, 0];
  map.forEach((k, n) => {
    const counted = !s.touched[n] && s.truth[n] !== VOID;
    const error = counted && s.truth[n] !== k;
    known += counted;
    wrong += error;
    const grey = Math.round((picture[3 * n] + picture[3 * n + 1] + picture[3 * n + 2]) / 6);
    rgb.set(error ? s.about.error : s.touched[n] ? [96, 96, 96] : [grey, grey, grey], 3 * n);
  });
  return { rgb, share: known ? wrong / known : 0 };
}

/** Zero is dark; above zero orange, below zero violet. */
function featurePicture(s, values) {
  let [least, most] = [0, 0];
  for (const value of values) [least, most] = [Math.min(least, value), Math.max(most, value)];
  const largest = Math.max(-least, most) || 1;
  const rgb = new Uint8Array(3 * values.length);
  values.forEach((value, n) => {
    const strength = Math.sqrt(Math.abs(value) / largest);
    const end = value < 0 ? s.about.negative : s.about.positive;
    for (let k = 0; k < 3; k++) rgb[3 * n + k] = Math.round(s.about.ground[k] + (end[k] - s.about.ground[k]) * strength);
  });
  return { rgb, least, most };
}

// ---- controls of this widget ----------------------------------------------------------------------------

/** A row of options that show something: pictures to choose from, colours to paint with. */
function showing({ label, kind, options, onChoose }) {
  const group = `pw-${kind}-${(globalThis.pixelwiseIds = (globalThis.pixelwiseIds ?? 0) + 1)}`;
  const radios = options.map(({ name, value }) => h("input", { type: "radio", name: group, value, "aria-label": name, onchange: () => onChoose(value) }));
  const element = h("fieldset", { class: `pw-showing pw-${kind}` }, h("legend", {}, label), options.map(({ name, shown }, k) => h("label", { title: name }, radios[k], shown)));
  return {
    element,
    update(value) {
      radios.forEach((radio, k) => {
        radio.checked = options[k].value === value;
        setAttribute(radio, "checked", radio.checked ? "" : null);
      });
    },
  };
}

function slider({ label, min, onSlide }) {
  const input = h("input", { type: "range", class: "pw-slider", min, step: 1, oninput: () => onSlide(Number(input.value)) });
  const text = h("span", { class: "pw-count", "aria-hidden": "true" });
  return {
    element: h("label", { class: "pw-labelled" }, h("span", {}, label), input, text),
    update(value, max, shown) {
      setAttribute(input, "max", max);
      setAttribute(input, "value", value);
      input.value = value;
      setText(text, shown);
    },
  };
}

/** A row for each class: its share of the picture, its IoU, and its score and probability at a pixel. */
function classTable(about, hasTruth) {
  const columns = ["name", "number", ...(hasTruth ? ["number"] : []), "number", "rest"].map((kind) => h("col", { class: `pw-column-${kind}` }));
  const place = h("th", { scope: "col", colspan: 2, class: "pw-at" });
  const rows = about.classes.map(({ name, colour }) => {
    const cells = { share: h("td"), iou: hasTruth ? h("td") : null, score: h("td"), bar: h("span", { class: "pw-bar-of", style: `--class: ${hexOf(colour)}` }), probability: h("span") };
    const row = h(
      "tr", {}, h("th", { scope: "row" }, h("span", { class: "pw-swatch", style: `--class: ${hexOf(colour)}` }), name),
      cells.share, cells.iou, cells.score, h("td", { class: "pw-probability" }, cells.bar, cells.probability),
    );
    return { row, ...cells };
  });
  const head = h("tr", {}, h("th", { scope: "col" }, "class"), h("th", { scope: "col" }, "share"), hasTruth ? h("th", { scope: "col", title: "intersection over union, without what was painted" }, "IoU") : null, place);
  return {
    element: h("table", { class: "pw-classes" }, h("colgroup", {}, columns), h("thead", {}, head), h("tbody", {}, rows.map(({ row }) => row))),
    update(answer, focus, at) {
      setText(place, focus ? `scores at (${focus.join(", ")})` : "scores of a pixel: point at one");
      rows.forEach((cells, k) => {
        setText(cells.share, percent(answer.shares[k]));
        if (cells.iou) setText(cells.iou, answer.iou[k] === null ? "–" : answer.iou[k].toFixed(2));
        setText(cells.score, at ? at.scores[k].toFixed(1).replace("-", "−") : "");
        setText(cells.probability, at ? percent(at.probabilities[k]) : "");
        setAttribute(cells.bar, "style", `--class: ${hexOf(about.classes[k].colour)}; --share: ${at ? at.probabilities[k].toFixed(3) : 0}`);
        setAttribute(cells.row, "class", at && at.probabilities[k] === Math.max(...at.probabilities) ? "pw-winner" : null);
      });
    },
  };
}

// ---- sentences ------------------------------------------------------------------------------------------

const listOf = (texts) => (texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}`);

function found(s, answer) {
  const order = answer.shares.map((share, k) => [share, s.about.classes[k].name]).filter(([share]) => share > 0).sort((a, b) => b[0] - a[0]);
  return `The network sees ${listOf(order.map(([share, name]) => `${percent(share)} ${name}`))}.`;
}

function hereSentence(s, { probabilities }) {
  const best = probabilities.indexOf(Math.max(...probabilities));
  return `Row ${s.focus[0]}, column ${s.focus[1]}: ${s.about.classes[best].name}, ${percent(probabilities[best])}.`;
}

/** The feature at the pixel in focus; a map of lower resolution has one for several pixels. */
function valueHere({ values, height, width }, { focus, view }) {
  if (!focus) return "";
  const [row, column] = [Math.floor((focus[0] * height) / view.height), Math.floor((focus[1] * width) / view.width)];
  return `${formatNumber(values[row * width + column])} here, `;
}

const COPIES_SAY = {
  on: "copied features join the upsampled ones",
  zero: "zeros, in a network trained with copies",
  other: "another network, trained without copy paths",
  none: "this network has none",
};

// ---- the view -------------------------------------------------------------------------------------------

async function render({ model, el }) {
  const { root, share } = frame(model, el, { label: "U-Net, live: paint on the picture and see the class map answer", kind: "live-unet" });
  const get = (name) => model.get(name);
  const about = get("about");
  const brain = thinker(get);
  let s = present(get);

  const thumbnail = (number) => {
    const area = about.height * about.width * about.channels;
    const rgb = rgbOf(bytesOf(get("pictures")).subarray(number * area, (number + 1) * area), about.channels);
    const small = shrunk(rgb, about.height, about.width, Math.max(1, Math.round(Math.max(about.height, about.width) / 48)));
    return h("img", { alt: "", src: bitmapAddress(small.rgb, small.height, small.width) });
  };
  const pictures = showing({
    label: "picture", kind: "thumbnails", options: about.titles.map((name, value) => ({ name, value, shown: thumbnail(value) })),
    onChoose: (picture) => setTraits(model, { picture, strokes: "", pinned: [] }),
  });
  const act = (label, onPress) => {
    const made = button({ label, visible: true, onPress });
    made.element.classList.add("pw-text-button");
    return made;
  };
  // what turns the picture moves no stroke: strokes have their places in the picture as it was given
  const rotate = act("Rotate", () => setTraits(model, { turns: (s.turns + 1) % 4, pinned: [], hovered: [] }));
  const flip = act("Flip", () => setTraits(model, { mirrored: !s.mirrored, turns: (4 - s.turns) % 4, pinned: [], hovered: [] }));
  const undo = act("Undo", () => setTraits(model, { strokes: withoutLastStroke(s.strokes) }));
  const reset = act("Reset", () => setTraits(model, { strokes: "", turns: 0, mirrored: false, pinned: [], hovered: [] }));

  const canvas = screen({
    tabindex: 0, role: "application", "aria-label": "Picture to paint on. Arrow keys move the brush, with Shift by one pixel; Space paints; Enter holds the pixel.",
  });
  const result = screen({ role: "img" });
  const inputCaption = h("figcaption", { class: "pw-text-input" });
  const outputCaption = h("figcaption", { class: "pw-text-output" });
  const note = h("span", { class: "pw-note" });

  const tools = choice({ label: "tool", options: Object.values(TOOLS), onChoose: (name) => setTraits(model, { tool: Object.keys(TOOLS).find((key) => TOOLS[key] === name) }) });
  const size = slider({ label: "brush", min: 1, onSlide: (value) => setTraits(model, { size: value }) });
  const chip = (colour) => h("span", { class: "pw-chip", style: `--class: ${colour}` });
  const colours = showing({
    label: "colour", kind: "colours", options: about.brushes.map(({ name, colour }) => ({ name: `as ${name}`, value: colour, shown: chip(colour) })),
    onChoose: (colour) => setTraits(model, { colour, tool: "paint" }),
  });
  const ownColour = h("input", { type: "color", class: "pw-own-colour", "aria-label": "any other colour", title: "any other colour", oninput: () => setTraits(model, { colour: ownColour.value, tool: "paint" }) });

  const shown = choice({ label: "show", options: SHOWN, onChoose: (value) => setTraits(model, { show: value }) });
  const copies = choice({ label: "copy paths", options: ["on", "off"], onChoose: (value) => setTraits(model, { copy_paths: value === "on" }) });
  const copiesSay = h("p", { class: "pw-copies-say" });
  const layer = h("select", { "aria-label": "layer", onchange: () => setTraits(model, { layer: layer.value, channel: 0 }) });
  const channel = slider({ label: "channel", min: 1, onSlide: (value) => setTraits(model, { channel: value - 1 }) });
  const featureRow = h("div", { class: "pw-feature-row" }, h("label", { class: "pw-labelled" }, h("span", {}, "layer"), layer), channel.element);
  const table = classTable(about, s.hasTruth);
  const says = h("output", { class: "pw-says", "aria-live": "polite" });
  const pointed = h("output", { class: "pw-says pw-text-quiet", "aria-live": "polite" });

  root.append(
    h("div", { class: "pw-bar" }, pictures.element, h("div", { class: "pw-bar pw-acts" }, rotate.element, flip.element, undo.element, reset.element, share)),
    h(
      "div", { class: "pw-screens" },
      h("figure", {}, inputCaption, canvas.element, h("div", { class: "pw-tools" }, tools.element, h("div", { class: "pw-brush" }, ...[colours.element, about.channels === 3 && ownColour, size.element].filter(Boolean)))),
      h("figure", {}, h("div", { class: "pw-caption-row" }, outputCaption, note), result.element, h("div", { class: "pw-tools" }, shown.element, h("div", { class: "pw-brush" }, copies.element, copiesSay))),
      featureRow,
    ),
    table.element, h("div", { class: "pw-sentences" }, says, pointed),
  );

  // ---- painting

  let stroke = false;
  const pixelAt = ([row, column]) => {
    const at = (row * s.view.width + column) * about.channels;
    return hexOf(Array.from({ length: 3 }, (_, k) => s.pixels[at + (about.channels === 3 ? k : 0)]));
  };
  /** A place of the picture as it is turned, in the picture as it was given. */
  const given = ([row, column]) => {
    const at = s.view.source[row * s.view.width + column];
    return [Math.floor(at / about.width), at % about.width];
  };
  function press(place) {
    if (s.tool === "pick") setTraits(model, { colour: pixelAt(place), tool: "paint" });
    else setTraits(model, { strokes: beginStroke(get("strokes"), { kind: s.tool, size: s.size, colour: s.colour }, given(place)) });
  }
  canvas.element.addEventListener("pointerdown", (event) => {
    const place = canvas.placeOf(event, s.view);
    if (!place || event.button !== 0) return;
    stroke = s.tool !== "pick";
    canvas.element.setPointerCapture(event.pointerId);
    press(place);
  });
  canvas.element.addEventListener("pointermove", (event) => {
    const places = (stroke && event.getCoalescedEvents?.()) || [event];
    let text = get("strokes");
    for (const one of places.length ? places : [event]) {
      const place = canvas.placeOf(one, s.view);
      if (place && stroke) text = extendStroke(text, given(place));
    }
    setTraits(model, { hovered: canvas.placeOf(event, s.view) ?? [], ...(stroke ? { strokes: text } : {}) });
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.element.addEventListener(end, () => (stroke = false));
  canvas.element.addEventListener("pointerleave", () => setTraits(model, { hovered: [] }));
  canvas.element.addEventListener("focusin", () => {
    if (canvas.element.matches(":focus-visible") && !s.focus) setTraits(model, { hovered: [s.view.height >> 1, s.view.width >> 1] });
  });
  canvas.element.addEventListener("blur", () => setTraits(model, { hovered: [] }));
  canvas.element.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const place = s.focus ?? [s.view.height >> 1, s.view.width >> 1];
    if (moves[event.key]) {
      const step = event.shiftKey ? 1 : 4;
      const goal = [clamp(0, place[0] + step * moves[event.key][0], s.view.height - 1), clamp(0, place[1] + step * moves[event.key][1], s.view.width - 1)];
      setTraits(model, { hovered: goal });
    } else if (event.key === " ") {
      setTraits(model, { hovered: place });
      press(place);
    } else if (event.key === "Enter") setTraits(model, { pinned: String(s.pinned) === String(place) ? [] : place });
    else return;
    event.preventDefault();
  });

  /** The pixel of the picture that lies under a pixel of what the right side shows, which may be smaller. */
  const underResult = (event) => result.placeOf(event, s.view);
  result.element.addEventListener("pointermove", (event) => setTraits(model, { hovered: underResult(event) ?? [] }));
  result.element.addEventListener("pointerleave", () => setTraits(model, { hovered: [] }));
  result.element.addEventListener("click", (event) => {
    const place = underResult(event);
    setTraits(model, { pinned: place && String(place) !== String(s.pinned) ? place : [] });
  });

  // ---- drawing

  let drawnPicture = null;
  let drawnResult = null;
  let features = null;
  function drawPicture() {
    const key = s.key + s.strokes;
    if (key === drawnPicture) return;
    drawnPicture = key;
    canvas.draw(rgbOf(s.pixels, about.channels), s.view.height, s.view.width);
  }

  /** What depends on the network: the result, the table and the sentence. */
  function drawAnswer() {
    const answer = brain.think(s);
    const { layers } = answer.net;
    const number = Math.max(0, layers.findIndex(({ name }) => name === get("layer")));
    const chosen = clamp(0, get("channel"), layers[number].channels - 1);
    const key = JSON.stringify([answer.key, s.show, number, chosen]);
    if (key !== drawnResult) {
      drawnResult = key;
      const size = `${s.view.height} × ${s.view.width}`;
      let [text, label] = [`class map · ${size}`, `The class map. ${found(s, answer)}`];
      features = null;
      if (s.show === "features") {
        const { values, height, width } = answer.net.feature(number, chosen);
        const { rgb, least, most } = featurePicture(s, values);
        result.draw(rgb, height, width);
        features = { values, height, width, range: `${formatNumber(least)} to ${formatNumber(most)}` };
        text = `features · ${height} × ${width} × ${layers[number].channels}`;
        label = `Channel ${chosen + 1} of ${layers[number].name}, from ${features.range}`;
      } else if (s.show === "errors") {
        const { rgb, share: wrong } = errorPicture(s, answer.map);
        result.draw(rgb, s.view.height, s.view.width);
        text = `errors · ${percent(wrong)} of the pixels`;
        label = `Where the class map differs from the truth: ${percent(wrong)} of the pixels`;
      } else result.draw(classPicture(s, answer.map), s.view.height, s.view.width);
      setText(outputCaption, text);
      setAttribute(result.element, "aria-label", label);
      setText(says, found(s, answer));
    }
    const options = layers.map(({ name }) => name);
    if (String(options) !== layer.dataset.names) {
      layer.dataset.names = String(options);
      layer.replaceChildren(...options.map((name) => h("option", { value: name }, name)));
    }
    [...layer.children].forEach((option, k) => (option.selected = k === number));
    channel.update(chosen + 1, layers[number].channels, `${chosen + 1} of ${layers[number].channels}`);
    const at = s.focus && atPosition(answer.scores, s.classes, s.focus[0] * s.view.width + s.focus[1]);
    table.update(answer, s.focus, at);
    setText(note, features ? `${valueHere(features, s)}${features.range}` : result.isLive ? `one pass: ${Math.round(answer.milliseconds)} ms` : "");
    setText(pointed, at ? hereSentence(s, at) : "");
    setAttribute(result.element, "aria-busy", null);
  }

  let waiting = false;
  /** The stroke is shown at once; the network answers after that frame is painted. */
  function answerSoon() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() =>
      setTimeout(() => {
        waiting = false;
        drawAnswer();
      }),
    );
  }

  function update() {
    s = present(get);
    const hasCopies = get("network").copy_paths;
    const second = Object.keys(get("network_without")).length > 0;
    pictures.update(s.picture);
    tools.update(TOOLS[s.tool]);
    size.update(s.size, LARGEST_BRUSH, `${s.size} px`);
    colours.update(s.colour);
    setAttribute(ownColour, "value", s.colour);
    ownColour.value = s.colour;
    shown.update(s.show, (value) => s.hasTruth || value !== "errors");
    copies.update(s.copies || !hasCopies ? (hasCopies ? "on" : "off") : "off", (value) => hasCopies || value === "off");
    setText(copiesSay, COPIES_SAY[!hasCopies ? "none" : s.copies ? "on" : second ? "other" : "zero"]);
    setAttribute(featureRow, "hidden", s.show === "features" ? null : "");
    undo.update({ disabled: !s.strokes });
    reset.update({ disabled: !s.strokes && !s.turns && !s.mirrored });
    setText(inputCaption, `${about.titles[s.picture]} · ${s.view.height} × ${s.view.width} × ${about.channels}`);
    canvas.point(s.focus, s.tool === "pick" ? 1 : s.size, s.tool, s.view);
    result.point(s.focus, 1, "square", s.view);
    setAttribute(canvas.element, "data-tool", s.tool);
    drawPicture();
    if (drawnResult === null) return drawAnswer();
    setAttribute(result.element, "aria-busy", "true");
    answerSoon();
  }

  if (result.isLive) await brain.warmUp(s);
  const stopWatching = watchTraits(model, TRAITS, update);
  update();
  return stopWatching;
}
export default { render };
