"""UNetExplorer in a page without kernel, server or network: what one clicks is what `pixelwise.UNet` says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from pixelwise import UNet

from .conftest import on_http_and_file
from .test_pages import PHONE, violations


class Explorer:
    """The widget on its page."""

    def __init__(self, page: Page) -> None:
        self.page, self.root = page, page.locator("#paper .pw-widget")
        self.drawing = self.root.get_by_role("slider", name="Layer")
        self.size = self.root.get_by_role("spinbutton", name="image size")
        self.says = self.root.locator(".pw-says").first
        self.verdict = self.root.locator(".pw-verdict")
        self.title = self.root.locator(".pw-layer-title")

    def layer(self, position: int) -> Locator:
        return self.drawing.locator(f'[data-layer="{position}"]')

    def click(self, position: int) -> None:
        """With the pointer, in the middle of its box."""
        box = self.layer(position).locator(".pw-box").bounding_box()
        self.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(self.drawing).to_have_attribute("aria-valuenow", str(position))

    def facts(self) -> dict[str, str]:
        return dict(
            zip(
                self.root.locator("dt").all_text_contents(),
                self.root.locator("dd").all_text_contents(),
                strict=True,
            )
        )

    def choose(self, setting: str, value: int) -> None:
        group = self.root.get_by_role("group", name=setting, exact=True)
        group.get_by_role("radio", name=str(value), exact=True).check(force=True)


@pytest.fixture
def explorer(visit: Callable[..., Page], site: str) -> Callable[..., Explorer]:
    def open_explorer(link: str = "", **options) -> Explorer:
        page = visit(f"{site}/networks.html#paper" + (f"?{link}" if link else ""), **options)
        return Explorer(page)

    return open_explorer


@on_http_and_file
def test_every_layer_that_one_clicks_says_what_describe_says(explorer):
    widget = explorer()
    with torch.device("meta"):
        layers = UNet(1, 2).describe(572).layers
    assert widget.root.locator("[data-layer]").count() == len(layers) + 1
    for position in (1, 6, 14, 15, 16, 28, 31):
        widget.click(position)
        row = layers[position - 1]
        facts = widget.facts()
        assert facts["puts out"] == f"{row.channels} × {row.height} × {row.width}"
        parameters = facts["parameters"].split(" = ")[-1].replace(",", "")
        assert parameters == (str(row.parameters) if row.parameters else "none")
        expect(widget.layer(position)).to_contain_class("pw-pinned")


def test_steps_build_it_and_the_keyboard_goes_through_the_layers(explorer):
    widget = explorer("step=0")
    expect(widget.root).to_have_attribute("data-step", "0")
    expect(widget.root.locator(".pw-ghost")).to_have_count(31)
    widget.root.get_by_role("button", name="Next step").click()
    expect(widget.says).to_contain_text("Two 3 × 3 convolutions")
    expect(widget.root.locator(".pw-ghost")).to_have_count(29)
    widget.root.get_by_role("slider", name="Step", exact=True).press("End")
    expect(widget.root).to_have_attribute("data-step", "13")
    expect(widget.root.locator(".pw-ghost")).to_have_count(0)
    widget.drawing.focus()
    widget.page.keyboard.press("End")
    expect(widget.title).to_have_text("convolution 1 × 1")
    widget.page.keyboard.press("ArrowLeft")
    expect(widget.title).to_have_text("convolution 3 × 3 · expanding path, level 1")
    expect(widget.drawing).to_have_attribute(
        "aria-valuetext", "convolution 3 × 3 · expanding path, level 1, 64 × 388 × 388"
    )
    widget.page.keyboard.press("Home")
    expect(widget.title).to_have_text("image")
    widget.page.keyboard.press("Escape")
    expect(widget.title).to_have_text("convolution 3 × 3 · bottom")
    expect(widget.drawing).to_be_focused()


def test_an_illegal_size_breaks_where_it_breaks_and_the_nearest_mend_it(explorer):
    widget = explorer()
    widget.size.fill("570")
    expect(widget.root).to_have_attribute("data-legal", "false")
    expect(widget.verdict).to_contain_text("the pooling of level 2 meets 279 rows")
    expect(widget.layer(6)).to_contain_class("pw-broken")
    expect(widget.size).to_be_focused()
    with torch.device("meta"):
        net = UNet(1, 2)
    below, above = net._nearest(570)
    for size in (below, above):
        widget.size.fill("570")
        widget.root.get_by_role("button", name=str(size), exact=True).click()
        expect(widget.size).to_have_value(str(size))
        expect(widget.verdict).to_contain_text(f"{size} is legal: {net.output_size(size)[0]} ×")
    widget.choose("padding", 1)
    expect(widget.root).to_have_attribute("data-legal", "false")  # 572 is no multiple of 16
    widget.choose("depth", 2)
    expect(widget.verdict).to_contain_text("572 is legal: 572 × 572 scores")
    widget.choose("channels", 16)
    right = f"{UNet(1, 2, 16, 2, 1).parameter_count()['total']:,}"
    expect(widget.verdict).to_contain_text(right)
    widget.root.get_by_role("checkbox", name="copy paths").uncheck()
    right = f"{UNet(1, 2, 16, 2, 1, copy_paths=False).parameter_count()['total']:,}"
    expect(widget.verdict).to_contain_text(right)
    expect(widget.root).to_have_attribute("data-step", "8")  # still all of it


def test_pointing_at_a_copy_path_shows_what_is_cut(explorer):
    widget = explorer()
    copied, joined = widget.layer(2).locator(".pw-box"), widget.layer(28).locator(".pw-box")
    left, right = copied.bounding_box(), joined.bounding_box()
    strips = widget.layer(28).locator(".pw-cut")
    expect(strips.first).to_be_hidden()
    widget.page.mouse.move((left["x"] + right["x"]) / 2, left["y"] + left["height"] / 2)
    expect(widget.title).to_have_text("copy and crop · expanding path, level 1")
    expect(widget.root.locator(".pw-inset")).to_have_attribute(
        "aria-label", "copied: 568 × 568, 88 of 568 rows are cut at each side"
    )
    for strip in strips.all():
        expect(strip).to_be_visible()
        shown = strip.bounding_box()
        assert shown["height"] / left["height"] == pytest.approx(88 / 568, abs=0.02)
    widget.page.mouse.move(5, 5)
    expect(strips.first).to_be_hidden()


def test_a_link_leads_to_its_state(explorer):
    widget = explorer("step=8&size=188")
    expect(widget.says).to_contain_text("are cropped by 4 at every side, 16 → 8")
    # nonsense in a link is brought back to what can be shown
    widget = explorer("depth=77&size=-5&selected=900&step=3.7")
    expect(widget.root).to_have_attribute("data-legal", "false")
    expect(widget.size).to_have_value("1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(explorer, scheme):
    for link in ("selected=28", "size=571&step=3", "step=8"):
        widget = explorer(link, color_scheme=scheme)
        assert violations(widget.page) == [], link


def test_it_fits_a_phone(explorer):
    widget = explorer(**PHONE)
    assert widget.page.evaluate("document.documentElement.scrollWidth") <= 390
    frame = widget.drawing.bounding_box()
    for text in widget.drawing.locator("text").all():
        box = text.bounding_box()
        if not box or box["width"] == 0:  # for wide pages only
            continue
        assert box["x"] >= frame["x"] - 1
        assert box["x"] + box["width"] <= frame["x"] + frame["width"] + 1, text.text_content()
        assert box["height"] >= 9
    box = widget.layer(14).locator(".pw-box").bounding_box()
    widget.page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + 11)  # beside it: fingers are wide
    expect(widget.title).to_have_text("convolution 3 × 3 · bottom")
    expect(widget.layer(14)).to_contain_class("pw-pinned")
