"""How long a pass of the widgets' U-Net takes in a browser, and how far it is from PyTorch's scores.

    python -m benchmarks.live_unet

The network has the size that the book's has (8 base channels, depth 3, about 121 000 parameters) and random
weights, of which the time does not depend.
"""

from __future__ import annotations

import argparse
import statistics

import torch
from playwright.sync_api import Page, sync_playwright

from benchmarks.pages import FLAGS, find_chromium
from pixelwise import UNet
from pixelwise.export import export, in_half_precision
from pixelwise.widgets.modules import join_modules

SIZES = ((64, 64), (128, 128), (192, 160))
CHANNELS = {(192, 160): 1}

MEASURE = """
async ([source, description, weights, image, height, width, passes]) => {
  const module = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { prepare, readNetwork } = await import(module);
  const net = prepare(readNetwork(description, Uint8Array.from(weights)), height, width);
  const pixels = Float64Array.from(image);
  const first = performance.now();
  net.run(pixels);
  const times = [performance.now() - first];
  for (let k = 0; k < passes; k++) {
    const start = performance.now();
    net.run(pixels);
    times.push(performance.now() - start);
    if (k % 10 === 0) await new Promise((done) => setTimeout(done));
  }
  return { times, scores: Array.from(net.run(pixels)) };
}
"""


@torch.no_grad()
def measure(page: Page, height: int, width: int, passes: int) -> None:
    torch.manual_seed(0)
    net = UNet(CHANNELS.get((height, width), 3), 4, base_channels=8, depth=3, padding=1, norm="batch").eval()
    image = torch.rand(1, net.in_channels, height, width)
    exported = export(net)
    arguments = [join_modules("core/unet.js"), exported.description, list(exported.weights)]
    result = page.evaluate(MEASURE, [*arguments, image.flatten().tolist(), height, width, passes])
    first, *times = result["times"]
    scores = torch.tensor(result["scores"]).reshape(4, height, width)
    rounded, original = in_half_precision(net)(image)[0], net(image)[0]
    same = (scores.argmax(0) == original.argmax(0)).float().mean().item()
    tenth = statistics.quantiles(times, n=10)
    print(
        f"{height:>4} × {width:<4} {statistics.median(times):7.1f} ms   (first {first:5.1f}, "
        f"tenths {tenth[0]:.1f} … {tenth[-1]:.1f})   "
        f"{(scores - rounded).abs().max():8.1e}   {(scores - original).abs().max():8.1e}   {same:9.3%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--passes", type=int, default=100)
    passes = parser.parse_args().passes
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = browser.new_page()
        agent = page.evaluate("navigator.userAgent").split(" ")[-2]
        print(f"{agent}, median of {passes} passes; then the largest difference of a score from PyTorch's")
        print("with the same half-precision weights, and with the original ones; pixels of the same class")
        for height, width in SIZES:
            measure(page, height, width, passes)
        browser.close()


if __name__ == "__main__":
    main()
