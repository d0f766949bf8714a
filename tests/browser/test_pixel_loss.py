"""PixelLoss in a page without kernel, server or network: it shows what PyTorch computes from these scores."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import Locator, Page, expect

from pixelwise.widgets import PixelLoss

from .conftest import number, on_http_and_file
from .test_pages import PHONE, violations

CLASSES = ("trees", "sky", "cow", "grass")
VOID = 255

READ = """
(root) => {
  const cells = (kind) => [...root.querySelectorAll(`.pw-role-loss ${kind}`)];
  const texts = (selector) => [...root.querySelectorAll(selector)].map((element) => element.textContent);
  const values = (selector) => [...root.querySelectorAll(selector)].map((input) => Number(input.value));
  return {
    scores: values(".pw-class input[type=number]"),
    sliders: values(".pw-class input[type=range]"),
    values: texts(".pw-value"),
    sums: [...texts(".pw-sum-p"), ...texts(".pw-sum-g")],
    weights: values(".pw-weight-field input"),
    truth: root.querySelector(".pw-choice input:checked").value,
    says: texts("output"),
    code: texts(".pw-code code")[0],
    loss: Number(root.dataset.loss), sum: Number(root.dataset.sum),
    losses: cells("tr").map((row) => [...row.cells].map((td) => td.textContent)),
    chosen: cells(".pw-chosen").map((td) => [td.dataset.row, td.dataset.column].map(Number)),
  };
}
"""


def probability(text: str) -> float:
    """0.237, −0.763 or 4.5·10⁻⁵ as a number."""
    if "·10⁻" not in text:
        return number(text)
    digits, exponent = text.split("·10⁻")
    return number(digits) * 10.0 ** -int("".join(str("⁰¹²³⁴⁵⁶⁷⁸⁹".index(c)) for c in exponent))


class Pixel:
    """The widget on a page, read and used as a reader does."""

    def __init__(self, page: Page, name: str) -> None:
        self.page, self.root = page, page.locator(f"#{name} .pw-widget")
        expect(self.root).to_be_visible()

    def read(self) -> dict:
        return self.root.evaluate(READ)

    def slider(self, name: str) -> Locator:
        return self.root.get_by_role("slider", name=f"score of {name}")

    def field(self, name: str) -> Locator:
        return self.root.get_by_role("spinbutton", name=name, exact=True)

    def press(self, name: str) -> None:
        self.root.get_by_role("button", name=name, exact=True).click(force=True)  # also where it is off

    def say(self, name: str) -> None:
        self.root.get_by_role("group", name="true class").get_by_role("radio", name=name).check(force=True)

    def cell(self, table: str, row: int, column: int) -> Locator:
        grid = self.root.get_by_role("grid", name=table)
        return grid.locator(f'td[data-row="{row}"][data-column="{column}"]')

    def agrees(self) -> dict:
        """The pixel's probabilities, loss and gradient are those of PyTorch for the scores that are shown."""
        shown = self.read()
        scores = torch.tensor(shown["scores"], dtype=torch.float64, requires_grad=True)
        label = VOID if shown["truth"] == "void" else CLASSES.index(shown["truth"])
        weight = torch.tensor(shown["weights"] or [1] * 4, dtype=torch.float64)
        loss = F.cross_entropy(
            scores[None], torch.tensor([label]), weight, ignore_index=VOID, reduction="sum"
        )
        (gradient,) = torch.autograd.grad(loss, scores)
        p = [probability(text) for text in shown["values"][0::2]]
        slope = [probability(text) for text in shown["values"][1::2]]
        torch.testing.assert_close(torch.tensor(p), scores.softmax(0).detach().float(), atol=6e-4, rtol=0.05)
        torch.testing.assert_close(torch.tensor(slope), gradient.float(), atol=6e-4, rtol=0.05)
        assert shown["loss"] == pytest.approx(loss.item(), abs=1e-9)
        assert shown["sums"] == ["1", "0"]
        assert shown["sliders"] == pytest.approx(shown["scores"], abs=0.051)
        return shown


@pytest.fixture
def pixel(visit: Callable[..., Page], site: str) -> Callable[..., Pixel]:
    def open_pixel(name: str, *, link: str = "", **options) -> Pixel:
        return Pixel(visit(f"{site}/losses.html#{name}" + (f"?{link}" if link else ""), **options), name)

    return open_pixel


# ---- one pixel ------------------------------------------------------------------------------------------


@on_http_and_file
def test_a_bar_that_is_dragged_changes_probability_loss_and_gradient(pixel):
    one = pixel("one")
    before = one.agrees()
    box = one.slider("cow").bounding_box()
    at = lambda score: 5 + (box["width"] - 10) * (score + 10) / 20  # noqa: E731
    one.page.mouse.move(box["x"] + at(1), box["y"] + box["height"] / 2)
    one.page.mouse.down()
    one.page.mouse.move(box["x"] + at(4), box["y"] + box["height"] / 2, steps=4)
    one.page.mouse.move(box["x"] + at(7), box["y"] + box["height"] / 2, steps=4)
    one.page.mouse.up()
    after = one.agrees()
    assert after["scores"][2] == pytest.approx(7, abs=0.2)
    assert after["scores"][:2] + after["scores"][3:] == [0, -1, 2]
    assert after["loss"] < 0.1 < before["loss"]


def test_keys_move_a_score_and_a_number_can_be_typed(pixel):
    one = pixel("one")
    for key, score in [("ArrowRight", 2.1), ("ArrowLeft", 2), ("Home", -10), ("End", 10)]:
        one.slider("grass").press(key)
        assert one.agrees()["scores"][3] == pytest.approx(score)
    expect(one.slider("grass")).to_have_attribute("aria-valuetext", "10")
    for typed, score in [("-3.25", -3.25), ("42", 42), ("1e9", 99), ("", 99), ("1e", 99)]:
        field = one.field("score of sky, as a number")
        field.focus()
        one.page.keyboard.press("Control+a")
        one.page.keyboard.press("Delete")
        one.page.keyboard.type(typed)
        one.page.keyboard.press("Tab")
        shown = one.read()
        assert shown["scores"][1] == score
    one.press("Reset the numbers")
    assert one.agrees()["scores"] == [0, -1, 1, 2]


def test_a_constant_added_to_all_scores_changes_nothing(pixel):
    one = pixel("one")
    before = one.read()
    for times in range(1, 9):
        one.press("all scores + 1")
        shown = one.agrees()
        assert shown["scores"] == [s + times for s in before["scores"]]
        assert (shown["values"], shown["loss"]) == (before["values"], pytest.approx(before["loss"]))
    one.press("all scores + 1")  # 11 would lie beyond the bar
    assert one.read()["scores"] == [8, 7, 9, 10]
    one.press("all scores − 1")
    assert one.read()["scores"] == [7, 6, 8, 9]


def test_steps_down_the_gradient_raise_the_true_class_alone(pixel):
    one = pixel("one")
    losses = [one.read()["loss"]]
    for _ in range(3):
        before = one.read()
        one.press("s ← s − gradient")
        after = one.agrees()
        moved = [b - a for a, b in zip(before["scores"], after["scores"], strict=True)]
        slope = [-probability(text) for text in before["values"][1::2]]
        assert moved == pytest.approx(slope, abs=0.006)
        assert [m > 0 for m in moved] == [False, False, True, False]
        losses.append(after["loss"])
    assert losses == sorted(losses, reverse=True)


def test_the_true_class_and_void(pixel):
    one = pixel("one")
    for name in CLASSES:
        one.say(name)
        assert one.agrees()["truth"] == name
    one.say("void")
    shown = one.agrees()
    assert shown["loss"] == 0 and shown["says"][0].startswith("Void")
    one.press("s ← s − gradient")
    assert one.read()["scores"] == [0, -1, 1, 2]


# ---- the map --------------------------------------------------------------------------------------------


def meadow() -> tuple[torch.Tensor, torch.Tensor]:
    widget = PixelLoss()
    return torch.tensor(widget.scores)[None], torch.tensor(widget.target)[None]


@on_http_and_file
def test_a_pixel_of_the_map_is_taken_to_the_sliders_and_the_sum_follows(pixel):
    map_ = pixel("meadow")
    scores, target = meadow()
    for table, row, column in [("loss", 5, 0), ("true class", 2, 3), ("predicted class", 0, 5)]:
        map_.cell(table, row, column).click()
        shown = map_.agrees()
        assert shown["scores"] == pytest.approx(scores[0, :, row, column].tolist())
        assert shown["chosen"] == [[row, column]]
    map_.cell("loss", 5, 0).click()
    map_.page.mouse.move(0, 0)
    for _ in range(10):
        map_.slider("cow").press("ArrowRight")
    scores[0, 2, 5, 0] += 1
    total = F.cross_entropy(scores, target, ignore_index=VOID, reduction="sum").item()
    shown = map_.agrees()
    assert shown["sum"] == pytest.approx(total, abs=1e-4)
    mean = F.cross_entropy(scores, target, ignore_index=VOID).item()
    assert f"{total:.2f} / 34 = {mean:.2f}" in shown["says"][1]
    each = F.cross_entropy(scores, target, ignore_index=VOID, reduction="none")[0]
    want = [[f"{v:.1f}" for v in row] for row in each.tolist()]
    got = [[text or "0.0" for text in row] for row in shown["losses"]]
    differ = [(a, b) for rows in zip(got, want, strict=True) for a, b in zip(*rows, strict=True) if a != b]
    assert not differ
    assert sum(text == "" for row in shown["losses"] for text in row) == 2  # void


def test_weights_and_void_change_sum_and_mean_as_pytorchs(pixel):
    map_ = pixel("meadow")
    scores, target = meadow()
    field = map_.field("weight of cow")
    field.fill("5")
    field.press("Enter")
    map_.cell("loss", 4, 2).click()
    map_.say("void")
    map_.page.mouse.move(0, 0)
    target[0, 4, 2] = VOID
    w = torch.tensor([1.0, 1, 5, 1])
    settings = {"weight": w, "ignore_index": VOID}
    total = F.cross_entropy(scores, target, reduction="sum", **settings).item()
    mean = F.cross_entropy(scores, target, **settings).item()
    shown = map_.agrees()
    assert shown["sum"] == pytest.approx(total, rel=1e-5)
    assert (
        f"The sum over 33 pixels is {total:.2f}, the mean {total:.2f} / 57 = {mean:.2f}" in shown["says"][1]
    )
    names = {"torch": torch, "F": F, "scores": scores, "target": target}
    assert eval(shown["code"], names).item() == pytest.approx(total)
    field.fill("-2")
    field.press("Enter")
    assert map_.read()["weights"] == [1, 1, 0, 1]


def test_the_map_by_keyboard_and_pointer(pixel):
    map_ = pixel("meadow")
    map_.cell("loss", 0, 0).focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "Enter"):
        map_.page.keyboard.press(key)
    assert map_.read()["chosen"] == [[1, 2]]
    map_.cell("loss", 5, 3).hover()
    expect(map_.root.locator(".pw-map-says")).to_contain_text("[5,3] is grass, predicted cow, and costs 3.64")
    assert map_.root.locator(".pw-pointed-at").count() == 3


# ---- links, phones --------------------------------------------------------------------------------------


def test_a_link_brings_the_same_state_elsewhere(pixel, visit):
    map_ = pixel("meadow")
    map_.cell("loss", 5, 0).click()
    map_.say("cow")
    map_.slider("sky").press("ArrowRight")
    map_.page.mouse.move(0, 0)
    state = map_.read()
    map_.press("Copy a link to this state")
    expect(map_.root.get_by_role("button", name="Link copied")).to_be_visible()
    assert Pixel(visit(map_.page.url), "meadow").read() == state


HOSTILE = [
    "pixel=[9,9]", "pixel=[-1,0]", "pixel=[0.5,0]", 'pixel=["a","b"]', "pixel=5", "pixel=[1]",
    "class_weights=[]", "class_weights=[-1,-1,-1,-1]", 'class_weights=["a",1,1,1]', "class_weights=[1,1]",
    "about={}", "scores=[]",
    "hovered=[99,99]", "target=7", "scores=[[[1]]]",
]  # fmt: skip


def test_malformed_links_are_passed_over(pixel):
    map_ = pixel("meadow")
    wild = PixelLoss().target
    wild[0][0], wild[0][1] = 1.5, 99
    for query in [*HOSTILE, f"target={json.dumps(wild)}".replace(" ", "")]:
        map_.page.evaluate("(query) => { location.hash = `meadow?${query}` }", query)
        map_.page.wait_for_timeout(30)
        shown = map_.read()
        assert not re.search("NaN|undefined|Infinity", json.dumps(shown)), query
    map_.cell("loss", 5, 0).click()
    assert map_.read()["chosen"] == [[5, 0]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_it_fits_and_axe_finds_nothing(pixel, scheme):
    map_ = pixel("meadow", link="pixel=[5,0]", color_scheme=scheme, **PHONE)
    assert map_.page.evaluate("document.documentElement.scrollWidth") == 390
    assert violations(map_.page) == []
    map_.cell("loss", 5, 3).tap()
    assert map_.agrees()["chosen"] == [[5, 3]]
    assert violations(map_.page) == []
