"""Making again what a manifest says, and saying whether the same came out.

Everything is made anew, in a cache of its own: recordings, speech, frames.
What is compared are digests, so the files of the first time need not be here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from diffusion_core.errors import LectureError, UsageError
from diffusion_core.files import Facts
from diffusion_core.pretrained.runtime import Runtime, as_order, set_runtime
from diffusion_core.pretrained.source import located, pin
from studio.manifest import FORMAT, digest_of_file, input_digest
from studio.production import check_writable
from studio.video import stream_digest
from studio.workspace import scratch

CIRCUMSTANCES = ("versions", "commit", "sources", "processors")
"""Parts of a manifest that may explain why something came out differently."""

Run = Callable[[str, Sequence[str]], None]
"""Runs a command with arguments, as from the command line."""


@dataclass(frozen=True)
class Past:
    """What a manifest says of how its product was made."""

    path: Path
    facts: Facts

    @property
    def command(self) -> str:
        """The command that made it."""
        return str(self.facts["command"])

    @property
    def order(self) -> dict[str, Any]:
        """What the command was asked for."""
        return dict(self.facts["order"])

    @property
    def files(self) -> dict[str, str]:
        """What was made, and the SHA-256 of each."""
        return dict(self.facts["files"])

    def arguments(self, folder: Path) -> list[str]:
        """For the command to make it all again in ``folder``."""
        output = folder / self.facts["output"]
        found = [f"--output={output}"]
        for key, value in self.order.items():
            if key == "name" or value is None or value is False:
                continue
            flag = f"--{key.replace('_', '-')}"
            given = value if isinstance(value, list) else [value]
            found += [flag] if value is True else [f"{flag}={one}" for one in given]
        # What follows "--" is a name, whatever it looks like.
        return found + (["--", str(self.order["name"])] if "name" in self.order else [])


def read_past(path: Path) -> Past:
    """What the manifest at ``path`` says.

    Raises
    ------
    LectureError
        When it cannot be read, is none, or says too little.
    """
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LectureError(f"{path} does not exist; name the .json beside what was made") from None
    except (OSError, ValueError) as error:
        raise LectureError(f"{path} is no manifest ({error}); name the .json of one") from error
    if isinstance(facts, dict) and isinstance(facts.get("provenance"), dict):
        facts |= facts["provenance"]  # some tell more, and keep the two apart
    texts = {"command": str, "order": dict, "output": str, "files": dict, "inputs": dict}
    wrong = [
        name
        for name, kind in texts.items()
        if not isinstance(facts, dict) or not isinstance(facts.get(name), kind)
    ]
    if wrong or facts.get("format") != FORMAT:
        raise LectureError(
            f"{path} is no manifest that says how to make its product again (it lacks "
            f"{', '.join(wrong) or f'format {FORMAT}'}); make the product again by its command"
        )
    # It may come from anywhere: it names files beside each other, and nothing else.
    for name in (*facts["files"], facts["output"]):
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts:
            raise LectureError(f"{path} names {name!r}, which is not beside it; it is no manifest")
    return Past(path, facts)


def check_inputs(past: Past) -> None:
    """Find out before any work whether the user's pictures and weights are as they were.

    A pretrained model of the hub is taken at the commit that it was, from now on.

    Raises
    ------
    LectureError
        When one is absent or has changed.
    """
    models = _models(past)
    if models:
        # Which files of a model are taken depends on how it computes.
        set_runtime(Runtime(**{key: past.order[key] for key in as_order() if key in past.order}))
    for name, wanted in past.facts["inputs"].items():
        if not Path(name).exists():
            raise LectureError(
                f"{name}, which {past.path} was made of, is not here; put it back (its SHA-256 is "
                f"{wanted}), or run this where it lies"
            )
        found = input_digest(name)
        if found != wanted:
            raise LectureError(
                f"{name} is not what {past.path} was made of: its SHA-256 is {found}, and it was "
                f"{wanted}; put back the one that it was"
            )
    for name, told in models.items():
        if not told.get("revision"):
            continue  # a folder, which is among the inputs
        pin(name, str(told["revision"]))
        digest = located(name).digest
        if digest != told.get("digest"):
            raise LectureError(
                f"model {name!r} at {told['revision']} is not what {past.path} was made of: its "
                f"digest is {digest}, and it was {told.get('digest')}; remove it from the hub's "
                "cache, and it is fetched again"
            )


def _models(past: Past) -> dict[str, Facts]:
    """The pretrained models that it was made of."""
    models = past.facts.get("models")
    told = models.items() if isinstance(models, dict) else ()
    return {name: facts for name, facts in told if isinstance(facts, dict)}


@dataclass(frozen=True)
class Comparison:
    """What came out, beside what the manifest says.

    Parameters
    ----------
    files
        Of each file how it compares: "identical", "different", "absent", or
        "same picture" for a video in which only sound or captions differ.
    differences
        Of what it was made of and by, a line each.
    folder
        Where the files are; None where they were not kept.
    """

    files: dict[str, str]
    differences: tuple[str, ...]
    folder: Path | None

    @property
    def identical(self) -> bool:
        """Whether every file is what it was."""
        return all(verdict == "identical" for verdict in self.files.values())

    def as_facts(self) -> Facts:
        """JSON-ready."""
        return {
            "identical": self.identical,
            "files": self.files,
            "differences": list(self.differences),
            "folder": None if self.folder is None else str(self.folder),
        }


def reproduce(past: Past, run: Run, folder: Path | None = None) -> Comparison:
    """Make again what ``past`` says, from nothing, and compare.

    Parameters
    ----------
    past
        What a manifest says.
    run
        Runs a command of the command line; it is told which.
    folder
        Where it goes; a place that is removed by default.

    Raises
    ------
    UsageError
        When ``folder`` has files of that name.
    LectureError
        When an input is absent or changed, or the command fails.
    """
    check_inputs(past)
    if folder is not None:
        taken = [name for name in past.files if (folder / name).exists()]
        if taken:
            raise UsageError(
                f"--output {folder} holds {taken[0]} already; name a folder where nothing is lost"
            )
        check_writable(folder / next(iter(past.files), "any"))
    with scratch("reproducing") as place:
        made = folder or place / "made"
        made.mkdir(parents=True, exist_ok=True)
        with _cache_at(place / "cache"):
            run(past.command, past.arguments(made))
        files = {name: _compared(made / name, digest, past) for name, digest in past.files.items()}
        return Comparison(files, _differences(past, made), folder)


@contextmanager
def _cache_at(folder: Path) -> Iterator[None]:
    """Nothing that was kept from before is taken."""
    name = "DIFFUSION_LECTURES_CACHE"
    before = os.environ.get(name)
    os.environ[name] = str(folder.absolute())
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _compared(path: Path, wanted: str, past: Past) -> str:
    if not path.exists():
        return "absent"
    if digest_of_file(path) == wanted:
        return "identical"
    video = past.facts.get("video")
    if isinstance(video, dict) and video.get("file") == path.name:
        picture = video.get("stream_sha256")
        return "same picture" if picture == stream_digest(path) else "different"
    return "different"


def _differences(past: Past, made: Path) -> tuple[str, ...]:
    """What of its making is not as it was, by the manifest that was written now."""
    present = made / past.path.name
    if not present.exists():
        # It was given another name since; there is one manifest to what was made.
        candidates = [path for path in made.glob("*.json") if path.name not in past.files]
        present = candidates[0] if len(candidates) == 1 else present
    try:
        now = json.loads(present.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    then, now = past.facts, now | now.get("provenance", {})
    lines = [*_recorded(then.get("recordings", {}), now.get("recordings", {}))]
    for part in CIRCUMSTANCES:
        before, after = then.get(part), now.get(part)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            lines += [
                f"{part}: {name} was {before.get(name)}, is {after.get(name)}"
                for name in sorted({*before, *after})
                if before.get(name) != after.get(name)
            ]
        elif before != after:
            lines.append(f"{part}: was {before}, is {after}")
    return tuple(lines)


def _recorded(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*then, *now}):
        before, after = then.get(name, {}), now.get(name, {})
        if before.get("fingerprint") != after.get("fingerprint"):
            asked = _changes(before.get("recipe", {}), after.get("recipe", {}))
            yield f"recordings: {name} is of another recipe ({asked or 'its format'})"
        elif before.get("digest") != after.get("digest"):
            otherwise = _changes(
                *({key: told[key] for key in told if key != "digest"} for told in (before, after))
            )
            yield (
                f"recordings: {name}, of the same recipe, came out with other numbers "
                f"({otherwise or 'for no reason that is recorded'})"
            )


def _changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{key} was {_short(then.get(key))}, is {_short(now.get(key))}"
        for key in sorted({*then, *now})
        if then.get(key) != now.get(key)
    )


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}…"
