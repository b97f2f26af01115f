"""A model is measured beside its floor and its ceiling, with words and without."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from diffusion_core import metrics
from diffusion_core.checkpoints import load_model
from diffusion_core.classifier import classes_of, features_of, load_judge
from diffusion_core.datasets import mnist, to_unit
from diffusion_core.drawing import Drawer, Way
from diffusion_core.errors import LectureError, MissingRequirement, UsageError
from diffusion_core.evaluation import Evaluation, ceiling, evaluate, floor
from tests.diffusion_core.bars import bars, save_drawing, write_bars
from tests.diffusion_core.conftest import one_line
from tests.diffusion_core.experiment_cases import labelled_digits

CPU = torch.device("cpu")
JUDGE = load_judge()
WAYS = (Way("ddim", 2), Way("heun", 3, "linspace"))


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with bars in the place of MNIST, and two models of them."""
    folder = write_bars(tmp_path_factory.mktemp("places"))
    save_drawing(folder / "plain.safetensors", reads=False)
    save_drawing(folder / "reads.safetensors", reads=True)
    return folder


@cache
def found(folder: Path, model: str) -> tuple[Evaluation, list[tuple[int, int]]]:
    told: list[tuple[int, int]] = []
    evaluation = evaluate(
        str(folder / f"{model}.safetensors"),
        ways=WAYS,
        n=120,
        seed=5,
        data_dir=folder,
        device=CPU,
        report=lambda done, total: told.append((done, total)),
    )
    return evaluation, told


def test_without_words_each_way_has_a_row(places: Path) -> None:
    evaluation, told = found(places, "plain")
    assert [(row.sampler, row.steps, row.spacing, row.nfe) for row in evaluation.rows] == [
        ("ddim", 2, "trailing", 2),
        ("heun", 3, "linspace", 4),
    ]
    assert all(row.guidance is None and row.adherence is None for row in evaluation.rows)
    assert evaluation.real is None
    assert told == [(i, 5) for i in range(1, 6)]
    assert 0 < evaluation.floor < evaluation.ceiling
    # A network that was never trained is nowhere near its data.
    assert all(row.fid > 5 * evaluation.floor for row in evaluation.rows)
    assert evaluation.judge == JUDGE.digest
    assert evaluation.weights == load_model(str(places / "plain.safetensors")).digest


def test_a_row_is_what_its_samples_are(places: Path) -> None:
    evaluation, _ = found(places, "plain")
    drawer = Drawer(load_model(str(places / "plain.safetensors")), CPU)
    images, _ = drawer.draw(Way("ddim", 2), range(5, 125))
    reference = features_of(mnist("test", data_dir=places).images, JUDGE)
    features = features_of(images, JUDGE)
    assert evaluation.rows[0].fid == pytest.approx(metrics.fid(features, reference))
    ratio = metrics.diversity(features) / metrics.diversity(reference)
    assert evaluation.rows[0].diversity == pytest.approx(ratio)


def test_with_words_prompts_are_followed_at_every_guidance(places: Path) -> None:
    evaluation, told = found(places, "reads")
    assert [(row.sampler, row.guidance, row.nfe) for row in evaluation.rows] == [
        ("ddim", None, 2),
        ("heun", None, 4),
        ("ddim", 1.0, 2),
        ("heun", 1.0, 4),
        ("ddim", 2.0, 4),
        ("heun", 2.0, 8),
    ]
    assert told[-1] == (15, 15)
    real = evaluation.real
    assert real is not None
    assert real.thickness > 0.85
    assert real.slant > 0.85
    assert real.diversity == pytest.approx(1)
    for row in evaluation.rows[2:]:
        assert row.adherence is not None
        # It was never taught what the words mean.
        assert abs(row.adherence.thickness) < 0.5
        assert sum(score.pictures for score in row.adherence.by_prompt) == 120
    fids = [row.fid for row in evaluation.rows]
    assert len(set(fids)) == len(fids)


def test_the_report_holds_all_of_it(places: Path) -> None:
    evaluation, _ = found(places, "reads")
    facts = json.loads(json.dumps(evaluation.as_facts(), allow_nan=False))
    assert facts["judge"] == JUDGE.digest
    assert facts["rows"][4]["guidance"] == 2.0
    assert facts["rows"][4]["fid"] == evaluation.rows[4].fid
    assert facts["real"]["by_prompt"][0]["prompt"]
    text = evaluation.table()
    assert JUDGE.digest[:12] in text
    assert f"floor {evaluation.floor:.2f}" in text
    assert f"ceiling {evaluation.ceiling:,.0f}" in text
    for row in evaluation.rows:
        assert f"{row.fid:.2f}" in text
    assert evaluation.real is not None
    assert f"{evaluation.real.slant:.3f}" in text
    # The first line names the file, wherever that lies.
    assert max(map(len, text.splitlines()[1:])) <= 100
    assert "prompted;" not in found(places, "plain")[0].table()


def test_measuring_again_gives_the_same(places: Path) -> None:
    first, _ = found(places, "plain")
    again = evaluate(
        str(places / "plain.safetensors"), ways=WAYS, n=120, seed=5, data_dir=places, device=CPU
    )
    assert again == first
    other = evaluate(
        str(places / "plain.safetensors"), ways=WAYS, n=120, seed=6, data_dir=places, device=CPU
    )
    assert other.floor != first.floor
    assert other.rows[0].fid != first.rows[0].fid


def test_guidance_that_is_asked_for_is_all_that_is_measured(places: Path) -> None:
    model = str(places / "reads.safetensors")
    settings = {"ways": WAYS[:1], "n": 100, "data_dir": places, "device": CPU}
    evaluation = evaluate(model, guidance=[3], **settings)  # type: ignore[arg-type]
    assert [row.guidance for row in evaluation.rows] == [None, 3]
    evaluation = evaluate(model, guidance=[], **settings)  # type: ignore[arg-type]
    assert [row.guidance for row in evaluation.rows] == [None]
    assert evaluation.real is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ways": ()}, "ways is empty"),
        ({"ways": (Way("ddim", 2000),)}, "steps = 2000 is outside 1 … 1000"),
        ({"n": 99}, "n = 99 is outside 100 … 10000"),
        ({"n": 10_001}, "n = 10001 is outside"),
        ({"n": 201}, "n = 201 is outside 100 … 200"),
        ({"seed": -1}, "seed = -1"),
        ({"seed": 2**32 - 50}, "seed = 4294967246"),
        ({"guidance": (1.0,)}, "was trained without words"),
        ({"model": "reads", "guidance": (math.nan,)}, "guidance = nan is outside 0 … 100"),
        ({"model": "reads", "guidance": (-1.0,)}, "guidance = -1.0 is outside"),
        ({"model": "nowhere"}, "nowhere"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_any_work(
    places: Path, changes: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a sample was drawn")

    monkeypatch.setattr(Drawer, "draw", never)
    settings = {"ways": WAYS, "n": 120, "data_dir": places, "model": "plain", **changes}
    model = f"{places / str(settings.pop('model'))}.safetensors"
    with pytest.raises(LectureError, match=message) as error:
        evaluate(model, **settings)  # type: ignore[arg-type]
    one_line(error)


@pytest.mark.parametrize(
    ("data", "size", "message"),
    [
        ("fashion-mnist/train", 28, r"draws fashion-mnist/train \(1×28×28\)"),
        ("mnist/train", 8, r"1×8×8"),
    ],
)
def test_a_model_of_other_pictures_is_not_judged(
    tmp_path: Path, data: str, size: int, message: str
) -> None:
    path = save_drawing(tmp_path / "other.safetensors", reads=False, data=data, size=size)
    with pytest.raises(UsageError, match=message):
        evaluate(str(path), n=100, data_dir=tmp_path)


def test_without_mnist_there_is_nothing_to_compare_with(places: Path, below_a_file: Path) -> None:
    with pytest.raises(MissingRequirement, match="MNIST"):
        evaluate(str(places / "plain.safetensors"), n=100, data_dir=below_a_file)


def test_the_whole_reference_is_its_own_floor() -> None:
    images = bars(150).images
    reference = features_of(images, JUDGE)
    assert floor(images, reference, JUDGE, 150, seed=0) == pytest.approx(0, abs=1e-6)
    some = floor(images, reference, JUDGE, 100, seed=0)
    assert some > 1e-3
    assert some == floor(images, reference, JUDGE, 100, seed=0)
    assert some != floor(images, reference, JUDGE, 100, seed=1)


def test_features_are_the_networks_own() -> None:
    images = bars(30).images
    features = features_of(images, JUDGE)
    assert features.shape == (30, 96)
    assert np.allclose(features, JUDGE.network.features(to_unit(images)).numpy(), atol=1e-4)
    logits = JUDGE.network(to_unit(images))
    assert classes_of(features, JUDGE).tolist() == logits.argmax(1).tolist()


def test_real_digits_lie_at_the_floor_and_noise_at_the_ceiling() -> None:
    train, _ = labelled_digits(train=True)
    test, _ = labelled_digits(train=False)
    reference = features_of(test[::5], JUDGE)
    low = floor(train, reference, JUDGE, 1000, seed=0)
    high = ceiling((1, 28, 28), reference, JUDGE, 1000, seed=0)
    assert high > 50 * low
    # Spoilt digits lie between: a part of them, all of them darkened.
    part = metrics.fid(features_of(test[::5][reference[:, 0].argsort()[:500]], JUDGE), reference)
    faint = metrics.fid(features_of(test[1::5] // 2, JUDGE), reference)
    assert low < faint < high
    assert low < part < high
