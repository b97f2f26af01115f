"""Many seeds through the network at once: each recording is the one it would be alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diffusion_core import store as store_module
from diffusion_core.batches import batches
from diffusion_core.errors import LectureError
from diffusion_core.files import read_digest
from diffusion_core.recipe import ForwardRecipe, Recipe, ReverseRecipe
from diffusion_core.runs import run, run_together
from diffusion_core.store import Store
from diffusion_core.trajectory import Trajectory
from tests.diffusion_core.fakes import TEXTS


@pytest.fixture(params=["ddim", "ddpm", "heun", "guided", "thinned"])
def recipes(request: pytest.FixtureRequest, tiny_weights: Path, reading_weights: Path) -> list:
    """As scenes ask for them: windows of seeds that overlap, and one seed several times."""
    usual = ReverseRecipe(model=str(tiny_weights), steps=6)
    chosen = {
        "ddim": usual,
        "ddpm": replace(usual, sampler="ddpm"),
        "heun": replace(usual, sampler="heun"),
        "guided": replace(usual, model=str(reading_weights), prompt=TEXTS[0], guidance=3.0),
        "thinned": replace(usual, keep=3),
    }[request.param]
    windows = [tuple(range(seed, seed + 5)) for seed in range(4)]
    return [replace(chosen, seeds=seeds) for seeds in (*windows, (7, 7, 7), (2**32 - 1, 2))]


def assert_same(one: Trajectory, other: Trajectory) -> None:
    assert one.facts == other.facts
    arrays = other.arrays()
    assert set(one.arrays()) == set(arrays)
    for name, array in one.arrays().items():
        np.testing.assert_allclose(array, arrays[name], rtol=0, atol=1e-5, err_msg=name)


def test_together_and_alone_are_the_same(recipes: list[ReverseRecipe]) -> None:
    for recipe, together in zip(recipes, run_together(recipes), strict=True):
        assert_same(together, run(recipe))


def test_only_the_seeds_may_differ(tiny_weights: Path) -> None:
    one = ReverseRecipe(model=str(tiny_weights), steps=4)
    with pytest.raises(ValueError, match="nothing but their seeds"):
        list(run_together([one, replace(one, steps=5, seeds=(1,))]))


def test_what_is_alike_is_a_batch_and_the_rest_goes_alone() -> None:
    def asked(first: int, steps: int = 50) -> ReverseRecipe:
        return ReverseRecipe(seeds=tuple(range(first, first + 4)), steps=steps)

    forward = [ForwardRecipe(seed=seed) for seed in (0, 1)]
    wanted: Sequence[Recipe] = [asked(0), forward[0], asked(1), asked(0, 10), forward[1], asked(20)]
    assert batches(wanted) == [
        [asked(0), asked(1), asked(20)],
        [forward[0]],
        [asked(0, 10)],
        [forward[1]],
    ]
    # Five different seeds in the first two, nine in all three.
    assert batches([asked(0), asked(1), asked(20)], most=5) == [[asked(0), asked(1)], [asked(20)]]
    assert batches([asked(0)], most=1) == [[asked(0)]]


class TestFilling:
    @pytest.fixture
    def wanted(self, tiny_weights: Path) -> list[Recipe]:
        reverse = [
            ReverseRecipe(model=str(tiny_weights), steps=4, seeds=(seed, seed + 1))
            for seed in range(3)
        ]
        return [*reverse, ForwardRecipe(T=10, keep=2, size=8)]

    def test_each_is_filed_where_it_is_looked_for_bit_for_bit(
        self, wanted: list[Recipe], tmp_path: Path
    ) -> None:
        together, alone = Store(tmp_path / "together"), Store(tmp_path / "alone")
        told: list[tuple[int, int]] = []
        made = together.fill(wanted, lambda done, total: told.append((done, total)))
        assert made == 4
        assert told[-1] == (400, 400)
        assert told == sorted(told)
        for recipe in wanted:
            kept = together.get(recipe)
            assert not kept.fresh
            # The file's digest is over every bit of the arrays and of the facts.
            assert read_digest(kept.path) == read_digest(alone.get(recipe).path)

    def test_only_what_is_absent_or_damaged_is_run(
        self, wanted: list[Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = Store(tmp_path)
        store.fill(wanted)
        assert store.fill(wanted) == 0
        content = bytearray(store.path(wanted[1]).read_bytes())
        content[-1] ^= 1
        store.path(wanted[1]).write_bytes(content)
        store.path(wanted[3]).unlink()
        assert store.fill(wanted) == 2
        assert store.fill(wanted) == 0

    def test_a_picture_that_is_not_there_is_found_before_anything_is_run(
        self, wanted: list[Recipe], tmp_path: Path
    ) -> None:
        store = Store(tmp_path / "store")
        absent = ForwardRecipe(image=str(tmp_path / "picture.png"))
        with pytest.raises(LectureError, match="picture"):
            store.fill([*wanted, absent])
        assert not store.folder.exists()

    def test_a_batch_that_is_done_is_kept_when_the_next_is_interrupted(
        self, wanted: list[Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store_module, "batches", lambda recipes: [[one] for one in recipes])
        store = Store(tmp_path)

        def interrupt(done: int, total: int) -> None:
            if done > 200:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            store.fill(wanted, interrupt)
        assert [store.path(recipe).exists() for recipe in wanted] == [True, True, False, False]
        assert list(tmp_path.glob(".*")) == []
        assert store.fill(wanted) == 2
