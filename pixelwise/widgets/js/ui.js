// The parts that widgets are made of: elements, controls and tables of numbers.
// Controls are built once and then updated, so that focus is never lost.
import { formatNumber } from "./core/arrays.js";

/** An element with attributes, listeners (`onclick: …`) and children. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

/** Sets traits and sends them to Python, where there is one. */
export function setTraits(model, changes) {
  for (const [name, value] of Object.entries(changes)) model.set(name, value);
  model.save_changes();
}

/** Calls `update` once after any of the traits changed, however many did at once. Returns how to stop. */
export function watchTraits(model, names, update) {
  let waiting = false;
  const onChange = () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => {
      waiting = false;
      update();
    });
  };
  for (const name of names) model.on(`change:${name}`, onChange);
  return () => {
    for (const name of names) model.off(`change:${name}`, onChange);
  };
}

// Counted for the whole page: each class of widgets is a module of its own, and radio buttons share their names.
const newId = () => `pw-${(globalThis.pixelwiseIds = (globalThis.pixelwiseIds ?? 0) + 1)}`;

/** Writes only what changed: a step then touches a handful of nodes. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
export function setAttribute(element, name, value) {
  if (value === false || value == null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

const ICONS = {
  first: "M6 5v14M19 5l-9 7 9 7z",
  previous: "M17 5l-10 7 10 7z",
  next: "M7 5l10 7-10 7z",
  play: "M7 4l13 8-13 8z",
  pause: "M7 5h3v14H7zM14 5h3v14h-3z",
  copy: "M9 9h11v12H9zM5 15H4V3h12v1",
  link: "M10 14a4 4 0 0 0 6 0l4-4a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-4 4a4 4 0 0 0 6 6l1-1",
  reset: "M4 10a8 8 0 1 1 1 7M4 4v6h6",
};
const SVG = "http://www.w3.org/2000/svg";

/** One of the icons above, invisible to a screen reader. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", class: `pw-icon pw-icon-${name}`, "aria-hidden": "true" }))
    svg.setAttribute(key, value);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  svg.showIcon = (other) => setAttribute(path, "d", ICONS[other]);
  return svg;
}

/** A button with an icon, and a text that is shown (`visible`) or only spoken. */
export function button({ label, iconName, visible = false, onPress }) {
  const drawing = iconName && icon(iconName);
  const text = visible ? h("span", {}, label) : null;
  const element = h(
    "button",
    { type: "button", class: "pw-button", title: visible ? null : label, "aria-label": visible ? null : label, onclick: onPress },
    drawing, text,
  );
  return {
    element,
    update({ label: newLabel, iconName: newIcon, disabled = false } = {}) {
      if (newIcon) drawing.showIcon(newIcon);
      if (newLabel && visible) setText(text, newLabel);
      else if (newLabel) for (const name of ["title", "aria-label"]) setAttribute(element, name, newLabel);
      // aria-disabled, not disabled: a button that is switched off under the finger would lose the focus.
      setAttribute(element, "aria-disabled", disabled ? "true" : null);
    },
  };
}

/** A row of options of which one is chosen. Options that are not legal now cannot be chosen. */
export function choice({ label, options, onChoose }) {
  const group = newId();
  const radios = options.map((option) => h("input", { type: "radio", name: group, value: option, onchange: () => onChoose(option) }));
  const element = h(
    "fieldset", { class: "pw-choice" }, h("legend", {}, label),
    options.map((option, k) => h("label", {}, radios[k], h("span", {}, String(option)))),
  );
  return {
    element,
    update(value, isLegal = () => true) {
      options.forEach((option, k) => {
        radios[k].checked = option === value;
        setAttribute(radios[k], "checked", option === value ? "" : null);
        radios[k].disabled = !isLegal(option);
        setAttribute(radios[k], "disabled", isLegal(option) ? null : "");
      });
    },
  };
}

/** A switch. */
export function toggle({ label, onChange }) {
  const box = h("input", { type: "checkbox", onchange: () => onChange(box.checked) });
  return {
    element: h("label", { class: "pw-toggle" }, box, h("span", {}, label)),
    update(value) {
      box.checked = value;
      setAttribute(box, "checked", value ? "" : null);
    },
  };
}

/** The step scrubber: first, previous, play, next, a slider. Reads and sets `step` and `playing`.
 * Where `pauses()`, Play stops after a step: there is a question to answer. */
export function stepper(model, { describe, pauses = () => false, interval = 900 }) {
  let last = 0;
  let timer = null;
  const goTo = (step, playing = false) => setTraits(model, { step: Math.max(0, Math.min(last, step)), playing });
  const current = () => Math.max(0, Math.min(last, model.get("step")));
  const first = button({ label: "Back to the start", iconName: "first", onPress: () => goTo(0) });
  const previous = button({ label: "Previous step", iconName: "previous", onPress: () => goTo(current() - 1) });
  const next = button({ label: "Next step", iconName: "next", onPress: () => goTo(current() + 1) });
  const play = button({
    label: "Play", iconName: "play",
    onPress: () => (model.get("playing") ? setTraits(model, { playing: false }) : goTo(current() === last ? 0 : current(), true)),
  });
  const slider = h("input", { type: "range", class: "pw-slider", min: 0, step: 1, "aria-label": "Step", oninput: () => goTo(Number(slider.value)) });
  const count = h("span", { class: "pw-count", "aria-hidden": "true" });
  const stopTimer = () => {
    clearInterval(timer);
    timer = null;
  };
  return {
    element: h("div", { class: "pw-stepper" }, first.element, previous.element, play.element, next.element, slider, count),
    stop: stopTimer,
    update(steps) {
      last = steps;
      const step = current();
      setAttribute(slider, "max", steps);
      setAttribute(slider, "value", step);
      slider.value = step;
      setAttribute(slider, "aria-valuetext", describe(step));
      setText(count, `${step} / ${steps}`);
      first.update({ disabled: step === 0 });
      previous.update({ disabled: step === 0 });
      next.update({ disabled: step === steps });
      const playing = model.get("playing");
      play.update(playing ? { label: "Pause", iconName: "pause" } : { label: "Play", iconName: "play" });
      if (playing && timer === null)
        timer = setInterval(() => (current() < last ? goTo(current() + 1, current() + 1 < last && !pauses()) : goTo(last)), interval);
      if (!playing && timer !== null) stopTimer();
    },
  };
}

/** How many shades a number's cell can have on either side of zero; `look.css` has a class for each. */
const SHADES = 12;

/**
 * A table of numbers. `role` gives its hue: input, kernel, output.
 *
 * With `onEdit(row, column, value)` its cells are number fields. With `onPoint(row, column)` and `onPick(…)`
 * the pointer, and the arrow keys on a single tab stop, move over its cells; leaving calls `onPoint(null)`.
 */
export function numberTable({ role, caption = "", onEdit, onPoint, onPick }) {
  const title = h("caption", {}, caption);
  const body = h("tbody");
  const element = h("table", { class: `pw-table pw-role-${role}` }, title, body);
  const window = h("div", { class: "pw-window", "aria-hidden": "true", hidden: true });
  let cells = [];
  let tabStop = [0, 0];

  const placeOf = (target) => {
    const cell = target.closest?.("td");
    return cell && body.contains(cell) ? [Number(cell.dataset.row), Number(cell.dataset.column)] : null;
  };
  if (onPoint) {
    element.addEventListener("pointerover", (event) => {
      const place = placeOf(event.target);
      if (place) onPoint(...place);
    });
    element.addEventListener("pointerleave", () => onPoint(null));
    element.addEventListener("focusin", (event) => {
      const place = placeOf(event.target);
      if (place && event.target.matches(":focus-visible")) onPoint(...place);
    });
    element.addEventListener("focusout", () => onPoint(null));
  }
  if (onPick) {
    setAttribute(element, "role", "grid");
    element.addEventListener("click", (event) => {
      const place = placeOf(event.target);
      if (place) onPick(...place);
    });
    element.addEventListener("keydown", (event) => {
      const place = placeOf(event.target);
      if (!place) return;
      const [row, column] = place;
      const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
      if (moves[event.key]) {
        const goal = [row + moves[event.key][0], column + moves[event.key][1]];
        if (cells[goal[0]]?.[goal[1]]) moveTabStop(goal, true);
      } else if (event.key === "Enter" || event.key === " ") onPick(row, column);
      else return;
      event.preventDefault();
    });
  }
  function moveTabStop([row, column], focus = false) {
    cells[tabStop[0]]?.[tabStop[1]]?.td.setAttribute("tabindex", -1);
    tabStop = [row, column];
    cells[row][column].td.setAttribute("tabindex", 0);
    if (focus) cells[row][column].td.focus();
  }
  function newCell(row, column) {
    const td = h("td", { "data-row": row, "data-column": column, role: onPick ? "gridcell" : null, tabindex: onPick ? -1 : null });
    let [field, text] = [null, null];
    if (onEdit) {
      field = h("input", {
        type: "number", step: "any",
        onchange: () => {
          const value = Number(field.value);
          if (field.value.trim() === "" || !Number.isFinite(value)) field.value = td.dataset.value;
          else onEdit(row, column, Math.max(-99, Math.min(99, value)));
        },
      });
    } else text = h("span");
    td.append(field ?? text);
    return { td, field, text, key: null };
  }
  return {
    element,
    caption: (text) => setText(title, text),
    /** Gives the table its size; cells that stay are kept. */
    resize(rows, columns) {
      if (cells.length === rows && cells[0]?.length === columns) return;
      cells = Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => cells[i]?.[j] ?? newCell(i, j)));
      body.replaceChildren(...cells.map((row) => h("tr", { role: onPick ? "row" : null }, row.map((cell) => cell.td))));
      element.style.setProperty("--columns", columns);
      cells[0][0].td.append(window);
      if (onPick) moveTabStop(cells[tabStop[0]]?.[tabStop[1]] ? tabStop : [0, 0]);
    },
    /** Lays a frame around a box of cells, which glides from place to place; null takes it away. */
    frame(box) {
      setAttribute(window, "hidden", box ? null : "");
      if (box) setAttribute(window, "style", `--top: ${box.top}; --left: ${box.left}; --rows: ${box.bottom - box.top + 1}; --columns: ${box.right - box.left + 1}`);
    },
    /**
     * Shows one cell. `shade` in [−1, 1] colours it on the diverging scale; `marks` are class names;
     * `text` replaces the number; `note` stands small in the corner; a `fixed` number cannot be edited.
     * `label` is what a screen reader says, or a function that makes it of all the above and of what `naming`
     * says: a step changes few cells, and only those need a new one.
     */
    show(row, column, { value, text, shade = 0, marks = "", label, note = "", fixed = false }, naming = "") {
      const cell = cells[row][column];
      // Few shades, as classes: an inline colour would have to be worked out anew for every cell.
      const level = Math.round(Math.abs(shade) * SHADES);
      const look = `${marks}${level ? ` pw-shade-${level}` : ""}${shade < 0 ? " pw-negative" : ""}`;
      const isMade = typeof label === "function";
      const key = `${value}|${text}|${look}|${isMade ? naming : label}|${note}|${fixed}`;
      if (cell.key === key) return;
      cell.key = key;
      const { td, field, text: shown } = cell;
      setAttribute(td, "class", look.trim() || null);
      setAttribute(td, "data-note", note || null);
      if (field) {
        td.dataset.value = value;
        if (field.value !== String(value)) field.value = value;
        setAttribute(field, "value", value);
        setAttribute(field, "aria-label", isMade ? label() : label);
        setAttribute(field, "readonly", fixed ? "" : null);
        setAttribute(field, "tabindex", fixed ? -1 : null);
      } else {
        setText(shown, text ?? formatNumber(value));
        setAttribute(td, "aria-label", isMade ? label() : label);
      }
    },
  };
}

/** Text whose parts are coloured by role: parts are strings or `{ text, role }`. */
export function colouredText(element, parts) {
  const textOf = (part) => part.text ?? part;
  const roles = parts.map((part) => part.role ?? "").join();
  if (element.shownRoles === roles) {
    // another sentence of the same kind: only its numbers are new
    parts.forEach((part, k) => setText(element.childNodes[k], textOf(part)));
    return;
  }
  element.shownRoles = roles;
  element.replaceChildren(...parts.map((part) => (part.role ? h("span", { class: `pw-text-${part.role}` }, part.text) : document.createTextNode(part))));
}

/** Whether the text could be copied: a browser may not offer its clipboard, or not allow it. */
const toClipboard = (text) =>
  Promise.resolve().then(() => navigator.clipboard.writeText(text)).then(() => true, () => false);

/** A line of code with a button that copies it. */
export function codeLine() {
  const code = h("code");
  const copy = button({
    label: "Copy the code", iconName: "copy",
    onPress: async () => {
      copy.update({ label: (await toClipboard(code.textContent)) ? "Copied" : "Copying is not allowed here" });
      setTimeout(() => copy.update({ label: "Copy the code" }), 2000);
    },
  });
  return { element: h("div", { class: "pw-code" }, code, copy.element), update: (text) => setText(code, text) };
}

/** The widget's outer element and the button that copies a link to its state, where the page offers links. */
export function frame(model, el, { label, kind }) {
  const root = h("div", { class: `pw-widget pw-${kind}`, role: "group", "aria-label": label });
  el.classList.add("pw-host");
  el.append(root);
  const share = button({
    label: "Copy a link to this state", iconName: "link",
    onPress: async () => {
      const link = model.link(model.get("name"));
      history.replaceState(null, "", link);
      share.update({ label: (await toClipboard(link)) ? "Link copied" : "Link is in the address bar" });
      setTimeout(() => share.update({ label: "Copy a link to this state" }), 2000);
    },
  });
  return { root, share: model.link && model.get("name") ? share.element : null };
}
