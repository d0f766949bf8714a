"""Nothing in a submission becomes alive in the feedback on it, and no hidden test is shown."""

import re

import nbformat
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from autograder.course import Course
from autograder.pages.feedback import FeedbackPage, SafeFeedback
from tests.exercises.course import ROOT, notebook

NASTY = [
    "<script>alert('evil')</script>",
    "<img src=x onerror=alert('evil')>",
    "<iframe src='https://evil.example'></iframe>",
    "![evil](https://evil.example/picture.png)",
    "![evil][1]\n\n[1]: https://evil.example/picture.png",
    "[evil](javascript:alert(1))",
    "[evil](javascript\\:alert(1))",
    "[evil](&#106;avascript:alert(1))",
    "[evil](&amp;#106;avascript:alert(1))",
    "[evil](\x01javascript:alert(1))",
    "[evil](java\tscript:alert(1))",
    "[evil](data:text/html,<script>alert(1)</script>)",
    "![evil](data:image/svg+xml,<svg>)",
    "<div id=checkerboard class=full-credit style='position:fixed'>evil</div>",
    "$\\mmlToken{mi}[href='javascript:alert(1)']{x}$",
    "[evil][2]\n\n[2]: <javascript:alert(1)>",
    "<javascript:alert(1)>",
    "<svg onload=alert('evil')></svg>",
    "$\\href{javascript:alert(1)}{x}$",
    '<a href="https://evil.example" style="position:fixed">x</a>',
]
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def shown(*cells) -> str:
    """The feedback's page on a notebook of these cells, without what nbconvert itself puts into its head."""
    safe, _ = SafeFeedback().preprocess(new_notebook(cells=list(cells)), {})
    config = Course.at(ROOT, "ps2_transposed_convolution").config
    page, _ = HTMLExporter(config=config, template_name="basic").from_notebook_node(safe)
    return page


def alive(page: str) -> list[str]:
    """Elements and attributes that a browser would run or fetch."""
    tags = re.findall(r"<[a-zA-Z][^>]*>", page)
    elements = re.compile(r"<(script|iframe|object|embed|svg|link|style|form|button)\b")
    attributes = re.compile(r"\s(on\w+|style|id)\s*=(?!.cell-id)|full-credit|(javascript|vbscript)\s*:")
    fetched = re.compile(r"src\s*=\s*(?![\"']?data:image/(png|jpeg);base64,)|data:(?!image/(png|jpeg))")
    return [tag for tag in tags if elements.match(tag) or attributes.search(tag) or fetched.search(tag)]


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


def test_text_stays_readable():
    page = shown(
        new_markdown_cell(
            "# A title\n\nIf **a < b**, `x[0] < y & z`, $a < b$, [here](https://example.org):\n\n1. <u>a</u>"
        )
    )
    for part in (
        *(">A title<", "<strong>a &lt; b</strong>", "<code>x[0] &lt; y &amp; z</code>", "$a &lt; b$"),
        *('<a href="https://example.org">here</a>', "<u>a</u>"),
    ):
        assert part in page


def test_the_courses_own_text_stays_as_it_is():
    hint = next(
        one for one in notebook("exercises", "ps2_transposed_convolution").cells if "<details>" in one.source
    )
    assert "<summary>" in shown(hint)


def test_the_formgrader_shows_the_same_and_the_instructors_cells_in_full(tmp_path):
    """nbgrader hands the course's settings to the exporter of its pages, and says which submission it is."""
    exporter = HTMLExporter(config=Course.at(ROOT, "ps2_transposed_convolution").config)
    hidden = next(
        one for one in notebook("solutions", "ps2_transposed_convolution").cells if "HIDDEN" in one.source
    )
    html = [new_output("display_data", data={"text/html": source}) for source in NASTY]
    book = new_notebook(cells=[*map(new_markdown_cell, NASTY), new_code_cell("1", outputs=html), hidden])
    page, _ = exporter.from_notebook_node(book, {"submission_id": "1"})
    body = page[page.index("<body") :]
    assert not [tag for tag in alive(body) if "evil" in tag]
    assert "HIDDEN" in body


def feedback(book, score=0.0, possible=1.0, penalty=0.0) -> str:
    """The page that a student gets on a graded notebook."""
    given = {"score": score, "max_score": possible, "late_penalty": penalty}
    book, resources = SafeFeedback().preprocess(book, {"nbgrader": given})
    config = Course.at(ROOT, "ps2_transposed_convolution").config
    page, _ = FeedbackPage(config=config).from_notebook_node(book, resources)
    return page


def part(cell: str, says: str) -> str:
    return f'<a href="#{cell}">{says}</a>'


def test_points_stand_by_task_and_what_lost_some_by_name():
    book = notebook("solutions", "ps2_transposed_convolution")
    failed = new_output(
        "error", ename="CheckFailed", evalue="✗ f\n\nIt is <b>early</b>.\n\nMore", traceback=["✗ f"]
    )
    for cell in book.cells:
        given = cell.metadata.get("nbgrader", {})
        if given.get("grade"):
            given["score"] = given["points"]
            if cell.id == "conv-transpose2d-overlaps":
                given["score"], cell.outputs = 0, [failed]
    page = feedback(book, 27.5, 30, 0.5)
    for text in (
        *("<b>27.5</b> of 30 points", "0.5 points are taken off", "Task 3: batch, channels and bias</a>"),
        part("conv-transpose2d-overlaps", "one channel, with overlaps"),
        *('<span class="of"><b>8</b> / 10</span>', "It is &lt;b&gt;early&lt;/b&gt;."),
    ):
        assert text in page
    assert part("conv-transpose2d-bias", "a bias for each output channel, no overlaps") not in page
    assert "HIDDEN" not in page
    assert "late" not in feedback(book, 28, 30).partition("<body>")[2].partition("<main>")[0]


def test_nothing_on_the_page_becomes_alive():
    for source in NASTY:
        answer = {
            "grade": True,
            "solution": True,
            "grade_id": source,
            "score": 0,
            "points": 1,
            "comment": source,
        }
        written = new_markdown_cell(source, metadata={"nbgrader": answer})
        title = new_markdown_cell(f"# {source}\n\n## {source}")
        page = feedback(
            new_notebook(cells=[title, written, new_code_cell(source, metadata={"nbgrader": answer})])
        )
        body = page.partition("</head>")[2]
        text = """("[^"]*"|'[^']*')"""
        ours = re.compile(rf'<section class="box wrong" id={text}>|<a href={text}>|<i style="width: 0.0%">')
        assert "<script>alert" not in page
        assert [tag for tag in alive(body) if not ours.fullmatch(tag)] == [], source
