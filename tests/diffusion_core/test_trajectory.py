"""Recordings: their shapes, their numbers, and their damage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_core.errors import DamagedFile, LectureError
from diffusion_core.files import write_arrays
from diffusion_core.trajectory import FORMAT, Trajectory
from tests.diffusion_core.conftest import one_line, save_tiny

N, B, C, H, W = 3, 2, 1, 4, 5
FACTS = {"recipe": {"seeds": [0, 2**32 - 1], "eta": 1e-05}, "nfe": 3, "versions": {"torch": "ᾱ"}}


def parts(**changed: Any) -> dict[str, Any]:
    generator = np.random.default_rng(0)

    def values(*shape: int) -> np.ndarray:
        return generator.standard_normal(shape, np.float32)

    return {
        "states": values(N + 1, B, C, H, W),
        "timesteps": np.array([9, 5, 2, -1]),
        "alpha_bar": np.array([0.01, 0.4, 0.8, 1.0]),
        "x0_hat": values(N, B, C, H, W),
        "eps_hat": values(N, B, C, H, W),
        "noise": values(N, B, C, H, W),
        "eps": values(N + 1, B, C, H, W),
        "facts": FACTS,
    } | changed


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("recording") / "it.safetensors"
    Trajectory(**parts()).save(path)
    return path.read_bytes()


def damaged(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(DamagedFile) as error:
        Trajectory.load(path)
    assert str(path) in one_line(error)


@pytest.mark.parametrize("left_out", [(), ("eps",), ("x0_hat", "eps_hat", "noise")])
def test_round_trip(tmp_path: Path, left_out: tuple[str, ...]) -> None:
    path = tmp_path / "recording.safetensors"
    saved = Trajectory(**parts(**dict.fromkeys(left_out)))
    digest = saved.save(path)
    assert len(digest) == 64
    loaded = Trajectory.load(path)
    assert loaded.facts == FACTS
    assert loaded.arrays().keys() == saved.arrays().keys() == parts().keys() - {"facts", *left_out}
    for name, array in saved.arrays().items():
        np.testing.assert_array_equal(loaded.arrays()[name], array, strict=True)
    for name in left_out:
        assert getattr(loaded, name) is None


def test_what_follows_from_alpha_bar() -> None:
    run = Trajectory(**parts())
    assert run.steps == N
    np.testing.assert_allclose(run.signal_weight**2, run.alpha_bar)
    np.testing.assert_allclose(run.noise_weight**2, 1 - run.alpha_bar, atol=1e-15)
    np.testing.assert_allclose(run.snr[:-1], [0.01 / 0.99, 0.4 / 0.6, 0.8 / 0.2])
    assert run.snr[-1] == np.inf


@pytest.mark.parametrize("name", ["timesteps", "alpha_bar", "x0_hat", "eps_hat", "noise", "eps"])
def test_a_wrong_shape_is_refused(name: str) -> None:
    array = parts()[name]
    for wrong in (array[:-1], array[..., None], np.concatenate([array, array[:1]])):
        with pytest.raises(ValueError, match=rf"{name} has shape .*; it must be \("):
            Trajectory(**parts(**{name: wrong}))


def test_states_of_another_rank_are_refused() -> None:
    with pytest.raises(ValueError, match=r"states has shape .*; it must be \(N\+1, B, C, H, W\)"):
        Trajectory(**parts(states=parts()["states"][:, 0]))


@pytest.mark.parametrize("name", ["states", "alpha_bar", "x0_hat", "eps_hat", "noise", "eps"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(name: str, value: float) -> None:
    array = parts()[name].copy()
    array.flat[-1] = value
    with pytest.raises(ValueError, match=f"{name} holds values that are not finite"):
        Trajectory(**parts(**{name: array}))


def test_every_tenth_truncation_is_found(tmp_path: Path, content: bytes) -> None:
    for length in (*range(0, len(content), 10), len(content) - 1):
        damaged(tmp_path / "cut.safetensors", content[:length])


@given(st.data())
def test_a_flipped_bit_anywhere_is_found(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, data: st.DataObject
) -> None:
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    flipped = bytearray(content)
    flipped[bit // 8] ^= 1 << bit % 8
    damaged(tmp_path_factory.getbasetemp() / "flipped.safetensors", bytes(flipped))


def test_another_version_and_another_kind_are_named(tmp_path: Path) -> None:
    path = tmp_path / "old.safetensors"
    arrays = Trajectory(**parts()).arrays()
    write_arrays(path, arrays, FACTS, kind="diffusion-lectures trajectory 0")
    for wrong, kind in (
        (path, "diffusion-lectures trajectory 0"),
        (save_tiny(tmp_path / "tiny.safetensors"), "diffusion-lectures weights 2"),
    ):
        with pytest.raises(DamagedFile) as error:
            Trajectory.load(wrong)
        assert f"holds {kind!r}, not {FORMAT!r}" in one_line(error)


def test_an_absent_recording_is_not_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(LectureError, match="does not exist") as error:
        Trajectory.load(tmp_path / "absent.safetensors")
    assert not isinstance(error.value, DamagedFile)


def test_an_unwritable_place_is_told(below_a_file: Path) -> None:
    with pytest.raises(LectureError, match="cannot be written"):
        Trajectory(**parts()).save(below_a_file / "recording.safetensors")


def test_facts_are_json(tmp_path: Path) -> None:
    path = tmp_path / "recording.safetensors"
    with pytest.raises(ValueError, match="JSON"):
        Trajectory(**parts(facts={"loss": float("nan")})).save(path)
    assert not path.exists()
    Trajectory(**parts()).save(path)
    assert json.loads(json.dumps(Trajectory.load(path).facts)) == FACTS
