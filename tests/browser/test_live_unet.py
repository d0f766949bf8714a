"""LiveUNet in a page without kernel, server or network: what one paints is what PyTorch would segment."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from pixelwise import UNet
from pixelwise.data import paint
from pixelwise.data.classes import SCENES
from pixelwise.widgets.modules import join_modules

from .conftest import bytes_of, on_http_and_file, pixels_of
from .test_pages import PHONE, violations

HEIGHT, WIDTH = 64, 48

#: The network's description from the page, and its weights in base64 from the page's file of arrays.
NETWORK = """
() => {
  const { state } = JSON.parse(document.querySelector('script[type$="widget-state+json"]').textContent);
  const model = Object.values(state).find(({ state: traits }) => traits.network);
  const arrays = window.pixelwise_buffers.get(model.pixelwise_buffers);
  return [model.state.network, arrays.find(({ path }) => path[0] === "weights").data];
}
"""
SCORES = """
async ([source, description, encoded, image, height, width]) => {
  const weights = [...Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0))];
  const module = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  return module.scoresOf(description, weights, image, height, width).scores;
}
"""


class Live:
    """The widget on a page, read and used as a reader does."""

    def __init__(self, page: Page) -> None:
        self.page, self.root = page, page.locator("#live .pw-widget")
        self.picture, self.result = (self.root.locator(".pw-screen").nth(k) for k in range(2))
        self.says = self.root.locator(".pw-says").first
        description, weights = page.evaluate(NETWORK)
        self.description, self.weights = description, weights
        self.net = UNet(**description, padding=1).eval()
        values = torch.from_numpy(bytes_of(weights).view("<f2").astype(np.float32))
        torch.nn.utils.vector_to_parameters(values, self.net.parameters())

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name, exact=True)

    def option(self, group: str, name: str) -> Locator:
        options = self.root.get_by_role("group", name=group, exact=True)
        return options.get_by_role("radio", name=name, exact=True)

    def pixels(self, screen: Locator) -> torch.Tensor:
        """(H, W, 3), uint8."""
        expect(self.result).not_to_have_attribute("aria-busy", "true")
        return torch.from_numpy(pixels_of(screen.locator("canvas")))

    @torch.no_grad()
    def agrees(self) -> torch.Tensor:
        """Checks the class map against PyTorch, on the picture as it stands in the page; returns it."""
        picture = self.pixels(self.picture)
        want = self.net(picture.movedim(-1, 0)[None] / 255)[0].argmax(0)
        shown = self.pixels(self.result)
        assert (shown == torch.from_numpy(paint(want, SCENES))).all(-1).float().mean() >= 0.999
        return picture

    def at(self, row: float, column: float, screen: Locator | None = None) -> tuple[float, float]:
        """Where on the page a pixel is; the picture stands in the middle of a square."""
        box = (screen or self.picture).locator("canvas").bounding_box()
        height, width = self.pixels(self.picture).shape[:2]
        return (
            box["x"] + (column + 0.5) / width * box["width"],
            box["y"] + (row + 0.5) / height * box["height"],
        )

    def drag(self, *places: tuple[int, int]) -> None:
        self.page.mouse.move(*self.at(*places[0]))
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*self.at(*place), steps=3)
        self.page.mouse.up()


@pytest.fixture
def live(visit: Callable[..., Page], site: str) -> Callable[..., Live]:
    def open_live(link: str = "", **options: Any) -> Live:
        return Live(visit(f"{site}/live.html#live" + (f"?{link}" if link else ""), **options))

    return open_live


def touched(before: torch.Tensor, after: torch.Tensor) -> set[tuple[int, int]]:
    return {tuple(place) for place in (before != after).any(-1).nonzero().tolist()}


# ---- the network in the browser -------------------------------------------------------------------------


@torch.no_grad()
def test_scores_in_chromium_are_those_of_pytorch(live):
    widget = live()
    assert sum(p.numel() for p in widget.net.parameters()) > 115_000
    image = torch.rand(1, 3, HEIGHT, WIDTH)
    arguments = [join_modules("core/unet.js"), widget.description, widget.weights]
    got = widget.page.evaluate(SCORES, [*arguments, image.flatten().tolist(), HEIGHT, WIDTH])
    want = widget.net(image)[0]
    got = torch.tensor(got).reshape(want.shape)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-3)
    assert (got.argmax(0) == want.argmax(0)).float().mean() >= 0.999


@on_http_and_file
def test_painting_covering_restoring_and_undoing(live):
    widget = live()
    plain = widget.agrees()
    assert plain.shape == (HEIGHT, WIDTH, 3)
    first_map = widget.pixels(widget.result)

    widget.drag((20, 10), (30, 30))
    painted = widget.agrees()
    changed = touched(plain, painted)
    assert {(20, 10), (25, 20), (30, 30)} <= changed
    assert all(16 <= row <= 34 and 6 <= column <= 34 for row, column in changed)
    assert len({tuple(painted[place].tolist()) for place in changed}) == 1
    assert not torch.equal(widget.pixels(widget.result), first_map)

    widget.option("tool", "cover").check(force=True)
    widget.drag((50, 20))
    covered = widget.agrees()
    assert len(touched(painted, covered)) == 49  # 7 × 7
    assert covered[50, 20].tolist() == [128] * 3

    widget.option("tool", "restore").check(force=True)
    widget.drag((25, 20))
    assert widget.agrees()[25, 20].tolist() == plain[25, 20].tolist()
    widget.button("Undo").click()
    assert torch.equal(widget.agrees(), covered)
    widget.button("Reset").click()
    assert torch.equal(widget.agrees(), plain)
    assert torch.equal(widget.pixels(widget.result), first_map)


def test_picking_a_colour_from_the_picture(live):
    widget = live()
    plain = widget.agrees()
    widget.option("tool", "pick colour").check(force=True)
    widget.drag((60, 5))
    assert touched(plain, widget.agrees()) == set()
    expect(widget.option("tool", "paint")).to_be_checked()
    widget.drag((10, 10))
    assert widget.agrees()[10, 10].tolist() == plain[60, 5].tolist()


def test_turned_and_flipped_the_pointer_finds_its_pixel(live):
    widget = live()
    plain = widget.agrees()
    widget.drag((12, 30))
    painted = widget.agrees()
    colour = painted[12, 30]
    widget.button("Rotate").click()
    turned = widget.agrees()
    assert torch.equal(turned, torch.rot90(painted, -1))
    widget.button("Flip").click()
    flipped = widget.agrees()
    assert torch.equal(flipped, turned.flip(1))
    widget.drag((40, 8))
    again = widget.agrees()
    assert (40, 8) in touched(flipped, again)
    assert torch.equal(again[40, 8], colour)
    for _ in range(4):
        widget.button("Rotate").click()
    assert torch.equal(widget.agrees(), again)
    widget.option("picture", "picture 2").check(force=True)
    other = widget.agrees()
    assert other.shape == (WIDTH, HEIGHT, 3)
    assert not torch.equal(other, again)
    widget.button("Reset").click()
    assert widget.agrees().shape == plain.shape


def test_the_scores_of_the_pixel_under_the_pointer(live):
    widget = live()
    picture = widget.agrees()
    with torch.no_grad():
        scores = widget.net(picture.movedim(-1, 0)[None] / 255)[0]
    widget.page.mouse.move(*widget.at(33, 21, widget.result))
    expect(widget.root.locator(".pw-at")).to_have_text("scores at (33, 21)")
    best = int(scores[:, 33, 21].argmax())
    expect(widget.root.locator(".pw-winner th")).to_have_text(SCENES.names[best])
    shown = widget.root.locator("tbody td:nth-child(4)").all_inner_texts()
    assert [float(text.replace("−", "-")) for text in shown] == pytest.approx(
        scores[:, 33, 21].tolist(), abs=0.051
    )
    widget.page.mouse.move(0, 0)
    expect(widget.root.locator(".pw-at")).to_contain_text("point at one")
    widget.page.mouse.click(*widget.at(5, 6, widget.result))
    widget.page.mouse.move(0, 0)
    expect(widget.root.locator(".pw-at")).to_have_text("scores at (5, 6)")


def test_by_keyboard_alone(live):
    widget = live()
    plain = widget.agrees()
    widget.picture.focus()
    widget.page.keyboard.press("ArrowRight")
    expect(widget.root.locator(".pw-at")).to_have_text("scores at (32, 28)")
    for key in ("Shift+ArrowUp", "ArrowUp", "Space"):
        widget.page.keyboard.press(key)
    expect(widget.root.locator(".pw-at")).to_have_text("scores at (27, 28)")
    changed = touched(plain, widget.agrees())
    assert (27, 28) in changed and len(changed) < 60
    for _ in range(30):
        widget.page.keyboard.press("ArrowLeft")
    expect(widget.root.locator(".pw-at")).to_have_text("scores at (27, 0)")
    expect(widget.picture).to_be_focused()
    for control in (
        widget.button("Rotate"),
        widget.button("Undo"),
        widget.button("Undo"),
        widget.button("Reset"),
    ):
        control.focus()
        widget.page.keyboard.press("Enter")
        expect(control).to_be_focused()
    assert torch.equal(widget.agrees(), plain)


def test_features_and_copy_paths(live):
    widget = live()
    widget.agrees()
    share = widget.says.inner_text()
    widget.option("copy paths", "off").check(force=True)
    expect(widget.says).not_to_have_text(share)
    widget.option("copy paths", "on").check(force=True)
    expect(widget.says).to_have_text(share)
    widget.option("show", "features").check(force=True)
    layers = widget.root.get_by_role("combobox", name="layer")
    layers.select_option("bottom, convolution 1")
    channel = widget.root.get_by_role("slider", name="channel")
    channel.press("ArrowRight")
    expect(widget.root.locator(".pw-feature-row")).to_contain_text("2 of 64")
    seen: list[torch.Tensor] = []
    widget.net.bottom[1].register_forward_hook(lambda _, __, y: seen.append(y[0, 1]))
    with torch.no_grad():
        widget.net(widget.pixels(widget.picture).movedim(-1, 0)[None] / 255)
    shown = widget.pixels(widget.result)
    assert shown.shape[:2] == seen[0].shape == (8, 6)
    want = (seen[0] / seen[0].max().clamp(min=1e-9)).sqrt()
    torch.testing.assert_close((shown[..., 0].float() - 0x12) / (0xE6 - 0x12), want, atol=0.02, rtol=0)


# ---- the page -------------------------------------------------------------------------------------------


@on_http_and_file
def test_a_link_holds_what_was_painted(live):
    widget = live()
    widget.drag((20, 10), (30, 30))
    widget.button("Rotate").click()
    painted = widget.agrees()
    widget.button("Copy a link to this state").click()
    link = widget.page.evaluate("location.hash").split("?")[1]
    assert torch.equal(live(link).agrees(), painted)


@pytest.mark.parametrize(
    "link", ["strokes=%22p9%22&turns=17", "picture=99&layer=%22x%22&show=%22x%22", "about=1"]
)
def test_a_bad_link_does_no_harm(live, link):
    live(link).agrees()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(live, scheme):
    widget = live('pinned=[5,6]&strokes="p9-ffffff.30.20"', color_scheme=scheme)
    assert violations(widget.page) == []
    widget.option("show", "features").check(force=True)
    assert violations(widget.page) == []


def test_a_phone_shows_all_without_scrolling_sideways(live):
    widget = live("pinned=[5,6]", **PHONE)
    width = widget.page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert width == [390, 390]
    boxes = [screen.bounding_box() for screen in (widget.picture, widget.result)]
    assert boxes[1]["y"] > boxes[0]["y"] + boxes[0]["height"]
    assert all(box["width"] >= 240 for box in boxes)
    for control in widget.root.locator("button, fieldset label, input[type=range], input[type=color]").all():
        box = control.bounding_box()
        if box is not None:
            assert box["x"] >= 0 and box["x"] + box["width"] <= 390
            assert min(box["width"], box["height"]) >= 24


@on_http_and_file
def test_without_javascript_both_pictures_are_there(visit, site):
    page = visit(f"{site}/live.html", java_script_enabled=False, live=False)
    pictures = page.locator("#live .pw-screen img")
    assert pictures.count() == 2
    for picture in pictures.all():
        expect(picture).to_be_visible()
        assert picture.bounding_box()["height"] > 200
        assert picture.get_attribute("src").startswith("data:image/png;base64,")
    expect(page.locator("#live .pw-says").first).to_contain_text("The network sees ")


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop", "phone"])
def test_nothing_moves_when_it_comes_alive_or_answers(visit, small_site, options):
    static = visit(f"{small_site}/live.html", java_script_enabled=False, live=False, **options)
    drawn = static.locator("#live .pw-widget").bounding_box()
    page = visit(f"{small_site}/live.html", **options)
    widget = Live(page)
    box = widget.root.bounding_box()
    assert abs(box["height"] - drawn["height"]) <= 1
    for act in (
        lambda: widget.drag((20, 10), (30, 30)),
        lambda: widget.button("Rotate").click(),
        lambda: widget.option("copy paths", "off").check(force=True),
        lambda: page.mouse.move(*widget.at(3, 4, widget.result)),
    ):
        act()
        widget.pixels(widget.result)
        assert widget.root.bounding_box()["height"] == box["height"]


def test_strokes_travel_as_short_text(live):
    widget = live()
    widget.drag((20, 10), (30, 30))
    widget.agrees()
    widget.button("Copy a link to this state").click()
    query = widget.page.evaluate("decodeURIComponent(location.hash).split('strokes=')[1].split('&')[0]")
    assert json.loads(query).startswith("p7-")
    assert len(query) < 120
