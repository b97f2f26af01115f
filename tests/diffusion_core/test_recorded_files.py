"""Recordings on disk: nothing of them is lost, or changed unnoticed; and their names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from diffusion_core.errors import DamagedFile
from diffusion_core.files import read_arrays, write_arrays
from diffusion_core.recipe import SAMPLERS, SCHEDULES, SPACINGS, ReverseRecipe, fingerprint
from diffusion_core.recording import Policy
from diffusion_core.schedule import make_schedule
from diffusion_core.store import Store
from diffusion_core.trajectory import FORMAT, Trajectory
from tests.diffusion_core.fakes import recorded, tiny_weights

quick = settings(deadline=None, max_examples=60)
SHAPE = (1, 4, 4)
TABLES = {name: make_schedule(name) for name in SCHEDULES}


# Shapes (B, C, H, W) and N; float16 as a policy makes it.
sizes = st.tuples(st.integers(1, 4), *[st.integers(1, 4)] * 4)
json_facts = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=4,
)
OPTIONAL = ("x0_hat", "eps_hat", "eps_cond", "eps_uncond", "noise", "eps")


@st.composite
def trajectories(draw: st.DrawFn) -> Trajectory:
    n, *shape = draw(sizes)

    def values(length: int) -> np.ndarray:
        dtype = draw(st.sampled_from([np.float16, np.float32, np.float64]))
        width = np.dtype(dtype).itemsize * 8
        numbers = st.floats(allow_nan=False, allow_infinity=False, width=width)
        return draw(arrays(dtype, (length, *shape), elements=numbers))

    present = draw(st.sets(st.sampled_from(OPTIONAL)))
    return Trajectory(
        states=values(n + 1),
        timesteps=np.array(draw(st.lists(st.integers(-1, 2**40), min_size=n + 1, max_size=n + 1))),
        alpha_bar=draw(arrays(np.float64, (n + 1,), elements=st.floats(0, 1))),
        **{name: values(n + (name == "eps")) for name in sorted(present)},
        facts=draw(json_facts),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="module")
def content(folder: Path) -> bytes:
    """The bytes of a small recording."""
    path = folder / "content.safetensors"
    facts = {"rate": 1e-05, "ᾱ": "½"}
    recorded(TABLES["linear"], 3, policy=Policy(half=("x0_hat",)), facts=facts).save(path)
    return path.read_bytes()


class TestFiles:
    @quick
    @given(trajectories())
    def test_round_trip(self, folder: Path, trajectory: Trajectory) -> None:
        path = folder / "round.safetensors"
        digest = trajectory.save(path)
        again = Trajectory.load(path)
        assert again.facts == trajectory.facts
        assert again.arrays().keys() == trajectory.arrays().keys()
        for name, array in trajectory.arrays().items():
            np.testing.assert_array_equal(again.arrays()[name], array, strict=True)
            assert again.arrays()[name].tobytes() == array.tobytes()  # −0.0 too
        assert again.save(folder / "again.safetensors") == digest

    @staticmethod
    def covered(content: bytes) -> list[range]:
        """Where the file holds what its digest covers: the arrays, the facts, the digest."""
        start = 8 + int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8:start])["__metadata__"]
        places = [range(start, len(content))]
        for text in (metadata["facts"], metadata["digest"]):
            written = json.dumps(text, ensure_ascii=False).encode()[1:-1]
            at = content.index(written)
            places.append(range(at, at + len(written)))
        return places

    @settings(quick, max_examples=300)
    @given(data=st.data())
    def test_any_changed_byte_is_found(
        self, folder: Path, content: bytes, data: st.DataObject
    ) -> None:
        place = data.draw(st.sampled_from(self.covered(content)))
        changed = bytearray(content)
        changed[data.draw(st.sampled_from(place))] ^= data.draw(st.integers(1, 255))
        path = folder / "changed.safetensors"
        path.write_bytes(changed)
        with pytest.raises(DamagedFile):
            Trajectory.load(path)

    def test_another_spelling_of_a_number_is_found(self, folder: Path, content: bytes) -> None:
        """1e-05 and 1E-05 are one number, and one flipped bit apart."""
        assert content.count(b"1e-05") == 1
        path = folder / "spelling.safetensors"
        path.write_bytes(content.replace(b"1e-05", b"1E-05"))
        with pytest.raises(DamagedFile):
            Trajectory.load(path)

    @settings(quick, max_examples=100)
    @given(data=st.data())
    def test_a_file_cut_short_or_too_long_is_found(
        self, folder: Path, content: bytes, data: st.DataObject
    ) -> None:
        path = folder / "cut.safetensors"
        length = data.draw(st.integers(0, len(content) - 1))
        path.write_bytes(content[:length])
        with pytest.raises(DamagedFile):
            Trajectory.load(path)
        path.write_bytes(content + data.draw(st.binary(min_size=1, max_size=20)))
        with pytest.raises(DamagedFile):
            Trajectory.load(path)

    def test_the_older_format_is_refused_by_name(self, folder: Path) -> None:
        path = folder / "old.safetensors"
        old = "diffusion-lectures trajectory 1"
        assert FORMAT == "diffusion-lectures trajectory 2"
        write_arrays(path, recorded(TABLES["linear"], 2).arrays(), {}, kind=old)
        with pytest.raises(DamagedFile, match=f"holds '{old}', not '{FORMAT}'"):
            Trajectory.load(path)

    def test_the_store_records_an_older_format_again(self, tmp_path: Path) -> None:
        weights = tiny_weights(tmp_path / "tiny.safetensors")
        store = Store(tmp_path / "recordings")
        recipe = ReverseRecipe(model=str(weights), steps=3)
        made = store.get(recipe)
        write_arrays(
            made.path,
            dict(made.trajectory.arrays()),
            made.trajectory.facts,
            kind="diffusion-lectures trajectory 1",
        )
        again = store.get(recipe)
        assert again.fresh
        np.testing.assert_array_equal(again.trajectory.states, made.trajectory.states)
        assert not store.get(recipe).fresh

    @pytest.mark.parametrize(
        "array", [np.arange(3, dtype=">f4"), np.array(["text"]), np.arange(3, dtype=np.complex64)]
    )
    def test_what_could_not_be_read_is_not_written(self, tmp_path: Path, array: np.ndarray) -> None:
        with pytest.raises(ValueError, match=r"array 'it' of type .* cannot be kept"):
            write_arrays(tmp_path / "it.safetensors", {"it": array}, {}, kind="a test 1")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "i8", "u1", "?"])
    def test_what_is_written_can_be_read(self, tmp_path: Path, dtype: str) -> None:
        """A mask is of bytes or truth values; all come back as they were."""
        path = tmp_path / "it.safetensors"
        array = np.array([[0, 1, 1]], dtype=dtype)
        write_arrays(path, {"it": array, "none": array[:0]}, {}, kind="a test 1")
        again, _, _ = read_arrays(path, kind="a test 1")
        np.testing.assert_array_equal(again["it"], array, strict=True)
        np.testing.assert_array_equal(again["none"], array[:0], strict=True)


def levels(T: int) -> dict[str, st.SearchStrategy[Any]]:
    return {
        "seeds": st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3).map(tuple),
        "sampler": st.sampled_from(SAMPLERS),
        "steps": st.integers(1, T),
        "spacing": st.sampled_from(SPACINGS),
        "schedule": st.sampled_from([name for name in SCHEDULES if name != "karras"]),
        "T": st.just(T),
        "zero_terminal_snr": st.booleans(),
    }


class TestFingerprints:
    @quick
    @given(st.integers(10, 5000).flatmap(lambda T: st.fixed_dictionaries(levels(T))), st.data())
    def test_they_are_equal_exactly_when_the_recipes_are(
        self, fields: dict[str, Any], data: st.DataObject
    ) -> None:
        others = data.draw(st.fixed_dictionaries(levels(fields["T"])))
        taken = data.draw(st.sets(st.sampled_from(sorted(fields))))
        a = ReverseRecipe(**fields)
        b = ReverseRecipe(**fields | {name: others[name] for name in taken})
        assert (fingerprint(a) == fingerprint(b)) == (a == b)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"eta": 0}, {"eta": 0.0}),
            ({"eta": -0.0}, {"eta": 0.0}),
            ({"eta": np.float32(0.5)}, {"eta": 0.5}),
            ({"seeds": [1, 2]}, {"seeds": (1, 2)}),
            ({"seeds": range(3)}, {"seeds": (0, 1, 2)}),
            ({"seeds": (np.int64(3),)}, {"seeds": (3,)}),
            ({"steps": np.int64(20), "T": np.int32(100)}, {"steps": 20, "T": 100}),
            ({"zero_terminal_snr": 1}, {"zero_terminal_snr": True}),
        ],
    )
    def test_another_spelling_is_the_same_recipe(
        self, one: dict[str, Any], other: dict[str, Any]
    ) -> None:
        """Equal values in another type: one recording, under one name."""
        a, b = ReverseRecipe(**one), ReverseRecipe(**other)
        assert a == b
        assert hash(a) == hash(b)
        assert fingerprint(a) == fingerprint(b)

    @pytest.mark.parametrize(
        "change",
        [
            {"eta": 0.25},
            {"spacing": "leading"},
            {"keep": 7},
            {"keep": 50},
            {"zero_terminal_snr": True},
            {"sampler": "euler"},
            {"schedule": "karras"},
            {"seeds": (1, 0)},
        ],
    )
    def test_every_difference_counts(self, change: dict[str, Any]) -> None:
        base: dict[str, Any] = {"seeds": (0, 1)}
        prints = {fingerprint(ReverseRecipe(**base)), fingerprint(ReverseRecipe(**base | change))}
        assert len(prints) == 2
