"""Pages as readers meet them: dark, on a phone, without JavaScript, read aloud, by keyboard alone."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pixelwise import palette

from .conftest import ROOT, Stepper, on_http_and_file

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def violations(page: Page, within: str = ".pw-widget") -> list[str]:
    """What axe finds in the widgets, one line for each element."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    options = '{ resultTypes: ["violations"], preload: false }'
    found = page.evaluate(f"(within) => axe.run(within, {options}).then((all) => all.violations)", within)
    return [f"{rule['id']}: {node['html'][:160]}" for rule in found for node in rule["nodes"]]


def colour_of(css: str) -> str:
    """`rgb(255, 255, 255)` or `color(srgb 1 1 1)` as `#ffffff`."""
    parts = [float(part) for part in re.findall(r"[\d.]+", css)[:3]]
    return "#" + "".join(f"{round(part * 255 if css.startswith('color') else part):02x}" for part in parts)


# ---- seen and heard -------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_widgets(visit, small_site, scheme):
    page = visit(f"{small_site}/steppers.html", color_scheme=scheme)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    for state in (
        'plain?step=9&stride=2&padding=1&show_overlap=true&pinned=["output",0,3,3]',
        "predicted?step=16&padding=2",
        "compared?padding=1",
    ):
        page.evaluate("(state) => { location.hash = state }", state)
        expect(page.locator(f"#{state.split('?')[0]} .pw-cropped").first).to_be_attached()
    guess = page.locator("#predicted").get_by_role("textbox", name="Your prediction")
    guess.fill("7")
    guess.press("Enter")
    expect(page.locator(".pw-verdict-wrong")).to_be_visible()
    assert violations(page) == []
    # axe passes over text on stripes; tests/widgets/test_palette.py counts on the ground behind it
    quiet = page.locator(".pw-cropped, .pw-untouched").evaluate_all(
        "cells => [...new Set(cells.map((td) => getComputedStyle(td).backgroundColor))]"
    )
    ground, text = (
        page.locator("#plain .pw-widget").evaluate(f"widget => getComputedStyle(widget).{name}")
        for name in ("backgroundColor", "color")
    )
    assert [colour_of(quiet_ground) for quiet_ground in quiet] == [colour_of(ground)]
    column = ["light", "dark"].index(scheme)
    assert (colour_of(ground), colour_of(text)) == (palette.GROUND[column], palette.TEXT[column])


def test_each_step_is_spoken_but_not_while_playing(stepper):
    widget = stepper("plain")
    expect(widget.says).to_have_attribute("aria-live", "polite")
    widget.next.click()
    expect(widget.says).to_contain_text("x[0, 0] = 1")
    widget.root.get_by_role("button", name="Play").click()
    expect(widget.says).to_have_attribute("aria-live", "off")


# ---- by keyboard alone ----------------------------------------------------------------------------------

FOCUSED = """
() => {
  const element = document.activeElement;
  if (!element.closest("#strided .pw-widget")) return null;
  return element.getAttribute("aria-label") ?? element.closest("label")?.textContent ?? element.textContent;
}
"""


def tab_order(page: Page, key: str = "Tab") -> list[str]:
    """What has the focus in turn, from the first stop in the widget to the last."""
    stops: list[str] = []
    for _ in range(200):
        page.keyboard.press(key)
        if stop := page.evaluate(FOCUSED):
            stops.append(stop)
        elif stops:
            return stops
    raise AssertionError(f"the focus stays in the widget: {stops}")


def test_every_control_is_reached_with_tab(stepper):
    """Each once; an output and a row of options are one stop each."""
    widget = stepper("strided", link="step=2")
    widget.page.locator("#strided").evaluate("slot => { slot.tabIndex = -1; slot.focus() }")
    stops = tab_order(widget.page)
    for control in (
        "Back to the start", "Previous step", "Play", "Next step", "Step", "Copy a link to this state",
        "Reset the numbers", "overlap counts", "predict first", "Copy the code",
        *(f"input x[{i}, {j}]" for i in range(4) for j in range(4)),
        *(f"kernel w[{u}, {v}]" for u in range(3) for v in range(3)),
    ):  # fmt: skip
        assert stops.count(control) == 1, control
    assert sum(stop.startswith("y[") for stop in stops) == 1
    assert sum(stop.isdigit() for stop in stops) == 3  # stride, padding, output padding


#: What has the focus; arrow keys may move it within a row of options and within an output.
GROUP = "() => document.activeElement.closest('fieldset, table[role=grid]') ?? document.activeElement"


def test_nothing_takes_the_focus_away(stepper):
    """Whatever is pressed, the focus stays where it was, on the same element."""
    widget = stepper("predicted")
    page = widget.page
    reset = widget.root.get_by_role("button", name="Reset the numbers")
    guess = widget.root.get_by_role("textbox", name="Your prediction")
    for control, keys in [
        (widget.first, ["Enter", "Enter"]),
        (widget.next, ["Enter", "Space"]),
        (guess, ["5", "Enter"]),
        (widget.previous, ["Enter"] * 3),
        (widget.slider, ["End", "ArrowLeft", "Home", "ArrowRight"]),
        (widget.option("stride", 2), ["ArrowRight", "ArrowLeft", "ArrowLeft"]),
        (widget.option("padding", 0), ["ArrowRight", "ArrowRight"]),
        (widget.root.get_by_role("checkbox", name="overlap counts"), ["Space"]),
        (widget.root.get_by_role("spinbutton", name="input x[1, 1]", exact=True), ["7", "Enter", "ArrowUp"]),
        (widget.cell(0, 0), ["ArrowRight", "ArrowDown", "Enter", "Enter"]),
        (reset, ["Enter"]),
        (widget.root.get_by_role("checkbox", name="predict first"), ["Space", "Space"]),
    ]:
        control.focus()
        page.evaluate("window.held = (FOCUSED)()".replace("FOCUSED", GROUP))
        for key in keys:
            page.keyboard.press(key)
            assert page.evaluate("window.held === (FOCUSED)()".replace("FOCUSED", GROUP)), (
                f"{key} on {control}"
            )


def test_arrows_move_over_the_output_and_stop_at_its_edges(stepper):
    widget = stepper("plain", link="step=16")
    place = "[document.activeElement.dataset.row, document.activeElement.dataset.column].map(Number)"
    widget.cell(0, 0).focus()
    for key, want in [
        ("ArrowUp", [0, 0]), ("ArrowLeft", [0, 0]), ("ArrowRight", [0, 1]), ("ArrowDown", [1, 1]),
        *[("ArrowRight", [1, min(j, 5)]) for j in range(2, 8)], ("ArrowUp", [0, 5]), ("ArrowLeft", [0, 4]),
    ]:  # fmt: skip
        widget.page.keyboard.press(key)
        assert widget.page.evaluate(place) == want
    assert widget.read()["says"].startswith("y[0, 4] = ")


# ---- the size of things ---------------------------------------------------------------------------------

BOXES = """
() => [...document.querySelectorAll(".pw-slot")].map((slot) => {
  const { x, width, height } = slot.getBoundingClientRect();
  return [x, width, height].map(Math.round);
})
"""
SHIFTS = """
new PerformanceObserver((list) => {
  for (const { value, hadRecentInput } of list.getEntries())
    if (!hadRecentInput) window.shifted = (window.shifted ?? 0) + value;
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop", "phone"])
def test_nothing_moves_when_the_widgets_come_alive(visit, small_site, options):
    """The drawing made at build time is painted first, then the live widget takes its place."""
    held = []

    def hold_back(page: Page) -> None:
        page.add_init_script(SHIFTS)
        page.route("**/widget-host.js*", lambda route: held.append(route))

    page = visit(f"{small_site}/steppers.html", prepare=hold_back, live=False, arrive="commit", **options)
    page.wait_for_function("performance.getEntriesByType('paint').length > 1")
    page.wait_for_function("document.fonts.status === 'loaded'")
    assert page.locator("html[data-widgets]").count() == 0
    before = page.evaluate(BOXES)
    assert len(before) == 6
    held[0].continue_()
    page.wait_for_selector("html[data-widgets=live]", state="attached")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.evaluate(BOXES) == before
    assert page.evaluate("window.shifted ?? 0") <= 0.05


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("name", ["plain", "cropped", "channels"])
def test_nothing_moves_while_the_steps_go_on(stepper, name, options):
    """Neither a longer sentence nor a longer number may push the controls from under the finger."""
    widget = stepper(name, **options)
    boxes = set()
    for step in range(1, 17):
        widget.slider.press("ArrowRight")
        box = widget.at(step).root.bounding_box()
        boxes.add((box["width"], box["height"]))
    assert len(boxes) == 1
    if name == "channels":
        return  # on a phone, a sum of eighteen products may take lines of its own
    for row, column in [(0, 0), (2, 2), (3, 3)]:  # one product, and nine
        widget.cell(row, column).click()
        box = widget.root.bounding_box()
        boxes.add((box["width"], box["height"]))
    assert len(boxes) == 1


@on_http_and_file
def test_a_phone_shows_all_without_scrolling_sideways(visit, site):
    page = visit(f"{site}/steppers.html#strided?step=5&show_overlap=true", **PHONE)
    width = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width == [390, 390]
    for control in page.locator("#strided").get_by_role("button").all():
        box = control.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert min(box["width"], box["height"]) >= 24  # WCAG 2.2, target size
    cells = page.locator("#strided .pw-role-output td")
    sides = [cells.nth(k).bounding_box() for k in range(9)]
    assert sides[-1]["x"] + sides[-1]["width"] <= 390
    assert all(b["x"] - a["x"] >= 20 for a, b in pairwise(sides))


# ---- without scripts, and with other widgets ------------------------------------------------------------


@on_http_and_file
def test_without_javascript_the_picture_is_there(visit, site, worked_examples):
    page = visit(f"{site}/steppers.html", java_script_enabled=False, live=False)
    picture = page.locator("#plain .pw-widget")
    expect(picture).to_be_visible()
    numbers = picture.locator(".pw-role-input").first.locator("input")
    given = [str(n) for row in worked_examples["transposed_stride_1"]["input"] for n in row]
    assert [field.get_attribute("value") for field in numbers.all()] == given
    expect(page.locator("#plain noscript p")).to_have_text(
        "With JavaScript switched on, this figure is interactive."
    )
    width = page.locator("#plain .pw-role-output td").first.bounding_box()["width"]
    assert width > 20  # the look is there, too


@on_http_and_file
def test_a_page_with_other_widgets_is_alive_too(visit, site):
    """Such a page is handed to ipywidgets' own manager, whose files come from the book."""
    page = visit(f"{site}/mixed.html")
    expect(page.locator("html")).to_have_attribute("data-widgets", "html-manager")
    expect(page.locator(".pw-widget:has(.pw-inspector-channel) .pw-says")).to_contain_text("x[20, 30]")
    widget = Stepper(page, page.locator(".pw-transposed-convolution"))
    widget.next.click()
    widget.at(1)
    slider = page.locator(".widget-slider [role=slider]")
    expect(slider).to_have_attribute("aria-valuetext", "1")
    slider.focus()
    page.keyboard.press("ArrowRight")
    widget.at(2)
