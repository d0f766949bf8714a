"""The stepper of transposed convolution in a page without kernel, server or network, as a reader uses it."""

from __future__ import annotations

import json
import re
from math import prod

import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import expect

from .conftest import READ, Stepper, number, on_http_and_file

# ---- the lecture's numbers, read from the page ----------------------------------------------------------


@on_http_and_file
@pytest.mark.parametrize("hand", ["mouse", "keyboard"])
def test_stride_2_array_by_array(stepper, worked_examples, hand):
    """All five printed 9 × 9 arrays with their weighted kernels, then the finished output."""
    example = worked_examples["transposed_stride_2"]
    widget: Stepper = stepper("strided")
    assert widget.arrays("output") == [[[0] * 9] * 9]
    if hand == "keyboard":
        widget.next.focus()
    for step, printed in example["printed"]["after_steps"].items():
        widget.page.keyboard.press("Enter") if hand == "keyboard" else widget.next.click()
        assert widget.at(int(step)).arrays("output") == [printed]
        assert widget.arrays("weighted") == [example["printed"]["weighted_kernel"][step]]
    for step in range(6, 17):
        widget.page.keyboard.press("Space") if hand == "keyboard" else widget.next.click()
        widget.at(step)
    assert widget.arrays("output") == [example["final"]]
    assert widget.arrays("input") == [example["input"]]
    assert widget.arrays("kernel") == [example["kernel"]]


@on_http_and_file
def test_two_input_channels(stepper, worked_examples):
    example = worked_examples["transposed_two_input_channels"]
    widget = stepper("channels")
    widget.next.click()
    widget.next.click()
    assert widget.at(2).arrays("output") == [example["printed"]["after_steps"]["2"]]
    assert widget.arrays("weighted") == example["printed"]["weighted_kernels_at_step_2"]
    widget.slider.press("End")
    assert widget.at(16).arrays("output") == [example["final"]]


@on_http_and_file
def test_padding_crops_the_outer_ring(stepper, worked_examples):
    example = worked_examples["transposed_stride_1"]
    ring = {(i, j) for i in range(6) for j in range(6) if {i, j} & {0, 5}}
    widget = stepper("cropped")
    for _ in range(6):
        widget.next.click()
    assert widget.at(6).arrays("output") == [example["printed"]["after_steps"]["6"]]
    assert widget.marked("output", "pw-cropped") == ring
    widget.slider.press("End")
    (full,) = widget.at(16).arrays("output")
    assert full == example["final"]
    assert [row[1:-1] for row in full[1:-1]] == example["final_padding_1"]


def computed(widget: Stepper) -> list:
    """What the line of PyTorch below the arrays computes; the shapes in its comment are checked."""
    x, w = (torch.tensor(widget.arrays(kind)) for kind in ("input", "kernel"))
    code = widget.read()["code"]
    names = {"F": F, "x": x[None], "w": w[:, None]}  # one output channel throughout
    exec(code, names)
    for name in "xwy":
        assert f"{name} {tuple(names[name].shape)}" in code
    return names["y"][0].tolist()


def test_the_line_of_pytorch_computes_what_is_shown(stepper, worked_examples):
    example = worked_examples["transposed_stride_2"]
    widget = stepper("strided")
    assert computed(widget) == [example["final"]]
    widget.option("output padding", 1).check(force=True)
    widget.option("padding", 2).check(force=True)
    widget.slider.press("End")
    (canvas,) = widget.arrays("output")
    assert computed(widget) == [[row[2:-2] for row in canvas[2:-2]]]
    widget = stepper("channels", link="step=16")
    assert computed(widget) == widget.arrays("output")


def test_an_array_of_ones_own_is_compared_cell_by_cell(stepper):
    widget = stepper("compared")
    assert widget.marked("yours", "pw-wrong") == {(2, 3)}
    expect(widget.root.get_by_role("table", name="1 of 36 differ")).to_be_visible()


# ---- steps ----------------------------------------------------------------------------------------------


def test_steps_go_both_ways_and_stop_at_the_ends(stepper):
    widget = stepper("plain")
    widget.slider.press("End")
    widget.at(16)
    expect(widget.next).to_have_attribute("aria-disabled", "true")
    widget.next.focus()
    widget.page.keyboard.press("Enter")
    widget.at(16)
    widget.previous.click()
    widget.at(15)
    expect(widget.next).not_to_have_attribute("aria-disabled", "true")
    widget.first.click()
    widget.at(0)
    expect(widget.previous).to_have_attribute("aria-disabled", "true")
    widget.slider.press("ArrowRight")
    widget.at(1)
    expect(widget.slider).to_have_attribute("aria-valuetext", "step 1")


@on_http_and_file
def test_play_advances_and_stops_at_the_end(stepper):
    widget = stepper("strided", link="step=13")
    widget.at(13)
    widget.page.clock.install()
    widget.root.get_by_role("button", name="Play").click()
    pause = widget.root.get_by_role("button", name="Pause")
    expect(pause).to_be_visible()
    widget.page.clock.run_for(1000)
    widget.at(14)
    pause.click()
    widget.page.clock.run_for(5000)
    widget.at(14)
    widget.root.get_by_role("button", name="Play").click()
    widget.page.clock.run_for(5000)
    widget.at(16)
    expect(widget.root.get_by_role("button", name="Play")).to_be_visible()
    widget.root.get_by_role("button", name="Play").click()  # at the end: again from the start
    widget.page.clock.run_for(1000)
    widget.at(1)


# ---- numbers and settings -------------------------------------------------------------------------------


@on_http_and_file
def test_an_edited_number_changes_the_output(stepper, worked_examples):
    final = worked_examples["transposed_stride_1"]["final"]
    widget = stepper("plain", link="step=16")
    field = widget.root.get_by_role("spinbutton", name="input x[0, 1]", exact=True)
    field.fill("5")
    field.press("Tab")
    grown = [[0, 3, 0, -3, 0, 0], [0, 6, 3, 0, 0, 0], [0, 0, 3, 6, 0, 0], *[[0] * 6] * 3]  # 3 × the kernel
    want = [[a + b for a, b in zip(*rows, strict=True)] for rows in zip(final, grown, strict=True)]
    assert widget.arrays("output") == [want]
    field = widget.root.get_by_role("spinbutton", name="kernel w[2, 2]", exact=True)
    field.fill("2.5")
    field.press("Enter")
    expect(widget.cell(2, 3)).to_have_text(str(want[2][3] + 2.5).replace("-", "−"))  # (2.5 − 2) × 5
    for text in ("", "abc", "1e"):
        field.focus()
        widget.page.keyboard.press("Control+a")
        widget.page.keyboard.press("Delete")
        widget.page.keyboard.type(text)
        widget.page.keyboard.press("Tab")
        expect(field).to_have_value("2.5")
    widget.root.get_by_role("button", name="Reset the numbers").click()
    assert widget.arrays("output") == [final]


def test_settings_that_do_not_go_together_cannot_be_chosen(stepper):
    widget = stepper("plain")
    legal = {
        1: [True, False, False],
        2: [True, True, False],
        3: [True, True, True],
    }
    for stride in (3, 2, 1):
        widget.option("stride", stride).check(force=True)
        assert [widget.option("output padding", k).is_enabled() for k in range(3)] == legal[stride]
        widget.option("output padding", stride - 1).check(force=True)
    assert widget.option("output padding", 0).is_checked()
    assert len(widget.arrays("output")[0]) == 6


def test_padding_that_leaves_nothing_cannot_be_chosen(stepper):
    """A 1 × 1 input with a 3 × 3 kernel: padding 1 leaves one cell, padding 2 none."""
    widget = stepper("plain")
    sizes = [widget.option("padding", k).is_enabled() for k in range(4)]
    assert sizes == [True, True, True, False]  # 6 − 2 · 3 = 0
    widget.option("stride", 2).check(force=True)
    assert widget.option("padding", 3).is_enabled()  # 9 − 2 · 3 = 3
    widget.option("padding", 3).check(force=True)
    expect(widget.output.first.locator("caption")).to_have_text("output y · 3 × 3, cropped from 9 × 9")
    widget.option("stride", 1).check(force=True)  # the padding goes back to what leaves something
    expect(widget.output.first.locator("caption")).to_have_text("output y · 2 × 2, cropped from 6 × 6")


# ---- why a cell holds what it holds ---------------------------------------------------------------------


def sum_in(sentence: str) -> tuple[str, float, float]:
    """`y[1, 2] = 2·1 + 3·(−1) = −1`: the name, the value of the sum, and the value it claims."""
    name, terms, value = re.match(r"(y\[.+?\]) = (.+) = (\S+)", sentence).groups()
    products = (prod(number(factor.strip("()")) for factor in term.split("·")) for term in terms.split(" + "))
    return name, sum(products), number(value)


@pytest.mark.parametrize(
    ("link", "stride", "padding"), [("step=16", 1, 0), ("stride=2&padding=1&step=11", 2, 1)]
)
def test_a_cell_shows_the_inputs_that_made_it_and_their_sum(stepper, link, stride, padding):
    widget = stepper("plain", link=link)
    done = [divmod(position, 4) for position in range(int(link.split("step=")[1]))]
    for row, column in [(padding, padding), (2, 3), (4, 4), (3, 5 - padding)]:
        widget.cell(row, column).hover()
        reached = {
            (i, j)
            for i in range(4)
            for j in range(4)
            if 0 <= row - i * stride < 3 and 0 <= column - j * stride < 3
        }
        assert widget.marked("input", "pw-linked") == reached
        kernel_cells = {(row - i * stride, column - j * stride) for i, j in reached}
        assert widget.marked("kernel", "pw-linked") == kernel_cells
        (output,) = widget.arrays("output")
        if not reached & set(done):
            assert "still to come" in widget.says.text_content()
            continue
        name, total, value = sum_in(widget.says.text_content())
        assert name == f"y[{row - padding}, {column - padding}]"
        assert total == value == output[row][column]


def test_an_input_shows_where_it_lands(stepper):
    widget = stepper("strided")
    widget.root.locator(".pw-role-input td").nth(6).hover()  # x[1, 2]
    lands = {(row, column) for row in (2, 3, 4) for column in (4, 5, 6)}
    assert widget.marked("output", "pw-landing") == lands
    expect(widget.says).to_contain_text("rows 2–4, columns 4–6")


@pytest.mark.parametrize("hand", ["mouse", "keyboard"])
def test_a_pinned_cell_stays_while_the_steps_go_on(stepper, hand):
    widget = stepper("plain")
    if hand == "mouse":
        widget.cell(1, 2).click()
    else:
        widget.cell(0, 0).focus()
        for key in ("ArrowDown", "ArrowRight", "ArrowRight", "Enter"):
            widget.page.keyboard.press(key)
    assert widget.marked("output", "pw-pinned") == {(1, 2)}
    widget.slider.focus()
    widget.page.mouse.move(0, 0)
    for step in (1, 2, 3):
        widget.slider.press("ArrowRight")
        widget.at(step)
    assert widget.marked("output", "pw-pinned") == {(1, 2)}
    assert sum_in(widget.says.text_content())[1:] == (4, 4)  # 1·0 + 2·1 + 1·2
    if hand == "mouse":
        widget.cell(1, 2).click()
    else:
        widget.cell(1, 2).press("Enter")
    assert widget.marked("output", "pw-pinned") == set()


def test_overlap_counts(stepper):
    widget = stepper("strided")
    assert widget.output.locator("td[data-note]").count() == 0
    widget.root.get_by_role("checkbox", name="overlap counts").check()
    notes = widget.output.locator("td").evaluate_all("cells => cells.map((td) => td.dataset.note)")
    once = [1, 1, 2, 1, 2, 1, 2, 1, 1]  # along one side
    assert notes == [f"{a * b}×" for a in once for b in once]


# ---- predict first --------------------------------------------------------------------------------------


def test_a_prediction_is_hidden_then_judged(stepper, worked_examples):
    widget = stepper("predicted")
    after = worked_examples["transposed_stride_2"]["printed"]["after_steps"]
    guess = widget.root.get_by_role("textbox", name="Your prediction")

    def hidden_cell() -> tuple[int, int]:
        (rows,) = [
            table["text"] for table in widget.read()["tables"] if table["caption"].startswith("output")
        ]
        (place,) = [(i, j) for i, row in enumerate(rows) for j, text in enumerate(row) if text == "?"]
        return place

    row, column = hidden_cell()
    answer = after["2"][row][column]
    assert answer != 0
    sentence = f"y[{row}, {column}] = "
    widget.cell(row, column).hover()
    expect(widget.says).to_have_text(f"y[{row}, {column}] is the cell to predict.")
    guess.fill("not a number")
    guess.press("Enter")
    assert hidden_cell() == (row, column)
    guess.fill(str(answer))
    guess.press("Enter")
    expect(widget.root.locator(".pw-verdict-right")).to_contain_text(f"Right: {sentence}")
    assert widget.arrays("output") == [after["2"]]

    widget.next.click()
    row, column = hidden_cell()
    guess.fill(str(after["3"][row][column] + 1))
    guess.press("Enter")
    expect(widget.root.locator(".pw-verdict-wrong")).to_contain_text(f"y[{row}, {column}] = ")
    assert sum_in_verdict(widget) == after["3"][row][column]

    widget.next.click()
    row, column = hidden_cell()
    widget.root.get_by_role("button", name="Show").click()
    assert sum_in_verdict(widget) == after["4"][row][column]
    assert widget.root.locator(".pw-verdict-right, .pw-verdict-wrong").count() == 0


def test_play_waits_for_the_answer_and_the_question_stays_beside_it(stepper):
    widget = stepper("predicted")
    widget.root.get_by_role("button", name="Play").click()
    expect(widget.root).to_have_attribute("data-step", "3")
    # paused: the button says Play again
    expect(widget.root.get_by_role("button", name="Play")).to_be_visible()
    widget.page.wait_for_timeout(1500)  # longer than a step of Play
    expect(widget.root).to_have_attribute("data-step", "3")
    question = widget.root.locator(".pw-predict label")
    expect(question).to_contain_text("What does it hold?")
    widget.root.get_by_role("button", name="Show").click()
    expect(question).to_contain_text("What does it hold?")


def sum_in_verdict(widget: Stepper) -> float:
    return number(widget.root.locator(".pw-predict [aria-live]").text_content().rsplit(" = ", 1)[1])


# ---- links to a state -----------------------------------------------------------------------------------


@on_http_and_file
def test_a_link_opens_its_state(stepper, worked_examples):
    widget = stepper("plain", link="step=5&stride=2")
    assert widget.at(5).arrays("output") == [
        worked_examples["transposed_stride_2"]["printed"]["after_steps"]["5"]
    ]
    expect(widget.root).to_be_in_viewport()


@on_http_and_file
def test_a_copied_link_brings_the_same_state_after_reload_and_elsewhere(stepper, visit):
    widget = stepper("plain")
    widget.option("stride", 3).check(force=True)
    widget.option("output padding", 2).check(force=True)
    field = widget.root.get_by_role("spinbutton", name="kernel w[0, 0]", exact=True)
    field.fill("-2.5")
    field.press("Enter")
    widget.slider.press("End")
    widget.cell(4, 4).click()
    widget.page.mouse.move(0, 0)
    state = widget.at(16).read()
    widget.root.get_by_role("button", name="Copy a link to this state").click()
    expect(widget.root.get_by_role("button", name="Link copied")).to_be_visible()
    address = widget.page.url
    assert address == widget.page.evaluate("navigator.clipboard.readText()")
    widget.page.reload()
    assert widget.at(16).read() == state
    elsewhere = visit(address)
    assert Stepper(elsewhere, elsewhere.locator("#plain .pw-widget")).read() == state


def test_a_link_that_may_not_be_copied_stands_in_the_address_bar(stepper):
    widget = stepper("plain", permissions=["clipboard-read"])
    widget.next.click()
    widget.root.get_by_role("button", name="Copy a link to this state").click()
    expect(widget.root.get_by_role("button", name="Link is in the address bar")).to_be_visible()
    assert widget.page.url.endswith("#plain?step=1")
    widget.root.get_by_role("button", name="Copy the code").click()
    expect(widget.root.get_by_role("button", name="Copying is not allowed here")).to_be_visible()


def test_a_link_followed_within_the_page(stepper):
    widget = stepper("plain")
    widget.page.evaluate("location.hash = 'plain?step=7'")
    widget.at(7)


HOSTILE = [
    "step=abc", 'step="5"', "step=", "step", "step=1e999", "step=null", "step=[5]", "step={}", "step=2.5",
    "stride=1.5", "stride=0", "padding=-1", "padding=0.5", "output_padding=0.5", "in_channels=-1",
    "input=[]", "input=[[[1]]]", 'input=[[["<img src=x>",2,1,0],[0,0,0,0],[0,0,0,0],[0,0,0,0]]]',
    "kernel=7", "yours=[1,2]", 'yours=["a"]',
    'pinned=["output",-1,0,0]', 'pinned=["output",0,1.5,2]', 'pinned=["output",0]', 'pinned=["toString",1,1]',
    'pinned=["input",0.5,0]', 'pinned=["kernel",0,0,-1,0]', 'pinned=["kernel"]', "pinned=[1,2,3,4,5,6]",
    "_esm=alert(1)", "_css=x", "__proto__={}", "constructor=1", "name=x", "playing=true", "guess=5",
    "%", "%E0%A4%A=1", "step=%ZZ", "?????", "&&&=&=", "step=5;step=6",
]  # fmt: skip


FOLLOW_EACH = """
async (root, { queries, back }) => {
  const follow = async (hash) => {
    location.hash = hash;
    await new Promise((done) => addEventListener("hashchange", () => setTimeout(done), { once: true }));
  };
  const read = READ;
  const shown = [];
  for (const query of queries) {
    await follow(`plain?${query}`);
    shown.push([query, read(root)]);
    await follow(`plain?${back}`);
    shown.push([query, read(root), "back"]);
  }
  return shown;
}
""".replace("READ", READ.strip())


@on_http_and_file
def test_malformed_links_are_passed_over(stepper):
    """Nothing is thrown (`visit` watches for it), nothing odd is shown, and good links go on working."""
    widget = stepper("plain")
    untouched = widget.read()
    back = "step=0&stride=1&padding=0&output_padding=0&in_channels=0&out_channels=0&pinned=[]"
    for query, shown, *is_back in widget.root.evaluate(FOLLOW_EACH, {"queries": HOSTILE, "back": back}):
        assert shown["step"] in range(17), query
        assert not re.search("NaN|undefined|Infinity|img", json.dumps(shown)), query
        assert not is_back or shown == untouched, query
    widget.page.evaluate("location.hash = 'plain?step=4'")
    widget.at(4)


def test_links_to_nothing_are_passed_over(visit, small_site):
    page = visit(f"{small_site}/steppers.html#%?step=1")
    for end in ("%E0%A4%A?step=1", "nowhere?step=3", "plain", "?step=2", "<img src=x>", "__proto__?step=1"):
        page.evaluate("(end) => { location.hash = end }", end)
        Stepper(page, page.locator("#plain .pw-widget")).at(0)


@on_http_and_file
@pytest.mark.parametrize("query", ["stride=1.5", "yours=[1,2]"])
def test_a_page_opened_by_a_malformed_link_is_alive(stepper, query):
    widget = stepper("strided", link=query)
    widget.slider.press("Home")
    widget.next.click()
    widget.at(1)
