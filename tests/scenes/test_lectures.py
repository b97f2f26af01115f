"""Lectures: whole, in order, and each of their scenes gets the options and the runs it asks for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import render
from diffusion_core.errors import UsageError
from diffusion_core.recipe import ForwardRecipe
from scenes.catalog import LECTURES, SCENES, LectureEntry, SceneEntry
from scenes.options import LOOK, SceneOptions
from studio import production
from studio.job import Job
from studio.production import Order
from studio.quality import QUALITIES
from studio.speakers import make_speaker

COURSE = LECTURES["diffusion_models"]


def order(name: str, **options: object) -> Order:
    return Order(name, SceneOptions(**options), QUALITIES["draft"], "silent")  # type: ignore[arg-type]


def jobs_of(ordered: Order) -> list[Job]:
    """What is to be rendered for an order, as if every run were recorded under its name."""
    recordings = {
        name: SimpleNamespace(path=Path(name), fingerprint=name) for name in ordered.recipes()
    }
    return production.jobs_of(ordered, make_speaker("silent"), recordings)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", LECTURES)
def test_a_lecture_begins_and_ends_with_its_cards(name: str) -> None:
    first, *middle, last = LECTURES[name].scenes
    assert first.endswith("_opening")
    assert last == first.replace("opening", "closing")
    assert SCENES[first].card
    assert SCENES[last].card
    assert not any(SCENES[scene].card for scene in middle)
    assert len(set(middle)) == len(middle) >= 2


def test_the_course_has_every_scene_of_the_other_lectures() -> None:
    told = {scene for entry in LECTURES.values() for scene in entry.scenes}
    assert {scene for scene in told if not SCENES[scene].card} <= set(COURSE.scenes)


@pytest.mark.parametrize("name", LECTURES)
def test_options_go_to_the_scenes_that_take_them(name: str) -> None:
    chosen = {"image": "temple", "prompt": "a bold two", "guidance": 3, "steps": 12, "seed": 5}
    options = SceneOptions(**chosen)  # type: ignore[arg-type]
    usual = SceneOptions()
    for scene in LECTURES[name].scenes:
        taken = SCENES[scene].taken(options)
        for option, value in chosen.items():
            accepts = option in SCENES[scene].accepts
            assert getattr(taken, option) == (value if accepts else getattr(usual, option))
    ordered = order(name, **chosen)
    recipes = ordered.recipes()
    for job in jobs_of(ordered):
        assert job.options == SCENES[job.scene].taken(options)
        for key, recipe in SCENES[job.scene].runs(options).items():
            assert recipes[str(job.recordings[key])] == recipe


@pytest.mark.parametrize("name", LECTURES)
@pytest.mark.parametrize("options", [{}, {"prompt": "a two"}, {"prompt": "a two", "guidance": 3}])
def test_a_lecture_can_be_asked_for_a_prompt(name: str, options: dict[str, object]) -> None:
    assert order(name, **options).recipes()


@pytest.mark.parametrize("name", LECTURES)
def test_a_scale_without_a_prompt_is_refused(name: str) -> None:
    """One scene has a prompt that is usual in it, another has none to guide towards."""
    with pytest.raises(UsageError, match="guidance = 3 needs a prompt"):
        order(name, guidance=3).recipes()


def test_a_scene_gets_its_own_runs_though_another_calls_others_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipes = {name: ForwardRecipe(seed=seed) for seed, name in enumerate(("one", "two"))}
    for name, recipe in recipes.items():
        entry = SceneEntry(
            name=name,
            title=name,
            teaches="nothing",
            place="nowhere:Scene",
            accepts=LOOK,
            recipes=lambda options, recipe=recipe: {"run": recipe, "usual": ForwardRecipe()},
        )
        monkeypatch.setitem(SCENES, name, entry)
    lecture = LectureEntry(name="both", title="Both", teaches="nothing", scenes=("one", "two"))
    monkeypatch.setitem(LECTURES, "both", lecture)
    both = order("both")
    # The usual recipe is that of the first scene: it is run once.
    assert both.recipes() == {"run": recipes["one"], "two.run": recipes["two"]}
    one, two = jobs_of(both)
    assert one.recordings == {"run": Path("run"), "usual": Path("run")}
    assert two.recordings == {"run": Path("two.run"), "usual": Path("run")}


def test_an_option_that_no_scene_takes_is_refused() -> None:
    refused = CliRunner().invoke(render.cli, ["lecture", "sampling", "--image", "temple"])
    assert refused.exit_code != 0
    assert "'sampling' has no use for --image; it takes --cut, " in str(refused.exception)
