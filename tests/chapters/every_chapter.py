"""What holds for every chapter. A chapter's tests take it over:

    class TestPage(EveryChapter):
        chapter = CHAPTER

and have a fixture `statements`: the chapter's sentences with numbers in them, each number computed.
"""

from __future__ import annotations

import re
from functools import cache

from pixelwise.figures import Picture

from .reading import BOOK, Chapter, unproved


@cache
def labels() -> set[str]:
    """All goals of links in the book."""
    return set().union(*(Chapter(page.stem).labels for page in BOOK.glob("*.md")))


class EveryChapter:
    chapter: Chapter

    def test_the_chapter_says_what_is_computed(self, statements):
        missing = [sentence for sentence in statements if sentence not in self.chapter.prose]
        assert not missing, missing[0]

    def test_every_number_in_the_prose_is_accounted_for(self, statements):
        places = unproved(self.chapter.prose, statements)
        assert not places, places

    def test_changing_any_digit_is_noticed(self, statements):
        """A changed digit belongs to a sentence that must stand in the chapter: the first test fails."""
        prose = self.chapter.prose
        for digit in re.finditer(r"(?<![A-Za-z_])\d", prose):
            changed = f"{prose[: digit.start()]}{(int(digit[0]) + 1) % 10}{prose[digit.end() :]}"
            noticed = any(sentence not in changed for sentence in statements) or unproved(changed, statements)
            assert noticed, prose[digit.start() - 40 : digit.end() + 40]

    def test_what_is_printed_is_the_same_everywhere(self):
        """No times, devices, or digits beyond what rounding leaves alone, but in cells tagged `varies`."""
        for (_, tags), text in zip(self.chapter.cells, self.chapter.run.printed, strict=True):
            if "varies" not in tags:
                assert not re.search(r"\d\.\d{6}|\d+\.?\d* ?m?s\b|cuda|mps|0x", text), text

    def test_cells_are_short(self):
        """What a reader sees without opening it fits into the column and is read at a glance."""
        for code, tags in self.chapter.cells:
            if not tags & {"hide-input", "remove-input"}:
                assert max(map(len, code.split("\n"))) <= 80, code
                assert len(code.split("\n")) <= 18, code

    def test_names_of_widgets_and_labels_differ(self):
        names = [v.name for v in self.chapter.run.shown if hasattr(v, "name")]
        assert len(names) == len(set(names)) and all(names)
        assert not set(names) & self.chapter.labels

    def test_links_into_the_page_have_a_goal(self):
        names = {v.name for v in self.chapter.run.shown if hasattr(v, "name")}
        for target, step, text in re.findall(
            r'<a href="#([\w-]+)\?step=(\d+)">([^<]*)</a>', self.chapter.body
        ):
            assert target in names and step in text.split()
        for target in re.findall(r"\]\(#([\w-]+)\)", self.chapter.body):
            assert target in labels(), target

    def test_figures_say_what_one_sees(self):
        pictures = [v for v in self.chapter.run.shown if isinstance(v, Picture)]
        assert len(pictures) == sum("figures.show(" in code for code, _ in self.chapter.cells)
        for picture in pictures:
            assert len(picture.alt.split()) > 15
