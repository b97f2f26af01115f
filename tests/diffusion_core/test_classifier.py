"""The tiny classifier learns digits and what lies between them, and survives its file."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from diffusion_core.classifier import (
    ClassifierNetwork,
    accuracy,
    blended,
    load_classifier,
    save_classifier,
    train_classifier,
)
from diffusion_core.datasets import to_unit
from diffusion_core.errors import DamagedFile, LectureError, UsageError
from diffusion_core.files import write_arrays
from tests.diffusion_core.experiment_cases import (
    digit_classifier,
    labelled_digits,
    patterns,
)


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
    assert not torch.equal(one.layers[0].weight, other.layers[0].weight)


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
    kind = "diffusion-lectures classifier 1"
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


def test_digits_are_told_apart_and_means_of_many_left_open() -> None:
    images, labels = labelled_digits(train=False)
    network = digit_classifier()
    assert accuracy(network, images, labels) > 0.88
    # The mean of all digits is what x0_hat is at T − 1.
    mean = to_unit(images).mean(0, keepdim=True)
    assert float(network(mean).softmax(1).max()) < 0.3
