"""Latent diffusion: what is shown is what was recorded, and what is said is true of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from diffusion_core.bundle import Bundle
from diffusion_core.classifier import load_judge
from diffusion_core.errors import UsageError
from diffusion_core.models import WEIGHTS
from diffusion_core.recipe import LatentRecipe
from diffusion_core.store import Store
from scenes.catalog import scene_entry
from scenes.latent_diffusion.reading import (
    billions,
    how_true,
    instead,
    percent,
    spent,
    what_is_lost,
    what_it_costs,
)
from scenes.options import SceneOptions
from scenes.stage.lecture_scene import LectureScene
from tests.scenes.test_on_screen import as_shown, shown_tiles

Rehearse = Callable[..., LectureScene]
SEEDS = (0, 40)
STEPS = 10


@pytest.fixture(scope="module", params=SEEDS)
def bundle(request: pytest.FixtureRequest) -> Iterator[Bundle]:
    options = SceneOptions(seed=request.param, steps=STEPS)
    found = Store().get(scene_entry("latent_diffusion").recipes(options)["latent"]).trajectory
    assert isinstance(found, Bundle)
    return found


def as_maps(latent: np.ndarray, background: str) -> np.ndarray:
    """A latent (4, 7, 7) as its four maps are shown, from −3 to 3, two in a row."""
    picture = np.empty((15, 15, 3), np.uint8)
    picture[:] = [int(background[i : i + 2], 16) for i in (1, 3, 5)]
    for number, values in enumerate(latent):
        top, left = divmod(number, 2)
        picture[8 * top : 8 * top + 7, 8 * left : 8 * left + 7] = as_shown(values[None] / 3)
    return picture


def now_shown(scene: LectureScene, i: int) -> dict[str, np.ndarray]:
    """What each of the scene's panels is to show at state ``i``, by name."""
    runs, asked = scene.bundle, min(i, STEPS - 1)
    pictures = {
        "start": runs["pixels"].states[i, 0],
        "returned": runs["returned"].states[0, 0],
        "enlarged": runs["enlarged"].states[0, 0],
        "shrunk": runs["small"].states[0, 0],
        "torn": runs["erased"].states[0, 0],
        "pixels": runs["pixels"].states[i, 0],
        "drawn": runs["decoded"].x0_hat[asked, 0],
        "scribble": runs["decoded"].states[i, 0],
    }
    latents = {
        "squeezed": runs["latents"].states[0, 0],
        "holed": runs["erased latents"].states[0, 0],
        "noisy": runs["process"].states[i, 0],
        "guess": runs["process"].x0_hat[asked, 0],
    }
    background = scene.theme.background
    return {name: as_shown(state) for name, state in pictures.items()} | {
        name: as_maps(z, background) for name, z in latents.items()
    }


def check_comparison(scene: LectureScene, i: int) -> None:
    """Eight samples of either process, and what they have cost."""
    for row, name in zip(scene.rows, ("pixels", "decoded"), strict=True):
        for b in range(8):
            cell = row.tile.picture[:, 30 * b : 30 * b + 28]
            np.testing.assert_array_equal(cell, as_shown(scene.bundle[name].states[i, b]))
    costs = [spent(scene.bundle, name) for name in ("pixels", "process")]
    for bar, cost in zip(scene.bars, costs, strict=True):
        assert bar.number.text == billions(cost[i])
    if i == STEPS:
        lengths = [bar.line.get_length() for bar in scene.bars]
        assert lengths[0] / lengths[1] == pytest.approx(costs[0][-1] / costs[1][-1])


@pytest.mark.parametrize(
    ("theme", "seed"), [("dark", 0), ("light", 40), ("light", 0), ("dark", 40)]
)
def test_tiles_and_numbers_are_the_recording(rehearse: Rehearse, theme: str, seed: int) -> None:
    seen: dict[str, set[int]] = {}

    def look(scene: LectureScene) -> None:
        i, tiles = int(scene.playhead.get_value() + 1e-6), shown_tiles(scene)
        for name, picture in now_shown(scene, i).items():
            panel = getattr(scene, name, None)
            if panel is not None and panel.tile in tiles:
                np.testing.assert_array_equal(panel.tile.picture, picture, err_msg=name)
                seen.setdefault(name, set()).add(i)
        if hasattr(scene, "rows") and scene.rows[0].tile in tiles:
            check_comparison(scene, i)
            seen.setdefault("rows", set()).add(i)

    scene = rehearse("latent_diffusion", look, SceneOptions(seed=seed, theme=theme, steps=STEPS))
    assert len(seen) == 13
    for name in ("start", "noisy", "guess", "drawn", "rows"):
        assert {0, STEPS} <= seen[name], name
    said = [cue.sentence.caption for cue in scene.cues]
    runs = scene.bundle
    for sentence in (how_true(runs), instead(runs), what_is_lost(runs), *what_it_costs(runs)):
        assert sentence in said
    assert "196 numbers instead of 784" in " ".join(said)
    assert all("%" not in cue.sentence.spoken for cue in scene.cues)


def test_the_short_cut_keeps_what_is_essential(rehearse: Rehearse) -> None:
    options = SceneOptions(steps=STEPS, cut="short")
    scene = rehearse("latent_diffusion", lambda scene: None, options)
    said = [cue.sentence.caption for cue in scene.cues]
    assert instead(scene.bundle) not in said
    assert said[-1] == "The noise lives in a small grid. The decoder puts the detail back."
    assert scene.now < 80


def test_it_comes_back_almost_as_it_was(bundle: Bundle) -> None:
    """And better than from as many pixels: of every sample."""
    returned, shrunk = (
        np.array(bundle[name].facts["rms_to_picture"]) for name in ("returned", "enlarged")
    )
    assert (returned < 0.2).all()  # of a range of 2
    assert (returned < shrunk).all()
    assert "loses more" in instead(bundle)
    assert f"{percent(returned[0])} off." in how_true(bundle)
    assert bundle["small"].states[0, 0].size == bundle["latents"].states[0, 0].size == 196
    x = bundle["pixels"].states[-1].clip(-1, 1).astype(np.float64)
    measured = np.sqrt(((bundle["returned"].states[0] - x) ** 2).mean((1, 2, 3)))
    np.testing.assert_allclose(returned, measured, rtol=1e-6)


def test_cells_keep_to_their_places(bundle: Bundle) -> None:
    """What a cell's erasure changes lies around it, in a share of the picture five times less."""
    facts = bundle["erased"].facts
    shares, areas = np.array(facts["share_near"]), np.prod(np.array(facts["near"])[:, 2:], axis=1)
    assert (areas <= 144).all()
    assert (shares > 0.7).all()
    assert f"{100 * shares[0]:.0f} % of the change" in what_is_lost(bundle)
    differ = (bundle["erased latents"].states[0] != bundle["latents"].states[0]).any(axis=1)
    assert (differ.sum((1, 2)) == 1).all()
    for b, (row, column) in enumerate(facts["cell"]):
        assert differ[b, row, column]


def sureness(pictures: np.ndarray) -> np.ndarray:
    """How sure the judge is of the digit that it reads, (B,)."""
    with torch.no_grad():
        logits = load_judge().network(torch.from_numpy(pictures.astype(np.float32)))
    return logits.softmax(1).max(1).values.numpy()


def test_noise_decoded_is_no_picture_and_the_last_latent_is_one(bundle: Bundle) -> None:
    first, last = bundle["decoded"].states[0], bundle["decoded"].states[-1]
    assert sureness(last).mean() > 0.85
    assert sureness(last).mean() > sureness(first).mean() + 0.1


def test_the_decoded_guess_grows_sharp(bundle: Bundle) -> None:
    """Sharp: the guess is nowhere grey; half of the way in it is nearer to its end than first."""
    seen = bundle["decoded"]
    assert seen.x0_hat is not None
    guesses, end = seen.x0_hat.astype(np.float64), seen.states[-1].astype(np.float64)
    grey = (np.abs(guesses) < 0.5).mean((1, 2, 3, 4))
    assert grey[-1] < 0.7 * grey[0]
    off = np.sqrt(((guesses - end) ** 2).mean((2, 3, 4))).mean(1)
    assert off[-1] < off[STEPS // 2] < off[0]


def test_both_processes_run_through_the_same_times(bundle: Bundle) -> None:
    """The narration says: "the same schedule, the same steps"."""
    one, other = bundle["pixels"], bundle["process"]
    np.testing.assert_array_equal(one.timesteps, other.timesteps)
    np.testing.assert_array_equal(one.alpha_bar, other.alpha_bar)
    assert one.facts["nfe"] == other.facts["nfe"] == STEPS


def test_fewer_numbers_cost_less(bundle: Bundle) -> None:
    costs = bundle.facts["costs"]
    pixels, latents = spent(bundle, "pixels"), spent(bundle, "process")
    assert pixels[0] == latents[0] == 0
    assert pixels[-1] == STEPS * costs["pixels"]["step"]
    assert latents[-1] == STEPS * costs["latents"]["step"] + costs["latents"]["decode"]
    first, then = what_it_costs(bundle)
    assert f"{pixels[-1] / 1e9:.1f} billion" in first
    assert f"{latents[-1] / 1e9:.1f} billion" in then
    assert pixels[-1] > 4 * latents[-1]
    assert f"{pixels[-1] / latents[-1]:.1f} times fewer" in then


def fine(x: np.ndarray) -> np.ndarray:
    """What is finer than a cell: pictures less their means over blocks of 4 × 4 pixels."""
    B, C, H, W = x.shape
    means = x.reshape(B, C, H // 4, 4, W // 4, 4).mean((3, 5), keepdims=True)
    return x - np.broadcast_to(means, (B, C, H // 4, 4, W // 4, 4)).reshape(x.shape)


def test_the_decoder_puts_the_detail_back(bundle: Bundle) -> None:
    """Most of what is finer than the cells of the grid is in the picture that comes back."""
    x = bundle["pixels"].states[-1].clip(-1, 1).astype(np.float64)
    lost = fine(bundle["returned"].states[0] - x)
    assert (lost**2).sum() < 0.2 * (fine(x) ** 2).sum()
    # Pictures that came out of the grid have as much of it as those on pixels.
    drawn = fine(bundle["decoded"].states[-1].astype(np.float64))
    assert 0.6 < (drawn**2).mean() / (fine(x) ** 2).mean() < 1.6


def test_a_model_that_nobody_can_read_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown; choose one of: mnist"):
        scene_entry("latent_diffusion").recipes(SceneOptions(model="nobody"))


def test_a_model_of_pixels_stands_beside_the_latent_model_that_ships() -> None:
    chosen = SceneOptions(model=str(WEIGHTS / "mnist.safetensors"))
    recipe = scene_entry("latent_diffusion").recipes(chosen)["latent"]
    assert isinstance(recipe, LatentRecipe)
    assert (recipe.model, recipe.picture_model) == ("mnist", chosen.model)
    chosen = SceneOptions(model=str(WEIGHTS / "latent" / "mnist.safetensors"))
    recipe = scene_entry("latent_diffusion").recipes(chosen)["latent"]
    assert isinstance(recipe, LatentRecipe)
    assert (recipe.model, recipe.picture_model) == (chosen.model, "mnist")
