"""Colours and what they mean, the same in widgets, figures, equations and captions.

Each part of an operation owns a hue: the input is blue, the kernel vermilion, the output green, the loss
purple (Okabe and Ito's set, told apart by colour-blind readers; see Wong, Nature Methods 8:441, 2011).
Numbers are shaded on a diverging scale whose zero is neutral. `light` and `dark` name the page's theme;
every pair of text and ground below has a contrast of at least 4.5 : 1 (tests/test_palette.py).
"""

from __future__ import annotations

#: The hue of each role: (on a light page, on a dark page). Used for text, borders and lines.
ROLES = {
    "input": ("#00619a", "#6cb8ee"),
    "kernel": ("#a94700", "#f5945a"),
    "output": ("#00714f", "#4fc79c"),
    "loss": ("#8f3b78", "#e39ccb"),
}

#: The two ends of the diverging scale, laid over the page's ground with an opacity that grows with |value|.
POSITIVE = ("#e69f00", "#e69f00")
NEGATIVE = ("#6a5acd", "#8d80ea")

#: Ground and text of the page, as the book's theme sets them.
GROUND = ("#ffffff", "#121212")
TEXT = ("#222832", "#ced6dd")


def css_variables() -> str:
    """The palette as CSS custom properties `--pw-…`, for the light theme and for the dark one.

    The book marks its theme with `data-theme` on `<html>`, JupyterLab and Notebook 7 with
    `data-jp-theme-light` on `<body>`.
    """

    def block(column: int) -> str:
        names = {f"--pw-{role}": pair[column] for role, pair in ROLES.items()}
        names |= {"--pw-positive": POSITIVE[column], "--pw-negative": NEGATIVE[column]}
        return "; ".join(f"{name}: {value}" for name, value in names.items())

    dark = 'html[data-theme="dark"], body[data-jp-theme-light="false"]'
    return f":root {{ {block(0)} }}\n{dark} {{ {block(1)} }}\n"
