"""A loop of a scene for a README: the file, a still, alt text, and a manifest beside it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from diffusion_core.errors import UsageError
from diffusion_core.files import Facts, written_whole
from diffusion_core.recipe import Recipe
from scenes.catalog import SceneEntry, scene_entry
from scenes.cues import Chapter, Cue
from studio.animated_image import FORMATS, Format, Loop, make_loop
from studio.captions import markdown
from studio.finished import made_of, recall, remember
from studio.manifest import manifest_text, provenance
from studio.production import MEDIA, Order, check_writable, prepare, render
from studio.progress import Progress, Stage, unwatched
from studio.video import ffmpeg_version
from studio.workspace import alone


@dataclass(frozen=True)
class LoopOrder:
    """What the user wants.

    Parameters
    ----------
    order
        The scene; its output is the loop's file, or a folder for it.
    kind
        The format, of ``FORMATS``.
    max_size
        Bytes that the file may have.
    beats
        First and last beat of the stretch, counted from 1; those that the
        catalogue names where ``seconds`` says nothing either.
    seconds
        The stretch in seconds from the start of the scene, instead of beats.
    """

    order: Order
    kind: Format
    max_size: int
    beats: tuple[int, int] | None = None
    seconds: tuple[float, float] | None = None

    @property
    def entry(self) -> SceneEntry:
        """What the table of contents says of the scene."""
        return scene_entry(self.order.name)

    @property
    def path(self) -> Path:
        """Where the loop goes; the name says how it differs from the usual one."""
        given = self.order.output
        if given is not None and given.suffix:
            return given
        # That it has no sound goes without saying.
        stem = replace(self.order, voice="espeak").stem
        if self.seconds:
            stem += "-range-{:g}-{:g}".format(*self.seconds)
        elif self.beats:
            stem += "-beats-{}-{}".format(*self.beats)
        return (given or MEDIA / self.order.name) / f"{stem}.{self.kind.name}"

    def stretch(self, chapter: Chapter) -> tuple[float, float, Sequence[Cue]]:
        """From when to when the loop goes, and what is said meanwhile.

        Raises
        ------
        UsageError
            When the scene has no such beats or does not last so long.
        """
        cues = chapter.cues
        if self.seconds:
            start, end = self.seconds
            if end > chapter.end + 0.005:  # as far as a person can read it off a player
                raise UsageError(
                    f"--range {start:g}:{end:g} goes beyond the {chapter.end:.2f} s that "
                    f"{self.order.name!r} lasts"
                )
            said = [cue for cue in cues if cue.start < end and cue.end > start]
            return start, min(end, chapter.end), said
        first, last = self.beats or self.entry.loop_of(self.order.options)
        if not 1 <= first <= last <= len(cues):
            raise UsageError(
                f"beats {first}:{last} are not among the {len(cues)} of {self.order.name!r}; "
                f"choose FIRST:LAST from 1:{len(cues)} with --beats"
            )
        end = cues[last].start if last < len(cues) else chapter.end
        return cues[first - 1].start, end, cues[first - 1 : last]

    def as_asked(self) -> Facts:
        """The command's argument and options, as ``provenance`` takes them."""
        options = self.order.options
        asked: Facts = {"name": self.order.name, "quality": self.order.quality.name}
        asked |= {name: getattr(options, name) for name in sorted(self.order.accepts - {"cut"})}
        if self.seconds:
            asked["range"] = "{}:{}".format(*self.seconds)
        else:
            asked["beats"] = "{}:{}".format(*(self.beats or self.entry.loop_of(self.order.options)))
        return asked | {"format": self.kind.name, "max_size": f"{self.max_size / 1e6}MB"}


@dataclass(frozen=True)
class LoopProduct:
    """What was made: ``facts`` are those of the loop; ``fresh`` says whether it was made now."""

    path: Path
    alt: str
    facts: Facts
    fresh: bool

    @property
    def still(self) -> Path:
        """The last frame, for where nothing may move.

        It and the manifest carry the loop's whole name, so that neither can
        take the place of another's (demo.gif, demo.webp, demo.png).
        """
        return self.path.with_name(f"{self.path.name}.png")

    @property
    def manifest(self) -> Path:
        """What it was made of."""
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def files(self) -> tuple[Path, ...]:
        """All that was written; the manifest, which vouches for the others, comes last."""
        return (self.path, self.still, self.manifest)

    @property
    def markdown(self) -> str:
        """The picture as a README has it; a WebM, which is none there, as a link from its still."""
        alt = markdown(self.alt)
        if self.path.suffix.lower() == ".webm":
            return f"[![{alt}]({_link(self.still)})]({_link(self.path)})"
        return f"![{alt}]({_link(self.path)})"

    def as_facts(self) -> Facts:
        """JSON-ready."""
        return {
            "loop": str(self.path),
            "still": str(self.still),
            "manifest": str(self.manifest),
            "alt": self.alt,
            "markdown": self.markdown,
            "fresh": self.fresh,
            **self.facts,
        }


def _link(path: Path) -> str:
    """``path`` as Markdown takes it for an address."""
    plain = path.as_posix()
    if re.search(r"[\s()<>]", plain) is None:
        return plain
    return "<" + re.sub(r"([<>\\])", r"\\\1", plain) + ">"


def alt_text(entry: SceneEntry, said: Sequence[Cue]) -> str:
    """What the loop shows, for those who do not see it: the scene, and what is said meanwhile."""
    sentences = [" ".join(cue.sentence.caption.split()) for cue in said]
    return " ".join([f"{entry.title}: {entry.teaches}.", *sentences])


def produce_loop(asked: LoopOrder, progress: Progress = unwatched) -> LoopProduct:
    """Make a loop with its still and its manifest; one that is there, unchanged, is left alone.

    Every file is whole or absent, whenever the process ends; who makes the same
    file at the same time waits.

    Raises
    ------
    UsageError
        When the scene has no such stretch.
    LectureError
        When something cannot be read, run, rendered or written, or the loop
        does not fit into its size.
    MissingRequirement
        When ffmpeg is not installed.
    """
    order, path = asked.order, asked.path
    places = LoopProduct(path, "", {}, fresh=False)
    for place in places.files:
        check_writable(place)
    speaker = prepare(order, path)
    recipes = order.recipes()
    key = made_of(
        {
            "loop": asked.as_asked(),
            "teaches": [asked.entry.title, asked.entry.teaches],
            "quality": asdict(order.quality),
            "ffmpeg": ffmpeg_version(),
            "file": str(path.absolute()),
        },
        recipes,
    )
    with alone(path):
        if noted := recall(key):
            _tell_done(order, recipes, progress)
            return replace(places, alt=noted["alt"], facts=noted["facts"])

        def checked(chapters: Sequence[Chapter]) -> None:
            asked.stretch(chapters[0])  # before anything is drawn

        done = render(order, speaker, progress, checked)
        [scene] = done.scenes
        start, end, said = asked.stretch(scene.chapter)
        loop = make_loop(
            scene.job.target,
            start,
            end,
            asked.kind,
            asked.max_size,
            lambda tried, total: progress(Stage.MUXING, order.name, tried, total + 1),
        )
        facts = {**loop.as_facts(), "measure": asked.kind.measure}
        made = replace(places, alt=alt_text(asked.entry, said), facts=facts, fresh=True)
        manifest = provenance(
            "gif", asked.as_asked(), path, (), recipes=recipes, recordings=done.recordings
        )
        manifest |= {
            "title": asked.entry.title,
            "alt": made.alt,
            "stretch": [round(start, 3), round(end, 3)],
            "loop": {"file": path.name, **facts},
        }
        _publish(made, loop, manifest)
        remember(key, made.files, {"alt": made.alt, "facts": facts})
        progress(Stage.MUXING, order.name, 1, 1)
        return made


def _publish(made: LoopProduct, loop: Loop, manifest: Facts) -> None:
    """Write all files, and only then give them their names."""
    contents = {made.path: loop.content, made.still: loop.still}
    manifest["files"] = {
        path.name: hashlib.sha256(content).hexdigest() for path, content in contents.items()
    }
    contents[made.manifest] = manifest_text(manifest).encode()
    with ExitStack() as names:
        # The last to be entered is the first to get its name: the manifest comes last.
        for path, content in reversed(contents.items()):
            names.enter_context(written_whole(path)).write_bytes(content)


def _tell_done(order: Order, recipes: dict[str, Recipe], progress: Progress) -> None:
    for stage, parts in (
        (Stage.RECORDING, tuple(recipes)),
        (Stage.SPEAKING, order.scenes),
        (Stage.RENDERING, order.scenes),
        (Stage.MUXING, (order.name,)),
    ):
        for part in parts:
            progress(stage, part, 1, 1)


def kind_of(given: str | None, output: Path | None) -> Format:
    """The format that ``--format`` names, or the end of ``--output``; GIF where neither does.

    Raises
    ------
    UsageError
        When the two disagree, or the output ends in nothing that is known.
    """
    suffix = output.suffix.lower().removeprefix(".") if output else ""
    known = ", ".join(f".{name}" for name in FORMATS)
    if suffix and suffix not in FORMATS:
        raise UsageError(f"--output {output} must end in one of {known}, or be a folder")
    if given and suffix and given != suffix:
        raise UsageError(
            f"--output {output} is no name for --format {given}; leave one of them out"
        )
    return FORMATS[given or suffix or "gif"]
