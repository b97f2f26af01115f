"""How quick the explorer is under a hand, how many it serves, and whether it stays small.

    python benchmarks/explorer.py [--json] [--moves N] [--requests N] [--chromium PROGRAM]

Starts ``render.py explore`` on a free port and measures

- in a real browser, from the slider's input event until the picture for its t is
  decoded and painted, at 512 × 512 pixels: median and 95th percentile;
- in a real browser, the steps a second that the page shows of one digit being
  sampled, and of the run itself, pictures between which the page skipped included;
- five people who sample at once: that four are served, and what the fifth is told;
- the server's memory before and after a mixture of requests, half of them malformed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from _visitors import Visitor, as_expected, memory, requests

ROOT = Path(__file__).resolve().parent.parent
SIDE = 512
STEPS = 100
PEOPLE = 5
WARM_UP = 100
"""Requests before memory is looked at: what a library keeps once is not growth."""

# Gradio changes the attributes and words of what is shown rather than replacing it.
EVERYTHING = "{ childList: true, subtree: true, attributes: true, characterData: true }"

# Moves the slider to t and says how long it took until its picture was painted.
MOVE = """async (t) => {
    const slider = document.querySelector("#forward-t input[type=range]");
    const setter = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
    const shows = () => document.querySelector("#forward-x_t")?.alt.includes(`t = ${t},`);
    setter.call(slider, t);
    const begun = performance.now();
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    while (!shows()) {
        await new Promise((done) => {
            const seen = new MutationObserver(() => { seen.disconnect(); done(); });
            seen.observe(document.body, EVERYTHING);
            setTimeout(done, 1000);
        });
    }
    for (const name of ["forward-x_t", "forward-noise"]) {
        const image = document.getElementById(name);
        await image.decode().catch(() => image.decode());  // the exact one has come meanwhile
    }
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    return performance.now() - begun;
}""".replace("EVERYTHING", EVERYTHING)

# Notes when each new state is on the page while a run goes on.
WATCH = """() => {
    window.shownAt = [];
    const before = document.querySelector("#reverse-facts dd")?.textContent;
    const note = () => {
        const step = document.querySelector("#reverse-facts dd")?.textContent;
        const last = window.shownAt.at(-1)?.[0] ?? before;
        if (step && step !== last) window.shownAt.push([step, performance.now()]);
    };
    window.watching?.disconnect();
    window.watching = new MutationObserver(note);
    window.watching.observe(document.body, EVERYTHING);
}""".replace("EVERYTHING", EVERYTHING)


@dataclass(frozen=True)
class Figures:
    """What was measured."""

    slider_median_ms: float
    slider_p95_ms: float
    slider_moves: int
    steps_shown_a_second: float
    steps_run_a_second: float
    served_at_once: int
    the_fifth_was_told: str
    requests: int
    requests_a_second: float
    unexpected_answers: int
    memory_before_mb: float
    memory_after_mb: float


@contextmanager
def served() -> Iterator[tuple[str, int]]:
    """Address and process of a server of its own."""
    command = [sys.executable, "render.py", "explore", "--no-browser", "--port", "0"]
    with tempfile.TemporaryFile("w+") as errors:
        running = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            assert running.stdout is not None
            address = running.stdout.readline().strip()
            if not address:
                errors.seek(0)
                sys.exit(f"the server did not start: {errors.read()}")
            yield address, running.pid
        finally:
            running.terminate()
            running.wait()


@contextmanager
def browser(program: str) -> Iterator[Any]:
    """A Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


def opened(browser: Any, address: str, query: str) -> Any:
    """The page, once it has read its address."""
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.goto(f"{address}/?{query}")
    page.wait_for_function("() => window.explorer && window.explorer.ready")
    return page


def slider(browser: Any, address: str, moves: int) -> list[float]:
    """Milliseconds of each move, one after the other."""
    page = opened(browser, address, f"forward-size={SIDE}&forward-t=500")
    page.wait_for_selector("#forward-x_t")
    page.wait_for_timeout(1000)
    # There and back through all t, so that no two moves are alike.
    times = [round(999 * (i * 0.618034 % 1)) for i in range(moves + 5)]
    taken = [float(page.evaluate(MOVE, t)) for t in times]
    page.close()
    return taken[5:]  # the first compile and load what the others find


def sampling(browser: Any, address: str) -> tuple[float, float]:
    """Steps a second that are shown of one digit, and those that are run."""
    page = opened(browser, address, f"tab=reverse&reverse-steps={STEPS}&reverse-seed=1")
    for seed in (1, 2):  # the first run loads the network
        page.fill("#reverse-seed input", str(seed))
        page.keyboard.press("Tab")
        page.wait_for_timeout(300)
        page.evaluate(WATCH)
        page.click("#reverse-run")
        page.wait_for_function(
            "last => window.shownAt.length > 1 && window.shownAt.at(-1)[0] === last",
            arg=f"{STEPS} of {STEPS}",
        )
        page.wait_for_selector("#reverse-says a")
    steps, shown = zip(*page.evaluate("() => window.shownAt"), strict=True)
    page.close()
    seconds = (shown[-1] - shown[0]) / 1000
    begun = int(steps[0].partition(" ")[0])
    return (len(shown) - 1) / seconds, (STEPS - begun) / seconds


def people(address: str) -> tuple[int, str]:
    """How many of five are served at once, and what who is not is told."""
    config = Visitor(address).config
    first: dict[int, str] = {}
    together = threading.Barrier(PEOPLE)

    def sample(number: int) -> None:
        with Visitor(address, config) as visitor:
            together.wait()
            visitor.join("reverse-run", "click", "", 2, number, 1, "ddim", 200, "cosine")
            for message in visitor.news():
                said = json.dumps(message, ensure_ascii=False)
                if number not in first and ("It runs" in said or "You wait in line" in said):
                    start = said.find("people are being served")
                    first[number] = "" if start < 0 else said[start - 2 :].partition("<")[0]

    threads = [threading.Thread(target=sample, args=[number]) for number in range(PEOPLE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [said for said in first.values() if said]
    return PEOPLE - len(told), "; ".join(told)


def mixture(address: str, process: int, count: int) -> tuple[float, int, float, float]:
    """Requests a second, answers that should not be, memory before and after."""
    with Visitor(address) as visitor:
        mixed = requests(visitor)

        def send(number: int) -> int:
            return sum(not as_expected(*request()) for request in itertools.islice(mixed, number))

        unexpected = send(WARM_UP)
        before, begun = memory(process), time.perf_counter()
        unexpected += send(count)
        return count / (time.perf_counter() - begun), unexpected, before, memory(process)


def measure(chromium: str, moves: int, count: int) -> Figures:
    """All figures, with one server."""
    with served() as (address, process):
        with browser(chromium) as started:
            taken = slider(started, address, moves)
            shown, run = sampling(started, address)
        at_once, told = people(address)
        speed, unexpected, before, after = mixture(address, process, count)
    return Figures(
        slider_median_ms=round(statistics.median(taken), 1),
        slider_p95_ms=round(statistics.quantiles(taken, n=20)[-1], 1),
        slider_moves=moves,
        steps_shown_a_second=round(shown, 1),
        steps_run_a_second=round(run, 1),
        served_at_once=at_once,
        the_fifth_was_told=told,
        requests=count,
        requests_a_second=round(speed, 1),
        unexpected_answers=unexpected,
        memory_before_mb=round(before, 1),
        memory_after_mb=round(after, 1),
    )


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--moves", type=int, default=100)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--chromium", default=shutil.which("chromium") or "")
    chosen = parser.parse_args()
    if not chosen.chromium:
        print(
            "skipped: no Chromium is here; install it, or name it with --chromium", file=sys.stderr
        )
        return
    if chosen.moves < 20 or chosen.requests < 1:
        sys.exit("--moves must be at least 20, for a 95th percentile, and --requests at least 1")
    figures = measure(chosen.chromium, chosen.moves, chosen.requests)
    if chosen.json:
        print(json.dumps(asdict(figures), indent=2, ensure_ascii=False))
        return
    growth = figures.memory_after_mb / figures.memory_before_mb - 1
    print(f"a slider move at {SIDE} × {SIDE}, until it is painted ({figures.slider_moves} moves)")
    print(f"  median {figures.slider_median_ms:8.1f} ms")
    print(f"  95 %   {figures.slider_p95_ms:8.1f} ms")
    print("one digit being sampled")
    print(f"  shown  {figures.steps_shown_a_second:8.1f} steps a second")
    print(f"  run    {figures.steps_run_a_second:8.1f} steps a second")
    print(f"of {PEOPLE} people at once")
    print(f"  served {figures.served_at_once:8d}")
    print(f"  told   {figures.the_fifth_was_told!r}")
    print(f"{figures.requests} requests, half of them malformed")
    print(f"  {figures.requests_a_second:15.1f} a second, {figures.unexpected_answers} unexpected")
    print(
        f"  memory {figures.memory_before_mb:8.1f} MB before, {figures.memory_after_mb:.1f} MB "
        f"after ({growth:+.1%})"
    )


if __name__ == "__main__":
    main()
