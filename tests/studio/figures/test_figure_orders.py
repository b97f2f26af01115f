"""``figure`` refuses what no figure can be made of, before anything is run."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

import render
from diffusion_core.errors import LectureError
from studio.figures import making
from studio.figures.making import FigureOrder, Made
from tests.helpers import Workplace

DIGITS = ("--dataset", "mnist")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["timestep"], "'timestep' is unknown; did you mean 'timesteps'? there are: timesteps"),
        (["timesteps", "--timesteps", "0,1000"], r"a time of times = 1000 is outside 0 … 999"),
        (["timesteps", "--timesteps", "50,0"], "timesteps = 50,0 must rise, none twice"),
        (["timesteps", "--timesteps", "0,x"], "not a list of whole numbers, for example"),
        (
            ["timesteps", "--timesteps", ",".join(map(str, range(13)))],
            "timesteps has 13 values; this figure has room for 12",
        ),
        (["timesteps", "--images", "13"], "images = 13: this figure has room for 1 to 12"),
        (["timesteps", "--images", "0"], "images = 0: this figure has room for 1 to 12"),
        (["timesteps", "--index", "3"], "add --dataset"),
        (["timesteps", *DIGITS, "--image", "flower"], "two sources of pictures; give one"),
        (["timesteps", *DIGITS, "--prompt", "a seven"], "--prompt says how the model draws"),
        (["timesteps", *DIGITS, "--index", "1,2", "--images", "3"], "leave one out"),
        (["timesteps", *DIGITS, "--index", "10000"], "index = 10000 is outside 0 … 9999"),
        (["timesteps", "--dataset", "minst"], "'minst' is not one of"),
        (["timesteps", "--image", "absent.png"], "absent.png"),
        (["timesteps", "--guidance", "2"], "needs a prompt to guide towards"),
        (["timesteps", "--nfe", "5"], "has no use for --nfe; it takes --dataset, --guidance"),
        (["timesteps", "--to", "gif"], "'gif' is not among png, svg, pdf"),
        (["timesteps", "--to", "svg", "--output", "it.png"], "let them agree, or name a folder"),
        (["timesteps", "--to", "svg,png", "--output", "it.png"], "let them agree"),
        (["timesteps", "--width", "wide"], "is not a length, for example 160mm or 3.3in"),
        (["timesteps", "--width", "1in"], "width = 25.4 mm is outside 40 … 600"),
        (["schedules", "--timesteps", "100"], "the nearest is 99"),
        (["schedules", "--steps", "5"], "has no use for --steps; it takes --image, --seed"),
        (["process", "--steps", "5"], "columns = 8: a run of 5 steps has no more moments"),
        (["u_turn", *DIGITS, "--index", "1,2"], "the U-turn is one picture's"),
        (["u_turn", "--timesteps", "1000"], "a time of turns = 1000 is outside 0 … 999"),
        (["samplers", "--nfe", "1,5"], "Heun's shortest step takes 2 evaluations here"),
        (["samplers", "--prompt", "a seven", "--nfe", "2"], "shortest step takes 4"),
        (["guidance", "--scales", "1,two"], "is not a list of numbers"),
        (["guidance", "--scales", "1,200"], "guidance = 200"),
        (["guidance", "--scales", "1,2", "--guidance", "3"], "give one"),
        (["training", "--model", "absent"], "model 'absent' is unknown"),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, list) else None,
)
def test_what_cannot_be_shown_is_refused_before_work(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DIFFUSION_LECTURES_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises((LectureError, click.ClickException)) as caught:
        render.cli.main(["figure", *arguments], standalone_mode=False)
    error = caught.value
    message = error.format_message() if isinstance(error, click.ClickException) else str(error)
    assert told in message
    assert not list(tmp_path.rglob("*.*"))  # nothing was recorded, nothing written


def test_a_mistake_shows_no_traceback(tmp_path: Path, cache: Path) -> None:
    place = Workplace(tmp_path, cache)
    done = place.render("figure", "samplers", "--steps", "9")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: figure 'samplers' has no use for --steps")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["timesteps", *DIGITS, "--index", "4,2", "--timesteps", "5,50", "--seed", "3"],
        ["timesteps", "--image", "flower", "--images", "2", "--width", "3.3in", "--no-caption"],
        ["timesteps", "--prompt", "a seven", "--steps", "9", "--theme", "dark"],
        ["schedules", "--timesteps", "99,499"],
        ["process", "--columns", "5", "--guidance", "3", "--prompt", "a two"],
        ["u_turn", *DIGITS, "--index", "4", "--images", "3"],
        ["samplers", "--nfe", "2,8"],
        ["guidance", "--scales", "1,1.5", "--prompt", "a two"],
        ["training", "--columns", "4"],
    ],
    ids=" ".join,
)
def test_what_the_manifest_says_was_asked_can_be_asked_again(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[FigureOrder] = []

    def take(order: FigureOrder, progress: object) -> Made:
        orders.append(order)
        return Made({}, {}, "", {})

    monkeypatch.setattr(making, "make_figure", take)
    render.cli.main(["figure", *arguments, "--quiet"], standalone_mode=False)
    said = dict(orders[0].asked)
    again = [str(said.pop("name"))]
    for key, value in said.items():
        flag = f"--{key.replace('_', '-')}"
        if value is True:
            again.append(flag)
        elif value is not False:
            again += [flag, str(value)]
    render.cli.main(["figure", *again, "--quiet"], standalone_mode=False)
    assert orders[1] == orders[0]


def test_settings_give_way_to_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture that is set for every command does not stand against a dataset that is asked for.

    Neither does one that the figure has no use for.
    """
    from studio.commands.figure import figure_command, settle

    seen: dict[str, object] = {}
    for name, accepts in (("timesteps", {"image", "dataset", "index"}), ("samplers", {"seed"})):
        arguments = [name, *(DIGITS if name == "timesteps" else ())]
        context = figure_command.make_context(
            "figure", arguments, default_map={"image": "cat.jpg", "steps": "7"}
        )
        keys = ("image", "dataset", "index", "steps", "timesteps", "model", "prompt", "guidance")
        chosen = {key: context.params[key] for key in (*keys, "sampler", "seed", "images")}
        with context:
            settle(name, chosen, frozenset(accepts))
        seen[name] = (chosen["image"], chosen["dataset"], chosen["steps"])
    assert seen == {"timesteps": ("", "mnist", 50), "samplers": ("", None, 50)}
