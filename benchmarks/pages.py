"""Measures pages of the built book and says whether they keep their limits.

    python -m benchmarks.pages                     the chapter with most numbers, in the median of five runs
    python -m benchmarks.pages --all --runs 1      every page

Lighthouse (desktop, compressed transfer), the time from first paint to live widgets on loopback and on a slow
line with a slow processor, the time that a step takes, how far the page jumps while it loads and is scrolled
through, and its weight. Exits with 1 where a limit is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from benchmarks.report import Report
from benchmarks.serve import served

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
LIGHTHOUSE = ROOT / "benchmarks" / "node_modules" / "lighthouse" / "cli" / "index.js"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip

CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
LEAST_SCORE = 95
MOST_MS_TO_LIVE = {"loopback": 1000, "10 Mbit/s, 4 × slower processor": 5000}
MOST_MS_OF_A_STEP = 4
MOST_LAYOUT_SHIFT = 0.05
WIDTHS = {1280: 900, 390: 844}


def find_chromium() -> str:
    names = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    for name in filter(None, names):
        if path := shutil.which(name):
            return path
    sys.exit("no Chromium found: install it, or set CHROMIUM to its path")


# ---- Lighthouse -----------------------------------------------------------------------------------------


def lighthouse(address: str, chromium: str, runs: int, report: Report) -> None:
    """The median score of each category, and every audit that costs points in any run."""
    if not LIGHTHOUSE.exists():
        sys.exit("Lighthouse is not installed: run `npm ci` in benchmarks/")
    scores: dict[str, list[float]] = {category: [] for category in CATEGORIES}
    short: Counter[str] = Counter()
    for _ in range(runs):
        done = subprocess.run(
            [
                "node", str(LIGHTHOUSE), address, "--preset=desktop", "--output=json", "--quiet",
                f"--only-categories={','.join(CATEGORIES)}", f"--chrome-flags={' '.join(FLAGS)}",
            ],
            capture_output=True, text=True, env=os.environ | {"CHROME_PATH": chromium},
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"Lighthouse failed:\n{done.stderr}")
        result = json.loads(done.stdout)
        for category in CATEGORIES:
            found = result["categories"][category]
            scores[category].append(100 * found["score"])
            for audit in found["auditRefs"]:
                value = result["audits"][audit["id"]]
                if audit["weight"] and value["score"] is not None and value["score"] < 0.9:
                    short[f"{category}: {value['title']} {value.get('displayValue', '')}".strip()] += 1
                    for item in (value.get("details") or {}).get("items", []):
                        if "node" in item:
                            short[f"    {item['node']['snippet'][:140]}"] += 1
    for category, values in scores.items():
        median = statistics.median(values)
        report.line(f"Lighthouse, {category}", f"{median:.0f}", f"≥ {LEAST_SCORE}", median >= LEAST_SCORE)
    for what, times in short.items():
        print(f"    {what} ({times} of {runs})")


# ---- from first paint to a live widget ------------------------------------------------------------------

#: When each thing happened, in milliseconds since the page was asked for.
MARKS = """
new MutationObserver((_, observer) => {
  if (!document.documentElement.dataset.widgets) return;
  performance.mark("live");
  observer.disconnect();
}).observe(document, { attributes: true, subtree: true, attributeFilter: ["data-widgets"] });
"""
TIMES = "['first-contentful-paint', 'live'].map((name) => performance.getEntriesByName(name)[0].startTime)"


@contextmanager
def fresh_page(browser: Browser, width: int = 1280) -> Iterator[tuple[Page, CDPSession]]:
    """A page in a context of its own, so that nothing is in a cache."""
    context = browser.new_context(viewport={"width": width, "height": WIDTHS[width]})
    page = context.new_page()
    try:
        yield page, context.new_cdp_session(page)
    finally:
        context.close()


def time_to_live(browser: Browser, address: str, report: Report, runs: int) -> None:
    for line, most in MOST_MS_TO_LIVE.items():
        measured = []
        for _ in range(runs):
            with fresh_page(browser) as (page, session):
                if line != "loopback":
                    bytes_a_second = 10e6 / 8
                    session.send("Network.enable")
                    session.send(
                        "Network.emulateNetworkConditions",
                        {"offline": False, "latency": 40, "downloadThroughput": bytes_a_second,
                         "uploadThroughput": bytes_a_second},
                    )  # fmt: skip
                    session.send("Emulation.setCPUThrottlingRate", {"rate": 4})
                page.add_init_script(MARKS)
                page.goto(address, wait_until="commit")
                page.wait_for_selector("html[data-widgets]", state="attached", timeout=60_000)
                page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
                painted, live = page.evaluate(TIMES)
                measured.append((max(0, live - painted), painted, live))
        wait, painted, live = sorted(measured)[len(measured) // 2]
        report.line(f"first paint → live widgets, {line}", f"{wait:.0f} ms", f"≤ {most} ms", wait <= most)
        print(f"    first paint {painted:.0f} ms, live {live:.0f} ms after the page was asked for")


# ---- a step ---------------------------------------------------------------------------------------------

#: Presses "Next" and forces what a frame would do (script, style, layout), without the wait for a frame.
STEPS = """
async (root) => {
  const slider = root.querySelector("input[type=range]");
  const last = Number(slider.max);
  const times = [];
  const steps = new Set();
  for (let k = 0; k < 240; k++) {
    slider.value = (Number(slider.value) + 1) % (last + 1);
    const start = performance.now();
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await null; // the view is updated in a microtask
    await null;
    root.offsetHeight;
    times.push(performance.now() - start);
    steps.add(root.textContent);
    if (k % 20 === 0) await new Promise(requestAnimationFrame);
  }
  if (steps.size <= last) throw new Error("the widget does not step");
  return times;
}
"""


def time_of_a_step(browser: Browser, address: str, report: Report, runs: int) -> None:
    """For every stepper of the page: the 95th percentile over 240 steps, once the page has come to rest. The
    first steps, before the browser has compiled the widget, are among them."""
    highs: dict[str, list[float]] = {}
    for _ in range(runs):
        with fresh_page(browser) as (page, _):
            page.goto(address, wait_until="networkidle")
            page.wait_for_selector("html[data-widgets]", state="attached")
            page.wait_for_function("window.MathJax?.startup?.promise.then(() => true) ?? true")
            for root in page.locator(".pw-slot:has(.pw-stepper)").all():
                name = root.get_attribute("id") or "without a name"
                root.scroll_into_view_if_needed()  # its arrays may be loaded only now
                root.and_(page.locator("[data-live=true]")).wait_for()
                times = root.locator(".pw-widget").evaluate(STEPS)
                highs.setdefault(name, []).append(statistics.quantiles(times, n=20)[-1])
    for name, values in highs.items():
        high = statistics.median(values)
        report.line(
            f"a step of {name}, 95th percentile", f"{high:.2f} ms", f"≤ {MOST_MS_OF_A_STEP} ms",
            high <= MOST_MS_OF_A_STEP,
        )  # fmt: skip
        print(f"    from {min(values):.2f} to {max(values):.2f} ms")


# ---- jumps ----------------------------------------------------------------------------------------------

#: The sum of all shifts. Cumulative layout shift is the worst five seconds of it, so never more.
SHIFT = """
window.shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
SCROLL = """
async () => {
  for (let y = 0; y < document.documentElement.scrollHeight; y += 400) {
    window.scrollTo(0, y);
    for (let k = 0; k < 4; k++) await new Promise(requestAnimationFrame);
  }
}
"""


def layout_shift(browser: Browser, address: str, report: Report) -> None:
    for width in WIDTHS:
        with fresh_page(browser, width) as (page, _):
            page.add_init_script(SHIFT)
            page.goto(address, wait_until="networkidle")
            page.evaluate(SCROLL)
            page.wait_for_timeout(300)
            shift = page.evaluate("window.shift")
        report.line(
            f"layout shift, {width} px wide", f"{shift:.3f}", f"≤ {MOST_LAYOUT_SHIFT}",
            shift <= MOST_LAYOUT_SHIFT,
        )  # fmt: skip


# ---- weight ---------------------------------------------------------------------------------------------


def weight(browser: Browser, address: str, report: Report) -> None:
    """What travels for a first visit, compressed, by kind."""
    kinds: dict[str, str] = {}
    totals: Counter[str] = Counter()
    with fresh_page(browser) as (page, session):
        session.send("Network.enable")
        session.on("Network.responseReceived", lambda e: kinds.update({e["requestId"]: e["type"]}))
        session.on(
            "Network.loadingFinished",
            lambda e: totals.update({kinds.get(e["requestId"], "Other"): int(e["encodedDataLength"])}),
        )
        page.goto(address, wait_until="networkidle")
    for kind, size in totals.most_common():
        report.line(f"transferred, {kind.lower()}", f"{size / 1000:.0f} kB")
    report.line("transferred, all", f"{sum(totals.values()) / 1000:.0f} kB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", default=["transposed_convolution.html"])
    parser.add_argument("--all", action="store_true", help="every page of the book")
    parser.add_argument("--runs", type=int, default=5, help="of Lighthouse and of loading (default 5)")
    options = parser.parse_args()
    pages = sorted(path.name for path in HTML.glob("*.html")) if options.all else options.pages
    if missing := [name for name in pages if not (HTML / name).exists()]:
        sys.exit(f"_build/html has no {', '.join(missing)}: run `make book`")
    chromium, report = find_chromium(), Report()
    with served(HTML) as site:
        for name in pages:
            print(f"\n{name}")
            address = f"{site}/{name}"
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
                if 'class="pw-slot' in (HTML / name).read_text(encoding="utf-8"):
                    time_to_live(browser, address, report, options.runs)
                    time_of_a_step(browser, address, report, options.runs)
                layout_shift(browser, address, report)
                weight(browser, address, report)
                browser.close()
            lighthouse(address, chromium, options.runs, report)
    report.close()


if __name__ == "__main__":
    main()
