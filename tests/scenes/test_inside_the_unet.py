"""Inside the U-Net: what is drawn stood there, and what is said of its parts is so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from diffusion_core.checkpoints import save_weights
from diffusion_core.recipes.inside import OTHER_WORDS, WHOLE, WITHOUT_DEPTHS, WITHOUT_SKIPS
from diffusion_core.store import Store
from diffusion_core.unet import UNetConfig
from scenes.catalog import scene_entry
from scenes.inside_the_unet.drawing import Shown
from scenes.inside_the_unet.reading import SAME, Inside, coarse
from scenes.options import SceneOptions
from scenes.recipes import inside
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.numbers import fixed, whole
from scenes.stage.tiles import Tile
from tests.diffusion_core.conftest import tiny_network
from tests.scenes.test_on_screen import as_shown, shown_tiles

Rehearse = Callable[..., LectureScene]
LOOKS = (
    SceneOptions(steps=10),
    SceneOptions(steps=10, seed=1, theme="light"),
    SceneOptions(steps=10, prompt="a bold seven leaning right", theme="light"),
    SceneOptions(steps=10, seed=1, cut="short"),
)
CLAIMS = (
    SceneOptions(steps=10),
    SceneOptions(steps=10, seed=1),
    SceneOptions(steps=10, schedule="linear", prompt="an eight"),
)


def recorded(options: SceneOptions) -> Inside:
    found = Store().get(scene_entry("inside_the_unet").recipes(options)["inside"]).trajectory
    return Inside(found)  # type: ignore[arg-type]


@pytest.fixture(params=CLAIMS, ids=["usual", "another seed", "another schedule and prompt"])
def found(request: pytest.FixtureRequest) -> Inside:
    return recorded(request.param)


def drawn(usual: NDArray[np.floating], shown: NDArray[np.floating]) -> NDArray[np.float64]:
    """A channel (H, W) as it is drawn: grey is the usual mean, white is far above it."""
    usual, shown = usual.astype(np.float64), shown.astype(np.float64)
    mean = usual.mean()
    scaled = (shown - mean) / max(np.percentile(abs(usual - mean), 99), 1e-6)
    return np.asarray(scaled[None])


class Checked:
    """Compares what is seen with the recording, after every play."""

    def __init__(self) -> None:
        self.stations: set[tuple[str, str, int]] = set()
        self.answers: set[tuple[str, str, int]] = set()
        self.bars: set[tuple[str, int]] = set()
        self.looks: set[int] = set()

    def __call__(self, scene: LectureScene) -> None:
        inside, u, k = scene.inside, scene.u, scene.u.look
        tiles, members = shown_tiles(scene), scene.get_mobject_family_members()
        for name, station in u.stations.items():
            self.station(inside, name, station, k, tiles)
        for shown, answer in zip(u.answers, ("eps_hat", "x0_hat"), strict=True):
            [panel] = shown.panels
            if panel.tile in tiles:
                variant = inside.variants[shown.variant]
                state = getattr(inside.bundle[variant], answer)[k, 0]
                np.testing.assert_array_equal(panel.tile.picture, as_shown(state))
                self.answers.add((answer, variant, k))
        if u.seen.tile in tiles:
            np.testing.assert_array_equal(u.seen.tile.picture, as_shown(inside.whole.states[k, 0]))
            self.looks.add(k)
        if u.clock in members:
            assert u.clock.text == whole(float(inside.whole.timesteps[k]))
        for bar, variant in zip(getattr(scene, "bars", ()), inside.variants[1:], strict=False):
            if bar in members:
                errors = [inside.bundle[v].facts["eps_error"][k] for v in (variant, WHOLE)]
                assert bar.text == f"×{fixed(1)(errors[0] / errors[1])}"
                self.bars.add((variant, k))

    def station(self, inside: Inside, name: str, station: Shown, k: int, tiles: list[Tile]) -> None:
        variant = inside.variants[station.variant]
        run = inside.bundle[name if variant == WHOLE else f"{name}, {variant}"]
        for i, panel in enumerate(station.panels):
            if panel.tile in tiles:
                expected = drawn(inside.bundle[name].states[k, 0, i], run.states[k, 0, i])
                np.testing.assert_array_equal(panel.tile.picture, as_shown(expected))
                self.stations.add((name, variant, k))


@pytest.mark.parametrize("options", LOOKS, ids=["dark", "light", "long prompt", "short"])
def test_tiles_and_numbers_are_the_recording(rehearse: Rehearse, options: SceneOptions) -> None:
    checked = Checked()
    scene = rehearse("inside_the_unet", checked, options)
    both = (scene.least, scene.most)
    assert checked.looks >= {*both}
    for name in scene.u.stations:
        assert {(name, WHOLE, k) for k in both} <= checked.stations
        assert ((name, OTHER_WORDS, scene.most) in checked.stations) == (not scene.short)
    for variant in (WITHOUT_SKIPS, WITHOUT_DEPTHS):
        # A short cut has no word on the depths where there is little noise, and no bar for them.
        left_out = scene.short and variant == WITHOUT_DEPTHS
        looks = (scene.most,) if left_out else both
        answers = {(name, variant, k) for name in ("eps_hat", "x0_hat") for k in looks}
        assert answers <= checked.answers
        assert left_out or {(variant, k) for k in both} <= checked.bars
    written = [number[0].writing.text for number in scene.u.changes(OTHER_WORDS)]
    shares = [scene.inside.change(place, OTHER_WORDS)[scene.most] for place in scene.inside.places]
    assert written == [f'{100 * share:.0f} "%"' for share in shares]


def test_the_prompts_are_those_that_were_asked(found: Inside) -> None:
    words = [found.bundle[name].states[0, 0] for name in ("words", f"words, {OTHER_WORDS}")]
    assert not np.array_equal(*words)
    assert found.prompt != found.other
    assert found.other


def test_the_picture_shrinks_and_holds_more_numbers(found: Inside) -> None:
    shapes = [found.bundle[name].facts for name in ("down 1", "down 2")]
    assert [(facts["size"], facts["channels"]) for facts in shapes] == [(14, 64), (7, 128)]
    assert found.shrinking() == (
        "On the way down, the picture shrinks: first to 14 × 14 places, then to 7 × 7."
    )
    held = "Each place holds 64, then 128 numbers; shown are the 3 that vary most."
    assert found.numbers_held() == held


def test_with_little_noise_the_answer_comes_straight_across(found: Inside) -> None:
    look = found.looks - 1
    skips, depths = (found.factor(name)[look] for name in (WITHOUT_SKIPS, WITHOUT_DEPTHS))
    assert skips > 3
    assert 1 <= depths < SAME
    assert found.without_skips(look) == f"The error of the answer is {skips:.1f} times as large."
    assert f"the error is only {depths:.1f} times as large" in found.without_depths(look)
    assert found.straight(look) == "With so little noise, the answer comes straight across."


def test_with_more_noise_the_skips_matter_less_and_the_depths_more(found: Inside) -> None:
    assert (np.diff(found.factor(WITHOUT_SKIPS)) > 0).all()  # from the most noise to the least
    assert found.factor(WITHOUT_DEPTHS)[0] > found.factor(WITHOUT_DEPTHS)[-1]
    assert found.factor(WITHOUT_DEPTHS)[0] > SAME
    assert found.factor(WITHOUT_SKIPS)[0] > SAME


def test_the_depths_say_what_and_the_skip_connections_where(found: Inside) -> None:
    """The shape suffers where the depths are cut, the detail where the skip connections are."""
    assert found.suffers(WITHOUT_SKIPS, 0).endswith("what suffers most is the detail.")
    assert found.suffers(WITHOUT_DEPTHS, 0).endswith("what suffers most is the shape.")
    guesses = {name: found.bundle[name].x0_hat[0] for name in found.variants}  # type: ignore[index]
    x_0 = found.whole.states[-1]

    def shape_error(name: str) -> float:
        wrong = guesses[name].astype(np.float64) - x_0
        return float((wrong.reshape(-1, 1, 7, 4, 7, 4).mean((3, 5)) ** 2).mean())

    assert shape_error(WITHOUT_DEPTHS) > 1.5 * shape_error(WITHOUT_SKIPS)


def test_words_are_heard_in_the_depths(found: Inside) -> None:
    change = {
        name: found.bundle[f"{name}, {OTHER_WORDS}"].facts["change"][0]
        for name in ("down 1", "down 2", "middle", "up 1")
    }
    deep, fine = (change["down 2"] + change["middle"]) / 2, (change["down 1"], change["up 1"])
    assert deep > 1.5 * max(fine)
    assert found.heard(0).endswith("words are heard in the depths.")


def test_the_error_is_that_of_the_recorded_noise(found: Inside) -> None:
    for name in found.variants:
        run = found.bundle[name]
        wrong = run.eps_hat.astype(np.float64) - run.eps[:-1]  # type: ignore[union-attr, index]
        measured = np.sqrt((wrong**2).mean((1, 2, 3, 4)))
        np.testing.assert_allclose(run.facts["eps_error"], measured, rtol=1e-3)


def test_a_network_of_another_shape_is_drawn_as_it_is(rehearse: Rehearse, tmp_path: Path) -> None:
    """Three levels, coloured pictures, no words: a larger U, and no sentence that is not so."""
    config = UNetConfig(channels=3, size=16, widths=(8, 8, 16), blocks=2, attention=False)
    path = tmp_path / "three.safetensors"
    save_weights(path, tiny_network(config=config), "v", {"data": {"name": "x", "pictures": 3}})
    options = SceneOptions(model=str(path), steps=3)
    scene = rehearse("inside_the_unet", lambda scene: None, options)
    assert list(scene.u.stations) == [
        *("down 1", "down 2", "down 3"),
        *("middle", "up 3", "up 2", "up 1"),
    ]
    assert {level: len(lines) for level, lines in scene.u.skips.items()} == {1: 3, 2: 3, 3: 3}
    said = " ".join(cue.sentence.caption for cue in scene.cues)
    assert "first to 8 × 8 places, then to 4 × 4, then to 2 × 2." in said
    assert "Each place holds 8, then 8, then 16 numbers" in said
    assert "what we ask for" not in said
    assert "words" not in said


def test_the_shape_is_what_a_place_at_the_bottom_can_tell() -> None:
    pictures = np.arange(16.0).reshape(1, 1, 4, 4)
    np.testing.assert_array_equal(coarse(pictures, 2)[0, 0, ::2, ::2], [[2.5, 4.5], [10.5, 12.5]])
    np.testing.assert_array_equal(coarse(pictures, 4), pictures)


def test_what_is_asked_instead_names_another_digit() -> None:
    [recipe] = inside(SceneOptions(prompt="a two")).values()
    assert recipe.prompt == "a two"  # type: ignore[union-attr]
    assert recipe.other != "a two"  # type: ignore[union-attr]
