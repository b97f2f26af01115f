"""Weights on disk: what is written, what is refused, what is found damaged."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_core.checkpoints import WEIGHTS_KIND, load_model, load_weights, save_weights
from diffusion_core.errors import DamagedFile, LectureError, UsageError
from diffusion_core.files import read_arrays, read_digest, write_arrays
from diffusion_core.models import DEFAULT_MODEL, WEIGHTS, shipped_models, weights_path
from diffusion_core.schedule import make_schedule
from tests.diffusion_core.conftest import TINY, one_line, save_tiny, tiny_network


def test_round_trip_to_half_precision(tmp_path: Path) -> None:
    path, network = tmp_path / "tiny.safetensors", tiny_network()
    digest = save_weights(path, network, "epsilon", {"data": {"name": "noise"}})
    model = load_weights(path)
    assert model.digest == digest == read_digest(path)
    assert model.prediction == "epsilon"
    assert model.network.config == TINY
    assert model.shape == (1, 8, 8)
    assert model.facts["data"] == {"name": "noise"}
    for name, value in network.state_dict().items():
        again = model.network.state_dict()[name]
        assert again.dtype == torch.float32
        assert torch.allclose(again, value, rtol=2**-10, atol=1e-7), name
    x, level = torch.randn(2, 1, 8, 8), torch.tensor([0.2, 0.9])
    with torch.no_grad():
        assert torch.allclose(model.network(x, level), network(x, level), atol=0.05)


def test_what_is_loaded_is_for_use_and_not_for_training(tiny_weights: Path) -> None:
    model = load_weights(tiny_weights)
    assert not model.network.training
    assert not any(parameter.requires_grad for parameter in model.network.parameters())
    schedule = make_schedule("linear", 10)
    denoiser = model.denoiser(schedule)
    assert (denoiser.schedule, denoiser.prediction) == (schedule, "v")


def test_half_the_bytes(tiny_weights: Path) -> None:
    parameters = sum(p.numel() for p in tiny_network().parameters())
    header = 20_000
    assert 2 * parameters <= tiny_weights.stat().st_size <= 2 * parameters + header


@settings(max_examples=60)
@given(st.data())
def test_a_flipped_bit_is_found(
    tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(tiny_weights.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    path = tmp_path_factory.getbasetemp() / "flipped.safetensors"
    path.write_bytes(content)
    with pytest.raises(DamagedFile) as error:
        load_weights(path)
    assert str(path) in one_line(error)


def test_a_flipped_bit_in_what_ships_is_found(tmp_path: Path) -> None:
    content = bytearray(weights_path(DEFAULT_MODEL).read_bytes())
    path = tmp_path / "flipped.safetensors"
    for place in (len(content) // 2, len(content) - 1):
        flipped = content.copy()
        flipped[place] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(DamagedFile, match="not what its digest was taken of"):
            load_weights(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LectureError, match=r"absent\.safetensors does not exist") as error:
        load_model(str(tmp_path / "absent.safetensors"))
    one_line(error)


class Attack:
    """Unpickled, it leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("write", [lambda o, p: p.write_bytes(pickle.dumps(o)), torch.save])
def test_a_pickle_under_the_name_is_refused_and_not_run(tmp_path: Path, write: Any) -> None:
    path, trace = tmp_path / "model.safetensors", tmp_path / "trace"
    write(Attack(trace), path)
    with pytest.raises(DamagedFile) as error:
        load_model(str(path))
    one_line(error)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Attack(trace)))  # noqa: S301
    assert trace.exists()  # so it would have


@pytest.mark.parametrize("name", ["mnits", "", "weights.pt", "folder/model.ckpt", "MNIST"])
def test_an_unknown_name_is_a_usage_error(name: str) -> None:
    for use in (load_model, weights_path):
        with pytest.raises(UsageError) as error:
            use(name)
        message = one_line(error)
        assert repr(name) in message
        assert "mnist" in message
        assert ".safetensors" in message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"network": None}, "does not hold a network"),
        ({"network": {"channels": 1}}, "does not hold a network"),
        ({"network": {**TINY.as_dict(), "size": 9}}, "does not hold a network"),
        ({"network": {**TINY.as_dict(), "depth": 3}}, "does not hold a network"),
        ({"prediction": "noise"}, "does not say what its network predicts"),
        ({"prediction": None}, "does not say what its network predicts"),
    ],
)
def test_facts_that_fit_no_network_are_refused(
    tiny_weights: Path, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    arrays, facts, _ = read_arrays(tiny_weights, kind=WEIGHTS_KIND)
    path = tmp_path / "odd.safetensors"
    write_arrays(path, arrays, {**facts, **change}, kind=WEIGHTS_KIND)
    with pytest.raises(DamagedFile, match=says) as error:
        load_weights(path)
    assert str(path) in str(error.value)


def test_a_recording_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "recording.safetensors"
    write_arrays(path, {}, {}, kind="diffusion-lectures trajectory 1")
    with pytest.raises(DamagedFile, match=f"not '{WEIGHTS_KIND}'"):
        load_weights(path)


class TestWhatShips:
    def test_names_and_paths(self) -> None:
        assert DEFAULT_MODEL in shipped_models()
        for name in shipped_models():
            assert weights_path(name) == WEIGHTS / f"{name}.safetensors"

    @pytest.mark.parametrize("name", shipped_models())
    def test_each_loads_by_its_name(self, name: str) -> None:
        model = load_model(name)
        assert model.digest == read_digest(weights_path(name))
        assert model.facts["data"]["pictures"] > 0
        assert json.dumps(model.facts)

    def test_a_path_works_as_a_name_does(self, tmp_path: Path) -> None:
        path = save_tiny(tmp_path / "mine.safetensors")
        assert load_model(str(path)).network.config == TINY
        assert weights_path(str(path)) == path
