"""Cards: their tiles are recorded pictures, their words are true, they keep within the stage."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from diffusion_core.bundle import Bundle
from diffusion_core.store import Store
from diffusion_core.trajectory import Trajectory
from scenes.cards import STRIP
from scenes.catalog import SCENES
from scenes.guidance import share_of_answer
from scenes.options import SceneOptions
from scenes.stage.lecture_scene import LectureScene
from tests.scenes.test_on_screen import as_shown, shown_tiles

Rehearse = Callable[..., LectureScene]
CARDS = [name for name, entry in SCENES.items() if entry.card]
SEEDS = (0, 1)


def strip(run: Trajectory, sample: int = 0) -> list[np.ndarray]:
    """Evenly spaced states from the noise to the picture, or the other way."""
    last = len(run.states) - 1
    return [run.states[round(last * i / (STRIP - 1)), sample] for i in range(STRIP)]


def expected(scene: LectureScene, name: str) -> list[np.ndarray]:
    """The states that a card shows, row by row, from left to right."""
    match name:
        case "introduction_opening" | "introduction_closing":
            return strip(scene.run("forward")) + strip(scene.run("reverse"))
        case "sampling_opening":
            return [state for i in range(3) for state in strip(scene.run("reverse"), i)]
        case "sampling_closing":
            thrown = [run.states[-1, 0] for run in scene.runs("ddpm").values()]
            return [*scene.run("ddim").states[-1], *thrown]
        case "guidance_opening":
            return [state for i in range(3) for state in strip(scene.run("guided"), i)]
        case "guidance_closing":
            ends = (scene.run(run).states[-1, :STRIP] for run in ("plain", "guided"))
            return [state for row in ends for state in row]
        case _:
            return strip(scene.run("forward")) + strip(scene.run("guided"))


@pytest.mark.parametrize(("theme", "seed"), [("dark", 0), ("light", 1)])
@pytest.mark.parametrize("name", CARDS)
def test_tiles_are_the_recording(rehearse: Rehearse, name: str, theme: str, seed: int) -> None:
    most: list[list[np.ndarray]] = [[]]

    def look(scene: LectureScene) -> None:
        tiles = sorted(shown_tiles(scene), key=lambda tile: (-round(tile.get_y(), 2), tile.get_x()))
        if len(tiles) > len(most[0]):
            most[0] = [tile.picture.copy() for tile in tiles]

    scene = rehearse(name, look, SceneOptions(steps=10, theme=theme, seed=seed))
    states = expected(scene, name)
    assert len(most[0]) == len(states) >= 2 * 5
    for picture, state in zip(most[0], states, strict=True):
        np.testing.assert_array_equal(picture, as_shown(state))


@pytest.mark.parametrize("name", CARDS)
def test_its_short_cut_shows_the_same_and_says_less(rehearse: Rehearse, name: str) -> None:
    shown: list[int] = []

    def look(scene: LectureScene) -> None:
        shown.append(len(shown_tiles(scene)))

    options = SceneOptions(steps=10)
    full = rehearse(name, look, options)
    most, shown[:] = max(shown), []
    short = rehearse(name, look, SceneOptions(steps=10, cut="short"))
    assert max(shown) == most
    assert short.now < 0.8 * full.now
    assert [cue.sentence for cue in short.cues] == [full.cues[0].sentence]


def recorded(name: str, **options: object) -> dict[str, Trajectory | Bundle]:
    chosen = SceneOptions(**{"steps": 10, **options})  # type: ignore[arg-type]
    runs = SCENES[name].runs(chosen)
    return {key: Store().get(recipe).trajectory for key, recipe in runs.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_ddim_always_makes_the_same_picture_and_ddpm_new_ones(seed: int) -> None:
    runs = recorded("sampling_closing", seed=seed)
    ddim, ddpm = runs["ddim"], runs["ddpm"]
    assert isinstance(ddim, Trajectory)
    assert isinstance(ddpm, Bundle)
    assert all(np.array_equal(end, ddim.states[-1, 0]) for end in ddim.states[-1])
    ends = [run.states[-1, 0] for run in ddpm.values()]
    assert len({end.tobytes() for end in ends}) == len(ends)
    starts = [*ddim.states[0], *(run.states[0, 0] for run in ddpm.values())]
    assert all(np.array_equal(start, starts[0]) for start in starts)
    assert {run.steps for run in (ddim, *ddpm.values())} == {10}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_prompt_is_turned_up_from_the_same_noises(seed: int) -> None:
    runs = recorded("guidance_closing", seed=seed, guidance=3, prompt="a bold two")
    plain, guided = runs["plain"], runs["guided"]
    assert isinstance(plain, Trajectory)
    assert isinstance(guided, Trajectory)
    np.testing.assert_array_equal(plain.states[0], guided.states[0])
    assert [run.facts["recipe"]["guidance"] for run in (plain, guided)] == [1, 3]
    assert {run.facts["recipe"]["prompt"] for run in (plain, guided)} == {"a bold two"}
    # "Words change every guess a little."
    shares = [share_of_answer(guided, index) for index in range(guided.steps)]
    assert min(shares) > 0
    assert max(shares) < 0.5


def test_the_words_are_those_of_the_run(rehearse: Rehearse) -> None:
    options = SceneOptions(steps=10, prompt="a bold two", guidance=3)
    opening = rehearse("guidance_opening", lambda scene: None, options)
    assert opening.cues[-1].sentence.caption.endswith("we ask for “a bold two”.")
    written: set[str] = set()

    def read(scene: LectureScene) -> None:
        family = scene.get_mobject_family_members()
        written.update(m.writing.text for m in family if hasattr(m, "writing"))

    closing = rehearse("guidance_closing", read, options)
    nfe = closing.run("guided").facts["nfe"]
    assert "the same noises, the prompt turned up: g = 3" in written
    assert f"seed 0, {nfe} network evaluations for each picture" in written
