"""TrainingPlayback in a page without kernel, server or network: it shows the maps that the page holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from pixelwise.data import paint
from pixelwise.data.classes import SCENES
from pixelwise.metrics import ConfusionMatrix

from .conftest import bytes_of, on_http_and_file, pixels_of
from .test_pages import PHONE, violations

HEIGHT, WIDTH, PICTURES = 32, 48, 3
MOMENTS = [0, 1, 3, 8, 15, 30]

#: What never changes, from the page; the packed class maps and truths in base64, from its file of arrays.
HELD = """
() => {
  const { state } = JSON.parse(document.querySelector('script[type$="widget-state+json"]').textContent);
  const model = Object.values(state).find(({ state: traits }) => traits.about);
  const arrays = window.pixelwise_buffers.get(model.pixelwise_buffers);
  const encoded = (name) => arrays.find(({ path }) => path[0] === name).data;
  return [model.state.about, encoded("class_maps"), encoded("truths")];
}
"""


class Playback:
    """The widget on a page, read and used as a reader does."""

    def __init__(self, page: Page) -> None:
        self.page, self.root = page, page.locator("#playback .pw-widget")
        self.screens = self.root.locator(".pw-screen")
        self.says, self.plot = self.root.locator(".pw-says"), self.root.locator(".pw-playback-plot")
        self.about, packed, truths = page.evaluate(HELD)
        fields = bytes_of(packed)[:, None] >> np.array([0, 2, 4, 6]) & 3
        self.maps = fields.reshape(len(MOMENTS), PICTURES, HEIGHT, WIDTH)
        self.truths = bytes_of(truths).reshape(PICTURES, HEIGHT, WIDTH)

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name, exact=True)

    def option(self, group: str, name: str) -> Locator:
        options = self.root.get_by_role("group", name=group, exact=True)
        return options.get_by_role("radio", name=name, exact=True)

    def shown(self, screen: int = 1) -> np.ndarray:
        return pixels_of(self.screens.nth(screen).locator("canvas"))

    def at(self, step: int) -> Playback:
        expect(self.root).to_have_attribute("data-step", str(step))
        expect(self.says).to_contain_text(f"After {MOMENTS[step]} of 30 steps")
        return self

    def agrees(self, step: int, picture: int = 0) -> None:
        """Class map, truth, and the IoU of the picture, against the bytes in the page."""
        self.at(step)
        assert np.array_equal(self.shown(1), paint(torch.tensor(self.maps[step, picture]), SCENES))
        assert np.array_equal(self.shown(2), paint(torch.tensor(self.truths[picture]), SCENES))
        matrix = ConfusionMatrix(4)
        matrix.update(torch.tensor(self.maps[step, picture])[None], torch.tensor(self.truths[picture])[None])
        cells = self.root.locator("tbody td:nth-child(2)").all_text_contents()
        for text, value in zip(cells, [*matrix.iou().tolist(), matrix.mean_iou()], strict=True):
            assert text == "–" if value != value else abs(float(text) - value) <= 0.0051
        everything = self.root.locator("tbody td:nth-child(3)").all_text_contents()[:4]
        known = self.about["iou"][step]
        assert all(
            t == "–" if v is None else abs(float(t) - v) <= 0.0051
            for t, v in zip(everything, known, strict=True)
        )


@pytest.fixture
def playback(visit: Callable[..., Page], site: str) -> Callable[..., Playback]:
    def open_playback(link: str = "", **options: Any) -> Playback:
        return Playback(visit(f"{site}/playback.html#playback" + (f"?{link}" if link else ""), **options))

    return open_playback


@on_http_and_file
def test_every_moment_of_every_picture(playback):
    widget = playback()
    assert len({widget.maps[k].tobytes() for k in range(len(MOMENTS))}) == len(MOMENTS)
    widget.agrees(0)
    for step in range(1, len(MOMENTS)):
        widget.button("Next step").click()
        widget.agrees(step)
    widget.option("picture", "3").check(force=True)
    widget.agrees(len(MOMENTS) - 1, picture=2)


def test_play_runs_to_the_end(playback):
    widget = playback()
    widget.button("Play").click()
    expect(widget.root).to_have_attribute("data-step", str(len(MOMENTS) - 1))
    expect(widget.button("Play")).to_be_visible()
    widget.agrees(len(MOMENTS) - 1)


def test_the_curve_is_dragged_to_a_moment(playback):
    widget = playback()
    widget.plot.scroll_into_view_if_needed()
    box = widget.plot.bounding_box()
    y = box["y"] + 30
    widget.page.mouse.move(box["x"] + 0.52 * box["width"], y)  # 15 of 30
    widget.page.mouse.down()
    widget.at(4)
    widget.page.mouse.move(box["x"] + 0.25 * box["width"], y)  # 7.5
    widget.at(3)
    widget.page.mouse.up()
    widget.page.mouse.move(box["x"] + box["width"], y)
    widget.at(3)
    cursor = widget.root.locator(".pw-playback-cursor").bounding_box()
    assert cursor["x"] + 1 == pytest.approx(box["x"] + 8 / 30 * box["width"], abs=2)


def test_errors_light_up_and_right_since_darkens(playback):
    widget = playback("step=4")
    widget.option("show", "errors").check(force=True)
    widget.at(4)
    lit = (widget.shown() == [0xE3, 0x9C, 0xCB]).all(-1)
    assert np.array_equal(lit, widget.maps[4, 0] != widget.truths[0]) and lit.any()
    widget.option("show", "right since").check(force=True)
    expect(widget.says).to_contain_text("Dark pixels early")
    lit = (widget.shown() == [0xE3, 0x9C, 0xCB]).all(-1)
    assert np.array_equal(lit, widget.maps[-1, 0] != widget.truths[0])


def test_keyboard_moves_the_step_and_the_pixel(playback):
    widget = playback()
    widget.root.get_by_role("slider", name="Step").focus()
    for _ in range(2):
        widget.page.keyboard.press("ArrowRight")
    widget.at(2)
    widget.screens.nth(0).focus()
    for key in ("ArrowDown", "Shift+ArrowLeft", "Enter"):
        widget.page.keyboard.press(key)
    row, column = HEIGHT // 2 + 1, WIDTH // 2 - 8
    pixel = widget.root.locator(".pw-playback-pixel")
    expect(pixel).to_contain_text(
        f"Row {row}, column {column}: {SCENES.names[widget.truths[0, row, column]]}"
    )
    colours = widget.root.locator(".pw-playback-strip span").evaluate_all(
        "spans => spans.map(span => getComputedStyle(span).backgroundColor.match(/\\d+/g).map(Number))"
    )
    assert colours == [list(SCENES.colours[k]) for k in widget.maps[:, 0, row, column]]
    widget.page.keyboard.press("Tab")  # leaves the picture; what Enter held stays
    expect(pixel).to_contain_text(f"Row {row}, column {column}")


def test_the_pointer_asks_a_pixel_on_any_screen(playback):
    widget = playback("step=5")
    for screen in range(3):
        canvas = widget.screens.nth(screen).locator("canvas")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        widget.page.mouse.move(
            box["x"] + 10.5 / WIDTH * box["width"], box["y"] + 20.5 / HEIGHT * box["height"]
        )
        expect(widget.root.locator(".pw-playback-pixel")).to_contain_text("Row 20, column 10")


def test_a_link_opens_a_moment(playback):
    widget = playback("step=3&picture=1")
    widget.agrees(3, picture=1)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(playback, theme):
    widget = playback("step=4&pinned=[3,4]", color_scheme=theme)
    widget.at(4)
    assert violations(widget.page, "#playback") == []


def test_a_phone_has_no_sideways_scrolling(playback):
    widget = playback(**PHONE)
    widget.at(0)
    assert widget.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for element in (widget.plot, widget.root.locator("table"), widget.screens.nth(1)):
        box = element.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE["viewport"]["width"]


def test_stepping_moves_nothing_around(playback):
    widget = playback()
    before = widget.root.bounding_box()["height"]
    for _ in MOMENTS[1:]:
        widget.button("Next step").click()
        assert widget.root.bounding_box()["height"] == before
