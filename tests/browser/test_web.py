"""The book where it is published: below a path, kept by browsers, and as an archive to be read offline."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, Response, expect

from autograder.publishing import release

from .test_book import CHAPTER, HTML, PAGES, book, wait_until_all_live  # noqa: F401


@pytest.fixture
def below_a_path(serve, book, tmp_path) -> str:  # noqa: F811
    """The book at /pixelwise/, with nothing beside it: so GitHub Pages serves it."""
    (tmp_path / "pixelwise").symlink_to(HTML)
    return f"{serve(tmp_path)}/pixelwise"


def test_below_a_path_a_reader_finds_everything(visit, below_a_path):
    """From the first page to a chapter and to what the search finds; nothing is asked for elsewhere."""
    answers: list[Response] = []

    def listen(page: Page) -> None:
        page.on("response", lambda answer: answers.append(answer))

    page = visit(f"{below_a_path}/", prepare=listen)
    page.locator(f"nav a[href='{CHAPTER}']").first.click()
    page.wait_for_selector("html[data-widgets]", state="attached")
    page.wait_for_load_state("networkidle")
    page.goto(f"{below_a_path}/search.html?q=checkerboard")
    found = page.locator("#search-results a").first
    expect(found).to_be_visible()
    found.click()
    expect(page.locator("article").first).to_be_visible()
    assert len(answers) > 20
    assert {answer.status for answer in answers} <= {200, 304}
    served = [answer.url for answer in answers if answer.url.startswith("http")]
    assert [url for url in served if not url.startswith(f"{below_a_path}/")] == []


def test_the_archive_is_read_offline(visit, book, tmp_path):  # noqa: F811
    release.write_archive(HTML, tmp_path / release.OFFLINE)
    with zipfile.ZipFile(tmp_path / release.OFFLINE) as archive:
        archive.extractall(tmp_path)
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    page = visit((folder / CHAPTER).as_uri(), prepare=lambda page: page.set_default_timeout(60_000))
    assert page.locator(".pw-slot").count() > 1
    wait_until_all_live(page)


def test_what_pages_load_may_be_kept_until_it_changes():
    """The address of each style and script says which version it is."""
    for name in PAGES:
        page = (HTML / name).read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script[^>]*src|link[^>]*rel="stylesheet"[^>]*href)="([^"]+)"', page)
        versioned = re.compile(r"\?(?:v|digest)=\w+$|\.[0-9a-f]{64}\.css$")
        assert loaded and all(map(versioned.search, loaded)), name
        for address in loaded:
            assert Path(HTML, address.split("?")[0]).is_file()
