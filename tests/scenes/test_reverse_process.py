"""The reverse process, with words and without: what is shown and said is what was recorded."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from diffusion_core.checkpoints import save_weights
from diffusion_core.classifier import classes_of, features_of, load_judge
from diffusion_core.errors import UsageError
from diffusion_core.grids import to_pixels
from diffusion_core.store import Store
from diffusion_core.trajectory import Trajectory
from scenes.catalog import scene_entry
from scenes.options import SceneOptions
from scenes.reverse_process import BLURRED, begins_blurred, grey
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.numbers import fixed, significant, whole
from tests.diffusion_core.conftest import tiny_network
from tests.scenes.test_on_screen import as_shown, shown_tiles

Rehearse = Callable[..., LectureScene]
PROMPT = "a bold seven leaning right"
UNASKED = SceneOptions(steps=10)
ASKED = SceneOptions(steps=10, seed=1, prompt=PROMPT, theme="light")
PLAIN = SceneOptions(steps=10, seed=1, prompt="a seven", guidance=1)
LOOKS = (UNASKED, SceneOptions(steps=10, seed=1, theme="light"), ASKED, PLAIN)


def recorded(options: SceneOptions) -> Trajectory:
    found = Store().get(scene_entry("reverse_process").recipes(options)["reverse"]).trajectory
    assert isinstance(found, Trajectory)
    return found


@pytest.fixture(params=LOOKS, ids=["no words", "another seed", "guided", "words alone"])
def run(request: pytest.FixtureRequest) -> Trajectory:
    return recorded(request.param)


def read(run: Trajectory) -> list[int]:
    """The digits that the judge sees in the finished pictures."""
    judge = load_judge()
    pictures = torch.from_numpy(to_pixels(run.states[-1]))
    return [int(digit) for digit in classes_of(features_of(pictures, judge), judge)]


def said_in(scene: LectureScene) -> str:
    return " ".join(cue.sentence.caption for cue in scene.cues)


@pytest.mark.parametrize("options", [LOOKS[1], ASKED], ids=["no words", "guided"])
def test_tiles_and_readouts_are_the_recording(rehearse: Rehearse, options: SceneOptions) -> None:
    seen: set[tuple[str, int]] = set()

    def look(scene: LectureScene) -> None:
        run, i = scene.reverse, scene.axis.index
        asked = min(i, run.steps - 1)  # at the finished picture nothing is asked any more
        recorded = {
            scene.seen.tile: ("x_t", run.states[i, 0]),
            scene.named.tile: ("eps", run.eps_hat[asked, 0]),
            scene.guessed.tile: ("x_0", run.x0_hat[asked, 0]),
        }
        for tile in shown_tiles(scene):
            if tile in recorded:
                name, state = recorded[tile]
                np.testing.assert_array_equal(tile.picture, as_shown(state))
                seen.add((name, i))
            else:
                last = tile.picture[60:88, 210:238]  # the third row's last of eight
                np.testing.assert_array_equal(last, as_shown(run.states[i, 23]))
                seen.add(("many", i))
        if scene.readouts in scene.mobjects:
            assert scene.axis.time.text == whole(float(run.timesteps[i]))
            assert scene.alpha_bar.text == fixed(3)(float(run.alpha_bar[i]))
            assert scene.snr.text == significant(float(run.snr[i]))

    scene = rehearse("reverse_process", look, options)
    last = scene.reverse.steps
    assert {(name, i) for name in ("x_t", "eps", "x_0") for i in (0, 1, 2, 3, last)} <= seen
    assert {("many", 0), ("many", last)} <= seen
    assert scene.axis.index == last


def test_what_was_asked_for_is_said_and_shown(rehearse: Rehearse) -> None:
    scene = rehearse("reverse_process", lambda scene: None, ASKED)
    assert scene.reverse.facts["recipe"]["prompt"] == PROMPT
    assert scene.reverse.facts["recipe"]["guidance"] == 2
    assert " ".join(line[0].writing.text for line in scene.asked) == f"“{PROMPT}”"
    said = said_in(scene)
    assert f"And we say what it should become: “{PROMPT}”." in said
    assert "Other noise gives other digits for the same words." in said
    assert f"After {2 * scene.reverse.steps} looks, with the words and without, the noise" in said
    assert scene.reverse.facts["nfe"] == 2 * scene.reverse.steps


def test_without_words_nothing_is_said_of_them(rehearse: Rehearse) -> None:
    said = said_in(rehearse("reverse_process", lambda scene: None, UNASKED))
    assert "Nobody says what it should become." in said
    assert "through the very same network" in said
    assert "After 10 looks the noise is gone" in said


def test_words_alone_take_one_look_a_step(rehearse: Rehearse) -> None:
    scene = rehearse("reverse_process", lambda scene: None, PLAIN)
    assert "“a seven”" in said_in(scene)
    assert "After 10 looks the noise is gone" in said_in(scene)


@pytest.mark.parametrize("options", [UNASKED, ASKED], ids=["no words", "guided"])
def test_the_loop_is_the_stretch_in_which_the_noise_fades(
    rehearse: Rehearse, options: SceneOptions
) -> None:
    scene = rehearse("reverse_process", lambda scene: None, options)
    first, last = scene_entry("reverse_process").loop
    [said] = (cue.sentence.caption for cue in scene.cues[first - 1 : last])
    assert said.startswith("Step by step the noise fades")


def test_a_model_of_other_things_is_not_said_to_draw_digits(
    rehearse: Rehearse, tmp_path: Path
) -> None:
    path = tmp_path / "tiny.safetensors"
    save_weights(path, tiny_network(), "v", {"data": {"name": "x", "pictures": 3}})
    options = SceneOptions(model=str(path), steps=3)
    said = said_in(rehearse("reverse_process", lambda scene: None, options))
    assert "digit" not in said
    assert "trained on 3 pictures" in said


def test_it_starts_from_pure_noise(run: Trajectory) -> None:
    """The narration says: "pure noise: every pixel is random"."""
    start = run.states[0].astype(np.float64)
    assert abs(start.mean()) < 0.03
    assert start.std() == pytest.approx(1, abs=0.03)
    beside = np.corrcoef(start[..., 1:].ravel(), start[..., :-1].ravel())[0, 1]
    assert abs(beside) < 0.03


def test_the_guess_remains_when_the_noise_is_taken_away(run: Trajectory) -> None:
    assert run.x0_hat is not None
    assert run.eps_hat is not None
    for i in range(1, run.steps):
        rest = run.states[i] - run.noise_weight[i] * run.eps_hat[i]
        np.testing.assert_allclose(rest / run.signal_weight[i], run.x0_hat[i], atol=2e-3)


def test_a_step_is_small_and_leads_towards_the_guess(run: Trajectory) -> None:
    """The narration says: "only a small step towards the guess", of the first three."""
    assert run.x0_hat is not None
    for i in range(3):
        guess = run.x0_hat[i, 0].astype(np.float64)
        here, there = (np.linalg.norm(run.states[j, 0] - guess) for j in (i, i + 1))
        left = there / here
        assert 0.7 < left < 1


def test_the_noise_fades_and_the_guess_turns_sharp(run: Trajectory) -> None:
    assert run.x0_hat is not None
    assert (np.diff(run.noise_weight) < 0).all()
    shares = [grey(guess) for guess in run.x0_hat]
    assert shares[0] > shares[-1]
    first, last = (float((abs(run.x0_hat[i, 0]) < 0.8).mean()) for i in (0, -1))
    assert begins_blurred(run) == (first >= BLURRED * last)


def test_the_first_guess_is_called_what_it_is(rehearse: Rehearse) -> None:
    """Without words it is a blur; strong words make it a shape at once."""
    strong = SceneOptions(steps=10, prompt=PROMPT, guidance=4)
    assert begins_blurred(recorded(UNASKED))
    assert not begins_blurred(recorded(strong))
    assert "a blur, at first" in said_in(rehearse("reverse_process", lambda scene: None, UNASKED))
    said = said_in(rehearse("reverse_process", lambda scene: None, strong))
    assert "a rough shape already" in said
    assert "blur" not in said


def test_other_noise_gives_other_pictures(run: Trajectory) -> None:
    ends = run.states[-1].astype(np.float64)
    apart = [np.sqrt(((a - b) ** 2).mean()) for a, b in combinations(ends, 2)]
    assert min(apart) > 0.15
    if not run.facts["recipe"]["prompt"]:
        assert len(set(read(run))) >= 6


def test_the_pictures_are_what_was_asked_for() -> None:
    for options in (ASKED, PLAIN):
        assert read(recorded(options)).count(7) > 0.7 * 24


def test_guidance_without_words_is_refused() -> None:
    with pytest.raises(UsageError, match="needs a prompt"):
        scene_entry("reverse_process").recipes(SceneOptions(guidance=3))
