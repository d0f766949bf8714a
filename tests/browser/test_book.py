"""Every page of the built book, as it is given to readers."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import Page, expect

from .conftest import ROOT, Stepper
from .test_pages import PHONE, violations

HTML = ROOT / "_build" / "html"
PAGES = sorted(
    page.name for page in HTML.glob("*.html") if page.stem not in ("genindex", "search", "py-modindex")
)
CHAPTER = "transposed_convolution.html"


@pytest.fixture(scope="package")
def book(serve) -> str:
    if CHAPTER not in PAGES:
        pytest.fail("the book is not built: run `make book`", pytrace=False)
    return serve(HTML)


def test_the_book_is_built(book):
    assert "index.html" in PAGES


def wait_until_all_live(page: Page) -> None:
    """Where a page holds widgets, they are alive: none kept only the picture drawn at build time.

    All are visited: one may wait for the reader to come near."""
    page.wait_for_load_state("networkidle")
    if page.locator("script[type='application/vnd.jupyter.widget-state+json']").count() == 0:
        assert page.locator(".pw-slot").count() == 0
        return
    page.wait_for_selector("html[data-widgets]", state="attached")
    for slot in page.locator(".pw-slot").all():
        slot.scroll_into_view_if_needed()
    expect(page.locator(".pw-slot:not([data-live=true])")).to_have_count(0)
    page.evaluate("window.scrollTo(0, 0)")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_stands_alone(visit, book, name):
    """From a file: alive, nothing asked for outside, no error (`visit` watches), no link to nowhere."""
    page = visit(f"{HTML.as_uri()}/{name}", live=False)
    wait_until_all_live(page)
    assert violations(page, "article") == []
    duplicates = page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
    assert [id_ for id_, times in Counter(duplicates).items() if times > 1] == []
    for address in page.locator("a[href]").evaluate_all("links => links.map((link) => link.href)"):
        if not address.startswith("file:"):
            continue
        path, _, place = address.removeprefix("file://").partition("#")
        assert Path(path).exists(), f"{name} links to {address}"
        if place and Path(path).name == name and "?" not in place:
            assert page.evaluate("(id) => document.getElementById(id) !== null", place), f"#{place} in {name}"
    without_text = "images => images.filter((image) => !image.alt?.trim()).map((image) => image.src)"
    assert page.locator("article img:not(.pw-widget img)").evaluate_all(without_text) == []


def test_arrays_are_loaded_when_the_reader_comes_near(visit, book):
    """Weights and recordings are a megabyte: a reader of the first paragraph does not wait for them."""
    page = visit(f"{book}/training.html")
    loaded = "[...document.scripts].filter(({ src }) => src.includes('/_static/widgets/')).length"
    slots = page.locator(".pw-slot").count()
    assert page.evaluate(loaded) < slots
    wait_until_all_live(page)
    assert page.evaluate(loaded) == slots  # all of this page show pictures


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_phone_and_reads_in_the_dark(visit, book, name):
    page = visit(f"{book}/{name}", live=False, color_scheme="dark", **PHONE)
    wait_until_all_live(page)
    page.wait_for_function("!window.MathJax?.startup?.promise || MathJax.startup.promise.then(() => true)")
    page.evaluate("new Promise(requestAnimationFrame)")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert violations(page, "article") == []


def test_every_page_says_to_search_engines_what_it_is():
    pages = {path.name: path.read_text(encoding="utf-8") for path in HTML.glob("*.html")}
    said = {
        name: re.findall(r'<meta content="([^"]+)" name="description"', page) for name, page in pages.items()
    }
    assert {name: len(texts) for name, texts in said.items()} == dict.fromkeys(pages, 1)
    assert len({texts[0] for texts in said.values()}) == len(pages), "two pages say the same"


def test_the_logo_has_its_room_before_it_comes(visit, book):
    """Else everything below it jumps when it does. `book.css` has to know the picture's shape."""
    logo = visit(f"{book}/index.html").locator(".bd-sidebar-primary .logo__image.only-light")
    shape = logo.evaluate("(logo) => getComputedStyle(logo).aspectRatio")
    width, height = map(float, shape.split("/"))
    natural = logo.evaluate("(logo) => logo.naturalWidth / logo.naturalHeight")  # in whole pixels
    assert width / height == pytest.approx(natural, rel=0.02)


#: The numbers on the page after each step; two decimals are shown.
AT_EVERY_STEP = """
async (root) => {
  const slider = root.querySelector("input[type=range]");
  const number = (td) => Number(td.textContent.replace("−", "-"));
  const numbers = (table) => [...table.rows].map((row) => [...row.cells].map(number));
  const shown = [];
  for (let step = 0; step <= Number(slider.max); step++) {
    slider.value = step;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((done) => setTimeout(done));
    const tables = [...root.querySelectorAll(".pw-role-output")].filter((table) => !table.hidden);
    shown.push(tables.filter((table) => table.caption.textContent.startsWith("output")).map(numbers));
  }
  return shown;
}
"""


def test_every_stepper_of_the_chapter_shows_the_numbers_of_pytorch_at_every_step(visit, book):
    page = visit(f"{book}/{CHAPTER}")
    models = json.loads(
        page.locator("script[type='application/vnd.jupyter.widget-state+json']").text_content()
    )["state"]
    roots = page.locator(".pw-slot:has(.pw-transposed-convolution)")
    assert roots.count() >= 4  # stride 1, padding, stride 2, channels
    for slot in roots.all():
        state = models[slot.get_attribute("data-model")]["state"]
        if state["predict"]:
            continue
        x, w = (torch.tensor(state[name], dtype=torch.float64) for name in ("input", "kernel"))
        x, w = x[: state["in_channels"] or None], w[: state["in_channels"] or None]
        w = w[:, : state["out_channels"] or None]
        settings = {"stride": state["stride"], "output_padding": state["output_padding"]}
        shown = slot.locator(".pw-widget").evaluate(AT_EVERY_STEP)
        assert len(shown) == x.shape[1] * x.shape[2] + 1
        for step, tables in enumerate(shown):
            so_far = x.flatten(1).clone()
            so_far[:, step:] = 0
            want = F.conv_transpose2d(so_far.view_as(x)[None], w, **settings)[0]
            torch.testing.assert_close(torch.tensor(tables, dtype=torch.float64), want, atol=0.0051, rtol=0)


def test_the_chapter_steps_through_the_lectures_stride_2(visit, book, worked_examples):
    """As a reader meets it: the five printed arrays, by keyboard, in the stepper that stands there."""
    example = worked_examples["transposed_stride_2"]
    page = visit(f"{book}/{CHAPTER}")
    models = json.loads(
        page.locator("script[type='application/vnd.jupyter.widget-state+json']").text_content()
    )["state"]
    wanted = {"input": [example["input"]], "kernel": [[example["kernel"]]], "stride": 2, "predict": False}
    (model, *_) = [
        key
        for key, model in models.items()
        if all(model["state"].get(trait) == value for trait, value in wanted.items())
    ]
    widget = Stepper(page, page.locator(f".pw-slot[data-model='{model}'] .pw-widget"))
    widget.slider.press("Home")
    widget.at(0).next.focus()
    for step, printed in example["printed"]["after_steps"].items():
        page.keyboard.press("Enter")
        assert widget.at(int(step)).arrays("output") == [printed]
        assert widget.arrays("weighted") == [example["printed"]["weighted_kernel"][step]]


def test_links_to_widgets_of_the_chapter_work(visit, book):
    """Every widget has a name of its own, and a link with that name finds it."""
    page = visit(f"{book}/{CHAPTER}")
    names = page.locator(".pw-slot").evaluate_all("slots => slots.map((slot) => slot.id)")
    assert all(re.fullmatch(r"[\w-]+", name) for name in names), names
    steppers = page.locator(".pw-slot:has(.pw-transposed-convolution)")
    for name in steppers.evaluate_all("slots => slots.map((slot) => slot.id)"):
        page.evaluate("(hash) => { location.hash = hash }", f"{name}?step=3")
        Stepper(page, page.locator(f".pw-slot[id='{name}'] .pw-widget")).at(3)
