"""Figures: text that follows the theme, names that do not clash on a page, words for those who cannot see."""

import re

import numpy as np
import pytest

from pixelwise import figures, palette
from pixelwise.data.classes import SCENES


def drawn(value: float = 1) -> figures.Picture:
    fig, axes = figures.canvas(4, 2, columns=2)
    figures.array(axes[0], [[value, -2], [0, np.nan]], role="input")
    figures.arrow(axes[0], (0, 0), (1, 1), "kernel")
    figures.label(axes[0], 1, 3, "a < b", "output")
    figures.picture(axes[1], np.eye(3), "title")
    return figures.show(fig, alt='A "small" table & a picture.', caption="1 < 2")


def test_colours_are_variables_with_the_light_theme_to_fall_back_on():
    svg = drawn().svg
    for pair in [*palette.ROLES.values(), palette.POSITIVE, palette.NEGATIVE]:
        assert svg.count(pair[0]) == len(re.findall(rf"var\(--pw-\w+, {pair[0]}\)", svg))
    assert palette.TEXT[0] not in svg and "currentColor" in svg
    for role in ("input", "kernel", "output"):
        assert f"var(--pw-{role}," in svg


def test_a_figure_has_words():
    picture = drawn()
    assert 'role="img" aria-label="A &quot;small&quot; table &amp; a picture."' in picture.svg
    assert "<figcaption>1 &lt; 2</figcaption>" in picture._repr_html_()
    assert repr(picture) == 'Figure: A "small" table & a picture.'
    with pytest.raises(ValueError, match="alternative text"):
        figures.show(figures.canvas(1, 1)[0], alt=" ")


def test_numbers_are_written_as_in_the_book():
    assert re.findall(r"<text[^>]*>([^<]*)<", drawn(1.5).svg)[:3] == ["1.5", "−2", "0"]


def test_the_same_figure_is_the_same_file_and_two_do_not_share_names():
    one, again, other = drawn(), drawn(), drawn(3)
    assert one.svg == again.svg
    names = [set(re.findall(r' id="([^"]+)"', picture.svg)) for picture in (one, other)]
    assert names[0] and not names[0] & names[1]
    for picture in (one, other):
        assert set(re.findall(r"url\(#([^)]+)\)", picture.svg)) <= set(
            re.findall(r' id="([^"]+)"', picture.svg)
        )
    assert "<style" not in one.svg


@pytest.mark.parametrize("shape", [(5, 4), (1, 5, 4), (5, 4, 3), (3, 5, 4)], ids=str)
@pytest.mark.parametrize("scale", [1.0, 255])
def test_a_picture_comes_in_either_order_and_as_floats_or_bytes(shape, scale):
    image = np.random.default_rng(0).random(shape)
    _, ax = figures.canvas(2, 2)
    figures.picture(ax, image if scale == 1 else np.round(image * 255).astype(np.uint8))
    drawn = ax.images[0].get_array()
    assert drawn.shape in ((5, 4), (5, 4, 3))
    expected = image.transpose(1, 2, 0) if shape[0] in (1, 3) else image
    assert np.abs(drawn - expected.squeeze()).max() <= 0.5 / 255 + 1e-9
    if drawn.ndim == 2:
        assert ax.images[0].get_clim() == (0, 1)


def test_a_legend_names_the_classes_in_their_colours():
    fig, ax = figures.canvas(3, 2)
    figures.picture(ax, np.zeros((4, 4)))
    figures.legend(fig, SCENES)
    svg = figures.show(fig, alt="A square.").svg
    texts = re.findall(r"<text[^>]*>([^<]*)<", svg)
    assert [text for text in texts if text.strip()] == list(SCENES.names)
    places = [svg.index("#{:02x}{:02x}{:02x}".format(*colour)) for colour in SCENES.colours]
    assert places == sorted(places) and palette.TEXT[0] not in svg
