"""Several trajectories in one file: whole, named, and as they were."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from diffusion_core.bundle import BUNDLE_FORMAT, Bundle, load_recorded
from diffusion_core.errors import DamagedFile
from diffusion_core.files import kind_of, read_digest
from diffusion_core.trajectory import Trajectory


def trajectory(seed: int, steps: int = 2) -> Trajectory:
    rng = np.random.default_rng(seed)
    shape = (steps + 1, 1, 1, 2, 2)
    return Trajectory(
        states=rng.normal(size=shape).astype(np.float32),
        timesteps=np.array([*range(steps - 1, -1, -1), -1]),
        alpha_bar=np.linspace(0.1, 1, steps + 1),
        x0_hat=rng.normal(size=(steps, *shape[1:])).astype(np.float16),
        facts={"nfe": steps, "seed": seed},
    )


@pytest.fixture
def bundle() -> Bundle:
    # A slash, a space and the empty name: prompts are names of runs.
    runs = {"from 400": trajectory(0), "a/b": trajectory(1, 3), "": trajectory(2)}
    return Bundle(runs, {"recipe": {"kind": "Some"}})


def test_what_is_read_is_what_was_written(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "bundle.safetensors"
    assert bundle.save(path) == read_digest(path)
    again = Bundle.load(path)
    assert list(again) == ["from 400", "a/b", ""]
    assert again.facts == json.loads(json.dumps(bundle.facts))
    for name, run in bundle.items():
        assert again[name].facts == run.facts
        assert again[name].arrays().keys() == run.arrays().keys()
        for array, values in run.arrays().items():
            np.testing.assert_array_equal(again[name].arrays()[array], values, strict=True)
            assert not again[name].arrays()[array].flags.writeable


def test_its_arrays_stay_on_disk_until_they_are_looked_at(bundle: Bundle, tmp_path: Path) -> None:
    bundle.save(tmp_path / "bundle.safetensors")
    base = Bundle.load(tmp_path / "bundle.safetensors")["a/b"].states
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


def test_every_flipped_bit_is_found(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "bundle.safetensors"
    bundle.save(path)
    content = path.read_bytes()
    for place in range(0, len(content), 97):
        damaged = bytearray(content)
        damaged[place] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(DamagedFile, match=re.escape(str(path))):
            Bundle.load(path)


def test_either_kind_is_read_as_what_it_is(bundle: Bundle, tmp_path: Path) -> None:
    one, many = tmp_path / "one.safetensors", tmp_path / "many.safetensors"
    trajectory(5).save(one)
    bundle.save(many)
    assert isinstance(load_recorded(one), Trajectory)
    assert isinstance(load_recorded(many), Bundle)
    assert kind_of(many) == BUNDLE_FORMAT
    with pytest.raises(DamagedFile, match="bundle"):
        Trajectory.load(many)
    with pytest.raises(DamagedFile, match="trajectory"):
        Bundle.load(one)


def test_what_is_not_there_is_told_with_what_is(bundle: Bundle) -> None:
    with pytest.raises(KeyError, match=r"'from 500'; the runs are: 'from 400', 'a/b', ''"):
        bundle["from 500"]
    with pytest.raises(ValueError, match="give at least one"):
        Bundle({})
