"""Every slide of the lecture has a section, and where it is said so, a widget that exists."""

from __future__ import annotations

import re

from .every_chapter import labels
from .reading import BOOK, Chapter

#: The lecture's slides by their titles, in order.
LECTURE = [
    ("Image Segmentation", 1), ("Overview", 1), ("Problem Setting Segmentation", 2),
    ("Network Architectures for Segmentation?", 1), ("Spatial Downsampling", 1),
    ("Spatial Downsampling and Upsampling", 1), ("Recap: Convolution Layers", 2),
    ("Transposed Convolution Operation", 6), ("Transposed Convolution Operation: Padding", 1),
    ("Transposed Convolution Operation: Striding", 5), ("Transposed Convolutions: Input Channels", 2),
    ("Transposed Convolutions: Output Channels", 1), ("Problem Setting Segmentation", 1),
    ("The U-Net Architecture for Segmentation", 14), ("Special Case 1x1 Convolution", 1),
    ("The U-Net Architecture for Segmentation", 1), ("U-Net Loss Function for Segmentation", 1),
    ("Summary: Segmentation, U-Net Architecture", 1),
]  # fmt: skip

ROWS = re.findall(r"^\| (\d+)(?:–(\d+))? \| (.*?) \| (.*?) \| (.*?) ?\|$", Chapter("slides").source, re.M)


def test_no_slide_is_missing():
    count = sum(slides for _, slides in LECTURE)
    covered = {n for first, last, *_ in ROWS for n in range(int(first), int(last or first) + 1)}
    assert covered == set(range(1, count + 1))
    assert f"a lecture of {count} slides" in Chapter("slides").source


def test_each_slide_leads_to_a_section_that_exists():
    for first, _, _, sections, _ in ROWS:
        goals = re.findall(r"\]\(#?([\w-]+)(\.md)?\)", sections)
        assert goals, first
        for goal, is_page in goals:
            assert (BOOK / f"{goal}.md").exists() if is_page else goal in labels(), goal


def test_each_widget_is_where_the_table_says():
    for page, name in re.findall(r'<a href="(\w+)\.html#([\w-]+)">', "".join(row[-1] for row in ROWS)):
        assert f'name="{name}"' in (BOOK / f"{page}.md").read_text(encoding="utf-8"), (page, name)
