"""How long the introduction takes to make, beside how long it plays.

    python benchmarks/lecture.py [--quality medium] [--json]

Everything is made from nothing, in a cache of its own: the recordings, the
speech, the frames.  Figures are seconds and ratios within this one run.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

import click

from scenes.options import SceneOptions


@click.command()
@click.option("--quality", default="medium", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(quality: str, as_json: bool) -> None:
    """Make the introduction from nothing and print where the time went."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        os.environ["DIFFUSION_LECTURES_CACHE"] = str(Path(folder) / "cache")
        from studio.production import Order, produce, record
        from studio.quality import QUALITIES

        order = Order(
            name="introduction",
            options=SceneOptions(),
            quality=QUALITIES[quality],
            voice="espeak",
            output=Path(folder) / "introduction.mp4",
        )
        begun = time.perf_counter()
        record(order.recipes())
        recorded = time.perf_counter()
        product = produce(order)
        made = time.perf_counter()
        produce(order)
        again = time.perf_counter()
    figures = {
        "plays_s": round(product.seconds, 1),
        "recording_s": round(recorded - begun, 1),
        "speaking_rendering_muxing_s": round(made - recorded, 1),
        "unchanged_s": round(again - made, 1),
        "faster_than_it_plays": round(product.seconds / (made - recorded), 2),
    }
    if as_json:
        print(json.dumps(figures))
        return
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:<{width}}  {value:>8}")


if __name__ == "__main__":
    main()
