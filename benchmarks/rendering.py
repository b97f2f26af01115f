"""Ours beside stock manim and beside ffmpeg, on the same scenes, in one run.

    python benchmarks/rendering.py [--quality high] [--frames 300] [--json]

Every scene is a process of its own, as a user would start it.  Stock manim has
its own camera, its own pictures and its own encoder settings; ffmpeg encodes
the grid's raw frames with our settings.  Figures are seconds and ratios within
this one run; on a machine that does something else they mean nothing.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click

ROOT = Path(__file__).resolve().parent.parent
CHILD = ROOT / "benchmarks" / "_rendering.py"
RENDER = ROOT / "render.py"
FLOORS = {
    "compositing_ratio": (100.0, "at least"),
    "grid_process_ratio": (10.0, "at least"),
    "grid_to_ffmpeg": (1.5, "at most"),
    "lecture_faster_than_it_plays": (2.0, "at least"),
    "lecture_ratio": (4.0, "at least"),
    "lecture_unchanged_s": (2.0, "at most"),
    "worker_memory_MB": (1500, "at most"),
    "frames_that_differ": (0, "at most"),
}
"""What must hold, on two cores at 1080p30; the lecture at 720p30."""

Figures = dict[str, Any]


class Spent(NamedTuple):
    """Seconds on the clock, and of all processors together."""

    wall: float
    cpu: float


def run(*command: str, cache: Path | None = None) -> tuple[str, Spent]:
    """The output of a command, and what it took."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    if cache is not None:
        environment["DIFFUSION_LECTURES_CACHE"] = str(cache)
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, Spent(wall, cpu)


def measure(
    which: str, what: str, quality: str, frames: int, cache: Path | None = None, *more: str
) -> Figures:
    """One measurement of ``_rendering.py``, with what its process took."""
    options = ("--quality", quality, "--frames", str(frames), *more)
    printed, spent = run(sys.executable, str(CHILD), which, what, *options, cache=cache)
    return {**json.loads(printed.splitlines()[-1]), "process_s": spent.wall, "cpu_s": spent.cpu}


# -- the pieces --------------------------------------------------------------------------


def compositing(quality: str, frames: int) -> Figures:
    """64 changing tiles, without scene and encoder."""
    ours = measure("ours", "compositing", quality, 60)["seconds_a_frame"]
    stock = measure("stock", "compositing", quality, frames)["seconds_a_frame"]
    return {
        "compositing_ours_ms": round(ours * 1e3, 2),
        "compositing_stock_ms": round(stock * 1e3, 1),
        "compositing_ratio": round(stock / ours, 1),
    }


def ffmpeg_seconds(raw: Path, quality: Any, frames: int, states: int) -> float:
    """How long ffmpeg takes to encode so many raw frames, what it needs to start left out."""
    import ffmpeg

    from studio.encoding import ENCODER

    def encode(count: int) -> float:
        source = ffmpeg.input(
            str(raw),
            stream_loop=-(-count // states),
            f="rawvideo",
            pix_fmt="rgba",
            s=f"{quality.width}x{quality.height}",
            r=quality.frame_rate,
        )
        options = {**ENCODER, "c:v": "libx264", "pix_fmt": "yuv420p", "frames:v": count}
        # Filters in one thread as well: the same work for the same number of cores.
        target = ffmpeg.output(source, str(raw.with_suffix(".mp4")), **options)
        return run(*target.global_args("-v", "error", "-y", "-filter_threads", "1").compile())[
            1
        ].wall

    start = min(encode(1) for _ in range(3))
    return encode(frames) - start


def grid(quality: str, frames: int, process_frames: int, folder: Path) -> Figures:
    """The grid: as a process beside stock manim, and its seconds beside ffmpeg's."""
    from studio.quality import QUALITIES

    raw = folder / "raw.rgba"
    states = measure("ours", "raw", quality, 1, None, "--target", str(raw))["frames"]
    ours = measure("ours", "grid", quality, frames)
    alone = ffmpeg_seconds(raw, QUALITIES[quality], frames, states)
    raw.unlink()
    short = measure("ours", "grid", quality, process_frames)
    stock = measure("stock", "grid", quality, process_frames)
    return {
        "grid_frames": frames,
        "grid_ours_s": round(ours["seconds"], 2),
        "grid_ffmpeg_s": round(alone, 2),
        "grid_to_ffmpeg": round(ours["seconds"] / alone, 2),
        "grid_where_cpu_s": ours["where"],
        "grid_process_frames": process_frames,
        "grid_process_ours_s": round(short["process_s"], 2),
        "grid_process_stock_s": round(stock["process_s"], 2),
        "grid_process_ratio": round(stock["process_s"] / short["process_s"], 1),
        "grid_process_cpu_ratio": round(stock["cpu_s"] / short["cpu_s"], 1),
        "grid_memory_MB": ours["peak_memory_MB"],
    }


def plain_scene(name: str, quality: str) -> Figures:
    """A scene without pictures, as a process beside stock manim."""
    ours, stock = (measure(which, name, quality, 1) for which in ("ours", "stock"))
    return {
        f"{name}_ours_s": round(ours["process_s"], 2),
        f"{name}_stock_s": round(stock["process_s"], 2),
        f"{name}_ratio": round(stock["process_s"] / ours["process_s"], 2),
        f"{name}_cpu_ratio": round(stock["cpu_s"] / ours["cpu_s"], 2),
        f"{name}_where_cpu_s": ours["where"],
    }


def lecture(quality: str, compare: bool, folder: Path) -> Figures:
    """The introduction as a command, cold and unchanged, beside stock manim in one process."""
    from scenes.catalog import lecture_entry

    cold, stock_cache = folder / "cold", folder / "stock"
    video = folder / "introduction.mp4"
    render = (sys.executable, str(RENDER))
    run(*render, "record", "introduction", "--quiet", cache=cold)
    shutil.copytree(cold / "recordings", stock_cache / "recordings")
    order = (*render, "lecture", "introduction", "--quality", quality, "--quiet", "--json")
    printed, spent = run(*order, "--output", str(video), cache=cold)
    unchanged = min(run(*order, "--output", str(video), cache=cold)[1].wall for _ in range(3))
    plays = json.loads(printed)["seconds"]
    found = {
        "lecture_plays_s": round(plays, 1),
        "lecture_cold_s": round(spent.wall, 1),
        "lecture_cold_cpu_s": round(spent.cpu, 1),
        "lecture_unchanged_s": round(unchanged, 2),
        "lecture_faster_than_it_plays": round(plays / spent.wall, 2),
    }
    if compare:
        names = ",".join(lecture_entry("introduction").scenes)
        stock = measure("stock", f"lecture:{names}", quality, 1, stock_cache)
        found["lecture_stock_s"] = round(stock["process_s"], 1)
        found["lecture_stock_cpu_s"] = round(stock["cpu_s"], 1)
        found["lecture_ratio"] = round(stock["process_s"] / spent.wall, 2)
    return found


def worker(quality: str, folder: Path) -> Figures:
    """The memory of one worker that draws the two long scenes, one after the other."""
    scenes, cache = "lecture:forward_process,reverse_process", folder / "worker"
    run(sys.executable, str(RENDER), "record", "introduction", "--quiet", cache=cache)
    found = measure("ours", scenes, quality, 1, cache)
    return {"worker_memory_MB": found["peak_memory_MB"], "worker_frames": found["frames"]}


def sameness(quality: str, folder: Path) -> Figures:
    """How many frames of a scene differ between one worker and three, cold and joined anew."""
    program = (
        "import sys; from benchmarks.rendering import draw; draw(sys.argv[1], int(sys.argv[2]))"
    )
    videos = []
    for name, workers in (("one", 1), ("three", 3), ("three", 3)):
        cache = folder / name
        for kept in (cache / "scenes").glob("*.mp4"):
            kept.unlink()  # what is kept of its animations must be enough
        command = (sys.executable, "-c", program, quality, str(workers))
        videos.append(Path(run(*command, cache=cache)[0].strip()))
    first = frames_of(videos[0])
    others = [frames_of(video) for video in videos[1:]]
    differ = sum(one != two for other in others for one, two in zip(first, other, strict=True))
    return {"frames_compared": len(first), "frames_that_differ": differ}


def frames_of(video: Path) -> list[str]:
    """A digest of each decoded frame."""
    import hashlib

    import av

    with av.open(str(video)) as movie:
        return [
            hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest()
            for frame in movie.decode(video=0)
        ]


def draw(quality: str, workers: int) -> None:
    """Render one scene with so many workers and print where it is."""
    from scenes.catalog import scene_entry
    from scenes.options import SceneOptions
    from studio.production import record
    from studio.progress import unwatched
    from studio.quality import QUALITIES
    from studio.rendering import plan_job, render_scenes
    from studio.speakers import make_speaker

    options, name = SceneOptions(), "forward_process"
    recordings = record(scene_entry(name).recipes(options))
    speaker = make_speaker("silent")
    job = plan_job(name, options, QUALITIES[quality], "silent", speaker, recordings)
    print(render_scenes([job], unwatched, workers=workers)[0].job.target)


def encoders() -> list[Figures]:
    """What x264's presets do to noise at 720p: time, size, and how true they are."""
    from benchmarks import _encoders

    return _encoders.table()


# -- the report --------------------------------------------------------------------------


def verdicts(figures: Figures) -> dict[str, bool]:
    """Of each figure that something must hold of, whether it does."""
    return {
        name: figures[name] >= limit if sense == "at least" else figures[name] <= limit
        for name, (limit, sense) in FLOORS.items()
        if name in figures
    }


def show(figures: Figures) -> None:
    """Print a table; each figure that something must hold of says whether it does."""
    held = verdicts(figures)
    width = max(map(len, figures))
    for name, value in figures.items():
        if name == "encoders":
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{part} {seconds:.2f}" for part, seconds in value.items())
        limit, sense = FLOORS.get(name, (None, ""))
        verdict = (
            f"  {sense} {limit:g}: {'holds' if held[name] else 'FAILS'}"
            if limit is not None
            else ""
        )
        print(f"{name:<{width}}  {value}{verdict}")
    for row in figures.get("encoders", []):
        print("  ".join(f"{name} {value}" for name, value in row.items()))


@click.command()
@click.option("--quality", default="high", show_default=True, help="Of all but the lecture.")
@click.option("--lecture-quality", default="medium", show_default=True)
@click.option("--frames", default=300, show_default=True, help="Of the grid beside ffmpeg.")
@click.option("--process-frames", default=300, show_default=True, help="Of the grid beside manim.")
@click.option("--only", multiple=True, help="Names of measurements; all by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(
    quality: str,
    lecture_quality: str,
    frames: int,
    process_frames: int,
    only: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure rendering beside stock manim and beside ffmpeg."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        measurements: dict[str, Callable[[], Figures]] = {
            "compositing": lambda: compositing(quality, min(process_frames, 5)),
            "grid": lambda: grid(quality, frames, process_frames, folder),
            "words": lambda: plain_scene("words", quality),
            "plot": lambda: plain_scene("plot", quality),
            "lecture": lambda: lecture(lecture_quality, compare=True, folder=folder),
            "worker": lambda: worker(quality, folder),
            "sameness": lambda: sameness("draft", folder),
            "encoders": lambda: {"encoders": encoders()},
        }
        figures: Figures = {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2)}
        for what in only or measurements:
            print(f"measuring {what} …", file=sys.stderr)
            figures |= measurements[what]()
    figures["holds"] = all(verdicts(figures).values())
    if as_json:
        print(json.dumps(figures))
    else:
        show(figures)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
