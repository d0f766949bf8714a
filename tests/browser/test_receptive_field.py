"""ReceptiveField in a page without kernel, server or network: it lights what autograd reaches."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
import torch
from playwright.sync_api import Page, expect
from torch import nn

from pixelwise.widgets import ReceptiveField

from .conftest import on_http_and_file, pixels_of
from .test_pages import PHONE, violations

SIDE = 64


class Field:
    """The widget on its page."""

    def __init__(self, page: Page) -> None:
        self.page, self.root = page, page.locator("#sees .pw-widget")
        self.output = self.root.get_by_role("application")
        self.says = self.root.locator(".pw-says")

    def press(self, name: str) -> None:
        self.root.get_by_role("button", name=name, exact=True).click()

    def network(self) -> nn.Sequential:
        """What the line of PyTorch builds. Averaging in place of the maximum: every pixel has its part."""
        code = self.root.locator(".pw-code code").first.text_content().replace("MaxPool2d", "AvgPool2d")
        net = eval(code, {"nn": nn}).double()
        for parameter in net.parameters():
            nn.init.ones_(parameter)
        return net

    def lit(self) -> torch.Tensor:
        """Which pixels of the picture have the colours of the image: (64, 64)."""
        shown = torch.from_numpy(pixels_of(self.root.locator("canvas").first))
        image = torch.frombuffer(bytearray(ReceptiveField().pixels), dtype=torch.uint8).view(SIDE, SIDE, 3)
        return (shown == image).all(-1)


@pytest.fixture
def field(visit: Callable[..., Page], site: str) -> Callable[..., Field]:
    def open_field(layers: str = "", options: dict | None = None, **traits) -> Field:
        traits = {"layers": layers, **traits} if layers else traits
        link = "&".join(f"{name}={quote(json.dumps(value))}" for name, value in traits.items())
        return Field(visit(f"{site}/networks.html#sees" + (f"?{link}" if link else ""), **(options or {})))

    return open_field


def seen(net: nn.Sequential, row: int, column: int) -> torch.Tensor:
    """The pixels whose change changes the output at this place: (64, 64)."""
    image = torch.zeros(1, 3, SIDE, SIDE, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(image)[0, :, row, column].sum(), image)
    return gradient[0, 0] != 0


@on_http_and_file
def test_what_one_builds_lights_the_pixels_that_autograd_reaches(field):
    widget = field()
    for _ in range(4):
        widget.press("remove the last")
    expect(widget.root).to_have_attribute("data-layers", "")
    for added in ("+ convolution", "+ pooling", "+ convolution", "+ strided", "+ up-convolution"):
        widget.press(added)
    expect(widget.root).to_have_attribute("data-layers", "conv pool conv strided up")
    net = widget.network()
    for row, column in ((0, 0), (17, 30), (31, 12)):
        box = widget.output.bounding_box()
        pitch = box["width"] / 32
        widget.page.mouse.click(box["x"] + (column + 0.5) * pitch, box["y"] + (row + 0.5) * pitch)
        expect(widget.says).to_contain_text(f"Output [{row}, {column}] sees")
        right = seen(net, row, column)
        assert torch.equal(widget.lit(), right)


def test_the_costs_are_those_of_the_code(field):
    widget = field("conv pool conv conv up conv", doubling=True, channels=16, size=64)
    parameters = sum(weight.numel() for weight in widget.network().parameters())
    shown = widget.root.get_by_role("row", name=re.compile("^parameters")).get_by_role("cell").first
    assert shown.text_content() == f"{parameters / 1000:.3g} k"
    for channels in (32, 64):
        widget.root.get_by_role("group", name="channels").get_by_role("radio", name=str(channels)).check(
            force=True
        )
        expect(widget.root.locator(".pw-code code").first).to_contain_text(f"nn.Conv2d(3, {channels}, 3")


def test_the_keyboard_suffices_and_stays_on_the_map(field):
    widget = field("pool", cell=[0, 0])
    widget.output.focus()
    widget.page.keyboard.press("ArrowUp")
    expect(widget.says).to_contain_text("Output [0, 0] sees 2 × 2 pixels")
    for _ in range(40):
        widget.page.keyboard.press("ArrowRight")
    expect(widget.says).to_contain_text("Output [0, 31] sees 2 × 2 pixels")
    assert widget.lit()[:2, 62:].all() and widget.lit().sum() == 4
    expect(widget.output).to_be_focused()


def test_what_cannot_follow_cannot_be_pressed(field):
    widget = field("conv")
    up = widget.root.get_by_role("button", name="+ up-convolution", exact=True)
    expect(up).to_have_attribute("aria-disabled", "true")
    up.click(force=True)
    expect(widget.root).to_have_attribute("data-layers", "conv")
    for _ in range(4):
        widget.press("+ pooling")
    pool = widget.root.get_by_role("button", name="+ pooling", exact=True)
    expect(pool).to_have_attribute("aria-disabled", "true")
    expect(pool).to_be_focused()
    expect(up).not_to_have_attribute("aria-disabled", "true")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(field, scheme):
    widget = field("conv pool conv up", {"color_scheme": scheme}, paths=True)
    assert violations(widget.page, "#sees .pw-widget") == []


def test_it_fits_a_phone(field):
    widget = field(" ".join(["conv conv pool"] * 4), PHONE)
    assert widget.page.evaluate("document.documentElement.scrollWidth") <= 390
    widget.press("remove the last")
    expect(widget.root).to_have_attribute("data-layers", re.compile("conv conv$"))
