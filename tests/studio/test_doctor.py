"""The doctor finds what is missing by looking at the thing itself."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from diffusion_core import encoder_files, models, places
from diffusion_core.checkpoints import save_weights
from diffusion_core.unet import UNet, UNetConfig
from studio import doctor
from studio.doctor import Finding, examine

ENCODERS = " V....D libx264  H.264\n A..... aac  AAC\n"


def found(name: str) -> Finding:
    """The one finding called ``name``."""
    (finding,) = [finding for finding in examine() if finding.name == name]
    return finding


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def add_program(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def add_ffmpeg(folder: Path, encoders: str = ENCODERS) -> None:
    body = f"case \"$*\" in *encoders*) echo '{encoders}';; *) echo ffmpeg version 7.1;; esac"
    add_program(folder, "ffmpeg", body)
    add_program(folder, "ffprobe", "exit 0")


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights of a small network, in the place of those that ship."""
    folder = tmp_path / "weights"
    monkeypatch.setattr(models, "WEIGHTS", folder)
    path = folder / f"{models.DEFAULT_MODEL}.safetensors"
    save_weights(path, UNet(UNetConfig()), "v", {})
    return path


def test_nothing_required_is_missing_here() -> None:
    assert [finding for finding in examine() if finding.required and not finding.ok] == []


def test_every_finding_that_is_not_ok_has_a_remedy(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "WEIGHTS", tmp_path / "none")
    monkeypatch.setattr(doctor, "FONTS_FOLDER", tmp_path / "none")
    monkeypatch.setenv("DIFFUSION_LECTURES_DATA", str(tmp_path))
    bad = [finding for finding in examine() if not finding.ok]
    assert {"ffmpeg", "espeak-ng", "weights of mnist", "fonts", "MNIST"} <= {f.name for f in bad}
    assert all(finding.remedy for finding in bad)


def test_names_are_unique() -> None:
    names = [finding.name for finding in examine()]
    assert len(set(names)) == len(names)


def test_reading_the_doctor_imports_no_torch() -> None:
    code = "import sys, studio.doctor; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=places.ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


class TestPrograms:
    def test_absent(self, programs: Path) -> None:
        for name in ("ffmpeg", "espeak-ng"):
            finding = found(name)
            assert not finding.ok
            assert finding.required
            assert f"install {name}" in finding.remedy

    def test_present(self, programs: Path) -> None:
        add_ffmpeg(programs)
        add_program(programs, "espeak-ng", "echo 'eSpeak NG text-to-speech: 1.51  Data at: /x'")
        assert found("ffmpeg").ok
        assert "7.1" in found("ffmpeg").detail
        assert found("espeak-ng") == Finding("espeak-ng", True, "1.51")

    def test_ffmpeg_without_an_encoder(self, programs: Path) -> None:
        add_ffmpeg(programs, encoders=" V....D libx264rgb  H.264\n A..... aac  AAC\n")
        finding = found("ffmpeg")
        assert not finding.ok
        assert finding.detail == "7.1, without libx264"

    def test_ffprobe_is_looked_for(self, programs: Path) -> None:
        add_ffmpeg(programs)
        (programs / "ffprobe").unlink()
        assert found("ffmpeg").detail == "ffprobe is not installed"

    @pytest.mark.parametrize("name", ["ffmpeg", "espeak-ng"])
    def test_a_program_that_does_not_run(self, programs: Path, name: str) -> None:
        add_ffmpeg(programs)
        add_program(programs, name, "echo 'error while loading shared libraries' >&2; exit 127")
        assert found(name).detail == f"{name} does not run"


class TestPackages:
    def test_every_dependency_is_looked_at(self) -> None:
        names = {finding.name for finding in examine() if finding.required}
        assert {one.name for one in doctor.requirements()} <= names
        assert {"torch", "manim", "typst"} <= names, "typst is behind manim[typst]"
        assert "pytest" not in names

    @pytest.mark.parametrize(
        ("asked", "detail"),
        [
            ("surely-not-installed>=1", "not installed"),
            ("pillow>=12.3,<12.3", f"{metadata.version('pillow')}, not <12.3,>=12.3"),
        ],
    )
    def test_absent_or_of_another_version(
        self, asked: str, detail: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wanted = Requirement(asked)
        monkeypatch.setattr(doctor, "requirements", lambda: [wanted])
        assert found(wanted.name) == Finding(wanted.name, False, detail, "make setup")

    def test_a_local_version_will_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(metadata, "version", lambda name: "2.13.0+cpu")
        monkeypatch.setattr(doctor, "requirements", lambda: [Requirement("torch>=2.13,<3")])
        assert found("torch").ok


class TestWeights:
    def test_whole(self, weights: Path) -> None:
        assert found("weights of mnist").ok

    def test_a_flipped_bit(self, weights: Path) -> None:
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
        finding = found("weights of mnist")
        assert not finding.ok
        assert "damaged" in finding.detail
        assert finding.remedy.startswith("git checkout")

    def test_absent(self, weights: Path) -> None:
        weights.unlink()
        assert not found("weights of mnist").ok

    def test_a_second_model_is_looked_at_too(self, weights: Path) -> None:
        weights.with_name("other.safetensors").write_bytes(weights.read_bytes()[:100])
        assert found("weights of mnist").ok
        assert not found("weights of other").ok


def test_damaged_fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FONTS_FOLDER", tmp_path)
    (tmp_path / "Inter-Regular.otf").write_bytes(b"OTTO and so on")
    (tmp_path / "Inter-SemiBold.otf").write_text("version https://git-lfs")
    finding = found("fonts")
    assert not finding.ok
    assert finding.detail == "Inter-SemiBold.otf missing or damaged"


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DIFFUSION_LECTURES_CACHE", str(tmp_path / "file" / "cache"))
    finding = found("cache")
    assert not finding.ok
    assert finding.required
    assert "DIFFUSION_LECTURES_CACHE" in finding.remedy


def test_a_cache_that_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFUSION_LECTURES_CACHE", str(tmp_path / "cache"))
    assert found("cache").ok
    assert list((tmp_path / "cache").iterdir()) == []


def test_mnist_is_optional(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFUSION_LECTURES_DATA", str(tmp_path))
    finding = found("MNIST")
    assert not finding.ok
    assert not finding.required
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").touch()
    assert found("MNIST").ok


class TestSentenceEncoder:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A named folder with files that hold their names, and the digests of those."""
        digests = {}
        for name in encoder_files.FILES:
            (tmp_path / name).write_text(name)
            digests[name] = hashlib.sha256(name.encode()).hexdigest()
        monkeypatch.setattr(encoder_files, "FILES", digests)
        monkeypatch.setattr(encoder_files, "library_installed", lambda: True)
        monkeypatch.setenv(encoder_files.FOLDER_VARIABLE, str(tmp_path))
        return tmp_path

    def test_whole(self, folder: Path) -> None:
        detail = f"{folder}, digests verified"
        assert found("sentence encoder") == Finding("sentence encoder", True, detail, "", False)

    def test_damaged(self, folder: Path) -> None:
        (folder / "tokenizer.json").write_text("tokenizer,json")
        finding = found("sentence encoder")
        assert (finding.ok, finding.required) == (False, False)
        assert "tokenizer.json is damaged" in finding.detail
        assert str(folder) in finding.remedy

    def test_a_folder_without_it(self, folder: Path) -> None:
        (folder / "config.json").unlink()
        finding = found("sentence encoder")
        assert (finding.ok, finding.required) == (False, False)
        assert "holds no config.json" in finding.detail
        assert encoder_files.FOLDER_VARIABLE in finding.remedy

    def test_without_the_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(encoder_files, "library_installed", lambda: False)
        finding = found("sentence encoder")
        assert (finding.ok, finding.required) == (False, False)
        assert "sentence-transformers is not installed" in finding.detail
        assert "diffusion-lectures[text]" in finding.remedy

    def test_nowhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(encoder_files, "find_encoder", lambda: None)
        finding = found("sentence encoder")
        assert (finding.ok, finding.required) == (False, False)
        assert "not on this machine" in finding.detail
        assert "diffusion-lectures[text]" in finding.remedy


def test_what_pretrained_models_need_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("pretrained models").ok
    version = metadata.version

    def without(name: str) -> str:
        if name == "transformers":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without)
    finding = found("pretrained models")
    assert not finding.ok
    assert not finding.required
    assert finding.detail.startswith("transformers not installed")
    assert "diffusion-lectures[pretrained]" in finding.remedy


def test_the_hubs_cache_is_where_it_is_and_as_large_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert found("hub cache").detail == f"{tmp_path / 'hub'}, nothing in it"
    snapshot = tmp_path / "hub" / "models--somebody--a-model" / "snapshots" / ("c0ffee" + 34 * "0")
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(bytes(200_000_000))
    assert found("hub cache").detail == f"{tmp_path / 'hub'}, 1 repository, 0.2 GB"
