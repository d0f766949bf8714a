"""What students get is written only if nothing of a solution, a hidden test or an answer is in it."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import shutil
import zipfile
from itertools import chain
from pathlib import Path

import nbformat
import pytest

from autograder.publishing import release
from autograder.publishing.leaks import Secret, Secrets, _Finder, _index_words, _texts, letters

ROOT = Path(__file__).resolve().parents[2]
SET = "ps2_transposed_convolution"


@pytest.fixture(scope="module")
def secrets() -> Secrets:
    return Secrets(ROOT)


def hidden_from_students(cell: str, start: str, stop: str) -> str:
    """A piece of a cell of the solution notebook."""
    cells = nbformat.read(next((ROOT / "solutions" / SET).glob("*.ipynb")), as_version=4).cells
    source = next(one.source for one in cells if one.id == cell)
    begin = source.index(start) + len(start)
    return source[begin : source.index(stop, begin) if stop else None].strip("\n")


PLANTED = {
    "solution": hidden_from_students("conv-transpose2d", "### BEGIN SOLUTION", "### END SOLUTION"),
    "hidden test": hidden_from_students(
        "conv-transpose2d-overlaps", "from autograder import hidden", "### END HIDDEN TESTS"
    ),
    "answer": hidden_from_students("checkerboard", "", "**Rubric.**"),
}
NOTHING = "for row in range(rows):\n    print(row)  # a line of code as there are many"


# ---- where it can hide: functions from a text to the name and the content of a file ----------------------


def in_a_notebook(text: str) -> tuple[str, bytes]:
    return notebook(nbformat.v4.new_code_cell(text))


def in_an_output(text: str) -> tuple[str, bytes]:
    cell = nbformat.v4.new_code_cell("1")
    cell.outputs = [nbformat.v4.new_output("stream", text=text)]
    return notebook(cell)


def in_an_output_as_html(text: str) -> tuple[str, bytes]:
    """As Pygments marks code: every word is an element of its own."""
    marked = " ".join(f'<span class="n">{html.escape(word)}</span>' for word in text.split())
    cell = nbformat.v4.new_code_cell("1")
    cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": marked})]
    return notebook(cell)


def in_an_output_in_base64(text: str) -> tuple[str, bytes]:
    """In lines of 76, as images are."""
    data = base64.encodebytes(text.encode()).decode()
    cell = nbformat.v4.new_code_cell("1")
    cell.outputs = [nbformat.v4.new_output("display_data", {"image/jpeg": data})]
    return notebook(cell)


def in_metadata(text: str) -> tuple[str, bytes]:
    cell = nbformat.v4.new_code_cell("1")
    cell.metadata["history"] = {"versions": [text]}
    return notebook(cell)


def in_a_chapter(text: str) -> tuple[str, bytes]:
    """With another layout."""
    return "book/unet.md", ("# A chapter\n\n" + "  ".join(text.split())).encode()


def in_a_page(text: str) -> tuple[str, bytes]:
    return "docs/unet.html", f"<p>{html.escape(text)}</p>".encode()


def in_the_state_of_a_widget(text: str) -> tuple[str, bytes]:
    """JSON within JSON within a page."""
    state = json.dumps({"state": json.dumps({"code": text})}).replace("<", "\\u003c")
    return "docs/unet.html", f"<script type='application/json'>{state}</script>".encode()


def in_the_search_index_as_a_title(text: str) -> tuple[str, bytes]:
    return search_index(titles=[text])


def in_a_wheel(text: str) -> tuple[str, bytes]:
    return "release/pixelwise.whl", zipped("pixelwise/unet.py", text.encode())


def in_a_wheel_packed_again(text: str) -> tuple[str, bytes]:
    return "release/pixelwise.whl", zipped("pixelwise/data/cases.json.gz", gzip.compress(text.encode()))


def in_a_wheel_in_base64(text: str) -> tuple[str, bytes]:
    data = base64.b64encode(gzip.compress(text.encode())).decode()
    return "release/pixelwise.whl", zipped("pixelwise/unet.py", f'DATA = "{data}"'.encode())


PLACES = [
    *(in_a_notebook, in_an_output, in_an_output_as_html, in_an_output_in_base64, in_metadata, in_a_chapter),
    *(in_a_page, in_the_state_of_a_widget, in_the_search_index_as_a_title),
    *(in_a_wheel, in_a_wheel_packed_again, in_a_wheel_in_base64),
]


def notebook(cell: nbformat.NotebookNode) -> tuple[str, bytes]:
    cells = [nbformat.v4.new_markdown_cell("# Title"), cell]
    return "exercises/ps9/new.ipynb", nbformat.writes(nbformat.v4.new_notebook(cells=cells)).encode()


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def search_index(titles: list[str] = (), terms: dict[str, int] | None = None) -> tuple[str, bytes]:
    index = {"docnames": ["unet"], "titles": [*titles], "terms": terms or {}, "titleterms": {}}
    return "docs/searchindex.js", f"Search.setIndex({json.dumps(index)})".encode()


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_it_is_found(secrets, place, kind):
    name, content = place(PLANTED[kind])
    found = list(secrets.leaks(name, content))
    assert found and all(leak.path.startswith(name) for leak in found)
    assert secrets.held(content) >= secrets.held(PLANTED[kind].encode())


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_what_is_no_secret_is_left_alone(secrets, place):
    assert list(secrets.leaks(*place(NOTHING))) == []


def test_signs_that_markup_uses_hide_nothing():
    code = 'if first < second and "third" > fourth & fifth: return'
    marked = "".join(f"<b>{html.escape(word)}</b> " for word in code.split())
    for shown in (marked, json.dumps(marked), html.escape(marked), code, json.dumps(code)):
        assert any(letters(code) in text for text in _texts(shown.encode())), shown


def test_the_shortest_secret_is_found_wherever_it_stands():
    secret = "abcdefghij0123456789"
    finder = _Finder({secret: Secret(secret, secret, "")})
    for before in range(50):
        assert finder.find("-" * before + secret + "+" * 30)


def test_one_line_of_a_solution_is_enough(secrets):
    lines = [line for line in PLANTED["solution"].splitlines() if len(letters(line)) >= 30]
    assert lines
    for line in lines:
        assert list(secrets.leaks("a.md", f"as in {line.strip()} and so on".encode())), line


def test_the_words_of_an_answer_in_the_search_index(secrets):
    """The index has words in no order, cut to their stems; half of them are no sign."""
    words = sorted(set(_index_words(hidden_from_students("checkerboard", "", ""))))
    (leak,) = secrets.leaks(*search_index(terms=dict.fromkeys(words, 0)))
    assert "page unet" in leak.reason and "checkerboard" in leak.reason
    assert list(secrets.leaks(*search_index(terms=dict.fromkeys(words[::2], 0)))) == []


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("pixelwise/autograder/hidden.py", b"", "autograder is no part of what students get"),
        ("exercises/ps1/gradebook.db", b"", "gradebook.db is no part"),
        ("release/a.whl", zipped("solutions/ps1/convolution.ipynb", b"{}"), "solutions is no part"),
        ("a.ipynb", b"### BEGIN SOLUTION", "### BEGIN SOLUTION"),
        ("a.py", b"from autograder import hidden", "'autograder'"),
    ],
)
def test_what_is_the_instructors_is_known_by_its_name(secrets, name, content, says):
    (leak,) = secrets.leaks(name, content)
    assert says in str(leak)


# ---- the whole ------------------------------------------------------------------------------------------


@pytest.fixture
def course(tmp_path) -> Path:
    """A course with one problem set and a book of one page."""
    for name in release.FILES:
        shutil.copy2(ROOT / name, tmp_path)
    for folder in ("solutions", "exercises"):
        shutil.copytree(ROOT / folder / SET, tmp_path / folder / SET)
    for name, text in {
        "book/index.md": "# The book",
        "pixelwise/__init__.py": "",
        "_build/html/index.html": "<h1>The book</h1>",
        "_build/html/searchindex.js": search_index()[1].decode(),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_students_get_the_book_the_problem_sets_and_the_package(course):
    (course / "pixelwise" / "__pycache__").mkdir()
    (course / "pixelwise" / "__pycache__" / "unet.pyc").write_bytes(b"")
    tree, files = release.write(course)
    assert {path.name for path in tree.iterdir()} == {*release.FILES, *release.FOLDERS, "README.md", "docs"}
    assert {path.name for path in (tree / "docs").iterdir()} == {"index.html", "searchindex.js", ".nojekyll"}
    assert not list(tree.rglob("*.pyc"))
    assert f"exercises/{SET}/transposed_convolution.ipynb" in (tree / "README.md").read_text()
    wheel, archive = sorted(files.iterdir())
    book = [f"pixelwise-book/{name}" for name in ("index.html", "searchindex.js")]
    assert zipfile.ZipFile(archive).namelist() == book
    assert "pixelwise/__init__.py" in zipfile.ZipFile(wheel).namelist()


def test_leaks_are_named_and_nothing_is_left(course, monkeypatch, capsys):
    """Neither what would leak nor what an earlier release left."""
    (course / "_build" / "student").mkdir()
    places = {
        f"exercises/{SET}/notes.txt": [f"exercises/{SET}/notes.txt"],
        "book/index.md": ["book/index.md"],
        "_build/html/index.html": ["docs/index.html", "pixelwise-book.zip › pixelwise-book/index.html"],
        "pixelwise/__init__.py": [
            "pixelwise/__init__.py",
            "pixelwise-0.1.0-py3-none-any.whl › pixelwise/__init__.py",
        ],
    }
    for file in places:
        with (course / file).open("a") as text:
            text.write(PLANTED["hidden test"])
    monkeypatch.chdir(course)
    assert release.main() == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "Nothing is released. These files give something away:"
    reason = f": holds what only {SET}, cell conv-transpose2d-overlaps, has: "
    assert sorted(line.split(reason)[0] for line in said[1:]) == sorted(chain.from_iterable(places.values()))
    assert not (course / "_build" / "student").exists() and not (course / "_build" / "release").exists()


def test_a_book_that_is_not_built_is_said(course, monkeypatch, capsys):
    shutil.rmtree(course / "_build" / "html")
    monkeypatch.chdir(course)
    assert release.main() == 1
    assert capsys.readouterr().err.startswith("The book is not built: run make student-release")
