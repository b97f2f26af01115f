"""Scenes that are brought something of one's own: it is what they show and speak of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from diffusion_core.errors import LectureError, UsageError
from diffusion_core.recipe import fingerprint
from scenes import recipes
from scenes.brought import LONGEST, fields_of, spelt
from scenes.catalog import LECTURES, SCENES, scene_entry
from scenes.options import SceneOptions
from scenes.similar_noise import covered
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.numbers import fixed
from scenes.u_turn.reading import digit_of, returns
from tests.scenes.test_on_screen import as_shown, shown_tiles

Rehearse = Callable[..., LectureScene]


def silent(scene: LectureScene) -> None:
    """Look at nothing."""


def told(scene: LectureScene) -> str:
    """All that is said."""
    return " ".join(cue.sentence.caption for cue in scene.cues)


def brought(**fields: Any) -> str:
    return json.dumps(fields)


# -- the text ---------------------------------------------------------------------


def test_a_recipe_has_one_spelling() -> None:
    assert spelt(' {"turns": [640],\n "image": ""} ') == '{"image":"","turns":[640]}'
    assert spelt("") == spelt(" {} ") == ""
    assert SceneOptions(recipe='{ "turns":[640] }') == SceneOptions(recipe='{"turns": [640]}')
    assert fields_of('{"a": [[1, 2], [3]]}') == {"a": ((1, 2), (3,))}


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        "7",
        "{",
        "turns=640",
        '{"t": NaN}',
        '{"t": Infinity}',
        "[" * 100_000,
        "\ud800",
        '{"a"}',
    ],
)
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="JSON"):
        spelt(text)


def test_a_text_without_end_is_refused() -> None:
    with pytest.raises(UsageError, match="at most"):
        spelt(" " * LONGEST + "{ }")


@pytest.mark.parametrize("name", [name for name, entry in SCENES.items() if entry.brings])
def test_a_field_that_the_scene_does_not_take_is_named(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be brought 'model' by --recipe; it takes"):
        scene_entry(name).runs(SceneOptions(recipe=brought(model="x")))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("u_turn", brought(turns=[1000])),
        ("u_turn", brought(turns=[1, 2])),
        ("u_turn", brought(turns=[1, 2, 3, 4, 5, 6])),
        ("u_turn", brought(turns=640)),
        ("u_turn", brought(turns=["a"])),
        ("u_turn", brought(turns=[1.5])),
        ("u_turn", brought(turns={"a": 1})),
        ("similar_noise", brought(further=[[0, 0, 4, 4]])),
        ("similar_noise", brought(patch=[0, 0, 4])),
        ("similar_noise", brought(patch=[0, 0, "4", 4])),
        ("similar_noise", brought(patch=[0, 0, 4, 4], further=[[0, 0, 4, 4]])),
        ("forward_process", brought(size=7)),
        ("forward_process", brought(size="64")),
        ("forward_process", brought(size=64.5)),
        ("forward_process", brought(noise="two")),
        ("forward_process", brought(noise=["one"])),
    ],
)
def test_values_that_no_run_could_accept_are_refused_before_work(name: str, text: str) -> None:
    with pytest.raises(UsageError):
        scene_entry(name).runs(SceneOptions(recipe=text))


@pytest.mark.parametrize("image", [7, {"a": 1}, "no such picture.png"])
def test_a_picture_that_is_none_is_named(image: object) -> None:
    recipe = scene_entry("u_turn").runs(SceneOptions(recipe=brought(image=image)))["u_turn"]
    with pytest.raises(LectureError, match=re.escape(str(image))):
        fingerprint(recipe)


def test_what_accepts_a_recipe_says_which_fields() -> None:
    for entry in SCENES.values():
        assert ("recipe" in entry.accepts) == bool(entry.brings)
    assert not any("recipe" in lecture.accepts for lecture in LECTURES.values())


# -- the forward process ------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "theme", "cut"), [(64, "light", "full"), (192, "dark", "short"), (384, "dark", "full")]
)
def test_one_noise_grows_in_the_picture_of_that_size(
    rehearse: Rehearse, monkeypatch: pytest.MonkeyPatch, size: int, theme: str, cut: str
) -> None:
    monkeypatch.setattr(recipes, "KEPT_PIXELS", 1_500_000)
    every = 2 if size > 256 else 1
    seen: set[int] = set()

    def look(scene: LectureScene) -> None:
        i = scene.axis.index
        if i not in seen and scene.total.tile in shown_tiles(scene):
            run = scene.forward
            states = np.asarray(run.states[i, 0, :, ::every, ::every])
            np.testing.assert_array_equal(scene.total.tile.picture, as_shown(states))
            seen.add(i)

    options = SceneOptions(seed=3, theme=theme, cut=cut, recipe=brought(size=size, noise="one"))
    scene = rehearse("forward_process", look, options)
    run = scene.forward
    assert {0, run.steps} <= seen
    # "with one and the same noise"
    for i in range(1, run.steps + 1):
        np.testing.assert_array_equal(run.eps[i], run.eps[1])
    assert ("fresh" in told(scene)) is False
    assert ("one and the same noise" in told(scene)) is (cut == "full")
    under = scene.total.words[0].writing.text
    assert under == ("what we see" if every == 1 else f"every 2nd pixel of {size} × {size}")


# -- similar noise -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patches", "theme", "cut"),
    [
        ([(8, 8, 4, 4), (8, 12, 4, 4), (24, 0, 4, 4)], "dark", "full"),
        ([(0, 0, 4, 4)], "light", "short"),
        ([(0, 0, 28, 14), (0, 14, 28, 14)], "light", "full"),
    ],
)
def test_patches_are_counted_and_drawn_where_the_noise_is_new(
    rehearse: Rehearse, patches: list[tuple[int, int, int, int]], theme: str, cut: str
) -> None:
    first, *further = patches
    options = SceneOptions(
        seed=2, steps=10, theme=theme, cut=cut, recipe=brought(patch=first, further=further)
    )
    scene = rehearse("similar_noise", silent, options)
    one, other = (scene.noises[name].states[0, 0, 0] for name in ("original", "patch"))
    np.testing.assert_array_equal(one != other, covered(scene.noises))
    said, count = told(scene), len(patches)
    assert f"but {'one patch' if count == 1 else f'{count} patches'} of it" in said
    everywhere = covered(scene.noises).all()
    facts = scene.noises["patch"].facts
    inside = fixed(2)(facts["rms_inside"][0])
    where = "the patch" if count == 1 else "the patches"
    wanted = [f"inside {where} {inside}"]
    wanted += [] if everywhere else [f"outside {fixed(2)(facts['rms_outside'][0])}"]
    assert [line[0].writing.text for line in scene.numbers] == wanted


# -- the U-turn ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "theme", "cut"),
    [
        ({"turns": [640]}, "dark", "full"),
        ({"turns": [10]}, "light", "short"),
        ({"turns": [5, 20, 60]}, "light", "full"),
        ({"turns": [800], "image": "flower"}, "dark", "full"),
    ],
)
def test_the_turns_that_were_brought_are_shown(
    rehearse: Rehearse, fields: dict[str, Any], theme: str, cut: str
) -> None:
    options = SceneOptions(seed=4, steps=10, theme=theme, cut=cut, recipe=brought(**fields))
    scene = rehearse("u_turn", silent, options)
    written = [panel.label[0].writing.text for panel in scene.out]
    assert written == [f"t = {way.facts['turn']}" for way in returns(scene.turned)]
    assert {f"t = {t}" for t in fields["turns"]} <= set(written)
    said = told(scene)
    least, *_, most = scene.turned["forward"].alpha_bar[1:]
    assert ("almost everything" in said) == (least > 0.5 and most < 0.1)
    if "image" in fields:
        # The judge knows digits alone; a flower is none.
        assert digit_of(scene.turned) is None
        assert "digit" not in said
        assert "strokes" not in said
