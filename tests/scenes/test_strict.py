"""Pace, strict orders, the geometry of the checks, and every scene that ships under them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from manim import Circle

import render
from diffusion_core.store import Store
from scenes.catalog import SCENES
from scenes.cues import Cue, Sentence
from scenes.options import SceneOptions
from scenes.stage.checks.boxes import boxes_of, crossed, encloses, segments, to_pixels
from scenes.stage.checks.findings import Finding, StageError
from scenes.stage.checks.pace import pace
from scenes.stage.lecture_scene import LectureScene
from studio import production
from studio.job import Job
from studio.performance import inspect
from studio.production import Order, Product
from studio.quality import QUALITIES
from tests.scenes.conftest import Reader

# -- pace --------------------------------------------------------------------------------


def cue(start: float, end: float, words: str = "Said.") -> Cue:
    return Cue(start, end, Sentence(words, words))


def test_a_good_pace_has_no_finding() -> None:
    cues = [cue(0, 5), cue(5.35, 8), cue(10.9, 14)]
    assert list(pace(cues, [(0, 1), (4, 6), (9, 11.5), (13, 14.5)], 15)) == []


@pytest.mark.parametrize(
    ("cues", "moves", "end", "beat", "words"),
    [
        ([cue(0, 12.5)], [(0, 12.5)], 12.5, 1, "the sentence takes 12.5 s"),
        ([cue(0, 2), cue(5.5, 8)], [(0, 8)], 8, 1, "the silence after it takes 3.5 s"),
        ([cue(3.5, 8)], [(0, 8)], 8, 0, "the silence before the first sentence takes 3.5 s"),
        ([cue(0, 2)], [(0, 6)], 6, 1, "the silence after it takes 4.0 s"),
        ([cue(0, 2), cue(4.5, 6)], [(0, 2)], 6, 2, "nothing moves while it is said"),
        ([cue(0, 3), cue(3.5, 8)], [(0, 2), (7.5, 8)], 8, 1, "nothing moves for 5.5 s"),
    ],
)
def test_a_bad_pace_is_found_and_the_beat_named(
    cues: list[Cue], moves: list[tuple[float, float]], end: float, beat: int, words: str
) -> None:
    [(number, what)] = pace(cues, moves, end)
    assert number == beat
    assert what.startswith(words)


def test_what_has_just_moved_is_still_spoken_of() -> None:
    cues = [cue(0, 2), cue(3.9, 6)]
    assert list(pace(cues, [(0, 2)], 6)) == []


# -- strict orders ---------------------------------------------------------------------


def test_a_stage_error_lists_all() -> None:
    findings = [Finding("told", n, "Said.", "overlap", f"thing {n}") for n in (1, 2)]
    error = StageError(findings)
    assert error.findings == tuple(findings)
    assert error.exit_code == 1
    assert "2 findings" in str(error)
    assert all(str(finding) in str(error) for finding in findings)


def test_a_job_is_inspected_as_it_will_be_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entry, options = SCENES["introduction_opening"], SceneOptions(steps=10)
    recordings = {name: Store().get(r).path for name, r in entry.recipes(options).items()}
    target, quality = tmp_path / "never.mp4", QUALITIES["draft"]
    job = Job(entry.name, entry.title, options, quality, "silent", recordings, target)
    assert inspect(job, Reader()) == ()
    monkeypatch.setattr("scenes.stage.checks.pace.LONGEST_STILL", 0.5)
    assert {finding.rule for finding in inspect(job, Reader())} == {"pace"}
    assert not target.exists()


def test_a_strict_order_fails_before_anything_is_drawn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    finding = Finding("forward_process", 1, "Said.", "overlap", "thing")

    def find(jobs: list[Job], progress: object) -> None:
        assert [job.scene for job in jobs] == ["forward_process"]
        raise StageError([finding])

    monkeypatch.setattr(production, "inspect_scenes", find)
    monkeypatch.setattr(production, "render_scenes", lambda *_: pytest.fail("was drawn"))
    video = tmp_path / "video.mp4"
    order = Order("forward_process", SceneOptions(), QUALITIES["draft"], "silent", video, True)
    with pytest.raises(StageError) as error:
        production.produce(order)
    assert error.value.findings == (finding,)
    assert not video.exists()


@pytest.mark.parametrize("strict", [True, False])
def test_strict_is_what_the_command_line_says(
    monkeypatch: pytest.MonkeyPatch, strict: bool
) -> None:
    orders: list[Order] = []

    def take(order: Order, progress: object) -> Product:
        orders.append(order)
        return Product.beside(order.video, 1.0)

    monkeypatch.setattr(production, "produce", take)
    words = ["scene", "forward_process", "--quiet", *(["--strict"] if strict else [])]
    done = CliRunner().invoke(render.cli, words)
    assert done.exit_code == 0, done.output
    assert [order.strict for order in orders] == [strict]


# -- the geometry ----------------------------------------------------------------------


def test_a_circle_is_as_wide_as_it_is_drawn() -> None:
    [box] = boxes_of([Circle(radius=1).points])
    np.testing.assert_allclose(box, [550, 270, 730, 450], atol=0.1)


def test_pieces_cross_boxes_as_by_many_points_on_them() -> None:
    rng = np.random.default_rng(0)
    starts, ends = rng.uniform(0, 100, (2, 200, 2))
    pieces = np.stack([starts, ends], axis=1)
    pieces[:20, 1, 0] = pieces[:20, 0, 0]  # upright
    pieces[20:40, 1, 1] = pieces[20:40, 0, 1]  # level
    corners = rng.uniform(0, 90, (50, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(2, 20, (50, 2))], axis=1)
    for piece in pieces:
        points = piece[0] + np.linspace(0, 1, 2001)[:, None] * (piece[1] - piece[0])
        inside = (points[:, None] > boxes[:, :2]) & (points[:, None] < boxes[:, 2:])
        by_points = inside.all(axis=2).any(axis=0)
        by_rule = crossed(piece[None], boxes)
        assert not (by_points & ~by_rule).any()
        # Where only the rule says so, the piece cuts off less than the points resolve.
        assert (by_points != by_rule).sum() <= 1


def test_inside_is_inside() -> None:
    pieces = segments(to_pixels(Circle(radius=1).points))
    assert encloses(pieces, np.array([640.0, 360.0]))
    assert encloses(pieces, np.array([640.0 + 62, 360.0 + 62]))
    assert not encloses(pieces, np.array([640.0 + 65, 360.0 + 65]))
    assert not encloses(pieces, np.array([0.0, 360.0]))


# -- the scenes that ship --------------------------------------------------------------


@pytest.mark.parametrize(("theme", "seed"), [("dark", 0), ("light", 7)])
@pytest.mark.parametrize("name", SCENES)
def test_a_lecturer_would_show_it(
    rehearse: Callable[..., LectureScene], name: str, theme: str, seed: int
) -> None:
    """``rehearse`` fails where there is a finding."""
    scene = rehearse(name, lambda scene: None, SceneOptions(steps=10, theme=theme, seed=seed))
    assert scene.inputs.watcher is not None
    assert scene.cues
