"""Draws the picture that stands beside links to the course: `python book/site/cover.py`.

A meadow of `scenes` in its own pixels, which along a stair of pixels becomes its class map.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from pixelwise.data import load, paint

PLACE = Path(__file__).parent / "static" / "cover.png"
WIDTH, HEIGHT, MEADOW = 1200, 630, 143


def rectangles() -> str:
    """One square of the SVG for each pixel, and the line between image and class map."""
    scenes = load("scenes", "test", n=MEADOW + 1)
    image, truth = scenes[MEADOW]
    classes = paint(truth, scenes.classes)
    side = image.shape[-1]
    colours = (image.movedim(0, -1) * 255).round().int().tolist()
    squares, stair = [], []
    for row in range(side):
        first = round(side * (0.66 - 0.34 * row / side))  # the column where the class map begins
        stair.append(f"{first}V{row + 1}")
        for column in range(side):
            rgb = colours[row][column] if column < first else [int(v) for v in classes[row][column]]
            squares.append(f'<path fill="rgb({rgb[0]},{rgb[1]},{rgb[2]})" d="M{column} {row}h1v1h-1z"/>')
    line = f"M{stair[0].split('V')[0]} 0H" + "H".join(stair)
    return "".join(squares) + f'<path d="{line}" fill="none" stroke="#fff" stroke-width=".5"/>'


def page() -> str:
    logo = (PLACE.parent / "logo.svg").read_text(encoding="utf-8").replace("#00719f", "#ffffff")
    return f"""<body style="margin: 0; width: {WIDTH}px; height: {HEIGHT}px; display: flex;
      background: #0c2436; color: #fff; font-family: system-ui, sans-serif">
      <div style="flex: 1; padding: 0 56px; display: grid; align-content: center">
        <div style="width: 430px">{logo}</div>
        <p style="font-size: 36px; line-height: 1.25; font-weight: 700; margin: 44px 0 18px">
          Image segmentation,<br>from convolution<br>to U-Net</p>
        <p style="font-size: 25px; color: #b9d3e4; margin: 0">Every figure computes.</p>
      </div>
      <svg width="{HEIGHT}" viewBox="0 0 64 64" shape-rendering="crispEdges">{rectangles()}</svg>"""


if __name__ == "__main__":
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        tab.set_content(page())
        tab.screenshot(path=PLACE)
        browser.close()
