"""The runner measures what is missing and nothing else; results know what they were measured on."""

from __future__ import annotations

import importlib
import subprocess
import sys
import types
from dataclasses import replace

import pytest
import torch

from experiments import recipes, runner
from experiments.__main__ import NAMES
from experiments.context import receptive_field
from experiments.cost_of_resolution import kept_bytes
from experiments.fingerprint import code_hash, data_hash, essence
from experiments.recipes import RECIPES, Part
from pixelwise.data import MissingFiles
from pixelwise.results import FOLDER, Table, read_rows, results, write_rows
from pixelwise.unet import FlatNet

EXPERIMENTS = (*NAMES, "goals")


@pytest.fixture(autouse=True)
def on_one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def tiny(monkeypatch) -> types.ModuleType:
    """An experiment of two settings that counts how often it measures."""
    module = types.ModuleType("experiments.tiny")
    module.ALONE = True
    module.SETTINGS = [{"data": "scenes", "copy_paths": copy_paths} for copy_paths in (True, False)]
    module.measured = []

    def measure(setting, seed):
        module.measured.append((setting["copy_paths"], seed))
        return {"mean_iou": 0.5 + 0.1 * seed + 0.25 * setting["copy_paths"]}

    module.measure = measure
    monkeypatch.setitem(__import__("sys").modules, "experiments.tiny", module)
    monkeypatch.setattr(runner, "hash_of_code", lambda experiment, data: module.code)
    monkeypatch.setattr(runner, "hash_of_data", lambda data: module.data)
    module.code, module.data = "code", "data"
    return module


ALL = [(True, 0), (False, 0), (True, 1), (False, 1)]


def test_it_goes_on_where_it_was_stopped(tiny, tmp_path):
    complete, tiny.measure = tiny.measure, None

    def stopped(setting, seed):
        if len(tiny.measured) == 3:
            raise KeyboardInterrupt
        return complete(setting, seed)

    tiny.measure = stopped
    with pytest.raises(KeyboardInterrupt):
        runner.run(tiny, tmp_path, seeds=2)
    assert tiny.measured == ALL[:3] and len(read_rows(tmp_path / "tiny.csv")) == 3
    tiny.measure = complete
    runner.run(tiny, tmp_path, seeds=2)
    assert tiny.measured == ALL
    runner.run(tiny, tmp_path, seeds=2)
    assert tiny.measured == ALL, "nothing is measured twice"
    assert [row["seed"] for row in read_rows(tmp_path / "tiny.csv")] == [0, 0, 1, 1]


@pytest.mark.parametrize("changed", ["code", "data"])
def test_what_was_measured_on_other_code_or_data_is_measured_again(tiny, tmp_path, changed):
    runner.run(tiny, tmp_path, seeds=2)
    setattr(tiny, changed, "other")
    runner.run(tiny, tmp_path, seeds=2)
    assert tiny.measured == 2 * ALL
    rows = read_rows(tmp_path / "tiny.csv")
    assert len(rows) == 4 and all(row[f"{changed}_hash"] == "other" for row in rows)


def test_results_stay_where_the_data_are_missing_but_none_are_made_up(tiny, tmp_path):
    runner.run(tiny, tmp_path, seeds=1)
    tiny.data = None
    runner.run(tiny, tmp_path, seeds=1)
    assert tiny.measured == ALL[:2]
    with pytest.raises(MissingFiles, match="tiny needs scenes: set PIXELWISE_DATA"):
        runner.run(tiny, tmp_path, seeds=2)


def test_only_the_data_sets_that_are_asked_for(tiny, tmp_path):
    runner.run(tiny, tmp_path, seeds=2, only=["brain"])
    assert tiny.measured == [] and not (tmp_path / "tiny.csv").exists()


def test_an_experiment_from_end_to_end(tmp_path, monkeypatch):
    """Networks are trained for two steps each on four scenes; the table has their means."""
    copy_paths = importlib.import_module("experiments.copy_paths")
    settings = [{"data": "scenes", "copy_paths": c, "steps": 2} for c in (True, False)]
    small = {name: replace(part, last=4) for name, part in RECIPES["scenes"].parts.items()}
    monkeypatch.setitem(RECIPES, "scenes", replace(RECIPES["scenes"], parts=small, base_channels=2))
    monkeypatch.setattr(copy_paths, "SETTINGS", settings)
    monkeypatch.setattr(copy_paths, "ALONE", True)  # a process of its own would not see what is set here
    runner.examples.cache_clear()
    runner.run(copy_paths, tmp_path, seeds=2)
    runner.examples.cache_clear()
    table = results("copy_paths", tmp_path)
    assert len(table.rows) == 4
    assert table.mean("parameters", copy_paths=True) > table.mean("parameters", copy_paths=False)
    assert 0 < table.mean("mean_iou", copy_paths=True) < 1 and "±" in str(table)


@pytest.mark.slow
def test_rows_from_two_processes(tmp_path, monkeypatch):
    cost = importlib.import_module("experiments.cost_of_resolution")
    monkeypatch.setattr(cost, "ALONE", False)
    monkeypatch.setattr(cost, "SETTINGS", [s for s in cost.SETTINGS if s["size"] == 32][:2])
    runner.run(cost, tmp_path, seeds=1)
    table = results("cost_of_resolution", tmp_path)
    assert [row["network"] for row in table.rows] == ["hourglass", "flat, narrow"], (
        "in the order of the settings"
    )
    assert min(table.values("core_milliseconds")) > 0


def read_back(folder, row):
    write_rows(folder / "row.csv", [row])
    return read_rows(folder / "row.csv")[0]


def test_a_table_is_mean_and_deviation_of_each_setting():
    rows = [
        {
            "data": "brain",
            "depth": depth,
            "seed": seed,
            "mean_iou": 0.5 + 0.1 * seed * depth,
            "code_hash": "1e5",
        }
        for seed in range(3)
        for depth in (1, 2)
    ]
    table = Table(rows)
    assert table.mean("mean_iou", depth=2) == pytest.approx(0.7)
    assert table.deviation("mean_iou", depth=1) == pytest.approx(0.1)
    first, second = (line.split() for line in str(table).splitlines()[1:])
    assert first == ["brain", "1", "0.600", "±", "0.100", "3"]
    assert second == ["brain", "2", "0.700", "±", "0.200", "3"]
    with pytest.raises(KeyError, match="depth"):
        table.mean("mean_iou", depth=3)


def test_rows_come_back_as_they_were(tmp_path):
    row = {
        "data": "brain",
        "copy_paths": False,
        "seed": 0,
        "iou": 0.25,
        "note": "",
        "code_hash": "12e4567890",
    }
    assert read_back(tmp_path, row) == row
    assert runner._key(read_back(tmp_path, row)) == runner._key(row), "so that the runner knows them again"


def test_unknown_results_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no results of 'nothing'.*make experiments"):
        results("nothing", tmp_path)


def test_the_hash_sees_code_and_no_comments():
    source = 'def f(x):\n    """Says."""\n    return x + 1\n'
    assert essence(source) == essence('def f(x):  # why\n    """Says more."""\n\n    return (x + 1)\n')
    assert essence(source) != essence(source.replace("1", "2"))
    assert essence(source) != essence(source.replace("x + 1", "x"))
    assert essence("class A:\n    'a'\n    b: int = 1") != essence("class A:\n    b: int = 2")


def test_the_hash_sees_the_recipe_and_the_data(monkeypatch):
    before = code_hash("copy_paths", "scenes"), code_hash("copy_paths", "brain")
    monkeypatch.setitem(RECIPES, "scenes", replace(RECIPES["scenes"], steps=1))
    assert code_hash("copy_paths", "scenes") != before[0] and code_hash("copy_paths", "brain") == before[1]
    monkeypatch.undo()
    data = data_hash("brain")
    other = {
        **RECIPES["brain"].parts,
        "report": Part("test", (("seed", 1),)),
    }  # other noise
    monkeypatch.setitem(RECIPES, "brain", replace(RECIPES["brain"], parts=other))
    assert data_hash("brain") != data


def test_a_part_is_a_stretch_of_its_split():
    whole, stretch = Part("val", (("n", 6),)), Part("val", (("n", 6),), first=2, last=5)
    recipe = replace(RECIPES["scenes"], parts={"whole": whole, "stretch": stretch})
    pairs = zip(recipe.examples("stretch"), recipe.examples("whole")[2:5], strict=True)
    assert all(a.equal(b) for one, other in pairs for a, b in zip(one, other, strict=True))
    count, some = recipe.sample("stretch")
    assert count == 3 and [len(some), len(recipe.examples("stretch"))] == [3, 3]


def stale_reasons(name: str) -> list[str]:
    """In a process of its own: chapters that ran in this one may have left settings behind."""
    code = (
        "import importlib; from experiments import runner; from pixelwise.results import FOLDER, read_rows\n"
        f"experiment, path = importlib.import_module('experiments.{name}'), FOLDER / '{name}.csv'\n"
        "rows = read_rows(path) if path.exists() else []\n"
        "print(*sorted({reason for row in rows if (reason := runner.stale(experiment, row))}), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=FOLDER.parents[1], capture_output=True, text=True, check=True
    )
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else []


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_committed_results_are_those_of_this_code(name):
    """If this fails, results are old: `make experiments` measures again what is stale."""
    experiment = importlib.import_module(f"experiments.{name}")
    wanted = [{**setting, "seed": seed} for seed in range(runner.SEEDS) for setting in experiment.SETTINGS]
    path = FOLDER / f"{name}.csv"
    rows = read_rows(path) if path.exists() else []
    reasons = stale_reasons(name)
    assert not reasons, f"{name}.csv is stale, {', '.join(sorted(reasons))}: run make experiments"
    if missing := {runner._key(row) for row in wanted} - {runner._key(row) for row in rows}:
        pytest.skip(f"{len(missing)} of {len(wanted)} rows were not measured yet: run make experiments")


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_receptive_field_is_what_gradients_reach(depth):
    net = RECIPES["scenes"].build(0, depth=depth).eval()
    image = torch.rand(1, 3, 128, 128, requires_grad=True)
    widths = []
    for column in range(64, 64 + 2**depth):  # at every place on the pooling grids
        (gradient,) = torch.autograd.grad(net(image)[0, :, 64, column].sum(), image)
        reached = gradient.abs().sum(dim=(0, 1, 2)).nonzero()
        widths.append(int(reached.max() - reached.min()) + 1)
    assert max(widths) == receptive_field(depth)


def test_kept_bytes_are_those_of_the_activations():
    """A convolution keeps its input, a ReLU its output, which is the next convolution's input: once each."""
    net = FlatNet(1, 2, channels=4, layers=2)
    images, target = torch.rand(1, 1, 8, 8), torch.zeros(1, 8, 8).long()
    activations = 4 * 64 * (1 + 4 + 4)
    kept = kept_bytes(net, images, target)
    assert activations <= kept <= activations + 4 * 64 * 16, "what the loss keeps of two scores comes on top"
    twice = kept_bytes(net, images.repeat(2, 1, 1, 1), target.repeat(2, 1, 1))
    assert twice == pytest.approx(2 * kept, rel=0.01)


def test_recipes_choose_and_report_on_different_examples(monkeypatch):
    for recipe in (RECIPES["scenes"], RECIPES["brain"]):
        seen = [part.split for part in recipe.parts.values()]
        assert len(set(seen)) == len(seen)
    for name in ("isbi2012", "camvid"):
        parts = RECIPES[name].parts
        assert parts["train_to_choose"].last < parts["choose"].first
        assert parts["choose"].split == "train" != parts["report"].split


def test_standard_sets_are_looked_for_in_one_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("PIXELWISE_DATA", str(tmp_path))
    with pytest.raises(MissingFiles, match=str(tmp_path / "camvid")):
        RECIPES["camvid"].examples("train")
    monkeypatch.delenv("PIXELWISE_DATA")
    assert recipes.default_root("camvid") is None
