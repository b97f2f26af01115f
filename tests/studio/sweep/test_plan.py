"""What is asked for becomes jobs; what cannot be run is refused before any work."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from diffusion_core.errors import LectureError, UsageError
from diffusion_core.recipe import ReverseRecipe
from scenes.options import SceneOptions
from studio.production import MEDIA, Order
from studio.quality import QUALITIES
from studio.sweep.plan import Sweep, recipes_of


def order(name: str = "reverse_process", **options: Any) -> Order:
    return Order(name, SceneOptions(**options), QUALITIES["draft"], "silent")


def test_every_seed_has_every_choice_side_by_side() -> None:
    sweep = Sweep(
        order(prompt="a seven"), (3, 5), {"guidance": (1.0, 2.5), "sampler": ("ddim", "ddpm")}
    )
    assert [tuple(job.changed.values()) for job in sweep.jobs] == [
        (seed, scale, sampler)
        for seed in (3, 5)
        for scale in (1.0, 2.5)
        for sampler in ("ddim", "ddpm")
    ]
    assert [job.number for job in sweep.jobs] == list(range(8))
    assert sweep.jobs[2].label == "seed 3, guidance 2.5, sampler ddim"
    for job in sweep.jobs:
        assert job.order.options.prompt == "a seven"
        for name, value in job.changed.items():
            assert getattr(job.order.options, name) == value


def test_no_two_videos_have_one_name() -> None:
    sweep = Sweep(order(), tuple(range(4)), {"prompt": ("", "a seven", "A seven!")})
    videos = {job.order.video for job in sweep.jobs}
    assert len(videos) == 12
    assert {video.parent for video in videos} == {sweep.folder}


def test_the_folder_says_what_is_swept_and_what_is_not_as_usual() -> None:
    sweep = Sweep(order(steps=10), (0, 1, 2, 9), {"sampler": ("ddim", "heun")})
    assert sweep.folder == (
        MEDIA / "reverse_process" / "sweep-seeds0-2+9-sampler-ddim+heun-steps-10-draft-silent"
    )
    elsewhere = replace(sweep, base=replace(sweep.base, output=Path("here")))
    assert elsewhere.folder == Path("here")
    prompts = Sweep(order(), (0,), {"prompt": ("a seven", "../../x")})
    assert re.fullmatch(r"sweep-seeds0-prompt-[0-9a-f]{8}-draft-silent", prompts.folder.name)
    many = Sweep(order(), tuple(range(0, 100, 2)), {})
    assert len(many.folder.name) < 60


def test_what_is_run_for_several_videos_is_run_once() -> None:
    sweep = Sweep(order(), (0, 1), {"theme": ("dark", "light")})
    [first, second] = recipes_of(sweep.jobs)
    assert isinstance(first, ReverseRecipe)
    assert isinstance(second, ReverseRecipe)
    assert (first.seeds[0], second.seeds[0]) == (0, 1)


@pytest.mark.parametrize(
    ("name", "seeds", "axes", "words"),
    [
        ("training", (0,), {}, "'training' has no use for seed"),
        ("forward_process", (0,), {"guidance": (1.0,)}, "has no use for guidance"),
        ("reverse_process", (), {}, "0 videos"),
        ("reverse_process", tuple(range(6000)), {"theme": ("dark", "light")}, "12000 videos"),
    ],
)
def test_what_is_no_sweep_of_a_scene_is_refused(
    name: str, seeds: tuple[int, ...], axes: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        Sweep(order(name), seeds, axes)


def test_a_refused_job_is_named() -> None:
    sweep = Sweep(order("guidance"), (0, 1), {"guidance": (2.0, 1.0)})
    with pytest.raises(UsageError, match=r"^seed 0, guidance 1: guidance = 1: this scene shows"):
        sweep.check()
    with pytest.raises(LectureError, match=r"nowhere\.png"):
        Sweep(order("forward_process"), (0,), {"image": ("flower", "nowhere.png")}).check()
