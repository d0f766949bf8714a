"""The pixel inspector in a page, as a reader uses it: pointer, finger, keyboard, fields."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from .conftest import on_http_and_file


@pytest.fixture
def inspector(visit: Callable[..., Page], site: str) -> Callable[..., Locator]:
    def open_inspector(link: str = "", **options) -> Locator:
        page = visit(f"{site}/pixels.html#pixels" + (f"?{link}" if link else ""), **options)
        return page.locator("#pixels .pw-widget")

    return open_inspector


def at(widget: Locator, row: int, column: int) -> None:
    expect(widget).to_have_attribute("data-pixel", f"{row} {column}")
    expect(widget.get_by_role("spinbutton", name="row")).to_have_value(str(row))
    expect(widget.locator(".pw-says")).to_contain_text(f"x[{row}, {column}]")


@on_http_and_file
def test_pointer_keyboard_and_fields_move_to_a_pixel(inspector):
    widget = inspector()
    at(widget, 20, 30)
    screen = widget.locator(".pw-screen").nth(2)  # the truth: every picture can be pointed at
    box = screen.bounding_box()
    pixel = box["width"] / 64
    screen.hover(position={"x": 10.5 * pixel, "y": 5.5 * pixel})
    at(widget, 5, 10)
    screen.click(position={"x": 40.5 * pixel, "y": 50.5 * pixel})
    widget.page.mouse.move(0, 0)
    at(widget, 50, 40)
    picture = widget.get_by_role("application")
    picture.focus()
    for key in ("ArrowUp", "ArrowLeft", "Shift+ArrowDown"):
        widget.page.keyboard.press(key)
    at(widget, 57, 39)
    expect(picture).to_be_focused()
    widget.page.keyboard.press("Shift+ArrowDown")
    at(widget, 63, 39)
    widget.get_by_role("spinbutton", name="column").fill("7")
    widget.get_by_role("spinbutton", name="column").press("Enter")
    at(widget, 63, 7)
    widget.get_by_role("spinbutton", name="column").fill("64")
    widget.get_by_role("spinbutton", name="column").press("Enter")
    at(widget, 63, 7)


def test_other_scores_give_another_prediction_and_errors_are_shown(inspector):
    widget = inspector()
    before = widget.locator(".pw-says").text_content()
    widget.get_by_role("radio", name="the truth").check(force=True)
    expect(widget.locator(".pw-inspector-total")).to_have_text("pixel accuracy 100 % · mean IoU 1.00")
    assert widget.locator(".pw-says").text_content() != before
    widget.get_by_label("errors only").check()
    expect(widget.locator("figcaption").nth(1)).to_have_text("errors · 0 % of the pixels")
    grey = """(canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, 64, 64);
      return data.every((value, n) => n % 4 === 3 || value === data[n - (n % 4)]);
    }"""
    assert widget.locator("canvas").nth(1).evaluate(grey), "a picture without errors is grey"


def test_a_link_holds_the_pixel(inspector):
    at(inspector("pixel=%5B3%2C4%5D&source=1"), 3, 4)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(inspector, scheme):
    widget = inspector(viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True)
    assert widget.evaluate("(w) => document.documentElement.scrollWidth <= innerWidth")
    widget.locator(".pw-screen").first.tap(position={"x": 1, "y": 1})
    at(widget, 0, 0)
