"""The links of the book that lead outside stand in one list; `make links` visits them.

After a look at what the test says, `python -m tests.site.test_outside_links` writes the list anew.
"""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from pixelwise import course

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("outside_links.txt")


class _Links(HTMLParser):
    """The addresses that links within the article lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = False
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.inside |= tag == "article"
        if self.inside and tag == "a":
            self.found.add(dict(attributes).get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        self.inside &= tag != "article"


def outside_links() -> list[str]:
    """Those of all built pages."""
    found: set[str] = set()
    for page in (ROOT / "_build" / "html").glob("*.html"):
        links = _Links()
        links.feed(page.read_text(encoding="utf-8"))
        found |= links.found
    ours = (course.course_url, course.repository())  # test_course_url.py sees to these
    outside = {address for address in found if address.startswith(("http:", "https:", "//"))}
    return sorted(address for address in outside if not any(place in address for place in ours))


def test_every_link_outside_stands_in_the_list():
    assert outside_links() == LIST.read_text(encoding="utf-8").split()


if __name__ == "__main__":
    LIST.write_text("\n".join(outside_links()) + "\n", encoding="utf-8")
