"""The package's docstrings become what they mean, and nothing else changes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import docutils.core
import pytest

SOURCE = Path(__file__).resolve().parents[2] / "book" / "site" / "docstrings.py"


@pytest.fixture(scope="module")
def tree():
    spec = importlib.util.spec_from_file_location("docstrings", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def parse(docstring: str):
        text = module.as_restructured_text(docstring)
        strict = {"report_level": 1, "halt_level": 2}
        return docutils.core.publish_doctree(text, settings_overrides=strict)

    return parse


def definitions(tree) -> dict[str, str]:
    return {
        item.children[0].astext(): item.children[1].astext().replace("\n", " ")
        for item in tree.findall(lambda node: node.tagname == "definition_list_item")
    }


def test_two_columns_become_definitions(tree):
    found = tree(
        "Trains.\n\nsteps        how many\nbatch_size   of examples\n             together\n\nReturns it."
    )
    assert definitions(found) == {"steps": "how many", "batch_size": "of examples together"}
    assert [p.astext() for p in found.children[::2]] == ["Trains.", "Returns it."]


def test_arguments_under_a_heading_become_definitions(tree):
    found = tree(
        "Steps.\n\nParameters\n----------\ninput: (H, W), or\n    more\nrow, column: where; stride: 1 to 3"
    )
    assert definitions(found) == {"input": "(H, W), or more", "row, column": "where; stride: 1 to 3"}


def test_indented_and_fenced_code_stays_code(tree):
    for docstring in ("Use:\n\n    a  = 1\n    b", "Use:\n\n```python\na  = 1\n\nb\n```"):
        (code,) = tree(docstring).findall(lambda node: node.tagname == "literal_block")
        assert code.astext().replace("\n\n", "\n") == "a  = 1\nb"


@pytest.mark.parametrize(
    "text", ["One line.", "Two lines.  Two blanks after a stop\nare no column.", "a\nb  c"]
)
def test_sentences_stay_sentences(tree, text):
    (paragraph,) = tree(text).children
    assert paragraph.astext().split() == text.split()
