"""What problem set 5 needs besides checks of functions: networks as files, trained once."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from autograder import hidden
from pixelwise.checks import CheckFailed, ps5
from pixelwise.checks.ps5 import PixelClassifier, new_network, train_once
from pixelwise.checks.ps5.mistakes import right_ablation, right_step

from .answers import ps5 as answers
from .answers.ps5 import ANSWERS
from .course import copy_files
from .networks import names

FILES = {(answer.task, answer.name): answer.function for answer in ANSWERS if answer.task.endswith(".pt")}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def notebook_names():
    return names()


# --- train_once -------------------------------------------------------------------------------------------


def fill(value: float):
    def fit(model):
        with torch.no_grad():
            for weights in model.parameters():
                weights.fill_(value)
        return [2.0, 1.0]

    return fit


def first_weight(model) -> float:
    return next(model.parameters()).flatten()[0].item()


def test_it_trains_once_and_reads_from_then_on(capsys):
    assert train_once("a.pt", new_network(1), fill(0.5)) == [2.0, 1.0]
    model = new_network(1)
    assert train_once("a.pt", model, fill(0.25)) == [2.0, 1.0]  # for the curve, after a restart
    assert first_weight(model) == 0.5
    assert "nothing trained" in capsys.readouterr().out
    assert train_once("a.pt", model, fill(0.25), again=True) == [2.0, 1.0]
    train_once("a.pt", model, fill(0.5))
    assert first_weight(model) == 0.25


def test_the_losses_of_a_file_may_be_missing_and_must_be_numbers(capsys):
    model = new_network(1)
    torch.save(model.state_dict(), "a.pt")
    assert train_once("a.pt", model, fill(0.5)) == []
    name = "losses of the training"
    train_once("b.pt", model, fill(0.5))
    assert name in torch.load("b.pt", weights_only=True)
    torch.save(model.state_dict() | {name: torch.zeros(2, 2)}, "b.pt")
    assert train_once("b.pt", model, fill(0.5)) is None
    assert "The losses in b.pt are not a list of numbers" in capsys.readouterr().out


def test_nothing_is_trained_while_a_submission_is_graded(monkeypatch, folder, capsys):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert train_once("a.pt", new_network(1), fill(0.5)) is None
    assert not list(folder.iterdir())
    assert "has not been handed in" in capsys.readouterr().out


def test_a_broken_file_is_named_and_kept(capsys):
    Path("a.pt").write_bytes(b"a page of some website")
    assert train_once("a.pt", new_network(1), fill(0.5)) is None
    assert Path("a.pt").read_bytes() == b"a page of some website"
    assert "a.pt cannot be read as weights" in capsys.readouterr().out


def test_without_train_step_there_is_nothing_to_train(folder, capsys):
    def unwritten(model):
        raise NotImplementedError()

    assert train_once("a.pt", new_network(1), unwritten) is None
    assert not list(folder.iterdir())
    assert "not written yet" in capsys.readouterr().out


# --- Networks as files ------------------------------------------------------------------------------------


def test_nothing_in_a_file_runs(folder):
    FILES["scenes.pt", "a_pickle_that_runs"]()
    with pytest.raises(CheckFailed, match="cannot be read as weights"):
        ps5.scenes_learns("scenes.pt")
    assert [path.name for path in folder.iterdir()] == ["scenes.pt"]
    torch.load("scenes.pt", weights_only=False)  # the file is as bad as it should be for this test
    assert Path("it-ran").exists()


def test_a_link_to_a_file_is_no_file():
    copy_files("ps5_training", Path())
    Path("scenes.pt").rename("elsewhere.pt")
    Path("scenes.pt").symlink_to("elsewhere.pt")
    with pytest.raises(CheckFailed, match="not an ordinary file"):
        ps5.scenes_learns("scenes.pt")


def test_a_tensor_that_says_more_than_it_holds_is_refused():
    state = new_network(3).state_dict()
    name = next(iter(state))
    torch.save(state | {name: torch.zeros(1).expand(10**9)}, "scenes.pt")
    with pytest.raises(CheckFailed, match="a network of another size"):
        ps5.scenes_learns("scenes.pt")


def test_two_levels(capsys):
    """Half-way between a network and noise: the lower bar alone is passed."""
    copy_files("ps5_training", Path())
    state = torch.load("scenes.pt", weights_only=True)
    torch.manual_seed(0)
    noisy = {
        name: one.float() + 0.08 * torch.randn(one.shape) if one.ndim == 4 else one
        for name, one in state.items()
    }
    torch.save(noisy, "scenes.pt")
    ps5.scenes_learns("scenes.pt")
    hidden.check(ps5.scenes_learns, "scenes.pt")
    with pytest.raises(CheckFailed, match=r"reaches a mean IoU of 0\.[78]\d; 0\.85 is needed"):
        ps5.scenes_well("scenes.pt")


def test_hidden_images_are_others(monkeypatch):
    copy_files("ps5_training", Path())
    seeds = []
    monkeypatch.setattr(ps5.NetworkCheck, "failure", lambda self, file: seeds.append(self.seed))
    for check in (ps5.scenes_learns, ps5.brain_well):
        hidden.check(check, "scenes.pt")
    assert len({*seeds, ps5.scenes_learns.seed}) == 3


# --- What the notebook says and gives ---------------------------------------------------------------------


def test_the_worked_example_of_task_1():
    model = PixelClassifier(torch.tensor([[1.0], [-1.0]]))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    loss = right_step(model, optimizer, torch.tensor([[[[2.0]]]]), torch.tensor([[[1]]]))
    assert f"{loss:.2f}" == "4.02"
    assert f"{math.log(4):.2f}" == "1.39"
    assert [f"{weight:.2f}" for weight in model.weight.flatten().tolist()] == ["0.02", "-0.02"]


def test_fit_lets_a_network_learn_and_reports(notebook_names, capsys):
    torch.manual_seed(0)
    images, targets = notebook_names["scenes"]("train", 4)
    losses = notebook_names["fit"](new_network(3), images[..., :32, :32], targets[..., :32, :32], steps=100)
    assert len(losses) == 100 and losses[-1] < 0.5 * losses[0]
    assert capsys.readouterr().out.startswith(" 100 steps: loss 0.")


def test_fit_crops_images_and_targets_alike(notebook_names, monkeypatch):
    seen = []
    monkeypatch.setitem(
        notebook_names,
        "train_step",
        lambda model, optimizer, *batch: optimizer.step() or seen.append(batch) or 0.0,
    )
    targets = torch.arange(2 * 40 * 30).reshape(2, 40, 30)
    notebook_names["fit"](new_network(1), targets[:, None].float(), targets, steps=6, crop=16)
    for images, truth in seen[-6:]:  # the first ones are those of the checks before a training
        assert images.shape == (8, 1, 16, 16)
        assert torch.equal(images[:, 0], truth.float())


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")  # PyTorch says so once
def test_fit_keeps_numbers_whatever_a_step_returns(notebook_names, monkeypatch, capsys):
    """A curve of tensors cannot be drawn: they remember how they came about."""
    monkeypatch.setitem(
        notebook_names,
        "train_step",
        lambda model, optimizer, *batch: optimizer.step() or torch.ones(1, requires_grad=True),
    )
    images, targets = torch.zeros(2, 1, 16, 16), torch.zeros(2, 16, 16, dtype=torch.long)
    assert notebook_names["fit"](new_network(1), images, targets, steps=2) == [1.0, 1.0]
    assert "train_step does not pass yet" in capsys.readouterr().out


def test_a_wrong_step_is_told_before_it_trains(capsys):
    for function in (right_step, answers.step_unsolved):
        ps5.warn_before_training(function)
    assert not capsys.readouterr().out
    ps5.warn_before_training(answers.never_zeroed)
    said = capsys.readouterr().out
    assert said.startswith("train_step does not pass yet: every step starts with fresh gradients.\n")


def test_both_networks_of_the_ablation_start_with_the_same_weights():
    """… wherever both have them: all but the convolutions that the copies enter."""
    states = []
    for copy_paths in (True, False):
        torch.manual_seed(3)
        states.append(new_network(3, copy_paths).state_dict())
    with_copies, without = states
    assert with_copies.keys() == without.keys()
    others = [name for name in without if not torch.equal(with_copies[name], without[name])]
    assert others == [f"expanding_path.{level}.convolutions.0.weight" for level in range(3)]
    assert all(with_copies[name].shape != without[name].shape for name in others)


def test_a_real_ablation_repeats_itself(notebook_names):
    images, targets = notebook_names["scenes"]("train", 4)

    def build(copy_paths):
        return new_network(3, copy_paths)

    def fit(model, steps, seed):
        notebook_names["fit"](model, images, targets, steps, seed)

    def score(model):
        return notebook_names["evaluate"](model, [(images, targets)], 4).nanmean().item()

    pair = right_ablation(build, fit, score, 2, 0)
    assert pair == right_ablation(build, fit, score, 2, 0)
    assert pair[0] != pair[1]


@pytest.mark.parametrize(
    ("check", "answer", "where"),
    [
        (ps5.evaluate, answers.dice, "problem.html#problem-iou"),
        (ps5.evaluate_void, answers.void_in_the_union, "problem.html#problem-iou"),
        (ps5.evaluate_batches, answers.mean_of_batches, "training.html#training-results"),
        (ps5.evaluate_mode, answers.no_eval, "training.html#training-modes"),
        (ps5.evaluate_mode, answers.without_any_switch, "training.html#training-modes"),
        (ps5.evaluate_leaves, answers.stays_in_eval, "training.html#training-modes"),
        (ps5.train_step_mode, answers.any_mode, "training.html#training-modes"),
    ],
)
def test_links_lead_to_what_explains(check, answer, where):
    with pytest.raises(CheckFailed) as failed:
        check(answer)
    assert str(failed.value).endswith(where)


def test_bars_lie_below_what_was_measured():
    """… by a margin: the figures in networks.py."""
    from . import networks

    rows = {line.split()[0]: line.split()[1:7] for line in networks.__doc__.splitlines() if "0." in line[:20]}
    for data, check in networks.CHECKS.items():
        *measured, bar = map(float, rows[data])
        assert min(measured) >= bar + 0.05
        assert bar == pytest.approx(check._bar(), abs=0.02)
