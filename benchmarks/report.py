"""A table of measured figures and their limits, as every benchmark prints it."""

from __future__ import annotations

import sys


class Report:
    """Prints a line for each figure and remembers whether one broke its limit."""

    def __init__(self) -> None:
        self.broken: list[str] = []

    def line(self, what: str, figure: str, limit: str = "", kept: bool = True) -> None:
        print(f"{what:<52}{figure:>14}   {limit:<12}{'' if kept else 'BROKEN'}".rstrip(), flush=True)
        if not kept:
            self.broken.append(what)

    def close(self) -> None:
        """Exit with 1 where a limit is broken."""
        if self.broken:
            sys.exit(f"broken limits: {'; '.join(self.broken)}")
