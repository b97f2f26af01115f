"""Settings: what is refused, how the learning rate goes, where and in what is computed."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from diffusion_core.errors import UsageError
from diffusion_core.training import TrainingSettings, learning_rate_at
from diffusion_core.training.settings import best_device, best_precision
from tests.diffusion_core.conftest import one_line
from tests.diffusion_core.training.small_runs import SETTINGS, STEPS, start


class TestLearningRate:
    settings = TrainingSettings(learning_rate=1e-3, warmup=100)

    def test_it_rises_and_falls(self) -> None:
        rates = np.array([learning_rate_at(i, 2000, self.settings) for i in range(2000)])
        assert rates[0] == pytest.approx(1e-5)
        np.testing.assert_allclose(np.diff(rates[:100]), 1e-5)
        assert rates[99] == rates[100] == rates.max() == 1e-3
        assert (np.diff(rates[100:]) < 0).all()
        assert rates[1050] == pytest.approx(1e-3 * (0.01 + 0.99 / 2), rel=1e-3)
        assert rates[-1] == pytest.approx(1e-5, rel=0.01)

    def test_without_decay_it_stays(self) -> None:
        settings = TrainingSettings(learning_rate=1e-3, warmup=100, decay=False)
        rates = [learning_rate_at(i, 2000, settings) for i in range(2000)]
        assert rates[:100] == [learning_rate_at(i, 2000, self.settings) for i in range(100)]
        assert set(rates[99:]) == {1e-3}

    def test_a_short_run_warms_up_for_a_tenth_of_it(self) -> None:
        rates = [learning_rate_at(i, 20, self.settings) for i in range(20)]
        assert np.argmax(rates) in (1, 2)
        assert learning_rate_at(0, 1, self.settings) == 1e-3

    def test_a_restart_begins_anew_with_half_the_peak(self) -> None:
        longer = replace(self.settings, epochs=60, restart=40)
        rates = [learning_rate_at(i, 3000, longer) for i in range(3000)]
        shorter = longer.until_restart()
        assert rates[:2000] == [learning_rate_at(i, 2000, shorter) for i in range(2000)]
        again = replace(shorter, epochs=20, learning_rate=5e-4)
        assert rates[2000:] == [learning_rate_at(i, 1000, again) for i in range(1000)]

    def test_the_optimizer_uses_it(self, tmp_path: Path, no_pictures: None) -> None:
        used = [progress.learning_rate for progress in start(tmp_path).run()]
        assert used == [learning_rate_at(i, STEPS, SETTINGS) for i in range(STEPS)]


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("epochs", 0, "epochs = 0 must be at least 1"),
        ("minutes", 0, "minutes = 0 is outside 0.01 … 100000"),
        ("minutes", math.nan, "minutes = nan is outside"),
        ("batch_size", 0, "batch_size = 0 is outside 1 … 65536"),
        ("batch_size", 65_537, "batch_size = 65537 is outside"),
        ("batch_size", 8.0, "batch_size = 8.0 must be a whole number"),
        ("restart", 0, "restart = 0 must leave epochs on both sides: 1 … 19"),
        ("restart", 20, "restart = 20 must leave"),
        ("sample_every", -1, "sample_every = -1 must be"),
        ("checkpoint_every", 0, "checkpoint_every = 0 must be"),
        ("learning_rate", 0, "learning_rate = 0 is outside (0, 1]"),
        ("learning_rate", 1.5, "learning_rate = 1.5 is outside"),
        ("learning_rate", math.nan, "learning_rate = nan is outside"),
        ("ema", 1, "ema = 1 is outside 0 … 0.999999"),
        ("drop_captions", -0.1, "drop_captions = -0.1 is outside 0 … 1"),
        ("drop_captions", 1.1, "drop_captions = 1.1 is outside 0 … 1"),
        ("prediction", "score", "prediction 'score' is unknown; choose one of: epsilon, x0, v"),
        ("precision", "float16", "precision 'float16' is unknown; choose one of: auto, float32"),
        ("optimizer", "sgd", "optimizer 'sgd' is unknown; choose one of: muon, adamw"),
        ("seed", -1, "seed = -1 is outside"),
        ("seed", 2**32, "seed = 4294967296 is outside"),
        ("timesteps", 9, "T = 9 is outside"),
        ("schedule", "square", "schedule 'square' is unknown"),
        ("schedule", "karras", "schedule 'karras' is unknown"),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: object, says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)) as error:
        TrainingSettings(**{field: value})  # type: ignore[arg-type]
    one_line(error)


class TestWhereAndInWhat:
    @pytest.mark.parametrize(
        ("cuda", "mps", "found"),
        [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
    )
    def test_the_best_device_is_found(
        self, monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, found: str
    ) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        assert best_device() == torch.device(found)

    @pytest.mark.parametrize("fast", [True, False])
    def test_the_faster_precision_is_found(
        self, monkeypatch: pytest.MonkeyPatch, fast: bool
    ) -> None:
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: fast)
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": fast})
        expected = "bfloat16" if fast else "float32"
        assert best_precision(torch.device("cuda")) == expected
        assert best_precision(torch.device("cpu")) == expected
        assert best_precision(torch.device("mps")) == "float32"

    def test_what_auto_found_is_what_the_run_is(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A run that is resumed elsewhere goes on as it began, or not at all."""
        settings = TrainingSettings(batch_size=8, timesteps=20)
        for fast, precision in ((True, "bfloat16"), (False, "float32")):
            capabilities = {"amx_bf16": fast}
            monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=capabilities: found)
            run = start(tmp_path, settings)
            assert run.settings.precision == precision
            assert run.identity["settings"]["precision"] == precision
