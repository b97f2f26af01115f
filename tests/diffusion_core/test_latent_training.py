"""The autoencoder and the denoiser of its latents are trained, resumed and written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from diffusion_core.datasets import ImageSet, load_dataset
from diffusion_core.errors import LectureError, UsageError
from diffusion_core.grids import to_pixels
from diffusion_core.latent import learning, train
from diffusion_core.latent.learning import (
    AutoencoderRun,
    LearntSpace,
    autoencoder_settings,
    latents_of,
    learnt_before,
    reconstruction_error,
    save_space,
)
from diffusion_core.latent.model import load_latent_file
from diffusion_core.latent.run import LatentBatches, denoiser_settings
from tests.diffusion_core.latents import CONFIG
from tests.diffusion_core.training.small_runs import leave_out_pictures


def bars(count: int, seed: int) -> ImageSet:
    """8×8 pictures of one bright row or column."""
    rng = np.random.default_rng(seed)
    images = np.zeros((count, 1, 8, 8), np.uint8)
    for image in images:
        place = rng.integers(0, 8)
        image[0, place] = 255 if rng.random() < 0.5 else 0
        image[0, :, place] = 255 - image[0, place, 0]
    return ImageSet(f"bars/{seed}", torch.from_numpy(images))


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> ImageSet:
    """Pictures and an autoencoder that take a moment."""
    monkeypatch.setattr(learning, "tiny_config", lambda channels, patch: dict(CONFIG))
    leave_out_pictures(monkeypatch)
    return bars(256, 1)


def test_the_autoencoder_learns_to_draw_its_pictures_again(tiny: ImageSet, tmp_path: Path) -> None:
    settings = replace(autoencoder_settings(15, 0), warmup=10, learning_rate=5e-3)
    run = AutoencoderRun(tiny, settings)
    before = reconstruction_error(run.space, tiny.images)
    steps = [step for step, _ in run.run()]
    assert steps == list(range(1, 15 * 8 + 1))
    learnt = run.finished(bars(64, 2))
    assert learnt.facts["training"]["test_error"] < before / 3
    assert learnt.facts["training"]["test"]["pictures"] == 64
    mean, _ = latents_of(learnt.space, tiny.images)
    assert float(mean.mean()) == pytest.approx(0, abs=0.01)
    assert float(mean.std()) == pytest.approx(1, abs=0.01)
    path = tmp_path / "autoencoder.safetensors"
    assert learnt_before(path, tiny, settings) is None
    save_space(path, learnt)
    found = learnt_before(path, tiny, settings)
    assert isinstance(found, LearntSpace)
    again, _ = latents_of(found.space, tiny.images)
    assert torch.equal(again, mean)  # what is kept is what was measured, rounded
    with pytest.raises(LectureError, match=r"seed = 0 there, 3 now"):
        learnt_before(path, tiny, replace(settings, seed=3))


def test_a_step_learns_from_the_means_of_its_pictures(tiny: ImageSet) -> None:
    run = AutoencoderRun(tiny, autoencoder_settings(1, 0))
    assert len(list(run.run())) == 8
    space = run.finished(tiny).space
    batches = LatentBatches(tiny, denoiser_settings(1, 0), space)
    mean, _ = latents_of(space, tiny.images)
    batch = batches[3]
    assert torch.equal(batch.x_0, mean[batches.chosen(3)])
    assert batch.x_0.shape == (64, 4, 2, 2)
    assert batch.text is None
    one_epoch = torch.cat([batches.chosen(step) for step in range(4)])
    assert sorted(one_epoch.tolist()) == list(range(256))


def test_the_command_trains_both_and_goes_on(
    tiny: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def pictures(name: str, part: str, *, data_dir: Path | None) -> ImageSet:
        asked.append((name, part, data_dir))
        return tiny if part == "train" else bars(32, 3)

    monkeypatch.setattr(train, "load_dataset", pictures)
    told: list[tuple[str, int, int]] = []

    def tell(what: str, step: int, steps: int, loss: float) -> None:
        assert np.isfinite(loss)
        told.append((what, step, steps))

    weights = train.train("mnist", tmp_path, epochs=2, tell=tell)
    assert asked == [("mnist", "train", None), ("mnist", "test", None)]
    assert told == [("autoencoder", n, 8) for n in range(1, 9)] + [
        ("denoiser", n, 8) for n in range(1, 9)
    ]
    model = load_latent_file(weights)
    card = (tmp_path / "card.md").read_text("utf-8")
    assert model.digest in card
    assert "--autoencoder-epochs 1 --epochs 2 --seed 0" in card
    assert (tmp_path / "samples.png").exists()
    assert model.facts["training"]["steps"] == 8
    assert model.facts["autoencoder_training"]["steps"] == 8
    mean, _ = latents_of(model.space, tiny.images)
    assert float(mean.std()) == pytest.approx(1, abs=0.01)
    digest, told[:] = model.digest, []
    assert train.train("mnist", tmp_path, epochs=2, tell=tell) == weights
    assert told == []  # both were there
    assert load_latent_file(weights).digest == digest
    with pytest.raises(LectureError, match="other settings"):
        train.train("mnist", tmp_path, epochs=3)


def test_the_command_tells_a_mistake_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def nowhere(*_: object, **__: object) -> ImageSet:
        raise UsageError("these pictures are unfit")

    monkeypatch.setattr(train, "load_dataset", nowhere)
    assert train.main(["--output", str(tmp_path)]) == 2
    assert [record.getMessage() for record in caplog.records] == ["these pictures are unfit"]


def test_what_ships_draws_test_pictures_as_its_card_says(mnist_train: ImageSet) -> None:
    model = load_latent_file(
        Path(learning.__file__).parents[1] / "weights/latent/mnist.safetensors"
    )
    images = load_dataset("mnist", "test").images
    training = model.facts["autoencoder_training"]
    assert training["test"]["pictures"] == len(images)
    some = images[:300]
    drawn = model.space.decode(model.space.encode(some / 127.5 - 1)).numpy()
    off = (to_pixels(drawn).astype(float) - some.numpy()) / 127.5
    assert (off**2).mean() < 1.1 * training["test_error"]
    assert training["sha256"] == mnist_train.digest
