// Brings the widgets of a built page to life without a kernel, a server or a network.
//
// A page keeps the traits of its widgets as JSON. Where all of them are anywidgets (and links between them),
// they are rendered here. Where a page also holds other ipywidgets, ipywidgets' own manager is loaded from
// the book's files and does everything.
(() => {
  const here = new URL(".", document.currentScript.src).href;
  const STATE = "application/vnd.jupyter.widget-state+json";
  const RENDERED_HERE = new Set(["AnyModel", "LayoutModel", "LinkModel", "DirectionalLinkModel"]);
  const NOT_IN_LINKS = new Set(["name", "hovered", "playing", "guess"]);

  /** The traits of one widget, with the interface that anywidget gives to a view. */
  class Model {
    constructor(state, arraysAt) {
      this.traits = state;
      this.initial = structuredClone(state);
      this.listeners = new Map();
      this.arraysAt = arraysAt;
    }
    /** Loads the traits that are a file of their own, if there are any. */
    async complete() {
      if (!this.arraysAt) return;
      for (const { path, data } of await buffersAt(this.arraysAt)) this.traits[path[0]] = new DataView(bytesOf(data).buffer);
    }
    get(name) {
      return this.traits[name];
    }
    set(name, value) {
      if (Object.is(this.traits[name], value)) return;
      this.traits[name] = value;
      this.emit(`change:${name}`, value);
      this.emit("change");
    }
    save_changes() {}
    send() {}
    on(names, listener) {
      for (const name of names.split(" ")) {
        if (!this.listeners.has(name)) this.listeners.set(name, new Set());
        this.listeners.get(name).add(listener);
      }
    }
    off(names, listener) {
      if (!names) return this.listeners.clear();
      for (const name of names.split(" ")) listener ? this.listeners.get(name)?.delete(listener) : this.listeners.delete(name);
    }
    emit(name, value) {
      for (const listener of [...(this.listeners.get(name) ?? [])]) listener({ changed: name }, value);
    }
    /** The address of this page with the traits that differ from those it was built with. */
    link(name) {
      const query = Object.keys(this.initial)
        .filter((trait) => !trait.startsWith("_") && !NOT_IN_LINKS.has(trait))
        .map((trait) => [trait, JSON.stringify(this.traits[trait])])
        .filter(([trait, text]) => text !== undefined && text !== JSON.stringify(this.initial[trait]))
        .map(([trait, text]) => `${trait}=${encodeURIComponent(text)}`);
      return `${location.href.split("#")[0]}#${encodeURIComponent(name)}${query.length ? `?${query.join("&")}` : ""}`;
    }
    /** Takes traits from a link; what is not of the kind and shape that the widget was built with is passed over. */
    follow(query) {
      for (const [trait, text] of new URLSearchParams(query)) {
        if (!Object.hasOwn(this.initial, trait) || trait.startsWith("_") || NOT_IN_LINKS.has(trait)) continue;
        try {
          const value = JSON.parse(text);
          if (isLike(this.initial[trait], value)) this.set(trait, value);
        } catch {
          // not JSON: not one of our links
        }
      }
    }
  }

  const isPlain = (value) => typeof value === "string" || typeof value === "boolean" || Number.isFinite(value);
  const isLike = (pattern, value) => {
    if (!Array.isArray(pattern)) return isPlain(value) && typeof value === typeof pattern;
    if (!Array.isArray(value)) return false;
    if (pattern.length === 0) return value.length < 10 && value.every(isPlain);
    return value.length === pattern.length && value.every((item, k) => isLike(pattern[k], item));
  };

  function bytesOf(base64) {
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k); // a callback for each takes ten times as long
    return bytes;
  }
  const loaded = new Map();
  /** A widget's module, from its source; `import` of files is blocked where the page itself is a file. */
  function load(source) {
    if (!loaded.has(source)) {
      const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      loaded.set(source, import(url).then((module) => (typeof module.default === "function" ? module.default() : module.default)));
    }
    return loaded.get(source);
  }

  const addScript = (file, attributes = {}) =>
    new Promise((resolve, reject) => {
      const script = Object.assign(document.createElement("script"), { src: here + file, onload: resolve, onerror: reject });
      for (const [name, value] of Object.entries(attributes)) script.setAttribute(name, value);
      document.head.append(script);
    });

  window.pixelwise_buffers = new Map(); // by address; each script of arrays adds its own
  const asked = new Map();
  async function buffersAt(address) {
    if (!asked.has(address)) asked.set(address, addScript(address));
    await asked.get(address);
    return window.pixelwise_buffers.get(address);
  }

  function modelsOf(bundle) {
    const models = new Map();
    for (const [id, { state, pixelwise_buffers: arraysAt }] of Object.entries(bundle.state)) models.set(id, new Model(state, arraysAt));
    const end = ([reference, trait]) => [models.get(reference.replace("IPY_MODEL_", "")), trait];
    for (const { model_name: kind, state } of Object.values(bundle.state)) {
      if (!kind.endsWith("LinkModel")) continue;
      const [[source, from], [target, to]] = [end(state.source), end(state.target)];
      const forward = () => target.set(to, source.get(from));
      source.on(`change:${from}`, forward);
      if (kind === "LinkModel") target.on(`change:${to}`, () => source.set(from, target.get(to)));
      forward();
    }
    return models;
  }

  /** Puts a live widget in the place of its picture. */
  async function enliven(slot, widget, model) {
    const el = document.createElement("div");
    try {
      await model.complete();
      await widget.initialize?.({ model, signal: new AbortController().signal });
      await widget.render({ model, el, signal: new AbortController().signal });
      slot.replaceChildren(el);
      slot.dataset.live = "true";
    } catch (error) {
      slot.dataset.live = "failed"; // the picture drawn at build time stays
      throw error;
    }
  }

  /** Calls `act` once the element is less than a screen away. */
  function whenNear(element, act) {
    const observer = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      act();
    }, { rootMargin: "100% 0px" });
    observer.observe(element);
  }
  const isFar = (element) => element.getBoundingClientRect().top > 2 * innerHeight;

  async function renderAll(bundle) {
    const models = modelsOf(bundle);
    const linked = await followLink(bundle, models);
    const loading = [];
    for (const slot of document.querySelectorAll(".pw-slot")) {
      // no pause between widgets: each would let the theme's deferred scripts go first
      const model = models.get(slot.dataset.model);
      const widget = await load(bundle.pixelwise_modules[model.get("_esm")]);
      const act = () => enliven(slot, widget, model);
      if (!model.arraysAt) await act();
      else if (isFar(slot)) whenNear(slot, act);
      else loading.push(act());
    }
    await Promise.all(loading);
    linked?.scrollIntoView();
    addEventListener("hashchange", async () => (await followLink(bundle, models))?.scrollIntoView());
    document.documentElement.dataset.widgets = "live";
  }

  /** Sets the widget that the page's address names, as in `page.html#stride-2?step=5`. Returns its place.
   * Anybody can write a link: it is tried on a copy, and passed over where the widget cannot show what it asks for. */
  async function followLink(bundle, models) {
    const [, name, query] = location.hash.match(/^#([^?]+)(?:\?(.*))?$/) ?? [];
    const slot = [...document.querySelectorAll(".pw-slot[id]")].find(({ id }) => encodeURIComponent(id) === name || id === name);
    if (!slot || !query) return slot;
    const model = models.get(slot.dataset.model);
    try {
      await model.complete();
      const copy = new Model(structuredClone(model.traits));
      copy.follow(query);
      const widget = await load(bundle.pixelwise_modules[model.get("_esm")]);
      (await widget.render({ model: copy, el: document.createElement("div"), signal: new AbortController().signal }))?.();
      model.follow(query);
    } catch {
      // the widget stays as it was
    }
    return slot;
  }

  /** Hands the page over to ipywidgets' html-manager, with every file from the book itself. */
  async function renderWithHtmlManager(tags, bundles) {
    for (const [k, bundle] of bundles.entries()) {
      for (const model of Object.values(bundle.state)) {
        if (model.state._esm) model.state._esm = bundle.pixelwise_modules[model.state._esm] ?? model.state._esm;
        if (model.pixelwise_buffers) model.buffers = await buffersAt(model.pixelwise_buffers);
      }
      tags[k].textContent = JSON.stringify(bundle);
    }
    for (const slot of document.querySelectorAll(".pw-slot")) slot.remove();
    // ipywidgets typesets descriptions through the interface of MathJax 2
    if (window.MathJax && !MathJax.Hub) MathJax.Hub = { Queue: ([, , element]) => MathJax.typesetPromise?.([element]) };
    window.__jupyter_widgets_assets_path__ = `${here}vendor/@jupyter-widgets/html-manager/dist/`;
    await addScript("vendor/require.js");
    requirejs.config({ baseUrl: `${here}vendor/` });
    // an empty address would fall back to the network: name a place that does not exist
    await addScript("vendor/@jupyter-widgets/html-manager/dist/embed-amd.js", { "data-jupyter-widgets-cdn": "./not-there/" });
    document.documentElement.dataset.widgets = "html-manager";
  }

  // The page's state stands above this script. Loaded with `async`, it runs while the rest is parsed, and the
  // modules load meanwhile.
  const tags = [...document.querySelectorAll(`script[type="${STATE}"]`)];
  const bundles = tags.map((tag) => JSON.parse(tag.textContent));
  const allOurs = bundles.every((bundle) => Object.values(bundle.state).every((model) => RENDERED_HERE.has(model.model_name)));
  if (allOurs) for (const bundle of bundles) Object.values(bundle.pixelwise_modules).forEach(load);

  function start() {
    if (allOurs) bundles.forEach((bundle) => renderAll(bundle));
    else if (document.readyState === "complete") renderWithHtmlManager(tags, bundles);
    else addEventListener("load", () => renderWithHtmlManager(tags, bundles));
  }
  // As soon as all is parsed: what the theme defers (icons, equations) is large, and can come after that.
  if (document.readyState === "loading") document.addEventListener("readystatechange", start, { once: true });
  else start();
})();
