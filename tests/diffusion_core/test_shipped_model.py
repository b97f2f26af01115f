"""What the lectures say of the runs that they show by default."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from diffusion_core.datasets import ImageSet, mnist, to_unit
from diffusion_core.recipe import ForwardRecipe, Recipe, ReverseRecipe
from diffusion_core.store import Store
from diffusion_core.trajectory import Trajectory
from scenes.catalog import LECTURES
from scenes.options import SceneOptions


def default_recipes() -> dict[str, Recipe]:
    from scenes.catalog import scene_entry

    recipes: dict[str, Recipe] = {}
    for name in LECTURES["introduction"].scenes:
        recipes |= scene_entry(name).recipes(SceneOptions())
    return recipes


@pytest.fixture(scope="module")
def reverse() -> Trajectory:
    return Store().get(default_recipes()["reverse"]).trajectory


@pytest.fixture(scope="module")
def forward() -> Trajectory:
    return Store().get(default_recipes()["forward"]).trajectory


@pytest.fixture(scope="module")
def samples(reverse: Trajectory) -> np.ndarray:
    return reverse.states[-1, :, 0]


def test_the_default_runs_are_these() -> None:
    """What follows is said of them."""
    recipes = default_recipes()
    assert recipes["forward"] == ForwardRecipe(image="flower", seed=0, schedule="cosine")
    assert recipes["reverse"] == ReverseRecipe(
        model="mnist", seeds=tuple(range(24)), sampler="ddim", steps=50, schedule="cosine"
    )


def decided(pictures: np.ndarray) -> float:
    """The share of pixels that are nearly black or nearly white."""
    return float((abs(pictures) > 0.8).mean())


class TestReverse:
    def test_samples_look_like_digits(self, samples: np.ndarray) -> None:
        """Strokes on black: mostly dark, some bright, nothing at the edge, all in one piece."""
        dark, bright = (samples < -0.8).mean((1, 2)), (samples > 0.5).mean((1, 2))
        assert (dark > 0.6).all()
        assert (bright > 0.03).all()
        assert (bright < 0.3).all()
        edge = np.ones((28, 28), bool)
        edge[2:-2, 2:-2] = False
        assert samples[:, edge].mean() < -0.97
        middle = samples[:, 8:20, 8:20].mean((1, 2))
        assert (middle > samples.mean((1, 2)) + 0.1).all()

    def test_samples_are_as_digits_are_on_the_whole(
        self, samples: np.ndarray, mnist_train: ImageSet
    ) -> None:
        """About as near to the training pictures as digits that were held back."""
        real = to_unit(mnist_train.images).flatten(1)
        drawn, held_back = torch.from_numpy(samples), to_unit(mnist("test").images[:200])
        near, usual = (
            float(torch.cdist(digits.flatten(1), real).min(1).values.median())
            for digits in (drawn, held_back)
        )
        assert near < 1.4 * usual

    def test_the_first_guess_is_a_blur_and_the_last_is_sharp(self, reverse: Trajectory) -> None:
        """The narration says: "Its best guess remains: a blur, at first"."""
        assert reverse.x0_hat is not None
        first, last = (decided(reverse.x0_hat[i]) for i in (0, -1))
        assert first < 0.75 < 0.8 < last
        for sample in range(reverse.x0_hat.shape[1]):
            assert decided(reverse.x0_hat[0, sample]) < decided(reverse.x0_hat[-1, sample])
        bright = [(reverse.x0_hat[i] > 0.8).mean() for i in (0, -1)]
        assert bright[0] < 0.1 * bright[1]

    def test_the_noise_fades_step_by_step(self, reverse: Trajectory) -> None:
        """The narration says: "Step by step the noise fades"."""
        assert (np.diff(reverse.noise_weight) < 0).all()
        away = np.sqrt(((reverse.states - reverse.states[-1]) ** 2).mean((1, 2, 3, 4)))
        assert (np.diff(away) < 0).all()

    def test_a_step_is_small(self, reverse: Trajectory) -> None:
        """The narration says: "So it takes only a small step towards the guess"."""
        first = np.linalg.norm(reverse.states[1, 0] - reverse.states[0, 0])
        whole = np.linalg.norm(reverse.states[-1, 0] - reverse.states[0, 0])
        assert 0 < first < 0.1 * whole

    def test_other_noise_gives_other_digits(self, samples: np.ndarray) -> None:
        """The narration says: "Other noise gives other digits"."""
        drawn = torch.from_numpy(samples).flatten(1)
        apart = torch.cdist(drawn, drawn) + 1e9 * torch.eye(len(drawn))
        assert apart.min() > 2

    def test_nobody_ever_wrote_this_digit(self, samples: np.ndarray, mnist_train: ImageSet) -> None:
        """The first sample, of which it is said, and the others: none is a training picture.

        For scale: from a held-back digit to the nearest it is about 9, seldom below 3.
        """
        real = to_unit(mnist_train.images).flatten(1)
        drawn = torch.from_numpy(samples).flatten(1)
        nearest = torch.cdist(drawn, real).min(1).values
        assert nearest[0] > 3
        assert nearest.min() > 1

    def test_the_count_of_digits_that_is_said(self, reverse: Trajectory) -> None:
        """The narration says: "A network that was trained on 60,000 digits"."""
        assert reverse.facts["pictures"] == 60_000
        assert reverse.facts["nfe"] == 50


class TestForward:
    @staticmethod
    def likeness(forward: Trajectory) -> np.ndarray:
        """|correlation| of each state with the picture."""
        picture = forward.states[0].ravel()
        return np.array(
            [abs(np.corrcoef(state.ravel(), picture)[0, 1]) for state in forward.states]
        )

    def test_in_the_end_nothing_of_the_picture_can_be_seen(self, forward: Trajectory) -> None:
        """The narration says: "Until nothing of the picture can be seen"."""
        likeness = self.likeness(forward)
        assert likeness[0] == pytest.approx(1)
        assert likeness[-1] < 0.05
        assert forward.signal_weight[-1] < 0.01

    def test_signal_falls_and_noise_grows(self, forward: Trajectory) -> None:
        """The narration says: "The weight of the picture falls. The weight of the noise grows"."""
        assert (np.diff(forward.signal_weight) < 0).all()
        assert (np.diff(forward.noise_weight) > 0).all()

    def test_they_are_equal_about_half_way(self, forward: Trajectory) -> None:
        """The t that is said, and the state that is shown with it."""
        equal = int((forward.noise_weight >= forward.signal_weight).argmax())
        assert forward.timesteps[equal] == 496
        assert forward.signal_weight[equal] == pytest.approx(forward.noise_weight[equal], rel=5e-3)
