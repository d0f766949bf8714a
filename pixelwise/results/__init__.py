"""What the experiments measured, so that chapters can show it wherever they run: one CSV file for each.

    from pixelwise.results import results
    results("copy_paths")                                                 # a table, mean ± s.d. over seeds
    results("copy_paths").mean("mean_iou", data="brain", copy_paths=True)

`make experiments` writes the files. In each, the columns before `seed` are the setting, those behind it were
measured; the last two are hashes.
"""

from __future__ import annotations

import ast
import csv
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
HASHES = ("code_hash", "data_hash")

Row = dict[str, Any]


def results(name: str, folder: Path = FOLDER) -> Table:
    """What the experiment of this name measured. Raises `FileNotFoundError` where it was never run."""
    path = folder / f"{name}.csv"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.csv"))) or "none"
        raise FileNotFoundError(f"no results of {name!r}; there are {known}. make experiments measures them")
    return Table(read_rows(path))


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV file, with numbers and truth values as such."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {name: text if name in HASHES else _value(text) for name, text in row.items()}
            for row in csv.DictReader(file)
        ]


def settings_of(row: Row) -> Row:
    """The columns that were set: those before the seed."""
    names = list(row)
    return {name: row[name] for name in names[: names.index("seed")]}


def write_rows(path: Path, rows: list[Row]) -> None:
    """The counterpart of `read_rows`; who is stopped while writing still has the file before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    with beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    beside.replace(path)


@dataclass(frozen=True)
class Table:
    """Rows of an experiment, one for each setting and seed; shown as a table of means."""

    rows: list[Row]

    @property
    def figures(self) -> list[str]:
        """The names of the columns that were measured."""
        names = list(self.rows[0])
        return [name for name in names[names.index("seed") + 1 :] if name not in HASHES]

    def where(self, **setting: Any) -> Table:
        """The rows of this setting only."""
        rows = [row for row in self.rows if all(row[name] == value for name, value in setting.items())]
        if not rows:
            raise KeyError(f"no rows with {setting}")
        return Table(rows)

    def values(self, figure: str, **setting: Any) -> list[float]:
        """What was measured, seed by seed."""
        return [row[figure] for row in self.where(**setting).rows if row[figure] != ""]

    def mean(self, figure: str, **setting: Any) -> float:
        return statistics.fmean(self.values(figure, **setting))

    def deviation(self, figure: str, **setting: Any) -> float:
        """The standard deviation over the seeds (n − 1)."""
        return statistics.stdev(self.values(figure, **setting))

    def summary(self) -> list[dict[str, str]]:
        """A row for each setting: `0.912 ± 0.004`; without ± where nothing varies."""
        shown = []
        for setting in self._distinct():
            cells = {name: str(value) for name, value in setting.items()}
            for figure in self.figures:
                cells[figure] = _mean_and_deviation(self.values(figure, **setting))
            cells["seeds"] = str(len(self.where(**setting).rows))
            shown.append(cells)
        return shown

    def __str__(self) -> str:
        rows = self.summary()
        names = list(rows[0])
        widths = [max(len(name), *(len(row[name]) for row in rows)) for name in names]
        lines = [names, *([row[name] for name in names] for row in rows)]
        return "\n".join(
            "  ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)).rstrip() for line in lines
        )

    __repr__ = __str__

    def _distinct(self) -> list[Row]:
        found: list[Row] = []
        for row in self.rows:
            if settings_of(row) not in found:
                found.append(settings_of(row))
        return found


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _mean_and_deviation(values: list[float]) -> str:
    if not values:
        return ""
    mean = statistics.fmean(values)
    spread = statistics.stdev(values) if len(values) > 1 else 0
    if not spread:
        return f"{mean:,.0f}" if mean == int(mean) else f"{mean:.3g}"
    digits = 3 if abs(mean) < 1 else 1
    return f"{mean:.{digits}f} ± {spread:.{digits}f}"
