"""One measurement of ``rendering.py``, as a process of its own; prints one JSON object.

python benchmarks/_rendering.py ours|stock SCENE --quality high --frames 60
"""

from __future__ import annotations

import json
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
from manim import (
    Axes,
    Camera,
    Create,
    Dot,
    FadeIn,
    FadeOut,
    Group,
    ImageMobject,
    Indicate,
    MathTypst,
    Scene,
    ValueTracker,
    linear,
    tempconfig,
)
from manim.renderer.cairo_renderer import CairoRenderer
from PIL.Image import Resampling

from diffusion_core.grids import to_pixels
from scenes.stage.camera import StageCamera
from scenes.stage.layout import px
from scenes.stage.lettering import Lettering
from scenes.stage.looks import LookBook
from scenes.stage.painter import Painter
from scenes.stage.renderer import StageRenderer
from scenes.stage.theme import DARK
from scenes.stage.tiles import Frames, Tile
from studio import encoding
from studio.performance import Recorder, settings
from studio.quality import QUALITIES, Quality
from studio.stretches import Library, join

STATES = 60
"""Recorded states that the grid goes through, again and again."""
TILES = 64
SIDE = 2
"""Screen pixels of a tile's 28 × 28 at 720p: 56 a side there, 84 at 1080p."""
SPACING = 84
"""Between the middles of tiles, in pixels at 720p: eight rows fill the height."""


def noise() -> np.ndarray:
    """What the grid shows, (STATES, TILES, 1, 28, 28): the hardest there is to encode."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((STATES, TILES, 1, 28, 28)).astype(np.float32) / 2


def place(tiles: list[Any]) -> Group:
    """Eight rows of eight, on whole pixels."""
    for i, tile in enumerate(tiles):
        tile.move_to((px((i % 8 - 3.5) * SPACING), px((3.5 - i // 8) * SPACING), 0))
    return Group(*tiles)


class OurGrid(Scene):
    """64 tiles that all change with every frame."""

    length = STATES

    def construct(self) -> None:
        """One animation."""
        states, playhead = noise(), ValueTracker(0)

        def follow(tile: Tile) -> None:
            tile.show(round(playhead.get_value()) % STATES)

        tiles = [Tile(Frames.of(states[:, i]), SIDE).add_updater(follow) for i in range(TILES)]
        self.add(playhead, place(tiles))
        seconds = self.length / self.renderer.camera.frame_rate
        self.play(playhead.animate(rate_func=linear).set_value(self.length), run_time=seconds)


class StockGrid(OurGrid):
    """The same with manim's own pictures."""

    def construct(self) -> None:
        """One animation."""
        pixels = to_pixels(noise()).transpose(0, 1, 3, 4, 2)
        playhead = ValueTracker(0)

        def picture(i: int) -> ImageMobject:
            found = ImageMobject(pixels[0, i, ..., 0], scale_to_resolution=720)
            found.set_resampling_algorithm(Resampling.NEAREST).scale(SIDE)

            def follow(mobject: ImageMobject) -> None:
                mobject.pixel_array[..., :3] = pixels[round(playhead.get_value()) % STATES, i]

            return found.add_updater(follow)

        self.add(playhead, place([picture(i) for i in range(TILES)]))
        seconds = self.length / self.renderer.camera.frame_rate
        self.play(playhead.animate(rate_func=linear).set_value(self.length), run_time=seconds)


class Words(Scene):
    """Text and formulas that come, are pointed at, stand and go."""

    def construct(self) -> None:
        """About eight seconds."""
        letters = Lettering(DARK)
        title = letters.words("A heading over it all", size=46, bold=True).to_edge((0, 1, 0))
        formula = MathTypst("x_t = sqrt(macron(alpha)_t) x_0 + sqrt(1 - macron(alpha)_t) epsilon")
        lines = letters.lines("The picture fades,", "and the noise grows.").shift((0, -2, 0))
        self.play(FadeIn(title), run_time=0.8)
        self.play(FadeIn(formula), run_time=0.8)
        self.wait(2)
        self.play(Indicate(formula), run_time=1)
        self.play(FadeIn(lines), run_time=0.8)
        self.wait(2)
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)


class Plot(Scene):
    """A curve on axes, and a point that runs along it."""

    def construct(self) -> None:
        """About six seconds."""
        axes = Axes(x_range=(0, 10), y_range=(-1, 1), tips=False)
        curve = axes.plot(np.sin)
        name = MathTypst("sin x").next_to(axes, (0, 1, 0))
        at = ValueTracker(0)
        dot = Dot().add_updater(
            lambda dot: dot.move_to(axes.c2p(at.get_value(), np.sin(at.get_value())))
        )
        self.add(axes, name)
        self.play(Create(curve), run_time=1)
        self.add(dot)
        self.play(at.animate(rate_func=linear).set_value(10), run_time=5)


KINDS = {
    "ours": {"grid": OurGrid, "words": Words, "plot": Plot},
    "stock": {"grid": StockGrid, "words": Words, "plot": Plot},
}


# -- where the time goes -----------------------------------------------------------------


class Clock:
    """Processor seconds by what they were spent on; what one counts another does not."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside = threading.local()

    @contextmanager
    def counting(self, what: str) -> Iterator[None]:
        """Count what is done meanwhile in this thread."""
        begun, outer = time.thread_time(), getattr(self._inside, "inner", 0.0)
        self._inside.inner = 0.0
        try:
            yield
        finally:
            spent = time.thread_time() - begun
            self.seconds[what] = self.seconds.get(what, 0.0) + spent - self._inside.inner
            self._inside.inner = outer + spent

    def watch(self, owner: Any, name: str, what: str) -> None:
        """Count every call of ``owner.name``."""
        original: Callable[..., Any] = getattr(owner, name)

        def counted(*args: Any, **options: Any) -> Any:
            with self.counting(what):
                return original(*args, **options)

        setattr(owner, name, counted)


def watched() -> Clock:
    """A clock on each part of our own path."""
    clock = Clock()
    clock.watch(LookBook, "items", "telling looks apart")
    clock.watch(Painter, "paint", "drawing")
    clock.watch(StageCamera, "display_image_mobject", "laying pictures")
    clock.watch(encoding.Converter, "convert", "RGB to YUV")
    clock.watch(encoding.Encoder, "_work", "x264")
    return clock


# -- the measurements --------------------------------------------------------------------


def ours(kind: type[Scene], quality: Quality, folder: Path) -> dict[str, Any]:
    """A scene on our path: drawn, encoded, joined."""
    clock = watched()
    library = Library(quality, folder / "stretches")
    recorder = Recorder(library, lambda frames: None, trusting=False)
    with tempconfig(settings(quality, folder)):
        scene = kind(renderer=StageRenderer(recorder, range(1000)))
        scene.camera.background_color = DARK.background
        begun = time.perf_counter()
        with clock.counting("manim and the rest"):
            scene.render()
            paths = [recorder.kept[play] for play in sorted(recorder.kept)]
            frames = join(paths, quality, folder / "scene.mp4")
        return {
            "seconds": time.perf_counter() - begun,
            "frames": frames,
            "where": {name: round(seconds, 3) for name, seconds in clock.seconds.items()},
        }


def stock(kind: type[Scene], quality: Quality, folder: Path) -> dict[str, Any]:
    """The same scene as manim does it, with its own camera and its own encoder settings."""
    frames = 0

    class Counting(CairoRenderer):
        def add_frame(self, frame: Any, num_frames: int = 1) -> None:
            nonlocal frames
            frames += num_frames
            super().add_frame(frame, num_frames)

    usual = settings(quality, folder, dry=False)
    for name in ("video_encoder_options", "disable_caching", "max_files_cached"):
        usual.pop(name)
    with tempconfig(usual):
        scene = kind(renderer=Counting(camera_class=Camera))
        scene.camera.background_color = DARK.background
        begun = time.perf_counter()
        scene.render()
        return {"seconds": time.perf_counter() - begun, "frames": frames}


def compositing(which: str, quality: Quality, frames: int, folder: Path) -> dict[str, Any]:
    """The 64 tiles alone, changed and drawn, without scene or encoder."""
    with tempconfig(settings(quality, folder)):
        states = noise()
        pixels = to_pixels(states).transpose(0, 1, 3, 4, 2)
        camera: Camera
        if which == "ours":
            camera = StageCamera()
            tiles = [Tile(Frames.of(states[:, i]), SIDE) for i in range(TILES)]
        else:
            camera = Camera()
            tiles = [
                ImageMobject(pixels[0, i, ..., 0], scale_to_resolution=720) for i in range(TILES)
            ]
            for tile in tiles:
                tile.set_resampling_algorithm(Resampling.NEAREST).scale(SIDE)
        place(tiles)
        spent = []
        for index in range(frames):
            begun = time.perf_counter()
            for i, tile in enumerate(tiles):
                if which == "ours":
                    tile.show(index % STATES)
                else:
                    tile.pixel_array[..., :3] = pixels[index % STATES, i]
            camera.reset()
            camera.capture_mobjects(tiles)
            spent.append(time.perf_counter() - begun)
        return {"seconds_a_frame": float(np.median(spent))}


def lecture_scenes(which: str, quality: Quality, folder: Path, names: list[str]) -> dict[str, Any]:
    """Scenes of the introduction in this one process, speech included, one after the other.

    Ours are drawn alone; stock manim's become a video with sound, captions and
    chapters, as the lecture that they are compared with.
    """
    from scenes.catalog import scene_entry
    from scenes.options import SceneOptions
    from studio.job import Job
    from studio.narration import SpeechCache
    from studio.performance import perform, rehearse, stage_scene
    from studio.production import record
    from studio.soundtrack import Soundtrack
    from studio.speakers import make_speaker
    from studio.video import assemble

    options, narrator = SceneOptions(), SpeechCache(make_speaker("espeak"))
    seconds, frames = 0.0, 0
    chapters, silent = [], []
    for name in names:
        entry = scene_entry(name)
        recordings = {key: made.path for key, made in record(entry.recipes(options)).items()}
        job = Job(name, entry.title, options, quality, "espeak", recordings, folder / "x.mp4")
        begun = time.perf_counter()
        if which == "ours":
            rehearsal = rehearse(job, narrator)
            kept, drawn = perform(job, narrator, range(len(rehearsal.lengths)), lambda n: None)
            join([kept[play] for play in sorted(kept)], quality, job.target)
        else:
            usual = settings(quality, folder / name, dry=False)
            usual.pop("video_encoder_options")
            with tempconfig(usual):
                scene = stage_scene(job, narrator, CairoRenderer(camera_class=Camera))
                scene.render()
                drawn = round(scene.now * quality.frame_rate)
            chapters.append(scene.chapter())
            silent.append(next(path for path in folder.glob(f"{name}/**/silent.mp4")))
        seconds += time.perf_counter() - begun
        frames += drawn
    if which == "stock":
        begun = time.perf_counter()
        with Soundtrack(narrator) as narration:
            narration.begin(chapters)
            track = narration.wait()
            assemble(silent, track.sound, track.chapters, folder / "lecture.mp4", "Stock")
        seconds += time.perf_counter() - begun
    return {"seconds": seconds, "frames": frames}


def raw(quality: Quality, target: Path, folder: Path) -> dict[str, Any]:
    """The frames of the grid as they go to the encoder: RGBA, one after the other."""
    with tempconfig(settings(quality, folder)), target.open("wb") as content:
        states, camera = noise(), StageCamera()
        camera.background_color = DARK.background
        tiles = [Tile(Frames.of(states[:, i]), SIDE) for i in range(TILES)]
        place(tiles)
        for index in range(STATES):
            for tile in tiles:
                tile.show(index)
            camera.reset()
            camera.capture_mobjects(tiles)
            content.write(camera.pixel_array.tobytes())
    return {"frames": STATES}


@click.command()
@click.argument("which", type=click.Choice(["ours", "stock"]))
@click.argument("what")
@click.option("--quality", default="high")
@click.option("--frames", default=STATES)
@click.option("--target", type=click.Path(path_type=Path))
def main(which: str, what: str, quality: str, frames: int, target: Path | None) -> None:
    """Measure one thing; SCENE may also be compositing, raw or lecture:NAME,NAME."""
    OurGrid.length = frames
    chosen = QUALITIES[quality]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        if what == "compositing":
            found = compositing(which, chosen, frames, folder)
        elif what == "raw" and target is not None:
            found = raw(chosen, target, folder)
        elif what.startswith("lecture:"):
            found = lecture_scenes(which, chosen, folder, what.partition(":")[2].split(","))
        else:
            measure = ours if which == "ours" else stock
            found = measure(KINDS[which][what], chosen, folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({**found, "peak_memory_MB": round(peak / 1e6)}))


if __name__ == "__main__":
    main()
