"""Prompts and their embeddings; the real encoder, where it is installed."""

from __future__ import annotations

import importlib.util
import logging
import socket
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import torch

from diffusion_core.encoder_files import (
    ENCODER,
    FILES,
    FOLDER_VARIABLE,
    Source,
    find_encoder,
    library_installed,
)
from diffusion_core.errors import DamagedFile, LectureError, MissingRequirement, UsageError
from diffusion_core.text import EMBEDDING, Vocabulary, embed, encode, vocabulary_of
from tests.diffusion_core.conftest import child_environment, one_line

CAPTIONS = ("a bold seven leaning right", "a thin 4", "handwritten digit 3, thin strokes")


@pytest.fixture(scope="session")
def source() -> Source:
    """The sentence encoder, where it is on this machine."""
    if not library_installed():
        pytest.skip("sentence-transformers is not installed (the extra text)")
    found = find_encoder()
    if found is None:
        pytest.skip("the sentence encoder is not on this machine (the extra text)")
    return found


@pytest.fixture(scope="session")
def taught(source: Source) -> Vocabulary:
    """Captions as the encoder embeds them."""
    return vocabulary_of(CAPTIONS)


@pytest.fixture
def points() -> Vocabulary:
    """A vocabulary whose embeddings are axes: enough to be looked up."""
    return Vocabulary(CAPTIONS, np.eye(len(CAPTIONS), EMBEDDING, dtype=np.float16))


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """sentence-transformers looks as if it were not installed."""
    real = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "sentence_transformers" else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*address: object, **options: object) -> None:
        raise AssertionError(f"asked the network for {address}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


class TestVocabulary:
    @pytest.mark.parametrize("prompt", ["a thin 4", "A Thin  4.", " a thin 4!", "a thin \uff14"])
    def test_spellings_of_a_caption_are_one(self, points: Vocabulary, prompt: str) -> None:
        found = points.lookup(prompt)
        assert found is not None
        assert (found == points.embeddings[1]).all()

    def test_what_was_not_taught(self, points: Vocabulary) -> None:
        assert points.lookup("a thin 5") is None
        assert points.lookup("") is None

    def test_the_nearest_come_first(self, points: Vocabulary) -> None:
        assert points.nearest("A BOLD SEVEN LEANING LEFT")[0] == "a bold seven leaning right"
        assert points.nearest("圆") == []

    def test_twice_the_same_caption(self) -> None:
        with pytest.raises(ValueError, match="comes twice"):
            Vocabulary(("a", "a"), np.zeros((2, EMBEDDING), np.float16))

    @pytest.mark.parametrize("shape", [(2, EMBEDDING), (1, EMBEDDING - 1), (EMBEDDING,)])
    def test_embeddings_of_another_shape(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="for 1 captions"):
            Vocabulary(("a",), np.zeros(shape, np.float16))

    def test_embeddings_of_another_type(self) -> None:
        with pytest.raises(ValueError, match="not float32"):
            Vocabulary(("a",), np.zeros((1, EMBEDDING), np.float32))


class TestEmbed:
    def test_a_taught_prompt_needs_no_encoder(self, points: Vocabulary, no_library: None) -> None:
        assert (embed("A thin 4", points) == points.embeddings[1]).all()

    def test_another_one_does(self, points: Vocabulary, no_library: None) -> None:
        with pytest.raises(MissingRequirement) as error:
            embed("a thin five", points)
        message = one_line(error)
        assert "'a thin five'" in message
        assert "'a thin 4'" in message
        assert "pip install 'diffusion-lectures[text]'" in message
        assert error.value.exit_code == 3

    def test_captions_of_another_encoder(self, points: Vocabulary) -> None:
        other = Vocabulary(points.texts, points.embeddings, encoder="f" * 64)
        assert (embed("a thin 4", other) == points.embeddings[1]).all()
        with pytest.raises(LectureError, match="ffffffffffff") as error:
            embed("a thin 5", other)
        assert "'a thin 4'" in one_line(error)

    @pytest.mark.parametrize("prompt", ["", "  \n", "...", "?"])
    def test_nothing_said(self, points: Vocabulary, prompt: str) -> None:
        with pytest.raises(UsageError, match="says nothing") as error:
            embed(prompt, points)
        assert repr(prompt) in one_line(error)

    @pytest.mark.parametrize("prompt", ["a\0seven", "\ud83d", "seven \udc38"])
    def test_no_text(self, points: Vocabulary, prompt: str) -> None:
        with pytest.raises(UsageError, match="belongs to no text") as error:
            embed(prompt, points)
        one_line(error).encode()

    def test_as_the_vocabulary_would_have_it(self, taught: Vocabulary) -> None:
        without = Vocabulary(taught.texts[1:], taught.embeddings[1:])
        found = embed("A bold seven, leaning right.", without)
        also = embed("  a BOLD seven, leaning   right", without)
        assert found.dtype == np.float16
        assert (found == also).all()
        assert (embed(CAPTIONS[0], without) == taught.embeddings[0]).all()


class TestEncoder:
    def test_unit_length(self, source: Source) -> None:
        rows = encode(CAPTIONS)
        assert rows.shape == (len(CAPTIONS), EMBEDDING)
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)

    def test_as_sentence_transformers_loads_it(self, source: Source) -> None:
        from sentence_transformers import SentenceTransformer

        usual = SentenceTransformer(str(source.folder), device="cpu")
        expected = usual.encode(list(CAPTIONS), show_progress_bar=False)
        np.testing.assert_allclose(encode(CAPTIONS), expected, atol=1e-6)

    def test_company_makes_no_difference(self, source: Source) -> None:
        together = encode(CAPTIONS)
        alone = np.concatenate([encode([caption]) for caption in reversed(CAPTIONS)])[::-1]
        assert (together == alone).all()

    def test_threads_make_no_difference(self, source: Source) -> None:
        before, one = torch.get_num_threads(), encode(CAPTIONS)
        torch.set_num_threads(4)
        try:
            four = encode(CAPTIONS)
            assert torch.get_num_threads() == 4
        finally:
            torch.set_num_threads(before)
        assert (one == four).all()

    def test_like_means_near(self, source: Source) -> None:
        bold, heavy, thin = encode(["a bold seven", "a heavy 7", "a thin two"])
        assert bold @ heavy > bold @ thin

    @pytest.mark.parametrize("text", ["🐸", "日本語の蛙", "Ein Fröschlein, größer", "\u202eseven"])
    def test_any_script(self, source: Source, text: str) -> None:
        assert np.isfinite(encode([text])).all()

    @pytest.mark.parametrize("text", ["", "\u200b", "\x01"])
    def test_nothing_to_read(self, source: Source, text: str) -> None:
        with pytest.raises(UsageError, match="nothing that the encoder reads") as error:
            encode(["a seven", text])
        assert repr(text) in one_line(error)

    def test_what_is_too_long_is_cut_and_said(
        self, source: Source, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING):
            (short,) = encode(["seven " * 254])
            assert not caplog.records
            (long,) = encode(["seven " * 300])
        (record,) = caplog.records
        assert "302 tokens" in record.getMessage()
        assert "first 256" in record.getMessage()
        assert len(record.getMessage()) < 200
        assert (short == long).all()

    def test_no_texts(self) -> None:
        assert encode([]).shape == (0, EMBEDDING)

    def test_its_vocabulary(self, taught: Vocabulary) -> None:
        spelt = vocabulary_of([*CAPTIONS, "A thin 4."])
        assert spelt.texts == CAPTIONS
        assert spelt.encoder == ENCODER
        assert (spelt.embeddings == taught.embeddings).all()
        assert (spelt.embeddings == encode(CAPTIONS).astype(np.float16)).all()

    def test_only_checked_files_are_read_and_no_network(
        self, source: Source, tmp_path: Path, no_network: None
    ) -> None:
        for name in FILES:
            (tmp_path / name).symlink_to(source.folder / name)
        (tmp_path / "modules.json").write_text("[]")
        assert (encode(CAPTIONS, tmp_path) == encode(CAPTIONS)).all()

    def test_a_flipped_bit(
        self, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in FILES:
            (tmp_path / name).symlink_to(source.folder / name)
        content = bytearray((tmp_path / "model.safetensors").read_bytes())
        content[-1] ^= 1
        (tmp_path / "model.safetensors").unlink()
        (tmp_path / "model.safetensors").write_bytes(content)
        monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
        with pytest.raises(DamagedFile, match=r"model\.safetensors is damaged"):
            encode(CAPTIONS)

    def test_without_the_library(self, no_library: None) -> None:
        with pytest.raises(MissingRequirement, match=r"diffusion-lectures\[text\]") as error:
            encode(CAPTIONS)
        one_line(error)

    def test_a_library_that_does_not_load(
        self, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in FILES:
            (tmp_path / name).symlink_to(source.folder / name)
        monkeypatch.setitem(sys.modules, "sentence_transformers", None)
        monkeypatch.setattr("diffusion_core.encoder.library_installed", lambda: True)
        with pytest.raises(MissingRequirement, match="does not load") as error:
            encode(CAPTIONS, tmp_path)
        one_line(error)


def test_reading_the_module_brings_no_torch() -> None:
    code = "import sys, diffusion_core.text; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=child_environment(), capture_output=True, text=True
    )
    assert done.stdout.strip() == "False", done.stderr


def test_a_process_of_its_own_is_silent_and_agrees(source: Source, taught: Vocabulary) -> None:
    code = (
        "import socket, sys; from diffusion_core.text import encode;"
        "socket.getaddrinfo = socket.socket.connect = None;"
        f"sys.stdout.buffer.write(encode({CAPTIONS!r}).astype('float16').tobytes())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=child_environment(), capture_output=True
    )
    assert done.stderr == b""
    assert done.stdout == taught.embeddings.tobytes()
