"""Finds solutions, hidden tests and answers in what students and readers get.

Texts are compared by their letters and digits alone, so that layout, markup and the escapes of HTML and JSON
make no difference. What is packed (zip, wheel, tar, gzip, a picture's comments) or in base64 is unpacked.
What is not found: a solution with other names or in other words, a picture of one, an encrypted one.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import html
import io
import json
import lzma
import re
import tarfile
import urllib.parse
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
from PIL import Image, UnidentifiedImageError
from sphinx.search.en import SearchEnglish

#: Letters and digits that lines of code need to tell something; shorter ones are joined with the next.
_TELLING = 30
#: The fewest that any secret has, and what follows from it for `_Finder`.
_FEWEST, _PIECE = 20, 8
_STEP = _FEWEST - _PIECE + 1
#: Words of a solution, of those that no problem set has, that together on one page are no chance.
_WORDS = 6
_DEPTH = 4  # packed in packed in …

_LANGUAGE = SearchEnglish({})

#: What stands only in solutions, for notebooks and code.
_MARKS = re.compile(r"### (?:BEGIN|END) [A-Z ]+|\bautograder\b|\*\*Rubric|MARK SCHEME")
#: Folders and files of the course that are nobody else's.
_OURS = {"autograder", "solutions", "tests", "submitted", "autograded", "feedback", "gradebook.db"}


@dataclass(frozen=True)
class Leak:
    """A file that gives something away, and what."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class Secret:
    """A line, or a few short ones: `text` is its letters and digits, `origin` says where it comes from."""

    text: str
    line: str
    origin: str

    @property
    def reason(self) -> str:
        shown = self.line if len(self.line) <= 60 else f"{self.line[:60]}…"
        return f"holds what only {self.origin} has: {shown!r}"


class Secrets:
    """What nobody may read of the course in the folder `root`."""

    def __init__(self, root: Path) -> None:
        self._found: dict[str, Secret] = {}
        self._words: dict[str, set[str]] = {}
        for path in sorted((root / "solutions").glob("*/*.ipynb")):
            released = root / "exercises" / path.parent.name / path.name
            self._read(nbformat.read(path, as_version=4), _source(released), path.parent.name)
        for name in ("hidden", "oracle"):
            path = root / "autograder" / f"{name}.py"
            if path.exists():
                self._add(path.read_text(encoding="utf-8").splitlines(), "", f"autograder/{name}.py")
        self._finder = _Finder(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Secret]:
        return iter(self._found.values())

    def _read(self, solved: nbformat.NotebookNode, released: str, name: str) -> None:
        public = letters(released)
        known = set(_index_words(released))
        for cell in solved.cells:
            entry = cell.metadata.get("nbgrader", {})
            if not (entry.get("solution") or entry.get("grade")):
                continue
            origin = f"{name}, cell {cell.id},"
            if cell.cell_type == "markdown":
                for sentence in re.split(r"(?<=[.?:;])\s", cell.source):
                    self._add([sentence], public, origin)
                self._words[origin] = set(_index_words(cell.source)) - known
                continue
            hidden = r"### BEGIN ([A-Z ]+)\n(.*?)### END \1"
            for kind, body in re.findall(hidden, cell.source, re.DOTALL):
                fewest = _TELLING if kind == "SOLUTION" else _FEWEST
                self._add(body.splitlines(), public, origin, fewest)
                self._words[origin] = self._words.get(origin, set()) | set(_index_words(body)) - known

    def _add(self, lines: Iterable[str], public: str, origin: str, fewest: int = _TELLING) -> None:
        lines = [
            line.strip() for line in lines if letters(line) and not line.startswith(("from ", "import "))
        ]
        for start in range(len(lines)):
            for stop in range(start + 1, len(lines) + 1):
                text = letters("".join(lines[start:stop]))
                if len(text) >= fewest:
                    if text not in public:
                        self._found.setdefault(text, Secret(text, " ".join(lines[start:stop]), origin))
                    break

    def held(self, content: bytes) -> set[Secret]:
        """The secrets in a file, which may be packed."""
        data = [data for _, data in _unpacked("", content)]
        return {secret for one in data for text in _texts(one) for secret in self._finder.find(text)}

    def leaks(self, name: str, content: bytes) -> Iterator[Leak]:
        """What a file gives away. A packed file is looked into; `name` tells what kind of file it is."""
        for place, data in _unpacked(name, content):
            parts = set(Path(place.replace(" › ", "/")).parts)
            if ours := parts & _OURS:
                yield Leak(place, f"{min(ours)} is no part of what students get")
                continue
            if place.endswith((".ipynb", ".py")) and (mark := _MARKS.search(_readable(data))):
                yield Leak(place, f"holds {mark[0]!r}, which stands only in solutions and the autograder")
            found = {secret.origin: secret for text in _texts(data) for secret in self._finder.find(text)}
            yield from (Leak(place, secret.reason) for secret in found.values())
            if place.endswith("searchindex.js"):
                yield from (Leak(place, reason) for reason in self._indexed(_readable(data)))

    def leaks_below(self, folder: Path) -> list[Leak]:
        """What the files below a folder give away."""
        return [
            leak
            for path in sorted(folder.rglob("*"))
            if path.is_file()
            for leak in self.leaks(str(path.relative_to(folder)), path.read_bytes())
        ]

    def _indexed(self, script: str) -> Iterator[str]:
        """Sphinx's index has the words of each page, in no order: solutions are known by theirs."""
        found = re.fullmatch(r"\s*Search\.setIndex\((.*)\)\s*;?\s*", script, re.DOTALL)
        if not found:
            yield "is no index of Sphinx's"
            return
        index = json.loads(found[1])
        pages: dict[int, set[str]] = {}
        for word, places in (*index["terms"].items(), *index["titleterms"].items()):
            for place in [places] if isinstance(places, int) else places:
                pages.setdefault(place, set()).add(word)
        for number, words in pages.items():
            for origin, telling in self._words.items():
                if len(telling) >= _WORDS and telling <= words:
                    yield f"has all words of {origin} for the page {index['docnames'][number]}"


class _Finder:
    """Finds many secrets in long texts.

    A piece of the text is taken at every `_STEP` letters. A secret is long enough for one of them to lie in
    it, wherever it stands, so that only secrets with one of these pieces have to be looked for.
    """

    def __init__(self, secrets: dict[str, Secret]) -> None:
        self._secrets = secrets

    @cached_property
    def _having(self) -> dict[str, set[str]]:
        having: dict[str, set[str]] = {}
        for text in self._secrets:
            for start in range(len(text) - _PIECE + 1):
                having.setdefault(text[start : start + _PIECE], set()).add(text)
        return having

    def find(self, text: str) -> list[Secret]:
        pieces = {text[start : start + _PIECE] for start in range(0, len(text), _STEP)}
        possible = {secret for piece in pieces & self._having.keys() for secret in self._having[piece]}
        return [self._secrets[secret] for secret in sorted(possible) if secret in text]


def letters(text: str) -> str:
    """Letters and digits, in lower case."""
    return re.sub(r"[\W_]+", "", text).lower()


def _source(path: Path) -> str:
    if not path.exists():
        return ""
    return "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)


def _index_words(text: str) -> Iterator[str]:
    """The words under which Sphinx would list a text in the index that its search uses."""
    for word in _LANGUAGE.split(text):
        stemmed = _LANGUAGE.stem(word.lower())
        if len(word) > 3 and _LANGUAGE.word_filter(stemmed):
            yield stemmed


# ---- what is in a file ----------------------------------------------------------------------------------

_PACKED: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ": lzma.decompress,
    b"# Sphinx inventory": lambda data: zlib.decompress(data.split(b"\n", 4)[4]),
}


def _unpacked(name: str, data: bytes, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """(name, content) of a file and of all that is packed in it: `a.whl › pixelwise/unet.py`."""
    yield name, data
    if depth == _DEPTH:
        return
    for inner, content in _members(data):
        yield from _unpacked(f"{name} › {inner}", content, depth + 1)


def _members(data: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        if data.startswith(b"PK\x03\x04"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                yield from ((item, archive.read(item)) for item in archive.namelist())
        elif data[257:262] == b"ustar":
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                files = [member for member in archive.getmembers() if member.isfile()]
                yield from ((member.name, archive.extractfile(member).read()) for member in files)
        elif data.startswith(b"\x89PNG"):
            with Image.open(io.BytesIO(data)) as image:
                yield "comments", "\n".join(map(str, image.info.values())).encode()
        else:
            for start, unpack in _PACKED.items():
                if data.startswith(start):
                    yield "content", unpack(data)
            yield from (("base64", content) for content in _decoded(_readable(data)))
    except (zipfile.BadZipFile, tarfile.TarError, OSError, EOFError, lzma.LZMAError, zlib.error):
        return  # what cannot be unpacked is no archive
    except UnidentifiedImageError:
        return


_ARCHIVES = (b"PK\x03\x04", b"\x89PNG", *_PACKED)
_BASE64 = re.compile(
    r"[\w+/-]{40,}(?:[\s\",]{1,40}[\w+/-]{40,})*(?:[\s\",]{1,40}[\w+/-]{1,40})?={0,2}", re.ASCII
)


def _decoded(text: str) -> Iterator[bytes]:
    """What is written in base64, also over several lines or several strings of JSON."""
    for found in _BASE64.finditer(_without_escapes(text)):
        written = re.sub(r"[^\w+/-]", "", found[0], flags=re.ASCII).replace("+", "-").replace("/", "_")
        if len(written) % 4 != 1:
            data = base64.urlsafe_b64decode(written + "=" * (-len(written) % 4))
            if data.startswith(_ARCHIVES) or _is_text(data):
                yield data


def _is_text(data: bytes) -> bool:
    text = data.decode("utf-8", errors="ignore")
    return sum(letter.isprintable() or letter.isspace() for letter in text) > 0.9 * len(text)


def _readable(data: bytes) -> str:
    return data.decode("utf-8", errors="ignore")


def _texts(data: bytes) -> Iterator[str]:
    """The letters of a file: as they stand, without markup, and with the escapes resolved."""
    text = _readable(data)
    resolved = _without_escapes(text)
    yield letters(resolved)
    if "<" in resolved:
        yield letters(_without_escapes(_without_tags(text)))
        yield letters(_without_escapes(_without_tags(resolved)))


def _without_tags(text: str) -> str:
    return re.sub(r"<[^>]*>", "", text)


def _without_escapes(text: str) -> str:
    """The text with the escapes of HTML, of addresses and of JSON resolved; new lines are space."""
    if "&" in text:
        text = html.unescape(text)
    if re.search(r"(?:%[0-9A-Fa-f]{2}.{0,20}){4}", text):
        text = urllib.parse.unquote(text)
    text = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
    return re.sub(r"\\+[nrt]", " ", text)
