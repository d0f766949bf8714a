"""The checks that students see: what counts as right, what messages say, what is forbidden."""

from __future__ import annotations

import re
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pixelwise.checks import Check, CheckFailed, attempt, fits, ps1, ps2, ps3, ps4, ps5, race
from pixelwise.checks.case import Case
from pixelwise.checks.compare import Difference, difference
from pixelwise.checks.misunderstanding import explain
from pixelwise.checks.observe import Observation, observe
from pixelwise.checks.report import as_code, side_by_side
from pixelwise.course import page

from .answers.ps2 import crop, full, input_positions, overwrites, two_others

CHECKS = {
    name: value
    for module in (ps1, ps2, ps3, ps4, ps5)
    for name, value in vars(module).items()
    if isinstance(value, Check)
}
FULL = {name: check for name, check in CHECKS.items() if check.task.name == "conv_transpose2d"}
CONVOLUTION = {name: check for name, check in CHECKS.items() if check.task.name == "conv2d"}
BOOK = Path(__file__).resolve().parents[2] / "book"


def failure(check: Check, function) -> CheckFailed:
    with pytest.raises(CheckFailed) as caught:
        check(function)
    return caught.value


# --- What counts as right ---------------------------------------------------------------------------------


def seen(value, **rest) -> Observation:
    return Observation(value=value, **rest)


def test_rounding_in_float32_is_no_error():
    right = torch.linspace(1, 100, 50)
    assert difference(seen(right * (1 + 1e-6)), seen(right)) is None


def test_an_error_of_1e_6_in_float64_is_one():
    right = torch.linspace(1, 100, 50, dtype=torch.float64)
    found = difference(seen(right * (1 + 1e-6)), seen(right))
    assert found.kind == "precision"
    assert difference(seen(right * (1 + 1e-13)), seen(right)) is None


def test_nan_is_never_right():
    assert difference(seen(torch.tensor([float("nan")])), seen(torch.tensor([1.0]))).kind == "values"
    assert difference(seen(float("nan")), seen(1.0)).kind == "values"


def test_nan_is_right_where_it_is_expected():
    nan, right = float("nan"), torch.tensor([float("nan"), 1e4])
    assert difference(seen(torch.tensor([nan, 1e4])), seen(right)) is None
    assert difference(seen(torch.tensor([0.0, 1e4])), seen(right)).kind == "values"
    assert difference(seen(torch.tensor([nan, nan])), seen(right)).kind == "values"


@pytest.mark.parametrize(
    ("value", "kind", "says"),
    [
        (None, "type", "return"),
        ([1.0], "type", "torch.Tensor"),
        (torch.ones(1, 3), "shape", "(1, 3)"),
        (torch.ones(3, dtype=torch.complex64), "type", "complex"),
        (torch.ones(3).to_sparse(), "type", "sparse"),
        (torch.ones(3, dtype=torch.float64), "dtype", "float64"),
        (torch.zeros(3), "values", ""),
    ],
)
def test_differences_are_told_apart(value, kind, says):
    found = difference(seen(value), seen(torch.ones(3)))
    assert found.kind == kind
    assert says in found.text


@pytest.mark.parametrize(
    ("value", "kind"), [(5, None), (torch.tensor(5), None), (5.0, "type"), (True, "type"), (4, "values")]
)
def test_whole_numbers(value, kind):
    found = difference(seen(value), seen(5))
    assert (found and found.kind) == kind


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (0.5, None),
        (0.5 + 1e-8, None),
        (np.float32(0.5), None),
        (0.51, "values"),
        (torch.tensor(0.5), "type"),
        (None, "type"),
        ("0.5", "type"),
        (True, "type"),
    ],
)
def test_real_numbers(value, kind):
    found = difference(seen(value), seen(0.5))
    assert (found and found.kind) == kind


def test_a_shape_without_numbers_equals_nothing():
    right, empty = Observation(value=torch.ones(2)), torch.empty(2, device="meta")
    assert difference(Observation(value=empty), right, strict=False).kind == "device"
    forged = Observation(value=torch.ones(2), connected=True, gradients={"x": empty})
    wanted = Observation(value=torch.ones(2), connected=True, gradients={"x": torch.ones(2)})
    assert difference(forged, wanted).kind == "gradient"


def test_lenient_comparison_ignores_dtype_and_changed_arguments():
    found = difference(
        seen(torch.ones(3, dtype=torch.float64), changed=("x",)), seen(torch.ones(3)), strict=False
    )
    assert found is None
    assert difference(seen(torch.ones(3), changed=("x",)), seen(torch.ones(3))).kind == "changed"


def test_observe_gives_the_function_its_own_arguments():
    case = Case({"x": torch.ones(2)})

    def spoils(x):
        x *= 2
        return x

    assert observe(spoils, case).changed == ("x",)
    assert torch.equal(case.arguments["x"], torch.ones(2))


def test_observe_reports_errors_with_the_students_line():
    def fails(x):
        return torch.zeros(3) + torch.zeros(4)

    one = observe(fails, Case({"x": torch.ones(2)}))
    assert one.error.startswith("RuntimeError: The size of tensor a (3)")
    assert one.line == "return torch.zeros(3) + torch.zeros(4)"


def test_observe_survives_exit():
    assert observe(lambda x: exit(), Case({"x": torch.ones(2)})).error.startswith("SystemExit")


# --- The cases --------------------------------------------------------------------------------------------


def test_the_lectures_numbers(worked_examples):
    convolution = worked_examples["convolution"]
    assert ps1.X.tolist() == convolution["input"]
    assert ps1.KERNEL.tolist() == convolution["kernel"]
    one, two = worked_examples["transposed_stride_1"], worked_examples["transposed_two_input_channels"]
    assert ps2.X.tolist() == one["input"] == two["input"][0]
    assert ps2.KERNEL.tolist() == one["kernel"] == two["kernel"][0]
    assert ps2.X_2.tolist() == two["input"][1]
    assert ps2.KERNEL_2.tolist() == two["kernel"][1]


def test_cases_are_the_same_for_everybody():
    a = ps2.conv_transpose2d_overlaps.random_cases("seed", 5)
    b = ps2.conv_transpose2d_overlaps.random_cases("seed", 5)
    assert [as_code("f", case) for case in a] == [as_code("f", case) for case in b]
    assert as_code("f", a[0]) != as_code("f", ps2.conv_transpose2d_overlaps.random_cases("another", 1)[0])


@pytest.mark.parametrize(
    ("checks", "inputs"), [(CONVOLUTION, 1), (FULL, 0)], ids=["conv2d", "conv_transpose2d"]
)
def test_cases_cover_what_goes_wrong(checks, inputs):
    """inputs: the weight's axis of input channels"""
    cases = [case for check in checks.values() for case in check.cases]
    x, weight = (lambda c: c.arguments["x"]), (lambda c: c.arguments["weight"])
    stride, padding = (lambda c: c.settings.get("stride", 1)), (lambda c: c.settings.get("padding", 0))
    wanted = {
        "not square": lambda c: x(c).shape[2] != x(c).shape[3] and weight(c).shape[2] != weight(c).shape[3],
        "stride larger than the kernel": lambda c: stride(c) > max(weight(c).shape[2:]),
        "no padding": lambda c: padding(c) == 0,
        "large padding": lambda c: padding(c) >= max(weight(c).shape[2:]),
        "a batch": lambda c: len(x(c)) > 1,
        "one channel": lambda c: weight(c).shape[:2] == (1, 1),
        "as many inputs as outputs": lambda c: weight(c).shape[0] == weight(c).shape[1] > 1,
        "more inputs than outputs": lambda c: weight(c).shape[inputs] > weight(c).shape[1 - inputs],
        "fewer inputs than outputs": lambda c: weight(c).shape[inputs] < weight(c).shape[1 - inputs],
        "float64": lambda c: x(c).dtype == torch.float64,
        "gradients": lambda c: c.gradients,
        "another device": lambda c: x(c).is_meta,
        "a bias": lambda c: "bias" in c.settings,
        "a border of zeros": lambda c: not x(c).is_meta and x(c)[..., 0, :].abs().sum() == 0,
        "several images, channels and a bias": lambda c: (
            len(x(c)) > 1 and x(c).shape[1] > 1 and "bias" in c.settings
        ),
    }
    missing = [name for name, has in wanted.items() if not any(has(case) for case in cases)]
    assert not missing


def test_checks_of_one_aspect_need_no_other():
    """So that somebody who misses one idea loses the points for that, and no others."""
    for name, check in CHECKS.items():
        if check.task.name not in ("conv2d", "conv2d_single"):
            continue
        aspect = name.rpartition("_")[2]
        for case in check.cases + check.random_cases("more", 50, large=True):
            assert aspect in ("stride", "together") or "stride" not in case.settings
            assert aspect in ("padding", "together") or "padding" not in case.settings
            assert aspect in ("bias", "learns", "together") or "bias" not in case.settings


def test_a_list_that_a_function_empties_is_its_own():
    case = Case({"layers": [(3, 1)]})
    observe(lambda layers: layers.clear() or 3, case)
    assert case.arguments["layers"] == [(3, 1)]
    assert Case({"layers": [(3, 1)]}).size < Case({"layers": [(3, 1), (3, 2)]}).size


@pytest.mark.parametrize(
    "name", [n for n in CHECKS if re.search("places|padding|bias|channels|learns|single_dtype", n)]
)
def test_only_the_checks_of_overlaps_need_overlaps(name):
    """So that somebody who overwrites overlaps loses the points for that, and no others."""
    check = CHECKS[name]
    if "transpose2d" not in name:
        pytest.skip("not a transposed convolution")
    cases = check.cases + check.random_cases("more", 50, large=True)
    for case in cases:
        weight, stride = case.arguments["weight"], case.settings.get("stride", 1)
        assert max(weight.shape[-2:]) <= stride or case.arguments["x"].shape[-2:].numel() == 1


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_the_right_answer_by_pytorch_is_right(check):
    rows = check.observations(check.task.right, check.cases)
    assert not [found for _, found in check.compare(rows) if found]


# --- Messages ---------------------------------------------------------------------------------------------


def test_a_message_names_the_misunderstanding_on_the_smallest_case():
    said = failure(ps2.conv_transpose2d_overlaps, overwrites)
    assert said.misunderstandings == ("overlapping copies overwrite each other",)
    assert str(said) == (
        "✗ conv_transpose2d: overlaps add up\n"
        "\n"
        "This is what you get when overlapping copies overwrite each other.\n"
        "\n"
        "Where two weighted copies of the kernel meet in the output, both count: they add up.\n"
        "\n"
        "The smallest case that shows it (one row, two elements):\n"
        "    x = torch.tensor([[[[1., 2.]]]])\n"
        "    weight = torch.tensor([[[[1., 2.]]]])\n"
        "    conv_transpose2d(x, weight)\n"
        "\n"
        "    your result[0, 0]    expected[0, 0]\n"
        "    1  2* 4              1  4  4\n"
        "    * 1 of 3 numbers differ\n"
        "\n"
        f"Read again: {page('transposed_convolution', 'transposed-overlaps')}"
    )


def test_the_case_in_a_message_can_be_pasted_into_a_cell():
    message = str(failure(ps2.conv_transpose2d_together, overwrites))
    code = textwrap.dedent(re.findall(r"The smallest case that shows it.*:\n((?:    .*\n)+)", message)[0])
    *setup, call = code.strip().splitlines()
    names = {"torch": torch, "conv_transpose2d": F.conv_transpose2d}
    exec("\n".join(setup), names)
    first_row = [
        float(number) for number in re.findall(r"expected\[.*\]\n +.* {4}(\S.*)", message)[0].split()
    ]
    assert eval(call, names)[0, 0, 0].tolist() == pytest.approx(first_row, rel=1e-3)


def test_two_mistakes_at_once_are_both_named():
    said = failure(ps2.conv_transpose2d_together, two_others)
    assert said.misunderstandings == (
        "overlapping copies overwrite each other",
        "only the top and the left are cropped",
    )


def test_a_single_misunderstanding_is_not_joined_by_another():
    def pads(x, weight, bias=None, stride=1, padding=0):
        y = F.pad(full(x, weight, stride), (padding,) * 4)
        return y if bias is None else y + bias.view(1, -1, 1, 1)

    def swapped(x, weight, bias=None, stride=1, padding=0):
        """By broadcasting, where the swapped axes do not go together."""
        (n, _, h, w), (o, _, kh, kw) = x.shape, weight.shape
        y = x.new_zeros(n, o, (h - 1) * stride + kh, (w - 1) * stride + kw)
        for i in range(h):
            for j in range(w):
                copies = (x[:, None, :, i, j, None, None] * weight).sum(2)
                y[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw] += copies
        return crop(y if bias is None else y + bias.view(1, -1, 1, 1), padding)

    for name in ("conv_transpose2d_padding", "conv_transpose2d_together"):
        said = failure(FULL[name], pads).misunderstandings
        assert said == ("padding adds zeros around the output instead of cropping it",)
    for name in ("conv_transpose2d_channels", "conv_transpose2d_together"):
        said = failure(FULL[name], swapped).misunderstandings
        assert said == ("the weight's channel axes are taken as (C_out, C_in), as in a convolution",)


def test_mistakes_that_undo_each_other_are_not_joined():
    def last_row_and_column_at_zero(x, weight, stride=1, padding=0):
        y = F.conv2d(x[None, None], weight[None, None], stride=stride, padding=padding)[0, 0]
        y[-1], y[:, -1] = 0, 0
        return y

    bank = [one for one in ps1.conv2d_single_windows.task.bank if "never written" not in one.title]
    check = ps1.conv2d_single_windows
    rows = check.observations(last_row_and_column_at_zero, check.cases)
    assert explain(bank, check.task.right, rows) is None
    found = explain(check.task.bank, check.task.right, rows)
    assert [one.title for one in found.mistakes] == [
        "the last row and the last column of the output are never written"
    ]


def test_a_size_alone_names_no_misunderstanding():
    def sevens(x, weight, stride=1, padding=0):
        return F.conv_transpose2d(x[None, None], weight[None, None])[0, 0] * 0 + 7

    assert failure(ps1.conv2d_single_windows, sevens).misunderstandings == ()


def test_an_error_speaks_against_a_mistake_that_gives_a_result_there():
    def always(x, weight, stride=1, padding=0):
        raise RuntimeError("The size of tensor a (2) must match the size of tensor b (3)")

    assert failure(ps1.conv2d_single_padding, always).misunderstandings == ()
    assert failure(ps1.conv2d_single_windows, always).misunderstandings == ()


def test_a_result_of_another_rank_is_shown_by_an_index_it_can_take():
    found = side_by_side(Difference("shape", "", torch.ones(2, 2), torch.ones(1, 1, 2, 2)))
    assert found.splitlines()[0].split("    ") == ["", "your result", "expected[0, 0]"]
    found = side_by_side(Difference("shape", "", torch.ones(3, 2, 2), torch.ones(1, 3, 2, 2)))
    assert found.splitlines()[0].split("    ") == ["", "your result[0]", "expected[0, 0]"]


def test_a_link_leads_to_what_is_wrong_or_nowhere():
    def float32(x, weight, bias=None, stride=1, padding=0):
        return F.conv2d(x.float(), weight.float(), None if bias is None else bias.float(), stride, padding)

    def raises(x, weight, bias=None, stride=1, padding=0):
        raise ValueError

    def swapped(x, weight, bias=None, stride=1, padding=0):
        return F.conv_transpose2d(x, weight.transpose(0, 1), bias, stride, padding)

    task = replace(ps1.conv2d_learns.task, rule=None)
    assert "Read again" not in str(failure(replace(ps1.conv2d_learns, task=task), float32))
    assert "default is right" not in str(failure(replace(ps1.conv2d_learns, task=task), float32))
    assert page("convolution", "convolution-stride") in str(failure(ps1.conv2d_stride, raises))
    assert page("convolution", "convolution-padding") in str(failure(ps1.conv2d_padding, raises))
    task = replace(ps2.conv_transpose2d_channels.task, rule=None)
    said = failure(replace(ps2.conv_transpose2d_channels, task=task), swapped)
    assert page("transposed_convolution", "transposed-weight-layout") in str(said)


def test_only_an_argument_that_changes_is_said_to_change():
    case = Case({"x": torch.ones(2)}, gradients=True)

    def own(x):
        y = torch.zeros(2, requires_grad=True)
        y += x
        return y

    def spoils(x):
        x *= 2
        return x

    right = observe(lambda x: 2 * x, case)
    assert difference(observe(own, case), right).kind == "in place"
    found = difference(observe(spoils, case), right)
    assert found.kind == "changed"
    assert "its argument `x` in place" in found.text


def test_an_explanation_has_to_agree_where_the_function_is_right():
    check = ps2.conv_transpose2d_places

    def sometimes(x, weight, bias=None, stride=1, padding=0):
        flip = x.sum() > 0
        return input_positions(x, weight.flip(2, 3) if flip else weight, bias, stride, padding)

    rows = check.observations(sometimes, check.cases)
    assert any(found for _, found in check.compare(rows))
    assert explain(check.task.bank, check.task.right, rows) is None


def test_a_function_that_returns_the_same_whatever_it_gets():
    def six(n, kernel, stride=1, padding=0):
        return 6

    assert "the same result whatever" in str(failure(ps2.transposed_output_size, six))


def test_a_notebook_shows_the_message_and_no_traceback():
    said = failure(ps2.conv_transpose2d_overlaps, overwrites)
    shown = "\n".join(said._render_traceback_())
    assert shown.replace("\x1b[1;31m", "").replace("\x1b[0m", "") == str(said)


def test_a_passing_check_prints_one_line(capsys):
    ps2.conv_transpose2d_overlaps(input_positions)
    assert capsys.readouterr().out == "✓ conv_transpose2d: overlaps add up (12 cases)\n"


def test_a_check_lists_its_cases():
    assert "conv_transpose2d((1, 1, 4, 4), (1, 1, 3, 3), stride=2)  # the lecture's stride 2" in repr(
        FULL["conv_transpose2d_overlaps"]
    )


def test_a_picture_needs_a_result_that_fits(capsys):
    assert fits(torch.ones(2, 3), 2, 3)
    assert fits(5)
    assert not fits(None, 2, 3)  # `attempt` has said why
    assert capsys.readouterr().out == ""
    for wrong, shape in ((torch.ones(3, 2), (2, 3)), (5, (2, 3)), (torch.ones(1), ()), ("five", ())):
        assert not fits(wrong, *shape)
        assert "There is no picture of this result" in capsys.readouterr().out


def test_a_race_needs_no_finished_function(capsys):
    def unwritten(x):
        raise NotImplementedError()

    race(torch.exp, [unwritten, torch.exp], torch.ones(3))
    first, second, third = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"PyTorch: [\d.]+ ms", first)
    assert second == "unwritten is not written yet: there is no result to show."
    assert re.fullmatch(r"exp: [\d.]+ times as long", third)


@pytest.mark.parametrize("result", [torch.zeros(3), torch.ones(1, 3).exp(), "text", 5])
def test_a_wrong_result_runs_no_race(result, capsys):
    def wrong(x):
        return result

    race(torch.exp, [wrong], torch.ones(3), check="ps1.conv2d_together")
    said = "not timed, its result is not PyTorch's. Run ps1.conv2d_together(wrong) to see where they differ."
    assert capsys.readouterr().out.splitlines()[1:] == [f"wrong: {said}"]


def test_nobody_races_while_a_notebook_is_graded(capsys, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    race(None, [None])
    assert capsys.readouterr().out == "No race while the notebook is graded.\n"


def test_attempt_lets_a_picture_go_without_a_result(capsys):
    def unwritten():
        raise NotImplementedError()

    def wrong(x):
        return x[5]

    assert attempt(unwritten) is None
    assert attempt(wrong, [1]) is None
    assert attempt(len, [1]) == 1
    assert capsys.readouterr().out == (
        "unwritten is not written yet: there is no result to show.\n"
        "wrong raised IndexError: list index out of range\n"
    )


PAGES = sorted({check.task.page for check in CHECKS.values()})


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_the_chapter(page):
    chapter = BOOK / page.replace(".html", ".md")
    if not chapter.exists():
        pytest.skip(f"the chapter {chapter.name} is not written yet")
    targets = set(re.findall(r"^\((.+)\)=$", chapter.read_text(encoding="utf-8"), re.MULTILINE))
    tasks = [check.task for check in CHECKS.values() if check.task.page == page]
    assert {one for task in tasks for one in (task.section, *(m.section for m in task.bank))} <= targets
    checks = [check for check in CHECKS.values() if check.task.page == page]
    assert {check.anchor for check in checks} <= {*targets, ""}


# --- Rules ------------------------------------------------------------------------------------------------

IMPORTS = "import torch, numpy as np, scipy.signal\nimport torch.nn as nn\nimport torch.nn.functional as F\n"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("F.conv_transpose2d(x, w)", "torch.nn.functional.conv_transpose2d"),
        ("torch.conv1d(x, w)", "torch.conv1d"),
        ("nn.Conv3d(1, 1, 3)", "torch.nn.Conv3d"),
        ("torch.ops.aten.convolution(x, w)", "torch.ops.aten.convolution"),
        ("nn.grad.conv2d_input(s, w, x)", "torch.nn.grad.conv2d_input"),
        ("scipy.signal.fftconvolve(x, w)", "scipy.signal.fftconvolve"),
        ("np.convolve(x, w)", "numpy.convolve"),
        ("from torch.nn.functional import conv2d as f\nf(x, w)", "torch.nn.functional.conv2d"),
        ("import pixelwise\npixelwise.anything", "pixelwise"),
        ("f = F.conv2d", "torch.nn.functional.conv2d"),
    ],
)
def test_forbidden_calls_are_found_in_the_source(source, found):
    assert found in ps2.RULE.found_in_source(IMPORTS + source)


@pytest.mark.parametrize(
    "source",
    [
        "F.fold(F.unfold(F.pad(x, p), 3), 3)",
        "torch.einsum('nc,couv->nouv', x, w)",
        "def convolve(x): return x\nconvolve(x)",
        "self.conv(x)",
        "torch.fft.rfft2(x)",
        "x.conv = 3",
    ],
)
def test_what_is_allowed_is_not_found(source):
    assert [name for name in ps2.RULE.found_in_source(IMPORTS + source) if not name.startswith("scipy")] == []


def test_a_helper_is_searched_too():
    def answer(x, weight, bias=None, stride=1, padding=0):
        return forbidden_helper(x, weight, stride, padding)

    assert ps2.RULE.found_in(answer) == ["torch.nn.functional.conv_transpose2d"]


def forbidden_helper(x, weight, stride, padding):
    return F.conv_transpose2d(x, weight, stride=stride, padding=padding)


@pytest.mark.parametrize(
    "run",
    [
        lambda x, w: getattr(F, "conv" + "_transpose2d")(x, w),
        lambda x, w: torch.func.vjp(lambda i: getattr(F, "conv" + "2d")(i, w), x.new_zeros(1, 1, 5, 5))[1](
            x[..., :4, :4]
        ),
        lambda x, w: torch.vmap(lambda i: getattr(F, "conv" + "_transpose2d")(i, w))(x[None]),
    ],
)
def test_what_runs_is_watched(run):
    x, w = torch.ones(1, 1, 4, 4), torch.ones(1, 1, 2, 2)
    assert "aten::convolution" in observe(run, Case({"x": x, "weight": w}), ps2.RULE.operators).operators


def test_a_right_answer_by_a_forbidden_call_loses_the_points():
    said = failure(ps2.conv_transpose2d_overlaps, lambda *a, **k: F.conv_transpose2d(*a, **k))
    assert said.kind == "forbidden"
    assert "`torch.nn.functional.conv_transpose2d`" in str(said)


def test_helpers_of_this_file_are_right():
    """`full` and `crop` stand behind many answers of the bank."""
    x, w = torch.randn(2, 3, 4, 5), torch.randn(3, 2, 3, 2)
    torch.testing.assert_close(crop(full(x, w, 2), 1), F.conv_transpose2d(x, w, stride=2, padding=1))
