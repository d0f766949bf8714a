"""The Sphinx extension that makes the book's pages: offline, alive without a kernel, never stale.

It brings the browser assets from `node_modules`, draws every widget once at build time, so that a page has
its picture before any script runs, keeps modules and arrays of widgets out of the reader's way, and runs the
chapters again whenever the package that they import has changed.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
from myst_nb.core.render import WIDGET_VIEW_MIMETYPE
from myst_nb.sphinx_ import NbMetadataCollector
from PIL import Image
from sphinx.errors import ExtensionError
from sphinx.util import logging

from pixelwise import course
from pixelwise.widgets.base import styles

ROOT = Path(__file__).resolve().parents[2]
NODE_MODULES = ROOT / "node_modules"

#: What the pages load, from where in `node_modules`; everything below `_static/vendor` comes from here.
VENDOR = {
    "mathjax/tex-chtml-full.js": "mathjax/es5/tex-chtml-full.js",
    "mathjax/output/chtml/fonts/woff-v2": "mathjax/es5/output/chtml/fonts/woff-v2",
    "require.js": "requirejs/require.js",
    # where html-manager itself looks for its fonts
    "@jupyter-widgets/html-manager/dist": "@jupyter-widgets/html-manager/dist",
}

#: Files beside them that no page loads: other forms of the same scripts and fonts.
NOT_LOADED = ("embed.js*", "libembed*", "*.map", "*.eot", "*.svg", "*.ttf")

log = logging.getLogger(__name__)


def source_hash() -> str:
    """What the chapters' outputs depend on besides their own text: the package and the pinned versions."""
    digest = hashlib.sha256((ROOT / "requirements.lock").read_bytes())
    for path in sorted((ROOT / "pixelwise").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def set_address(app, config) -> None:
    """The address that pages give as theirs."""
    config.html_baseurl = course.course_url


def choose_cache(app, config) -> None:
    """One cache of executed chapters for each state of the package; the others are removed."""
    caches = ROOT / "_build" / ".jupyter_cache"
    config.nb_execution_cache_path = str(caches / source_hash())
    for old in caches.glob("*"):
        if old.name != source_hash():
            shutil.rmtree(old, ignore_errors=True)


def outdated_pages(app, env, added, changed, removed) -> set[str]:
    """Every page once the package has changed: Sphinx itself sees only the chapters' text."""
    before, env.pixelwise_source_hash = getattr(env, "pixelwise_source_hash", None), source_hash()
    return set() if before == env.pixelwise_source_hash else set(env.all_docs)


# ---- widgets --------------------------------------------------------------------------------------------


def page_models(env, docname: str) -> dict[str, dict]:
    """The widget models of a page by id, as `{"model_name": …, "state": …}`."""
    _, kwargs = NbMetadataCollector.get_js_files(env, docname).get("ipywidgets_state", (None, {}))
    return json.loads(kwargs["body"])["state"] if kwargs else {}


def draw_widgets(app, doctree, docname: str) -> None:
    """Puts each widget's first picture into the page, where its script will bring it to life."""
    if app.builder.format != "html":
        return
    models = page_models(app.env, docname)
    ours = {}
    for node in doctree.findall(nodes.raw):
        if node.astext().startswith(f'<script type="{WIDGET_VIEW_MIMETYPE}">'):
            model = json.loads(node.astext().split(">", 1)[1].rsplit("<", 1)[0])["model_id"]
            if "_esm" in models.get(model, {}).get("state", {}):
                ours[node] = model
    if not ours:
        return
    pictures = render_once({model: models[model] for model in ours.values()}, docname)
    for node, model in ours.items():
        name = models[model]["state"].get("name", "")
        slot = f'<div class="pw-slot" data-model="{model}"{f" id={json.dumps(name)}" if name else ""}>'
        hint = "<noscript><p>With JavaScript switched on, this figure is interactive.</p></noscript>"
        node[:] = [nodes.Text(f"{slot}{pictures[model]}{hint}</div>{node.astext()}")]


def render_once(models: dict[str, dict], docname: str) -> dict[str, str]:
    """The HTML of each widget's first view, drawn by its own JavaScript in Node."""
    done = subprocess.run(
        ["node", str(Path(__file__).with_name("draw_widgets.mjs"))],
        input=json.dumps(models),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    if done.returncode:
        raise ExtensionError(f"a widget of {docname} cannot be drawn:\n{done.stderr.strip()}")
    return {model: as_png(html) for model, html in json.loads(done.stdout).items()}


def as_png(html: str) -> str:
    """The same pictures, packed: a widget itself can only write pixels one by one."""

    def pack(found: re.Match) -> str:
        packed = io.BytesIO()
        Image.open(io.BytesIO(base64.b64decode(found[1]))).save(packed, "png", optimize=True)
        return f'"data:image/png;base64,{base64.b64encode(packed.getvalue()).decode()}"'

    return re.sub(r'"data:image/bmp;base64,([^"]*)"', pack, html)


def lighten_page(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Takes out of a page what it can be read without: each widget's module is stored once rather than once a
    widget, styles come from a file, and arrays are files that the page loads when a reader comes near."""
    if doctree is None:
        return
    entry = NbMetadataCollector.get_js_files(app.env, pagename).get("ipywidgets_state")
    if not entry:
        return
    script = entry[1]
    bundle = json.loads(script["body"])
    if "pixelwise_modules" in bundle:
        return
    modules: dict[str, str] = {}
    static = Path(app.outdir) / "_static"
    for old in static.glob(f"widgets/{pagename}-*.js"):
        old.unlink()
    for number, model in enumerate(bundle["state"].values()):
        state = model["state"]
        if "_esm" not in state:
            continue
        key = hashlib.sha256(state["_esm"].encode()).hexdigest()[:12]
        modules[key] = state["_esm"]
        state |= {"_esm": key, "_css": ""}
        if buffers := model.pop("buffers", None):
            model["pixelwise_buffers"] = store(buffers, static, f"widgets/{pagename}-{number}.js")
    # "</" would end the script element early
    bundle["pixelwise_modules"] = modules
    script["body"] = json.dumps(bundle, ensure_ascii=False).replace("</", "<\\/")


def store(buffers: list[dict], static: Path, place: str) -> str:
    """Writes a widget's arrays below `static`; the address, with a checksum, under which the script puts them
    into `pixelwise_buffers`. A script, since a page that is itself a file may load nothing else."""
    text = json.dumps(buffers)
    address = f"{place}?v={hashlib.sha256(text.encode()).hexdigest()[:8]}"
    (static / place).parent.mkdir(parents=True, exist_ok=True)
    (static / place).write_text(f"pixelwise_buffers.set({json.dumps(address)}, {text});\n", encoding="utf-8")
    return address


#: What docutils and myst-nb write that a screen reader stumbles on, and what to write instead: a list whose
#: items are no list items, a role that is obsolete, a spoken label that hides the visible one.
MENDED = {
    '<div role="list" class="citation-list">': '<div class="citation-list">',
    ' role="doc-biblioentry"': "",
    '<summary aria-label="Toggle hidden content">': "<summary>",
}


def mend_body(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    for wrong, right in MENDED.items():
        if "body" in context:
            context["body"] = context["body"].replace(wrong, right)


#: What a search engine shows of the pages that no source stands for.
GENERATED = {
    "genindex": "Every function, class and term of the course on image segmentation, with its place.",
    "py-modindex": "The modules of pixelwise, the package of the course on image segmentation.",
    "search": "Search the course on image segmentation, from convolution to U-Net.",
}


def describe_generated(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    if text := GENERATED.get(pagename):
        described = f'<meta content="{text}" name="description" />'
        context["metatags"] = context.get("metatags", "") + described


def preview_links(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """What a message or a search shows of a link to this page (the Open Graph protocol)."""
    found = re.search(r'<meta content="([^"]*)" name="description" ?/?>', context.get("metatags", ""))
    if doctree is None or not found:
        return
    shown = {
        "og:type": "article",
        "og:site_name": app.config.html_title,
        "og:title": re.sub(r"<[^>]+>", "", context["title"]),
        "og:description": found[1],
        "og:url": course.page(pagename),
        "og:image": f"{course.course_url}_static/cover.png",
        "twitter:card": "summary_large_image",
    }
    context["metatags"] += "".join(
        f'\n<meta property="{name}" content="{text}" />' for name, text in shown.items()
    )


# ---- assets ---------------------------------------------------------------------------------------------


def copy_assets(app) -> None:
    """Checks that the assets are there before any chapter is run, and copies them before any page is written:
    the pages' links to them name their versions."""
    missing = [source for source in VENDOR.values() if not (NODE_MODULES / source).exists()]
    if missing:
        raise ExtensionError(f"browser assets are missing ({', '.join(missing)}): run `npm ci`")
    app.add_css_file("widgets.css")
    app.add_js_file("equations.js", loading_method="defer")
    if app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    vendor = static / "vendor"
    vendor.mkdir(parents=True, exist_ok=True)
    (static / "widgets.css").write_text(styles(), encoding="utf-8")
    for target, source in VENDOR.items():
        if (vendor / target).exists():
            continue
        (vendor / target).parent.mkdir(parents=True, exist_ok=True)
        if (NODE_MODULES / source).is_dir():
            shutil.copytree(
                NODE_MODULES / source, vendor / target, ignore=shutil.ignore_patterns(*NOT_LOADED)
            )
        else:
            shutil.copy2(NODE_MODULES / source, vendor / target)
    anywidget = Path(find_spec("anywidget").origin).parent / "nbextension" / "index.js"
    shutil.copy2(anywidget, vendor / "anywidget.js")


def drop_idle_scripts(app, error) -> None:
    """The two largest scripts, where they have nothing to do.

    The theme's icons come from its font; a script with all of Font Awesome's drawings would only draw them
    again. A page without equations needs no MathJax.
    """
    if error or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        text = without = page.read_text(encoding="utf-8")
        # ipywidgets' own controls look for an older font where none is, and typeset their descriptions
        if '"@jupyter-widgets/controls"' in text:
            continue
        without = re.sub(r'<script defer src="[^"]*scripts/fontawesome\.js[^"]*"></script>', "", without)
        if 'class="math' not in text:
            without = re.sub(r'<script defer="defer" src="[^"]*vendor/mathjax/[^"]*"></script>', "", without)
        if without != text:
            page.write_text(without, encoding="utf-8")


def version_scripts(app, error) -> None:
    """Sphinx adds a checksum to the addresses of styles and scripts, so that a browser may keep them until
    they change. It forgets those of the search."""
    if error or app.builder.format != "html":
        return
    root = Path(app.outdir)
    sums = {
        place: hashlib.sha256((root / place).read_bytes()).hexdigest()[:8]
        for place in ("_static/searchtools.js", "_static/language_data.js", "searchindex.js")
    }
    for page in root.rglob("*.html"):
        text = versioned = page.read_text(encoding="utf-8")
        for place, checksum in sums.items():
            versioned = re.sub(rf'"{re.escape(place)}(\?v=\w+)?"', f'"{place}?v={checksum}"', versioned)
        if versioned != text:
            page.write_text(versioned, encoding="utf-8")


def unhook_thebe(app) -> None:
    """sphinx-thebe declares a constant twice, an error on every page, and names a server outside."""
    for listeners in app.events.listeners.values():
        listeners[:] = [
            entry for entry in listeners if not entry.handler.__module__.startswith("sphinx_thebe")
        ]
    app.registry.css_files[:] = [entry for entry in app.registry.css_files if entry[0] != "sphinx-thebe.css"]


def setup(app):
    unhook_thebe(app)
    app.connect("config-inited", set_address)
    app.connect("config-inited", choose_cache)
    app.connect("builder-inited", copy_assets)
    app.connect("env-get-outdated", outdated_pages)
    app.connect("doctree-resolved", draw_widgets)
    # before myst-nb adds the page's scripts
    app.connect("html-page-context", lighten_page, priority=400)
    app.connect("html-page-context", mend_body)
    app.connect("html-page-context", describe_generated)
    app.connect("html-page-context", preview_links)
    app.connect("build-finished", drop_idle_scripts)
    app.connect("build-finished", version_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
