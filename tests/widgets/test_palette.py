"""Colours can be read: contrasts as the Web Content Accessibility Guidelines define them."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest

from pixelwise import palette, widgets

LOOK = (Path(widgets.__file__).parent / "look.css").read_text(encoding="utf-8")
UI = (Path(widgets.__file__).parent / "js" / "ui.js").read_text(encoding="utf-8")
THEMES = pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
AA = 4.5


def rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[k : k + 2], 16) for k in (1, 3, 5))


def mix(over: tuple[float, ...], under: tuple[float, ...], share: float) -> tuple[float, ...]:
    return tuple(share * a + (1 - share) * b for a, b in zip(over, under, strict=True))


def luminance(colour: tuple[float, ...]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def shade_shares() -> dict[int, int]:
    """How much colour each level of shade has, in percent."""
    return {int(k): int(share) for k, share in re.findall(r"\.pw-shade-(\d+) \{ --shade: (\d+)%", LOOK)}


def strongest_shades(theme: int) -> list[tuple[float, ...]]:
    """The grounds of cells with the largest numbers, of the last shade in `look.css`."""
    share = max(shade_shares().values()) / 100
    ends = (palette.POSITIVE[theme], palette.NEGATIVE[theme])
    return [mix(rgb(end), rgb(palette.GROUND[theme]), share) for end in ends]


@THEMES
@pytest.mark.parametrize("role", palette.ROLES)
def test_each_role_can_be_read_on_the_page(role, theme):
    assert contrast(rgb(palette.ROLES[role][theme]), rgb(palette.GROUND[theme])) >= AA


def test_every_shade_that_a_table_gives_has_its_colour_and_a_larger_number_more_of_it():
    levels = int(re.search(r"const SHADES = (\d+)", UI)[1])
    shares = shade_shares()
    assert list(shares) == list(range(1, levels + 1))
    assert list(shares.values()) == sorted(set(shares.values()))


@THEMES
def test_numbers_can_be_read_on_the_strongest_shade(theme):
    for shade in strongest_shades(theme):
        assert contrast(rgb(palette.TEXT[theme]), shade) >= AA


@THEMES
def test_quiet_text_can_be_read_on_the_page_and_on_the_stripes_of_a_crop(theme):
    ground = rgb(palette.GROUND[theme])
    share = int(re.search(r"--quiet: color-mix\(in srgb, var\(--text\) (\d+)%", LOOK)[1]) / 100
    quiet = mix(rgb(palette.TEXT[theme]), ground, share)
    share = int(re.search(r"135deg, color-mix\(in srgb, var\(--text\) (\d+)%", LOOK)[1]) / 100
    for ground_or_stripe in (ground, mix(rgb(palette.TEXT[theme]), ground, share)):
        assert contrast(quiet, ground_or_stripe) >= AA


@THEMES
def test_signs_and_roles_are_told_apart(theme):
    """Not by hue alone where lightness can help, and never the same."""
    shades = strongest_shades(theme)
    assert max(abs(a - b) for a, b in zip(*shades, strict=True)) > 60
    for one, other in combinations(palette.ROLES, 2):
        pair = zip(rgb(palette.ROLES[one][theme]), rgb(palette.ROLES[other][theme]), strict=True)
        assert sum(abs(a - b) for a, b in pair) > 90, (one, other)


def test_the_style_sheet_names_every_colour_in_both_themes():
    light, dark = palette.css_variables().strip().split("\n")
    for column, block in enumerate((light, dark)):
        for role, pair in palette.ROLES.items():
            assert f"--pw-{role}: {pair[column]}" in block
        assert f"--pw-positive: {palette.POSITIVE[column]}" in block
        assert f"--pw-negative: {palette.NEGATIVE[column]}" in block
