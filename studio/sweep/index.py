"""What a sweep made, as one page that needs no network, and as JSON."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from diffusion_core.files import Facts, write_text
from scenes.stage.theme import THEMES
from studio.sweep.plan import Sweep
from studio.sweep.running import Outcome

TEMPLATE = Path(__file__).with_name("index.html.j2")
POSTER = 480
"""Pixels across of the pictures in the page."""


def facts_of(outcome: Outcome, folder: Path) -> Facts:
    """What became of one job, JSON-ready, its files named from ``folder``."""
    found: Facts = {
        "label": outcome.job.label,
        **outcome.job.changed,
        "status": "failed" if outcome.product is None else "whole",
    }
    if outcome.product is None:
        return {**found, "error": outcome.error}
    made = outcome.product.as_facts()
    files = {
        name: str(Path(made[name]).relative_to(folder))
        for name in ("video", "srt", "vtt", "transcript", "manifest")
    }
    manifest = json.loads(outcome.product.manifest.read_text(encoding="utf-8"))
    recordings = {name: run["fingerprint"] for name, run in manifest["recordings"].items()}
    return {
        **found,
        **files,
        "seconds": made["seconds"],
        "stream_sha256": manifest["video"]["stream_sha256"],
        "recordings": recordings,
    }


def poster(frame: Image.Image) -> str:
    """A frame as a picture that a page carries in itself."""
    small = frame.copy()
    small.thumbnail((POSTER, POSTER), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    small.save(content, "WEBP", quality=85)
    return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode("ascii")


def summary(sweep: Sweep, outcomes: Sequence[Outcome]) -> str:
    """The sweep in a line: how many seeds and choices, and what failed."""
    parts = [_counted(len(sweep.seeds), "seed")]
    parts += [
        f"{name} {', '.join(f'{v:g}' if isinstance(v, float) else str(v) for v in values)}"
        for name, values in sweep.axes.items()
    ]
    failed = sum(outcome.product is None for outcome in outcomes)
    return " × ".join(parts) + (f" · {failed} of {len(outcomes)} failed" if failed else "")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def write_json(path: Path, sweep: Sweep, jobs: Sequence[Facts], mosaic: str) -> None:
    """Write what was asked for and what was made of it to ``path``, whole."""
    facts = {"sweep": sweep.as_facts(), "mosaic": mosaic, "jobs": list(jobs)}
    write_text(path, json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_page(
    path: Path,
    sweep: Sweep,
    jobs: Sequence[Facts],
    posters: Mapping[int, str],
    mosaic: str,
    line: str,
) -> None:
    """Write the page to ``path``, whole: it carries its pictures, and plays the videos beside it.

    Parameters
    ----------
    path
        The page.
    sweep, jobs
        What was asked for, and what became of each job.
    posters
        Pictures of how the videos end, by the jobs' numbers.
    mosaic
        The name of the picture or video of all.
    line
        The sweep in a line.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["file"] = quote
    options: list[tuple[str, Any]] = [
        (name, value)
        for name, value in sweep.as_facts()["options"].items()
        if value not in ("", None)
    ]
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=sweep.base.entry.title,
        line=line,
        theme=THEMES[sweep.base.options.theme],
        options=options,
        jobs=list(enumerate(jobs)),
        posters=posters,
        mosaic=mosaic,
        choices=sweep.choices,
        plays=mosaic.endswith(".mp4"),
    )
    write_text(path, page + "\n")
