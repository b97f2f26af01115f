"""What a run tells of itself: the folder, the curve, the samples, the card."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_core.checkpoints import load_weights
from diffusion_core.files import read_digest
from diffusion_core.recipe import ReverseRecipe
from diffusion_core.runs import draw
from diffusion_core.schedule import make_schedule
from diffusion_core.training import TrainingProgress, TrainingRun
from diffusion_core.training.report import GUIDANCE, SampleSheet
from tests.diffusion_core.conftest import READS, TINY, tiny_network
from tests.diffusion_core.fakes import TEXTS, vocabulary
from tests.diffusion_core.training.small_runs import STEPS, blobs, go_on, start, weights_digest


class TestWhatIsWritten:
    def test_progress(self, finished: tuple[Path, list[TrainingProgress]]) -> None:
        output, told = finished
        assert [progress.step for progress in told] == list(range(1, STEPS + 1))
        assert all(progress.steps == STEPS for progress in told)
        assert told[4].epoch == 1
        assert told[-1].epoch == 4
        assert all(progress.images_per_second > 0 for progress in told)
        assert told[-1].seconds_left == 0
        assert all(math.isfinite(progress.loss) for progress in told)
        wrote = {progress.step: progress.wrote for progress in told if progress.wrote}
        assert wrote.keys() == {5, 10, 15, 20}
        assert wrote[10][0] == output / "samples" / "step-000010.png"
        assert wrote[20][1] == output / "checkpoints" / "step-000020.safetensors"

    def test_the_folder(self, finished: tuple[Path, list[TrainingProgress]]) -> None:
        output, _ = finished
        files = {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file()}
        assert files == {
            "card.md",
            "checkpoints/step-000015.safetensors",
            "checkpoints/step-000020.safetensors",
            "history.safetensors",
            "loss.csv",
            "loss.png",
            "samples.png",
            "samples/step-000010.png",
            "samples/step-000020.png",
            "weights.safetensors",
        }

    def test_pictures(self, finished: tuple[Path, list[TrainingProgress]]) -> None:
        output, _ = finished
        for name in ("samples.png", "loss.png", "samples/step-000010.png"):
            with Image.open(output / name) as picture:
                picture.load()
                assert picture.format == "PNG"
                assert picture.width > 100
                assert len(picture.getcolors(2**24) or []) > 10
        with Image.open(output / "samples.png") as picture:
            assert picture.width == 3 * (8 * (8 + 2) + 2)  # 64 samples

    def test_the_losses(self, finished: tuple[Path, list[TrainingProgress]]) -> None:
        output, told = finished
        with (output / "loss.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [int(row["step"]) for row in rows] == list(range(1, STEPS + 1))
        for row, progress in zip(rows, told, strict=True):
            assert float(row["loss"]) == pytest.approx(progress.loss, rel=1e-5)
            assert float(row["learning_rate"]) == pytest.approx(progress.learning_rate, rel=1e-5)

    def test_the_weights_can_be_used(self, finished: tuple[Path, list[TrainingProgress]]) -> None:
        output, told = finished
        model = load_weights(output / "weights.safetensors")
        assert model.prediction == "v"
        assert model.network.config == TINY
        facts = model.facts["training"]
        assert (facts["steps"], facts["seed"], facts["batch_size"]) == (STEPS, 0, 8)
        assert (facts["device"], facts["processes"]) == ("cpu", 1)
        mean = np.mean([progress.loss for progress in told])
        assert facts["final_loss"] == pytest.approx(mean, abs=1e-4)
        assert model.facts["data"] == {
            "name": "blobs/train",
            "pictures": 40,
            "sha256": blobs().digest,
        }
        recipe = ReverseRecipe(model=str(output / "weights.safetensors"), steps=5)
        assert abs(draw(recipe)).max() <= 1

    def test_finished_again_is_finished_as_before(
        self, finished: tuple[Path, list[TrainingProgress]]
    ) -> None:
        output, _ = finished
        before = weights_digest(output)
        assert list(start(output).run()) == []
        assert weights_digest(output) == before

    def test_fewer_pictures_than_a_batch_are_counted_as_they_are(
        self, tmp_path: Path, no_pictures: None
    ) -> None:
        run = go_on(start(tmp_path, images=blobs(5)))
        assert run.step == 4
        history = run.stages.history(run.losses, run.batches.size, {})
        assert history.seen[-1] == 4 * 5
        assert "| steps | 4 of 5 pictures |" in (tmp_path / "card.md").read_text(encoding="utf-8")


class TestCard:
    def test_of_a_network_without_words(
        self, finished: tuple[Path, list[TrainingProgress]]
    ) -> None:
        output, _ = finished
        card = (output / "card.md").read_text(encoding="utf-8")
        digest = read_digest(output / "weights.safetensors")
        for told in (
            "An unconditional denoising diffusion model of blobs pictures",
            "| words | none |",
            "40 pictures",
            blobs().digest,
            "--dataset blobs --epochs 4 --batch-size 8",
            "--seed 0`",
            "| steps | 20 of 8 pictures |",
            "minutes, float32 on cpu, 1 threads",
            f"`{digest}`",
            "DDIM with 20 steps; none was picked.\n",
        ):
            assert told in card, told
        network = load_weights(output / "weights.safetensors").network
        parameters = sum(p.numel() for p in network.parameters())
        assert f"{parameters:,} parameters" in card

    def test_of_a_network_that_reads(self, whole_reading: tuple[Path, TrainingRun]) -> None:
        output, _ = whole_reading
        card = (output / "card.md").read_text(encoding="utf-8")
        asked = [TEXTS[0]] * 16 + [TEXTS[2]] * 16
        for told in (
            "A text-conditioned denoising diffusion model",
            "| words | 4 captions taught, 20% of them dropped",
            f"SHA-256 `{vocabulary().encoder}`",
            "The first 32 have no prompt; the others",
            f"the others, with guidance {GUIDANCE:g}, have these: {'; '.join(asked)}.",
        ):
            assert told in card, told


class TestSampleSheet:
    schedule = make_schedule("cosine", 20)

    def sheet(self, words: bool = True) -> SampleSheet:
        if not words:
            return SampleSheet(self.schedule, TINY)
        return SampleSheet(self.schedule, READS, vocabulary(), blobs(words=True).captions)

    def test_half_of_the_samples_are_prompted_with_groups_spread_over_all(self) -> None:
        assert self.sheet().prompts(6) == ["", "", "", TEXTS[0], TEXTS[0], TEXTS[2]]
        assert self.sheet(words=False).prompts(3) == ["", "", ""]

    def test_what_is_prompted_is_and_the_rest_is_as_without_words(self) -> None:
        network = tiny_network(config=READS)
        drawn = self.sheet().stage(network, "v")
        assert drawn.shape == self.sheet().stage_shape == (16, 1, 8, 8)
        without = SampleSheet(self.schedule, READS).stage(network, "v")
        np.testing.assert_array_equal(drawn[:8], without[:8])
        for mine, plain in zip(drawn[8:], without[8:], strict=True):
            assert abs(mine - plain).max() > 1e-3
        np.testing.assert_array_equal(self.sheet().stage(network, "v"), drawn)

    def test_the_guided_ones_are_those_of_a_recipe(self, reading_weights: Path) -> None:
        """The sheet draws seed 15 with the last prompt as anyone can draw it again."""
        model = load_weights(reading_weights)
        drawn = self.sheet().stage(model.network, model.prediction)
        facts = self.sheet().stage_facts()
        recipe = ReverseRecipe(
            model=str(reading_weights),
            seeds=(facts["seeds"][15],),
            prompt=facts["prompts"][15],
            guidance=facts["guidance"],
            sampler=facts["sampler"],
            steps=facts["steps"],
            T=20,
        )
        np.testing.assert_allclose(draw(recipe)[0], drawn[15], rtol=0, atol=1e-6)

    @pytest.mark.parametrize("training", [True, False])
    def test_the_network_is_left_as_it_was(self, training: bool) -> None:
        network = tiny_network(config=READS).train(training)
        before = {name: value.clone() for name, value in network.state_dict().items()}
        self.sheet().stage(network, "v")
        assert network.training is training
        for name, value in network.state_dict().items():
            assert torch.equal(value, before[name])
