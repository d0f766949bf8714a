"""What holds for every chapter: its numbers are proved, its cells are short, its links lead somewhere."""

from __future__ import annotations

import ast
import re

from pixelwise.figures import Picture

from .reading import Chapter, unproved


class ChapterTests:
    """Subclass it with the chapter, a fixture `statements`, and what the problem set keeps for itself."""

    chapter: Chapter
    secret_names: frozenset[str] = frozenset()
    secret_arguments: frozenset[str] = frozenset()

    def widgets(self) -> dict[str, object]:
        return {shown.name: shown for shown in self.chapter.run.shown if hasattr(shown, "name")}

    def test_the_chapter_says_what_is_computed(self, statements):
        missing = [sentence for sentence in statements if sentence not in self.chapter.prose]
        assert not missing, missing[0]

    def test_every_number_in_the_prose_is_accounted_for(self, statements):
        assert unproved(self.chapter.prose, statements) == []

    def test_changing_any_digit_is_noticed(self, statements):
        """A changed digit belongs to a sentence that must stand in the chapter: the first test fails."""
        prose = self.chapter.prose
        for digit in re.finditer(r"(?<![A-Za-z_])\d", prose):
            changed = f"{prose[: digit.start()]}{(int(digit[0]) + 1) % 10}{prose[digit.end() :]}"
            noticed = any(sentence not in changed for sentence in statements) or unproved(changed, statements)
            assert noticed, prose[digit.start() - 40 : digit.end() + 40]

    def test_what_is_printed_is_the_same_everywhere(self):
        for text in self.chapter.run.printed:
            assert not re.search(r"\d\.\d{4}|\d+\.?\d* ?m?s\b|cuda|mps|0x", text), text

    def test_cells_are_short(self):
        """What a reader sees without opening it fits into the column and is read at a glance."""
        for code, tags in self.chapter.cells:
            if "hide-input" not in tags:
                assert max(map(len, code.split("\n"))) <= 80, code
                assert len(code.split("\n")) <= 16, code

    def test_no_answer_to_the_problem_set_stands_here(self):
        for code, _ in self.chapter.cells:
            for node in ast.walk(ast.parse(code)):
                if isinstance(node, ast.FunctionDef):
                    arguments = {argument.arg for argument in node.args.args}
                    assert node.name not in self.secret_names, node.name
                    assert not arguments & self.secret_arguments, node.name

    def test_names_of_widgets_and_labels_differ(self):
        names = [shown.name for shown in self.chapter.run.shown if hasattr(shown, "name")]
        assert len(names) == len(set(names)) and all(names)
        assert not set(names) & self.chapter.labels

    def test_links_to_a_state_name_a_widget_and_its_traits(self):
        for target, query in re.findall(r'<a href="#([\w-]+)\?([^"]*)">', self.chapter.body):
            assert target in self.widgets()
            for trait in re.findall(r"([^=&]+)=", query):
                assert self.widgets()[target].has_trait(trait), trait

    def test_figures_say_what_one_sees(self):
        pictures = [shown for shown in self.chapter.run.shown if isinstance(shown, Picture)]
        assert len(pictures) == sum("figures.show(" in code for code, _ in self.chapter.cells)
        for picture in pictures:
            assert len(picture.alt.split()) > 15
