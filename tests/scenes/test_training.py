"""Training: what is said of a run is so in its history, and so is what is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion_core.bundle import Bundle
from diffusion_core.errors import UsageError
from diffusion_core.history import History, history_path, load_history
from diffusion_core.seeds import SampleNoise
from diffusion_core.store import Store
from scenes.catalog import scene_entry
from scenes.options import SceneOptions
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.numbers import fixed, whole
from scenes.training.learnt import MOST, Learnt
from scenes.training.samples import GAP, in_lines
from scenes.training.scene import in_the_end, late_changes, the_rest
from tests.diffusion_core.training.small_runs import (
    SETTINGS,
    go_on,
    leave_out_pictures,
    start_reading,
)
from tests.scenes.test_on_screen import shown_tiles

Rehearse = Callable[..., LectureScene]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a run of one's own: other pictures, other words, a hundred steps."""
    folder, threads = tmp_path_factory.mktemp("own") / "run", torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        leave_out_pictures(patch)
        go_on(start_reading(folder, replace(SETTINGS, epochs=20, checkpoint_every=100)))
    torch.set_num_threads(threads)
    return str(folder)


@pytest.fixture(params=["mnist", "own"])
def model(request: pytest.FixtureRequest, own: str) -> str:
    return own if request.param == "own" else "mnist"


def recorded(model: str) -> Bundle:
    recipe = scene_entry("training").recipes(SceneOptions(model=model))["training"]
    found = Store().get(recipe).trajectory
    assert isinstance(found, Bundle)
    return found


@pytest.fixture
def learnt(model: str) -> Learnt:
    return Learnt.of(recorded(model))


@pytest.fixture
def history(model: str) -> History:
    return load_history(history_path(model))


def as_levels(picture: np.ndarray) -> np.ndarray:
    """A shown picture (H, W, 3) of one channel, as a history keeps it: (1, H, W)."""
    assert (picture == picture[..., :1]).all()
    return picture[None, ..., 0]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_tiles_and_numbers_are_the_history(
    rehearse: Rehearse, model: str, history: History, theme: str
) -> None:
    seen: set[tuple[int, int]] = set()
    steps, losses = set(), history.losses.astype(np.float64)

    def look(scene: LectureScene) -> None:
        stage = int(np.nonzero(history.steps <= scene.step)[0][-1])
        family = scene.get_mobject_family_members()
        shown = {id(tile) for tile in shown_tiles(scene)}
        for half, panel in zip(scene.rows.halves, scene.rows.panels, strict=True):
            if id(panel.tile) not in shown:
                continue
            H, W = history.samples.shape[-2:]
            for place, sample in enumerate(half):
                left = place * (W + GAP)
                cut = panel.tile.picture[:H, left : left + W]
                np.testing.assert_array_equal(as_levels(cut), history.samples[stage, sample])
                seen.add((stage, sample))
        if scene.clock in family:
            assert scene.clock.text == whole(scene.step)
            steps.add(scene.step)
        if scene.meters[0] in family and scene.step in (1, len(losses)):
            loss, far, *met = scene.meters
            last = losses[:1] if scene.step == 1 else losses[-tail(recorded(model)) :]
            assert loss.readout.text == fixed(3)(last.mean())
            wrong = (history.samples[stage] / 127.5 - history.samples[-1] / 127.5) ** 2
            assert far.readout.text == fixed(2)(np.sqrt(wrong.mean((1, 2, 3))).mean())
            assert len(met) == (model == "mnist")

    scene = rehearse("training", look, SceneOptions(model=model, theme=theme))
    stages = {0, scene.learnt.flat, len(history.steps) - 1}
    assert {stage for stage, _ in seen} >= stages
    assert {sample for _, sample in seen} == set(range(16))
    assert steps >= {0, int(history.steps[scene.learnt.flat]), len(losses)}
    strips = scene.strips
    for sample, row in zip(strips.samples, strips.rows, strict=True):
        for stage, panel in zip(strips.stages, row, strict=True):
            picture = as_levels(panel.tile.picture)
            np.testing.assert_array_equal(picture, history.samples[stage, sample])
    assert strips.stages[0] == 0
    assert strips.stages[-1] == len(history.steps) - 1


def tail(run: Bundle) -> int:
    """How many losses the last point of the curve is the mean of."""
    ends = run.common["loss"]["steps"]
    return ends[-1] - ends[-2]


def test_the_curve_is_that_of_the_losses(learnt: Learnt, history: History) -> None:
    ends = learnt.loss_steps.astype(int)
    assert ends[0] == 1
    assert ends[-1] == len(history.losses) == learnt.end
    for before, end, mean in zip([0, *ends], ends, learnt.loss, strict=False):
        assert mean == pytest.approx(history.losses[before:end].mean(dtype=np.float64))
    assert learnt.loss_at(0) == history.losses[0]


def test_what_is_said_of_the_flat_stretch_is_so(learnt: Learnt, history: History) -> None:
    flat = learnt.flat
    first, at, last = (learnt.loss_at(step) for step in (1, learnt.steps[flat], learnt.end))
    assert learnt.fallen(learnt.steps[flat]) == pytest.approx((first - at) / (first - last))
    assert learnt.fallen(learnt.steps[flat - 1]) < MOST
    samples = history.samples / 127.5
    gone = np.sqrt(((samples - samples[-1]) ** 2).mean((2, 3, 4))).mean(1)
    assert learnt.arrived(flat) == pytest.approx(1 - gone[flat] / gone[0])
    assert learnt.lags == (1 - gone[flat] / gone[0] < (first - at) / (first - last))
    assert f" {learnt.end - learnt.steps[flat]:,} steps" in the_rest(learnt)
    assert f" {at - last:.2f} " in the_rest(learnt)


def test_before_the_first_step_it_hands_the_noise_back(learnt: Learnt, history: History) -> None:
    noise = SampleNoise(history.facts["samples"]["seeds"], history.samples.shape[2:]).draw()
    np.testing.assert_array_equal(learnt.start, noise.numpy())
    for stage in (0, -1):
        resembles = np.corrcoef(noise.numpy().ravel(), history.samples[stage].ravel())[0, 1]
        assert learnt.echo(stage) == pytest.approx(resembles, abs=1e-5)
    assert learnt.echo(0) > 0.75
    assert learnt.echo(-1) < learnt.echo(0) / 2


def test_while_the_shipped_models_loss_looks_flat_it_learns_to_draw() -> None:
    """What the scene is there for, in its numbers."""
    learnt = Learnt.of(recorded("mnist"))
    assert learnt.lags
    assert learnt.judged
    assert learnt.asked[:8] == [None] * 8
    assert learnt.questions == 8
    assert learnt.answered(learnt.flat) < 0.5 * learnt.questions
    assert learnt.answered(-1) >= 0.8 * learnt.questions
    assert learnt.fallen(learnt.steps[learnt.flat]) > learnt.arrived(learnt.flat) + 0.1
    assert "But along that flat stretch" in in_the_end(learnt)
    turned = [
        i
        for i in range(8)
        if learnt.seen is not None and learnt.seen[learnt.late][i] != learnt.seen[-1][i]
    ]
    assert learnt.turned() == turned
    assert f" {len(turned)} of the 8 " in late_changes(learnt)
    assert learnt.followed()[0] == turned[0]


def test_each_outcome_has_its_sentence(own: str) -> None:
    learnt = Learnt.of(recorded(own))
    assert learnt.seen is None  # the judge knows digits, and these are none
    assert in_the_end(learnt) == "Along that stretch, the pictures went the rest of their way."
    judged = replace(learnt, asked=[None, 3, 4], seen=[[1, 3, 3]] * len(learnt.steps))
    judged = replace(judged, prompts=["", "a three", "a four"])
    assert in_the_end(judged) == "The digits that were asked for: 1 of 2 are right in the end."
    assert late_changes(judged).endswith("none of the 1 without a prompt changes its digit.")
    level = replace(learnt, loss=np.where(learnt.loss_steps > 1, 0.5, 1.0))
    assert the_rest(level).endswith("The loss falls no further.")


def test_a_run_that_has_learnt_nothing_yet_is_refused(own: str) -> None:
    run = recorded(own)
    loss = {"steps": [1, 2], "means": [0.9, 0.89]}
    early = Bundle(run.runs, {**run.common, "loss": loss})
    with pytest.raises(UsageError, match=r"is 0\.900 at its first step and 0\.890 at its last, 2;"):
        Learnt.of(early)


def test_prompts_are_broken_into_three_lines() -> None:
    assert in_lines("a thin zero leaning left") == ["a thin zero", "leaning left"]
    assert in_lines("seven") == ["seven"]
    assert in_lines("one two three four five six seven eight") == [
        "one two",
        "three four",
        "five six …",
    ]
