"""Fingerprints: equal for equal recipes, another for every difference."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from diffusion_core.errors import LectureError, UsageError
from diffusion_core.files import canonical_json
from diffusion_core.recipe import (
    SAMPLERS,
    VP_SCHEDULES,
    ForwardRecipe,
    Recipe,
    ReverseRecipe,
    describe,
    fingerprint,
)
from tests.diffusion_core.conftest import one_line, save_tiny

SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Two pictures and two models of different content; two of each of the same."""
    folder = tmp_path_factory.mktemp("inputs")
    for i in range(2):
        level = np.full((16, 16), 40 + i, np.uint8)
        Image.fromarray(level).save(folder / f"{i}.png")
        save_tiny(folder / f"{i}.safetensors", seed=i)
    shutil.copy(folder / "0.png", folder / "copy.png")
    return {
        "image": [str(folder / f"{name}.png") for name in ("0", "1", "copy")],
        "model": [str(folder / f"{i}.safetensors") for i in range(2)],
    }


def forward_fields(image: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    T = st.integers(10, 5000)
    return T.flatmap(
        lambda T: st.fixed_dictionaries(
            {
                "image": st.sampled_from(image),
                "size": st.integers(8, 32),
                "seed": SEEDS,
                "schedule": st.sampled_from(VP_SCHEDULES),
                "T": st.just(T),
                "keep": st.integers(1, T),
            }
        )
    )


def reverse_fields(model: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    T = st.integers(10, 5000)
    return T.flatmap(
        lambda T: st.fixed_dictionaries(
            {
                "model": st.sampled_from(model),
                "seeds": st.lists(SEEDS, min_size=1, max_size=3).map(tuple),
                "sampler": st.sampled_from(SAMPLERS),
                "steps": st.integers(1, T),
                "schedule": st.sampled_from(VP_SCHEDULES),
                "T": st.just(T),
                "prompt": st.sampled_from(["", "seven", "a bold seven"]),
                "guidance": st.sampled_from([1.0, 1, 0.0, 2.5]),
            }
        )
    )


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_recipes_share_a_fingerprint_exactly_when_they_are_equal(
    inputs: dict[str, list[str]], data: st.DataObject
) -> None:
    """Two recipes that agree in every field but some: the fields decide, and all of them do."""
    kind, fields = data.draw(
        st.sampled_from(
            [
                (ForwardRecipe, forward_fields(inputs["image"])),
                (ReverseRecipe, reverse_fields(inputs["model"])),
            ]
        )
    )
    mine, others = data.draw(fields), data.draw(fields)
    taken = data.draw(st.sets(st.sampled_from(sorted(mine))))
    mixed = mine | {name: others[name] for name in taken}
    try:
        a, b = kind(**mine), kind(**mixed)
    except UsageError:
        return  # more steps than levels, or guidance towards nothing
    assert fingerprint(kind(**mine)) == fingerprint(a)
    assert (fingerprint(a) == fingerprint(b)) == (a == b)
    assert re.fullmatch("[0-9a-f]{64}", fingerprint(a))


def test_each_field_counts(inputs: dict[str, list[str]]) -> None:
    image, model = inputs["image"], inputs["model"]
    changes: list[tuple[Recipe, dict[str, Any]]] = [
        (
            ForwardRecipe(image=image[0]),
            {"image": image[1], "size": 65, "seed": 1, "schedule": "linear", "T": 999, "keep": 9}
            | {"noise": "one"},
        ),
        (
            ReverseRecipe(model=model[0], seeds=(0, 1), prompt="seven"),
            {
                "prompt": "eight",
                "guidance": 2.0,
                "model": model[1],
                "seeds": (1, 0),
                "sampler": "ddpm",
                "steps": 49,
                "schedule": "linear",
                "T": 999,
                "eta": 0.5,
                "spacing": "linspace",
                "zero_terminal_snr": True,
                "keep": 9,
            },
        ),
    ]
    prints = set()
    for recipe, change in changes:
        assert change.keys() == {field.name for field in dataclasses.fields(recipe)}
        prints.add(fingerprint(recipe))
        for name, value in change.items():
            prints.add(fingerprint(dataclasses.replace(recipe, **{name: value})))
    assert len(prints) == 2 + 7 + 12


def test_prompt_and_guidance_count(inputs: dict[str, list[str]]) -> None:
    asked = [("", 1), ("seven", 1), ("seven", 0), ("seven", 3), ("eight", 3)]
    prints = {
        fingerprint(ReverseRecipe(model=inputs["model"][0], prompt=prompt, guidance=guidance))
        for prompt, guidance in asked
    }
    assert len(prints) == len(asked)


def test_a_guidance_has_one_spelling(inputs: dict[str, list[str]]) -> None:
    for spellings in ((3, 3.0), (0, -0.0), (1, True)):
        prints = {
            fingerprint(ReverseRecipe(model=inputs["model"][0], prompt="seven", guidance=guidance))
            for guidance in spellings
        }
        assert len(prints) == 1, spellings


def test_the_content_of_the_picture_counts(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    pixels = np.zeros((16, 16, 3), np.uint8)
    recipe = ForwardRecipe(image=str(path), size=16)
    Image.fromarray(pixels).save(path)
    first = fingerprint(recipe)
    Image.fromarray(pixels).save(path, compress_level=0)  # other bytes, the same pixels
    assert fingerprint(recipe) == first
    pixels[3, 4, 1] = 1
    Image.fromarray(pixels).save(path)
    assert fingerprint(recipe) != first


def test_the_content_of_the_weights_counts(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    recipe = ReverseRecipe(model=str(path))
    prints = []
    for seed in (0, 1, 0):
        save_tiny(path, seed)
        prints.append(fingerprint(recipe))
    assert prints[0] == prints[2] != prints[1]


def test_the_format_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = ForwardRecipe()
    before = fingerprint(recipe)
    monkeypatch.setattr("diffusion_core.recipe.FORMAT", "diffusion-lectures trajectory 99")
    assert fingerprint(recipe) != before


def test_a_recipe_is_described_with_what_it_names(inputs: dict[str, list[str]]) -> None:
    described = describe(ReverseRecipe(model=inputs["model"][0], seeds=(3, 4), steps=5))
    assert described["kind"] == "ReverseRecipe"
    assert (described["seeds"], described["steps"]) == ((3, 4), 5)
    assert len(described["inputs"]["weights"]) == 64
    assert canonical_json(described)


@pytest.mark.parametrize(
    ("kind", "field", "value", "says"),
    [
        (ForwardRecipe, "seed", -1, "seed = -1 is outside 0 … 4294967295"),
        (ForwardRecipe, "schedule", "cosin", "schedule 'cosin' is unknown; choose one of: linear"),
        (ForwardRecipe, "T", 9, "T = 9 is outside 10 … 100000"),
        (ForwardRecipe, "T", 100_001, "T = 100001 is outside"),
        (ForwardRecipe, "keep", 0, "keep = 0 is outside 1 … 1000"),
        (ForwardRecipe, "keep", 1001, "keep = 1001 is outside 1 … 1000"),
        (ForwardRecipe, "size", 7, "size = 7 is outside 8 … 512"),
        (ForwardRecipe, "size", 513, "size = 513 is outside 8 … 512"),
        (ReverseRecipe, "seeds", (), "seeds is empty; give at least one"),
        (ReverseRecipe, "seeds", (0, 2**32), "seed = 4294967296 is outside"),
        (ReverseRecipe, "sampler", "rk4", "sampler 'rk4' is unknown; choose one of: ddim"),
        (ReverseRecipe, "schedule", "", "schedule '' is unknown"),
        (ReverseRecipe, "T", 9, "T = 9 is outside 10 … 100000"),
        (ReverseRecipe, "steps", 0, "steps = 0 is outside 1 … 1000"),
        (ReverseRecipe, "steps", 1001, "steps = 1001 is outside 1 … 1000"),
        (ReverseRecipe, "guidance", -0.5, "guidance = -0.5 is outside 0 … 100"),
        (ReverseRecipe, "guidance", 101, "guidance = 101 is outside 0 … 100"),
        (ReverseRecipe, "guidance", float("nan"), "guidance = nan is outside"),
        (ReverseRecipe, "guidance", 2, "guidance = 2 needs a prompt to guide towards"),
    ],
)
def test_a_value_out_of_range_is_named(kind: type, field: str, value: Any, says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)) as error:
        kind(**{field: value})
    one_line(error)


def test_what_is_named_and_absent_is_told(tmp_path: Path) -> None:
    for recipe in (
        ForwardRecipe(image=str(tmp_path / "absent.png")),
        ReverseRecipe(model=str(tmp_path / "absent.safetensors")),
    ):
        with pytest.raises(LectureError, match=r"absent\S+ does not exist") as error:
            fingerprint(recipe)
        one_line(error)
    with pytest.raises(UsageError, match="model 'mnits' is unknown; choose one of: mnist"):
        fingerprint(ReverseRecipe(model="mnits"))
