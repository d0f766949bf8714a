"""`python -m experiments`: measure what is missing, of all experiments or of those that are named."""

from __future__ import annotations

import argparse
import importlib

from experiments.runner import run
from pixelwise.results import results

#: In the order of the chapters.
NAMES = ("full_resolution", "cost_of_resolution", "context", "upsampling", "copy_paths", "losses")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="name", help=", ".join(NAMES))
    for name in parser.parse_args().names:
        run(importlib.import_module(f"experiments.{name}"))
        print(results(name), end="\n\n")


if __name__ == "__main__":
    main()
