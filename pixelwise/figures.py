"""Figures in the course's look, drawn with matplotlib and readable in light and in dark.

A figure is shown as SVG inside the page. Its colours are the CSS variables of `pixelwise.palette`, its text
takes the colour and the typeface of the text around, so that it follows the reader's theme. The alternative
text says what one sees; a screen reader hears it, and a notebook without graphics prints it.

    fig, ax = figures.canvas(6, 2)
    figures.array(ax, [[1, 0, -1]], role="kernel")
    figures.show(fig, alt="The kernel 1, 0, −1.")
"""

from __future__ import annotations

import hashlib
import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from pixelwise import palette

if TYPE_CHECKING:  # data brings torch, which figures can do without
    from pixelwise.data.classes import Classes

#: The palette on a light page: what matplotlib draws with. `show` puts CSS variables in their place.
INPUT, KERNEL, OUTPUT, LOSS = (palette.ROLES[role][0] for role in ("input", "kernel", "output", "loss"))
TEXT = palette.TEXT[0]

_VARIABLES = {pair[0]: f"var(--pw-{role}, {pair[0]})" for role, pair in palette.ROLES.items()}
_VARIABLES |= {
    palette.POSITIVE[0]: f"var(--pw-positive, {palette.POSITIVE[0]})",
    palette.NEGATIVE[0]: f"var(--pw-negative, {palette.NEGATIVE[0]})",
    TEXT: "currentColor",
}
_LOOK = {
    "svg.fonttype": "none",  # text stays text: it takes the page's typeface and can be searched
    "svg.hashsalt": "pixelwise",  # the same picture is the same file
    "font.size": 11,
    "text.color": TEXT,
    "text.parse_math": False,
}
#: The book's theme puts a light ground behind HTML in its dark mode. These figures need none.
_PAGE_STYLE = (
    ".text_html:has(> .pw-figure) {background: none !important; color: inherit !important} "
    ".text_html:has(> .pw-figure) {padding: 0 !important} "
    ".pw-figure {margin: 0.5rem 0} "
    ".pw-figure figcaption {font: inherit; font-size: 0.9em; color: inherit; text-align: left}"
)
#: The strongest shade of a number's cell, as in the widgets: text on it stays readable.
_DEEPEST = 0.48


@dataclass(frozen=True)
class Picture:
    """A finished figure: what a notebook's cell ends with."""

    svg: str
    alt: str
    caption: str = ""

    def _repr_html_(self) -> str:
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        return f'<style>{_PAGE_STYLE}</style><figure class="pw-figure">{self.svg}{caption}</figure>'

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"


def canvas(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, Any]:
    """A figure of at most `width` × `height` inches and its axes (several: an array), without frame or ticks.

    Cells drawn on the axes are square, rows are counted downwards.
    """
    with mpl.rc_context(_LOOK):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.subplots(rows, columns)
        for ax in figure.axes:
            ax.set_axis_off()
            ax.set_aspect("equal")
            ax.invert_yaxis()
    return figure, axes


def array(
    ax: Axes,
    values: Any,
    role: str,
    at: tuple[float, float] = (0, 0),
    numbers: bool = True,
    deepest: float | None = None,
) -> None:
    """A table of numbers at row and column `at`, framed in the hue of its role, its cells shaded by value.

    values   (H, W); NaN leaves a cell empty
    numbers  whether the values are written into the cells
    deepest  the magnitude with the strongest shade (default: the largest one here)
    """
    values = np.asarray(values, dtype=float)
    largest = deepest or np.nanmax(np.abs(values), initial=1)
    row, column = at
    for (i, j), value in np.ndenumerate(values):
        shade = 0 if np.isnan(value) else min(1, abs(value) / largest) * _DEEPEST
        ground = (palette.POSITIVE[0] if value >= 0 else palette.NEGATIVE[0], shade) if shade else "none"
        look = {"facecolor": ground, "edgecolor": (TEXT, 0.25), "linewidth": 0.6, "clip_on": False}
        ax.add_patch(Rectangle((column + j, row + i), 1, 1, **look))
        if numbers and not np.isnan(value):
            label(ax, column + j + 0.5, row + i + 0.5, f"{value + 0:g}".replace("-", "−"))
    frame(ax, (row, column), values.shape, role)


def frame(ax: Axes, at: tuple[float, float], shape: Sequence[int], role: str, width: float = 1.8) -> None:
    """A frame in the hue of a role around `shape` rows and columns of cells, from row and column `at`."""
    (row, column), (rows, columns) = at, shape
    look = {"edgecolor": palette.ROLES[role][0], "linewidth": width, "clip_on": False}
    ax.add_patch(Rectangle((column, row), columns, rows, fill=False, **look))
    ax.update_datalim([(column - 0.1, row - 0.1), (column + columns + 0.1, row + rows + 0.1)])
    ax.autoscale_view()
    ax.margins(0)


def arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], role: str) -> None:
    """A thin arrow from one point (x, y) to another."""
    look = {"arrowstyle": "->", "color": palette.ROLES[role][0], "linewidth": 1.2, "shrinkA": 0, "shrinkB": 2}
    ax.annotate("", xy=end, xytext=start, arrowprops=look, annotation_clip=False)


def label(ax: Axes, x: float, y: float, text: str, role: str | None = None, **settings: Any) -> None:
    """Text centred on (x, y), in the hue of a role or in the page's own."""
    colour = palette.ROLES[role][0] if role else TEXT
    ax.text(x, y, text, color=colour, **{"ha": "center", "va": "center_baseline"} | settings)


def picture(ax: Axes, image: Any, title: str = "", limits: tuple[float, float] = (0, 1)) -> None:
    """A picture, every pixel a sharp square, with a title above.

    image   (H, W) or (1, H, W), grey; (H, W, 3) or (3, H, W), colour: floats in [0, 1] or uint8
    limits  the values that are black and white in a grey picture
    """
    image = np.asarray(image)
    if image.dtype == np.uint8:
        image = image / 255
    if image.ndim == 3 and image.shape[0] in (1, 3):  # PyTorch's order
        image = image.transpose(1, 2, 0)
    if image.shape[-1] == 1:
        image = image[..., 0]
    ax.imshow(image, cmap="gray", vmin=limits[0], vmax=limits[1], interpolation="none")
    ax.set_title(title, color=TEXT, fontsize=11)


def legend(figure: Figure, classes: Classes) -> None:
    """The colours of the classes with their names, below everything else."""
    swatches = [
        Patch(facecolor=[value / 255 for value in colour], label=name)
        for name, colour in zip(classes.names, classes.colours, strict=True)
    ]
    look = {"frameon": False, "fontsize": 11, "labelcolor": TEXT, "handlelength": 1, "handleheight": 1}
    figure.legend(handles=swatches, loc="outside lower center", ncols=len(classes), **look)


def show(figure: Figure, alt: str, caption: str = "") -> Picture:
    """The figure as SVG for the page. `alt` says in words what one sees."""
    if not alt.strip():
        raise ValueError("a figure needs alternative text: say in words what one sees")
    with mpl.rc_context(_LOOK):
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    return Picture(_for_the_page(file.getvalue(), alt), alt, caption)


def _for_the_page(svg: str, alt: str) -> str:
    """Matplotlib's file as an element of the page: its colours variables, its names its own."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", svg, flags=re.DOTALL)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: inherit", svg)
    svg = re.sub(r"<defs>\s*</defs>|<g/>", "", svg)
    # several figures share a page: names that nothing refers to go, the others become this figure's own
    mark = hashlib.sha256(svg.encode()).hexdigest()[:8]
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{mark}-{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{mark}-", svg)
    ((view, points),) = re.findall(r'(viewBox="0 0 ([\d.]+) [\d.]+")', svg)
    head = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'{view} role="img" aria-label="{html.escape(alt)}" stroke-linejoin="round" '
        f'style="width: {float(points) * 4 / 3:.0f}px; max-width: 100%; height: auto">'
    )
    return re.sub(r"\s*\n\s*", " ", head + svg[svg.index(">") + 1 :]).strip()
