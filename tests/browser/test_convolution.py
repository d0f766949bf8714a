"""The stepper of convolution in a page without kernel, server or network, as a reader uses it."""

from __future__ import annotations

import json
import re
from functools import partial
from math import prod

import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import expect

from .conftest import Stepper, number, on_http_and_file
from .test_pages import PHONE, violations


@pytest.fixture
def convolution(stepper):
    """`convolution(name, link="step=5")`: that widget on the page of convolutions."""
    return partial(stepper, on="convolutions")


def outputs(widget: Stepper) -> list[list[list[float]]]:
    """The outputs as they stand on the page; what is still to come is left out."""
    tables = [t for t in widget.read()["tables"] if t["caption"].startswith("output")]
    return [[[number(cell) for cell in row if cell] for row in table["text"]] for table in tables]


def window(row: int, column: int, size: int = 3, stride: int = 1) -> set[tuple[int, int]]:
    """The cells in a window."""
    return {(row * stride + u, column * stride + v) for u in range(size) for v in range(size)}


#: The cells that the frame holds, once it has come to rest; it lies on their outer lines.
FRAMED = """
async (table) => {
  const frame = table.querySelector(".pw-window");
  await Promise.all(frame.getAnimations().map((animation) => animation.finished));
  const box = frame.getBoundingClientRect();
  const held = [...table.querySelectorAll("td")].filter((td) => {
    const cell = td.getBoundingClientRect();
    const [x, y] = [cell.left + cell.width / 2, cell.top + cell.height / 2];
    return box.left < x && x < box.right && box.top < y && y < box.bottom;
  });
  const [first, last] = [held.at(0), held.at(-1)].map((td) => td?.getBoundingClientRect());
  const off = ["left", "top"].map((side) => box[side] - first?.[side]);
  off.push(...["right", "bottom"].map((side) => box[side] - last?.[side]));
  if (off.some((pixels) => Math.abs(pixels) > 3)) throw new Error("the frame is not on the lines");
  return held.map((td) => [Number(td.dataset.row), Number(td.dataset.column)]);
}
"""


def framed(widget: Stepper) -> set[tuple[int, int]]:
    """The cells in the frame of the window."""
    return {tuple(cell) for cell in widget.root.locator(".pw-role-input").first.evaluate(FRAMED)}


def sum_in(sentence: str) -> tuple[str, float, float]:
    """`y[1, 2] = 2·1 + 3·(−1) = −1`: the name, the value of the sum, and the value it claims."""
    name, terms, value = re.match(r"(y\[.+?\]) = (.+) = (\S+)", sentence).groups()
    products = (prod(number(factor.strip("()")) for factor in term.split("·")) for term in terms.split(" + "))
    return name, sum(products), number(value)


@on_http_and_file
@pytest.mark.parametrize("hand", ["mouse", "keyboard"])
def test_the_lectures_example_in_sixteen_steps(convolution, worked_examples, hand):
    example = worked_examples["convolution"]
    x, w = torch.tensor(example["input"]), torch.tensor(example["kernel"])
    framed_input = F.pad(x, (1, 1, 1, 1))
    widget = convolution("lecture")
    assert widget.arrays("input") == [framed_input.tolist()]
    assert widget.arrays("kernel") == [w.tolist()]
    if hand == "keyboard":
        widget.next.focus()
    for step in range(1, 17):
        widget.page.keyboard.press("Enter") if hand == "keyboard" else widget.next.click()
        widget.at(step)
        i, j = divmod(step - 1, 4)
        final = [value for row in example["final"] for value in row]
        assert [v for row in outputs(widget)[0] for v in row] == final[:step]
        assert framed(widget) == window(i, j)
        assert widget.arrays("weighted") == [(framed_input[i : i + 3, j : j + 3] * w).tolist()]
        name, total, value = sum_in(widget.says.text_content())
        assert name == f"y[{i}, {j}]" and total == value == example["final"][i][j]


def test_the_line_of_pytorch_computes_what_is_shown(convolution, worked_examples):
    """With every setting: the arrays on the page, put into the code below them."""
    for name, link in [
        ("lecture", "step=16"),
        ("lecture", "step=16&stride=2"),
        ("lecture", "step=36&padding=2&stride=1"),
        ("lecture", "step=16&kernel_size=1&padding=0"),
        ("lecture", "step=99&kernel_size=2&padding=0"),
        ("many", "step=16"),
        ("many", "step=16&in_channels=2&kernel_size=1&padding=0"),
        ("many", "step=16&out_channels=1&stride=3"),
    ]:
        widget = convolution(name, link=link)
        padding = int((re.search(r"padding=(\d)", widget.read()["code"]) or [0, 0])[1])
        x = torch.tensor(widget.arrays("input"))
        x = x[:, padding : x.shape[1] - padding, padding : x.shape[2] - padding]
        kernels = torch.tensor(widget.arrays("kernel"))  # channel by channel, in each the outputs
        w = kernels.reshape(len(x), -1, *kernels.shape[1:]).transpose(0, 1)
        code = widget.read()["code"]
        names = {"F": F, "x": x[None], "w": w}
        exec(code, names)
        for letter in "xwy":
            assert f"{letter} {tuple(names[letter].shape)}" in code, link
        assert outputs(widget) == names["y"][0].tolist(), link
    widget = convolution("lecture", link="step=16&stride=2")
    assert outputs(widget) == [worked_examples["convolution"]["final_stride_2"]]


# ---- numbers and settings -------------------------------------------------------------------------------


def test_an_edited_number_changes_the_output(convolution, worked_examples):
    example = worked_examples["convolution"]
    x, w = torch.tensor(example["input"]).float(), torch.tensor(example["kernel"]).float()
    widget = convolution("lecture", link="step=16")
    field = widget.root.get_by_role("spinbutton", name="input x[0, 1]", exact=True)
    field.fill("5")
    field.press("Tab")
    x[0, 1] = 5
    assert outputs(widget)[0] == F.conv2d(x[None, None], w[None, None], padding=1)[0, 0].tolist()
    widget.option("kernel size", 2).check(force=True)  # the part that begins at w[0, 0]
    field = widget.root.get_by_role("spinbutton", name="kernel w[1, 1]", exact=True)
    field.fill("-2.5")
    field.press("Enter")
    w[1, 1] = -2.5
    widget.slider.press("End")
    assert outputs(widget)[0] == F.conv2d(x[None, None], w[None, None, :2, :2], padding=1)[0, 0].tolist()
    widget.option("kernel size", 1).check(force=True)  # the middle
    assert widget.arrays("kernel") == [[[-2.5]]]
    widget.option("kernel size", 3).check(force=True)
    widget.root.get_by_role("button", name="Reset the numbers").click()
    widget.slider.press("End")
    assert outputs(widget) == [example["final"]]


def test_the_padding_cannot_be_edited_and_is_no_tab_stop(convolution):
    widget = convolution("lecture")
    ring = widget.root.get_by_role("spinbutton", name="padding x[-1, -1]", exact=True)
    expect(ring).not_to_be_editable()
    expect(ring).to_have_attribute("tabindex", "-1")
    inside = {(i, j) for i in range(1, 5) for j in range(1, 5)}
    everything = {(i, j) for i in range(6) for j in range(6)}
    assert widget.marked("input", "pw-padding") == everything - inside
    widget.option("padding", 0).check(force=True)
    assert widget.marked("input", "pw-padding") == set()
    corner = widget.root.get_by_role("spinbutton", name="input x[0, 0]", exact=True)
    expect(corner).to_be_editable()
    expect(corner).not_to_have_attribute("tabindex", "-1")


def test_settings_that_leave_no_window_cannot_be_chosen(convolution):
    widget = convolution("many")
    for setting, values in [("stride", (1, 2, 3)), ("padding", (0, 1, 2)), ("kernel size", (1, 2, 3))]:
        assert all(widget.option(setting, value).is_enabled() for value in values)
    widget.page.evaluate("""location.hash = 'many?padding=0&kernel_size=3&stride=3'""")
    expect(widget.root.locator(".pw-code code")).to_contain_text("y (1, 2, 1, 1)")
    widget.option("kernel size", 1).check(force=True)
    widget.option("stride", 1).check(force=True)
    expect(widget.root.locator(".pw-code code")).to_contain_text("y (1, 2, 4, 4)")


# ---- why a cell holds what it holds ---------------------------------------------------------------------


@pytest.mark.parametrize(("link", "stride"), [("step=16", 1), ("step=4&stride=2", 2)])
def test_an_output_shows_its_window_and_its_sum(convolution, link, stride):
    widget = convolution("lecture", link=link)
    (values,) = outputs(widget)
    for row, column in [(0, 0), (1, 0), (len(values) - 1, len(values) - 1)]:
        widget.cell(row, column).hover()
        expect(widget.cell(row, column)).to_have_class(re.compile("pw-linked"))
        assert framed(widget) == window(row, column, stride=stride)
        name, total, value = sum_in(widget.says.text_content())
        assert name == f"y[{row}, {column}]" and total == value == values[row][column]


def test_an_input_shows_all_outputs_that_read_it_with_the_turned_kernel(convolution, worked_examples):
    widget = convolution("lecture", link="step=16")
    widget.root.locator(".pw-role-input td").nth(2 * 6 + 2).hover()  # x[1, 1]
    expect(widget.says).to_have_text(
        "x[1, 1] = −1: 9 windows read it, from y[0, 0] with w[2, 2] to y[2, 2] with w[0, 0]."
    )
    assert widget.marked("output", "pw-landing") == {(i, j) for i in range(3) for j in range(3)}
    notes = widget.output.locator("td[data-note]").evaluate_all("cells => cells.map((td) => td.dataset.note)")
    turned = [v for row in worked_examples["convolution"]["kernel"][::-1] for v in row[::-1]]
    assert [number(note.strip("·()")) for note in notes] == turned
    widget.root.locator(".pw-role-input td").first.hover()
    expect(widget.says).to_contain_text(
        "This 0 of the padding: one window reads it, that of y[0, 0] with w[0, 0]."
    )
    widget.option("stride", 2).check(force=True)
    widget.root.locator(".pw-role-input td").last.hover()
    expect(widget.says).to_have_text("This 0 of the padding: no window reads it.")


def test_a_weight_shows_the_inputs_that_it_meets(convolution):
    widget = convolution("lecture", link="stride=2&step=4")
    widget.root.locator(".pw-role-kernel").first.locator("td").nth(5).hover()  # w[1, 2]
    expect(widget.says).to_contain_text("multiplies x[2i, 2j + 1] for every output y[i, j].")
    assert widget.marked("input", "pw-landing") == {(1, 2), (1, 4), (3, 2), (3, 4)}


@pytest.mark.parametrize("hand", ["mouse", "keyboard"])
def test_a_pinned_cell_stays_while_the_steps_go_on(convolution, hand):
    widget = convolution("lecture", link="step=7")
    if hand == "mouse":
        widget.cell(1, 2).click()
    else:
        widget.cell(0, 0).focus()
        for key in ("ArrowDown", "ArrowRight", "ArrowRight", "Enter"):
            widget.page.keyboard.press(key)
    widget.slider.focus()
    widget.page.mouse.move(0, 0)
    for step in (8, 9):
        widget.slider.press("ArrowRight")
        widget.at(step)
    assert widget.marked("output", "pw-pinned") == {(1, 2)} and framed(widget) == window(1, 2)
    assert sum_in(widget.says.text_content()) == ("y[1, 2]", 4, 4)
    widget.cell(1, 2).click()
    assert widget.marked("output", "pw-pinned") == set()


def test_how_often_each_input_is_read(convolution):
    widget = convolution("lecture")
    assert widget.root.locator(".pw-role-input td[data-note]").count() == 0
    widget.root.get_by_role("checkbox", name="how often read").check()

    def notes() -> list[str]:
        cells = widget.root.locator(".pw-role-input td")
        return cells.evaluate_all("cells => cells.map((td) => td.dataset.note)")

    along = [1, 2, 3, 3, 2, 1]
    assert notes() == [f"{a * b}×" for a in along for b in along]
    widget.option("stride", 2).check(force=True)
    along = [1, 1, 2, 1, 1, 0]
    assert notes() == [f"{a * b}×" for a in along for b in along]
    assert widget.marked("input", "pw-unread") == {(i, j) for i in range(6) for j in range(6) if 5 in (i, j)}


def test_a_long_sum_is_told_channel_by_channel(convolution):
    widget = convolution("many", link="step=16")
    widget.cell(1, 1).hover()
    expect(widget.says).to_contain_text("the sums of the 9 products of each channel")
    text = widget.says.text_content()
    parts, value = re.match(r"y\[0, 1, 1\] = (.+?) = (\S+)", text).groups()
    assert sum(map(number, parts.split(" + "))) == number(value) == outputs(widget)[0][1][1]
    assert parts.count("+") == 2


def test_an_array_of_ones_own_is_compared_cell_by_cell(convolution):
    widget = convolution("checked")
    assert widget.marked("yours", "pw-wrong") == {(3, 3)}
    expect(widget.root.get_by_role("table", name="1 of 16 differ")).to_be_visible()


def test_a_prediction_is_hidden_with_its_products_then_judged(convolution, worked_examples):
    widget = convolution("guessed")
    final = worked_examples["convolution"]["final"]
    guess = widget.root.get_by_role("textbox", name="Your prediction")
    expect(widget.cell(0, 0)).to_have_text("?")
    shown = widget.root.locator(".pw-role-kernel").nth(1)
    assert shown.locator("td").all_text_contents() == [""] * 9
    assert "−2" not in widget.says.text_content() and "sum" not in shown.locator("caption").text_content()
    expect(widget.root.locator(".pw-predict label")).to_have_text(
        "The window is on rows −1 to 1, columns −1 to 1. What is y[0, 0]?"
    )
    guess.fill("-2")
    guess.press("Enter")
    expect(widget.root.locator(".pw-verdict-right")).to_contain_text("Right: y[0, 0] = ")
    assert outputs(widget)[0][0] == [final[0][0]]
    widget.next.click()
    expect(widget.cell(0, 1)).to_have_text("?")
    guess.fill("2")
    guess.press("Enter")
    expect(widget.root.locator(".pw-verdict-wrong")).to_contain_text(" = 1")


# ---- links, pages ---------------------------------------------------------------------------------------


@on_http_and_file
def test_a_copied_link_brings_the_same_state_elsewhere(convolution, visit):
    widget = convolution("many")
    widget.option("kernel size", 2).check(force=True)
    widget.option("channels in", 2).check(force=True)
    widget.slider.press("End")
    widget.cell(1, 1).click()
    widget.page.mouse.move(0, 0)
    state = widget.read()
    widget.root.get_by_role("button", name="Copy a link to this state").click()
    expect(widget.root.get_by_role("button", name="Link copied")).to_be_visible()
    elsewhere = visit(widget.page.url)
    assert Stepper(elsewhere, elsewhere.locator("#many .pw-widget")).read() == state


def test_odd_links_are_brought_back(convolution):
    widget = convolution("lecture")
    for query in (
        "step=2.5", "step=-4", "stride=0", "padding=99", "kernel_size=-3", "kernel_size=1.5",
        "kernel_size=99", "in_channels=7", 'pinned=["input",99,0]', 'pinned=["kernel",0,0,3,0]',
        'pinned=["toString",1]',
    ):  # fmt: skip
        widget.page.evaluate("(query) => { location.hash = `lecture?${query}` }", query)
        expect(widget.root).to_have_attribute("data-step", re.compile(r"^\d+$"))
        assert not re.search("NaN|undefined|Infinity", json.dumps(widget.read())), query


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_for_axe_to_find(visit, small_site, scheme):
    page = visit(f"{small_site}/convolutions.html", color_scheme=scheme)
    page.evaluate("location.hash = 'lecture?stride=2&step=3&show_reads=true&pinned=[\"input\",2,2]'")
    expect(page.locator("#lecture .pw-unread").first).to_be_attached()
    assert violations(page) == []


def test_a_phone_shows_all_of_it(visit, small_site):
    page = visit(f"{small_site}/convolutions.html#many?step=3&show_reads=true", **PHONE)
    expect(page.locator("#many .pw-widget")).to_have_attribute("data-step", "3")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for name in ("lecture", "many"):
        box = page.locator(f"#{name} .pw-widget").bounding_box()
        for table in page.locator(f"#{name} table:visible").all():
            inner = table.bounding_box()
            assert box["x"] <= inner["x"] and inner["x"] + inner["width"] <= box["x"] + box["width"]


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop", "phone"])
def test_a_step_moves_nothing(convolution, options):
    widget = convolution("lecture", **options)
    boxes = set()
    for step in range(17):
        box = widget.at(step).root.bounding_box()
        boxes.add((box["width"], box["height"]))
        widget.slider.press("ArrowRight")
    assert len(boxes) == 1
