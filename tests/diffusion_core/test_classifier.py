"""The classifier learns digits and what lies between them, survives its file, and ships."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

import diffusion_core.classifier as module
from diffusion_core.classifier import (
    FEATURES,
    JUDGE,
    ClassifierNetwork,
    accuracy,
    blended,
    load_classifier,
    load_judge,
    moved,
    save_classifier,
    train_classifier,
    train_judge,
)
from diffusion_core.datasets import ImageSet, to_unit
from diffusion_core.errors import DamagedFile, LectureError, UsageError
from diffusion_core.files import write_arrays
from diffusion_core.models import shipped_models
from tests.diffusion_core.experiment_cases import labelled_digits, patterns


def bright_and_dark() -> tuple[Tensor, Tensor]:
    """Pictures that any classifier can tell apart, and their labels."""
    labels = torch.arange(64) % 2
    noise = torch.randint(0, 60, (64, 1, 8, 8), generator=torch.Generator().manual_seed(0))
    return (noise + 180 * labels[:, None, None, None]).to(torch.uint8), labels


def trained(seed: int = 0) -> ClassifierNetwork:
    images, labels = bright_and_dark()
    return train_classifier(images, labels, classes=2, epochs=15, batch_size=32, seed=seed)


def test_what_is_told_apart_easily_is_learnt() -> None:
    network = trained()
    images, labels = bright_and_dark()
    assert accuracy(network, images, labels) == 1
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    assert network(to_unit(images[:3])).shape == (3, 2)


def test_a_seed_gives_the_same_weights_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = trained(1)
    assert torch.equal(torch.rand(3), expected)
    same, other = trained(1), trained(2)
    assert all(map(torch.equal, one.state_dict().values(), same.state_dict().values()))
    assert not torch.equal(one.head.weight, other.head.weight)


def test_blends_are_weighted_means_from_all_to_one() -> None:
    x = patterns().float().repeat(16, 1, 1, 1)
    y = torch.eye(4).repeat(16, 1)
    mean_x, mean_y = blended(x, y, torch.Generator().manual_seed(0))
    assert torch.allclose(mean_y.sum(1), torch.ones(64), atol=1e-5)
    # What holds for every weight holds for the picture: it is the mean of the four by its shares.
    made = (mean_y @ patterns().float().flatten(1)).reshape(mean_x.shape)
    assert torch.allclose(mean_x, made, atol=1e-5)
    assert mean_y.amax(1).min() < 0.5
    assert mean_y.amax(1).max() > 0.95


def test_as_many_blends_as_are_asked_for() -> None:
    x, y = patterns().float(), torch.eye(4)
    mean_x, mean_y = blended(x, y, torch.Generator().manual_seed(0), 7)
    assert mean_x.shape == (7, 1, 8, 8)
    assert mean_y.shape == (7, 4)


def test_pictures_are_moved_a_little_each_in_its_own_way() -> None:
    spot = torch.full((200, 1, 28, 28), -1.0)
    spot[:, :, 12:16, 12:16] = 1
    there = moved(spot, torch.Generator().manual_seed(0))
    assert torch.equal(there, moved(spot, torch.Generator().manual_seed(0)))
    assert there.amin() >= -1
    assert there.amax() <= 1
    ink = (there + 1).squeeze(1)
    where = torch.arange(28.0)
    for axis in (1, 2):
        centre = (ink.sum(3 - axis) @ where) / ink.sum((1, 2)) - 13.5
        # Two pixels, and a tenth more where the picture is stretched as well.
        assert 1.5 < centre.abs().max() < 2.4
        assert centre.abs().mean() > 0.7
        assert abs(float(centre.mean())) < 0.3
    # A border stays what it is: no black comes in beside a white sheet.
    white = torch.ones(5, 1, 8, 8)
    assert torch.allclose(moved(white, torch.Generator().manual_seed(1)), white, atol=1e-5)


def test_turning_is_by_at_most_ten_degrees() -> None:
    bar = torch.full((300, 1, 28, 28), -1.0)
    bar[:, :, 4:24, 13:15] = 1
    # By moments, of what was moved: the angle of the bar.
    ink = (moved(bar, torch.Generator().manual_seed(2)) + 1).squeeze(1)
    at = torch.arange(28.0)
    mass = ink.sum((1, 2))
    y = at - (ink.sum(2) @ at / mass)[:, None]
    x = at - (ink.sum(1) @ at / mass)[:, None]
    covariance = torch.einsum("nij,ni,nj->n", ink, y, x) / torch.einsum("nij,ni->n", ink, y**2)
    angle = torch.rad2deg(torch.atan(covariance))
    assert 8 < angle.abs().max() < 13
    assert abs(float(angle.mean())) < 1


def test_features_are_what_the_logits_are_made_of() -> None:
    network = ClassifierNetwork(1, 8, 3)
    x = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    features = network.features(x)
    assert features.shape == (5, FEATURES)
    assert torch.equal(network.head(features), network(x))


def test_a_file_gives_the_same_classifier_back(tmp_path: Path) -> None:
    network, path = trained(), tmp_path / "classifier.safetensors"
    digest = save_classifier(path, network, {"accuracy": 1.0})
    again = load_classifier(path)
    assert again.digest == digest
    assert again.facts["accuracy"] == 1.0
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(network(x), again.network(x))


def test_a_file_that_is_no_classifier_is_named(tmp_path: Path) -> None:
    path = tmp_path / "classifier.safetensors"
    save_classifier(path, trained(), {})
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match="is damaged"):
        load_classifier(path)
    kind = "diffusion-lectures classifier 2"
    write_arrays(path, {}, {"network": {"channels": 1, "size": 8, "classes": 2}}, kind=kind)
    with pytest.raises(DamagedFile, match="does not hold a classifier"):
        load_classifier(path)
    with pytest.raises(LectureError, match="does not exist"):
        load_classifier(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"images": torch.zeros(64, 1, 8, 8)}, ValueError, "images are torch.float32"),
        ({"images": torch.zeros(64, 8, 8, dtype=torch.uint8)}, ValueError, r"\(64, 8, 8\)"),
        ({"labels": torch.zeros(63).long()}, ValueError, r"give integers, \(64,\)"),
        ({"labels": torch.zeros(64)}, ValueError, "labels are torch.float32"),
        ({"labels": torch.full((64,), 2)}, UsageError, "a label = 2 is outside 0 … 1"),
        ({"labels": torch.full((64,), -1)}, UsageError, "a label = -1 is outside 0 … 1"),
        ({"classes": 1}, UsageError, "classes = 1 is outside 2"),
        ({"epochs": 0}, UsageError, "epochs = 0 is outside 1"),
        ({"batch_size": 65}, UsageError, "batch_size = 65 is outside 2 … 64"),
        ({"learning_rate": 0.0}, UsageError, "learning_rate = 0.0"),
        ({"learning_rate": math.nan}, UsageError, "learning_rate = nan"),
        ({"seed": -1}, UsageError, "seed = -1"),
        ({"images": torch.zeros(64, 1, 6, 6, dtype=torch.uint8)}, ValueError, "multiple of 4"),
    ],
)
def test_training_that_cannot_be_done_is_refused(
    changes: dict[str, object], error: type[Exception], message: str
) -> None:
    images, labels = bright_and_dark()
    arguments = {"images": images, "labels": labels, "classes": 2, "batch_size": 32, **changes}
    with pytest.raises(error, match=message):
        train_classifier(**arguments)  # type: ignore[arg-type]


def test_the_judge_ships_beside_the_models_and_is_none() -> None:
    judge = load_judge()
    assert (judge.network.size, judge.network.classes) == (28, 10)
    assert judge.facts["training"]["pictures"] == 60_000
    assert judge.facts["test"]["accuracy"] >= 0.993
    assert JUDGE.stat().st_size < 2_000_000
    assert JUDGE.stem not in shipped_models()
    card = JUDGE.with_suffix(".md").read_text(encoding="utf-8")
    assert judge.digest in card
    assert judge.facts["training"]["sha256"] in card
    assert f"{100 * judge.facts['test']['accuracy']:.2f} %" in card
    assert f"{sum(p.numel() for p in judge.network.parameters()):,} parameters" in card
    assert f"{FEATURES} values" in card


def test_the_judge_is_as_good_as_its_file_says() -> None:
    images, labels = labelled_digits(train=False)
    judge = load_judge()
    # A picture in 10,000 may fall on the other side where processors round differently.
    found = accuracy(judge.network, images, labels)
    assert found == pytest.approx(judge.facts["test"]["accuracy"], abs=2e-4)
    # The mean of all digits is what x0_hat is at T − 1.
    mean = to_unit(images).mean(0, keepdim=True)
    assert float(judge.network(mean).softmax(1).max()) < 0.14


def test_digits_are_learnt_from_a_few() -> None:
    images, labels = labelled_digits(train=True)
    network = train_classifier(images[:1500], labels[:1500], epochs=4, batch_size=64)
    assert accuracy(network, images[2000:3000], labels[2000:3000]) > 0.8


def test_training_the_judge_again_says_what_it_was_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = bright_and_dark()
    pictures = torch.nn.functional.interpolate(images.float(), size=28).to(torch.uint8)
    asked: list[tuple[str, Path | None]] = []

    def few(part: str, *, data_dir: Path | None = None) -> ImageSet:
        asked.append((part, data_dir))
        kept = slice(None) if part == "train" else slice(10)
        return ImageSet(f"few/{part}", pictures.repeat(4, 1, 1, 1)[kept], labels.repeat(4)[kept])

    monkeypatch.setattr(module, "mnist", few)
    path = tmp_path / "judge.safetensors"
    digest = train_judge(path, data_dir=tmp_path)
    judge = load_classifier(path)
    assert asked == [("train", tmp_path), ("test", tmp_path)]
    assert judge.digest == digest == train_judge(path, data_dir=tmp_path)
    assert judge.facts["training"] == {
        "data": "few/train",
        "pictures": 256,
        "sha256": few("train").digest,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    assert judge.facts["test"]["sha256"] == few("test").digest
    assert judge.facts["test"]["accuracy"] == accuracy(
        judge.network, few("test").images, labels[:10]
    )
