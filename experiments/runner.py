"""Measures what is missing in the results of an experiment.

An experiment is a module with

    SETTINGS                a list of dictionaries, the columns of its table; each names its "data"
    measure(setting, seed)  what came out, as a dictionary of figures
    ALONE                   True where time is measured: one row at a time, on two cores. Else two rows at a
                            time, on a core each, which is faster for networks as small as ours

Every row is written as soon as it is there. Rows that are there are not measured again unless code or data
changed since (`fingerprint`): stop the runner when you like, and start it again.
"""

from __future__ import annotations

import importlib
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from types import ModuleType

import torch

from experiments.fingerprint import code_hash, data_hash
from experiments.recipes import RECIPES
from pixelwise.augmentation import Example
from pixelwise.data import MissingFiles
from pixelwise.inference import predict
from pixelwise.metrics import BoundaryF1, ConfusionMatrix
from pixelwise.results import FOLDER, Row, read_rows, settings_of, write_rows
from pixelwise.unet import Network

SEEDS = 5


def run(
    experiment: ModuleType, folder: Path = FOLDER, seeds: int = SEEDS, only: Sequence[str] | None = None
) -> None:
    """Measure the rows that are missing or stale (of the data sets in `only`); write all rows to `folder`."""
    path = folder / f"{name_of(experiment)}.csv"
    wanted = [{**setting, "seed": seed} for seed in range(seeds) for setting in experiment.SETTINGS]
    kept = {
        _key(row): row for row in (read_rows(path) if path.exists() else []) if not stale(experiment, row)
    }
    todo = [row for row in wanted if _key(row) not in kept and (only is None or row["data"] in only)]
    print(f"{path.stem}: {len(todo)} of {len(wanted)} rows to measure", flush=True)
    if missing := {row["data"] for row in todo if hash_of_data(row["data"]) is None}:
        raise MissingFiles(
            f"{path.stem} needs {', '.join(sorted(missing))}: set PIXELWISE_DATA to the folder with them"
        )
    # Taken before anything is measured: who edits the code meanwhile gets stale rows, not wrong ones.
    hashes = {
        row["data"]: {
            "code_hash": hash_of_code(experiment, row["data"]),
            "data_hash": hash_of_data(row["data"]),
        }
        for row in todo
    }
    start = time.monotonic()
    for count, row in enumerate(_measured(experiment, todo), start=1):
        kept[_key(row)] = row = {**row, **hashes[row["data"]]}
        write_rows(path, [kept[_key(row)] for row in wanted if _key(row) in kept])
        shown = ", ".join(f"{name} {value}" for name, value in row.items() if not name.endswith("_hash"))
        print(f"{count}/{len(todo)} after {time.monotonic() - start:.0f} s: {shown}", flush=True)


def stale(experiment: ModuleType, row: Row) -> str:
    """Why a row does not hold any more, or "" if it does. Data that are not here cannot have changed."""
    if row["code_hash"] != hash_of_code(experiment, row["data"]):
        return "the code changed"
    if hash_of_data(row["data"]) not in (None, row["data_hash"]):
        return f"{row['data']} changed"
    return ""


def accuracy(net: Network, examples: list[Example]) -> dict[str, float]:
    """Mean IoU and boundary F1 (within 2 pixels), in one pass."""
    matrix, outlines = ConfusionMatrix(net.num_classes), BoundaryF1(net.num_classes)
    for image, class_map in examples:
        scores = predict(net, image[None])
        matrix.update(scores, class_map[None])
        outlines.update(scores, class_map[None])
    return {"mean_iou": round(matrix.mean_iou(), 4), "boundary_f1": round(outlines.mean_f1(), 4)}


@cache
def examples(data: str, part: str) -> list[Example]:
    """The examples of a recipe, read once a process."""
    return RECIPES[data].examples(part)


@cache
def hash_of_data(data: str) -> str | None:
    """None where the data are not on this machine."""
    try:
        return data_hash(data)
    except MissingFiles:
        return None


@cache
def hash_of_code(experiment: ModuleType, data: str) -> str:
    return code_hash(name_of(experiment), data)


def name_of(experiment: ModuleType) -> str:
    return experiment.__name__.rpartition(".")[2]


def _measured(experiment: ModuleType, todo: list[Row]) -> Iterator[Row]:
    """The rows with their figures, as they are done."""
    if experiment.ALONE:
        torch.set_num_threads(2)
        yield from (_measure(experiment.__name__, row) for row in todo)
        return
    spawn = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with ProcessPoolExecutor(2, spawn, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for future in as_completed([pool.submit(_measure, experiment.__name__, row) for row in todo]):
            yield future.result()


def _measure(module: str, row: Row) -> Row:
    experiment = importlib.import_module(module)
    setting = {name: value for name, value in row.items() if name != "seed"}
    return {**row, **experiment.measure(setting, row["seed"])}


def _key(row: Row) -> tuple:
    return (*settings_of(row).items(), row["seed"])
