"""Nothing in a submission becomes alive in the feedback on it, and no hidden test is shown."""

import re

import nbformat
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from autograder.feedback import SafeFeedback
from tests.exercises.course import notebook

NASTY = [
    "<script>alert('evil')</script>",
    "<img src=x onerror=alert('evil')>",
    "<iframe src='https://evil.example'></iframe>",
    "![evil](https://evil.example/picture.png)",
    "![evil][1]\n\n[1]: https://evil.example/picture.png",
    "[evil](javascript:alert(1))",
    "<svg onload=alert('evil')></svg>",
    "$\\href{javascript:alert(1)}{x}$",
    '<a href="https://evil.example" style="position:fixed">x</a>',
]
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def shown(*cells) -> str:
    """The feedback's page on a notebook of these cells, without what nbconvert itself puts into its head."""
    safe, _ = SafeFeedback().preprocess(new_notebook(cells=list(cells)), {})
    page, _ = HTMLExporter(template_name="basic").from_notebook_node(safe)
    return page


def alive(page: str) -> list[str]:
    """Elements and attributes that a browser would run or fetch."""
    tags = re.findall(r"<[a-zA-Z][^>]*>", page)
    return [
        tag
        for tag in tags
        if re.match(r"<(script|iframe|object|embed|svg|link|style)\b", tag)
        or re.search(r"\son\w+\s*=|javascript:|src\s*=\s*(?![\"']?data:image/(png|jpeg);base64,)", tag)
    ]


def test_text_is_text():
    for source in NASTY:
        assert not alive(shown(new_markdown_cell(source), nbformat.v4.new_raw_cell(source))), source


def test_outputs_are_text_and_pictures():
    kinds = ["text/html", "text/markdown", "text/latex", "application/javascript"]
    kinds += ["image/svg+xml", "image/png"]
    for source in NASTY:
        outputs = [new_output("display_data", data={kind: source}) for kind in kinds]
        outputs += [new_output("stream", text=source)]
        outputs += [new_output("error", ename=source, evalue=source, traceback=[source])]
        picture = new_output("display_data", data={"image/png": PICTURE})
        picture.metadata = {"image/png": {"alt": source}}
        outputs.append(picture)
        page = shown(new_code_cell(source, outputs=outputs))
        assert not alive(page), source
        assert page.count(PICTURE) == 1


def test_hidden_tests_are_not_shown():
    graded = notebook("solutions", "ps2_transposed_convolution").cells
    page = shown(*(cell for cell in graded if "HIDDEN" in cell.source))
    assert "hidden cases of the same kind" in page
    assert "HIDDEN" not in page
    assert "autograder" not in page


def test_the_courses_own_text_stays_as_it_is():
    hint = next(
        one for one in notebook("exercises", "ps2_transposed_convolution").cells if "<details>" in one.source
    )
    assert "<summary>" in shown(hint)
