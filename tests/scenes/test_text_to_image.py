"""Text to image: numbers of the vocabulary, pictures of the recording, and when words decide."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from diffusion_core.bundle import Bundle
from diffusion_core.captions import facts_of
from diffusion_core.checkpoints import load_model
from diffusion_core.errors import LectureError, UsageError
from diffusion_core.recipe import ForksRecipe
from diffusion_core.store import Store
from diffusion_core.trajectory import Trajectory
from scenes.catalog import scene_entry
from scenes.options import SceneOptions
from scenes.recipes import other_prompts
from scenes.stage.barcodes import MOMENTS, sorting, stripes
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.numbers import fixed
from scenes.stage.theme import DARK
from scenes.stage.tiles import Tile
from scenes.text_to_image.changes import Change, changes_of, how_far, how_often, outcomes, read
from scenes.text_to_image.columns import guesses
from scenes.text_to_image.rows import cosine
from tests.scenes.test_on_screen import as_shown, shown_tiles

Rehearse = Callable[..., LectureScene]
Bundles = dict[str, Bundle]
SEEDS = (0, 1)


def recorded(seed: int) -> Bundles:
    recipes = scene_entry("text_to_image").recipes(SceneOptions(seed=seed, steps=10))
    found = {name: Store().get(recipe).trajectory for name, recipe in recipes.items()}
    return {name: bundle for name, bundle in found.items() if isinstance(bundle, Bundle)}


@pytest.fixture(params=SEEDS)
def bundles(request: pytest.FixtureRequest) -> Bundles:
    return recorded(request.param)


@pytest.fixture
def changes(bundles: Bundles) -> list[Change]:
    return changes_of(bundles, bundles["words"]["a seven"])


def rows_shown(scene: LectureScene, tiles: set[Tile]) -> int:
    """How many prompts' stripes are seen: the more of the colour, the larger the number."""
    embeddings = scene.words["embeddings"]
    order = np.argsort(-np.array(embeddings[scene.prompt]), kind="stable")
    rows = [
        (row.stripes, prompt)
        for row, prompt in zip(scene.rows[1:], scene.listed[1:], strict=True)
        if row.stripes in tiles
    ]
    for stripes_shown, prompt in rows:
        numbers = np.array(embeddings[prompt])[order]
        shade = stripes_shown.picture[0].astype(int).sum(1)
        steps = np.diff(shade[np.argsort(numbers)])
        assert (steps >= 0).all() if scene.theme is DARK else (steps <= 0).all()
        assert steps.any()
    return len(rows)


def columns_shown(scene: LectureScene, tiles: set[Tile], name: str) -> int:
    """How many tiles of the columns called ``name`` are seen, each as it was recorded."""
    runs = {
        "beside": [scene.asked_for[prompt] for prompt in scene.prompts],
        "columns": [change.run for change in scene.changes],
    }[name]
    shown = [
        (tile, states)
        for column, run in zip(getattr(scene, name, ()), runs, strict=False)
        for tile, states in ((column.seen.tile, run.states), (column.guess.tile, guesses(run)))
        if tile in tiles
    ]
    for tile, states in shown:
        np.testing.assert_array_equal(tile.picture, as_shown(states[scene.axis.index, 0]))
    return len(shown)


def mosaics_shown(scene: LectureScene, tiles: set[Tile]) -> int:
    """How many mosaics of the other samples are seen, each as it was recorded."""
    shown = [
        (panel.tile, guesses(change.run)[scene.axis.index])
        for panel, change in zip(getattr(scene, "mosaics", ()), scene.changes, strict=False)
        if panel.tile in tiles
    ]
    for tile, states in shown:
        for b in range(3):
            cell = tile.picture[30 * b : 30 * b + 28]
            np.testing.assert_array_equal(cell, as_shown(states[1 + b]))
    return len(shown)


@pytest.mark.parametrize(("theme", "seed"), [("dark", 0), ("light", 1)])
def test_tiles_and_numbers_are_the_recording(rehearse: Rehearse, theme: str, seed: int) -> None:
    checked = {"rows": 0, "beside": 0, "columns": 0, "mosaics": 0}

    def look(scene: LectureScene) -> None:
        tiles = set(shown_tiles(scene))
        checked["rows"] += rows_shown(scene, tiles)
        checked["beside"] += columns_shown(scene, tiles, "beside")
        checked["columns"] += columns_shown(scene, tiles, "columns")
        checked["mosaics"] += mosaics_shown(scene, tiles)

    scene = rehearse("text_to_image", look, SceneOptions(seed=seed, steps=10, theme=theme))
    assert min(checked.values()) >= 6
    embeddings, said = scene.words["embeddings"], " ".join(c.sentence.caption for c in scene.cues)
    for row, prompt in zip(scene.rows[1:], scene.listed[1:], strict=True):
        value = cosine(embeddings["a seven"], embeddings[prompt])
        assert row.number[0].writing.text == f'"cosine" {fixed(2)(value)}'
    for column, number, change in zip(scene.columns, scene.distances, scene.changes, strict=True):
        assert column.above[0].writing.text == f"t = {change.run.timesteps[change.after]}"
        assert number[0].writing.text == fixed(2)(change.moved)
    for count, change in zip(scene.counts, scene.changes, strict=True):
        assert count[0].writing.text == f'{change.classes[1:].count(2)} "of" 3'
    assert f"{len(embeddings['a seven'])} numbers" in said
    assert f"Of the {scene.words['taught']:,} captions" in said


def test_the_numbers_are_those_of_the_vocabulary(bundles: Bundles) -> None:
    words, vocabulary = bundles["words"].common["words"], load_model("mnist").vocabulary
    assert vocabulary is not None
    assert words["taught"] == len(vocabulary.texts)
    asked = {"a seven", "a two", "a zero", "a four", "an eight"}
    assert set(words["embeddings"]) == asked | {words["nearest"], words["farthest"]}
    for text, numbers in words["embeddings"].items():
        np.testing.assert_array_equal(np.array(numbers, np.float16), vocabulary.lookup(text))
    mine = words["embeddings"]["a seven"]
    every = {
        text: cosine(mine, vocabulary.embeddings[row].astype(float))
        for row, text in enumerate(vocabulary.texts)
        if text != "a seven"
    }
    assert max(every, key=lambda text: every[text]) == words["nearest"]
    assert min(every, key=lambda text: every[text]) == words["farthest"]


def test_the_smaller_the_cosine_the_less_of_the_order_is_left(bundles: Bundles) -> None:
    """The narration says so; the order is that of the prompt's own numbers."""
    words = bundles["words"].common["words"]
    mine = words["embeddings"]["a seven"]
    shown = [words["nearest"], "a two", words["farthest"]]
    ranks = [np.argsort(np.argsort(words["embeddings"][text])) for text in shown]
    own = np.argsort(np.argsort(mine))
    order_left = [np.corrcoef(own, rank)[0, 1] for rank in ranks]
    cosines = [cosine(mine, words["embeddings"][text]) for text in shown]
    assert sorted(cosines, reverse=True) == cosines
    assert sorted(order_left, reverse=True) == order_left


def test_stripes_are_only_put_into_another_order() -> None:
    values = np.array([0.3, -0.1, 0.2, -0.4])
    colours = stripes(values, 0.3, DARK.background, DARK.guidance)
    np.testing.assert_allclose(colours[:, 3], stripes([-0.3], 0.3, "#0f1218", "#d08ad8")[:, 0])
    frames = sorting(values, colours, DARK.background, 2).states
    assert frames.shape == (MOMENTS + 1, 3, 2, 4)
    np.testing.assert_array_equal(frames[0, :, 0], colours)
    np.testing.assert_array_equal(frames[-1, :, 1], colours[:, [0, 2, 1, 3]])


def test_one_noise_becomes_what_each_prompt_asks_for(bundles: Bundles) -> None:
    """The narration says: "All of them see the same, and yet their first guesses differ"."""
    runs = bundles["words"]
    for (one, a), (other, b) in combinations(runs.items(), 2):
        np.testing.assert_array_equal(a.states[0], b.states[0])
        assert a.x0_hat is not None
        assert b.x0_hat is not None
        first = np.sqrt(((a.x0_hat[0].astype(float) - b.x0_hat[0]) ** 2).mean())
        last = np.sqrt(((a.states[-1].astype(float) - b.states[-1]) ** 2).mean())
        assert first > 0.15, (one, other)
        assert last > 0.15, (one, other)
    for prompt, run in runs.items():
        if prompt:
            assert read(run) == (facts_of(prompt).digit,)


def test_words_decide_early_and_later_only_retouch(changes: list[Change]) -> None:
    assert [change.t for change in changes] == [999, 899, 799, 699, 599, 299]
    early, late = changes[:2], changes[-2:]
    assert all(set(change.classes) == {2} for change in early)
    assert all(set(change.classes) == {7} for change in late)
    assert max(change.moved for change in late) < 0.15 < 0.5 < min(c.moved for c in early)
    # "while there is little but noise", wherever a change still counted.
    for change in changes:
        if 2 in change.classes:
            assert change.run.alpha_bar[change.after] < 0.25


def test_until_the_change_the_path_is_the_same(bundles: Bundles, changes: list[Change]) -> None:
    kept = bundles["words"]["a seven"]
    for change in changes:
        shared = slice(0, change.after + 1)
        np.testing.assert_allclose(
            change.run.states[shared, 0], kept.states[shared, 0], rtol=0, atol=1e-5
        )


def test_the_sentences_are_true(changes: list[Change]) -> None:
    said = dict(outcomes(changes, 7, 2))
    (counted, at), (late, index) = said.items()
    assert changes[at].classes[0] == 2
    assert all(change.classes[0] != 2 for change in changes[at + 1 :])
    assert f"t = {changes[at].t}," in counted
    assert "a two" in counted
    assert {change.classes[0] for change in changes[index:]} == {7}
    assert changes[index - 1].classes[0] != 7
    assert f"t = {changes[index].t}," in late
    assert "a seven" in late
    assert how_often(changes, 2).endswith("at t = 899, all still became a two; at t = 299, none.")
    assert f"by {changes[0].moved:.2f}." in how_far(changes[0])


def made(*classes: tuple[int, ...]) -> list[Change]:
    """What a judge might read: no picture is looked at here."""
    run = Trajectory(
        states=np.zeros((2, 1, 1, 2, 2)), timesteps=np.array([5, -1]), alpha_bar=np.ones(2)
    )
    return [Change(i, 900 - 100 * i, run, 0.5, found) for i, found in enumerate(classes)]


def test_each_outcome_has_its_sentence() -> None:
    def said(*first: int) -> list[str]:
        return [sentence for sentence, _ in outcomes(made(*((c,) for c in first)), 7, 2)]

    assert said(2, 2, 7) == [
        "Changed at t = 800, the words still count: a two came.",
        "At t = 700, they come too late: it stays a seven.",
    ]
    assert said(2, 9, 7)[0] == "Changed at t = 900, the words still count: a two came."
    assert said(2, 2, 2) == ["Even changed at t = 700, the words still count: a two came."]
    assert said(2, 2, 9)[1] == "Changed at t = 700, neither: a nine came."
    assert said(7, 7, 7) == ["At t = 900, they come too late: it stays a seven."]
    assert [s for s, _ in outcomes(made((8,), (8,)), 8, 8)] == [
        "With the old words or the new ones, an eight came."
    ]
    often = how_often(made((2, 2, 2), (2, 2, 7), (2, 7, 7)), 2)
    assert often == "Other noise: at t = 800, 1 of 2 still became a two; at t = 700, none."
    with pytest.raises(LectureError, match="choose a model that draws them"):
        read(made((2,))[0].run)


def test_the_prompts_beside_name_other_digits() -> None:
    assert other_prompts("a seven") == ("a two", "a zero", "a four", "an eight")
    assert other_prompts("a bold 2, leaning right") == ("a zero", "a four", "an eight", "a three")
    recipe = scene_entry("text_to_image").recipes(SceneOptions(prompt="an EIGHT"))["words"]
    assert isinstance(recipe, ForksRecipe)
    assert recipe.prompts == ("", "an EIGHT", "a two", "a zero", "a four", "a three")
    assert recipe.guidance == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (SceneOptions(guidance=0.5), "guidance = 0.5: .* choose it from 1"),
        (SceneOptions(steps=9), "steps = 9: .* choose at least 10"),
    ],
)
def test_what_shows_nothing_is_refused(options: SceneOptions, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        scene_entry("text_to_image").recipes(options)
