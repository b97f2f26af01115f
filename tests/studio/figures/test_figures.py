"""Figures: what they show is what was recorded, and everything on them can be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from diffusion_core.grids import to_pixels
from diffusion_core.recipe import NoisingRecipe, UTurnRecipe
from diffusion_core.recipes.sampling import PUBLISHED
from scenes.options import SceneOptions
from scenes.stage.theme import MIN_CONTRAST, contrast
from studio.figures.choices import FIGURES, Choices, run_of
from studio.figures.page import Page, listed
from studio.figures.style import FIGURE_THEMES, HALF_PAGE, PAPER, SMALL, Style, matplotlib_as_here
from studio.figures.training import samples, stages
from studio.production import record
from tests.studio.figures.conftest import Case

Cases = Callable[[str], Case]


def as_shown(state: Any) -> Any:
    """A state (C, H, W) as an RGB picture."""
    pixels = to_pixels(state).transpose(1, 2, 0)
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3))


def expected(case: Case) -> dict[str, Any]:
    """The recorded states that a figure should show, by the names of their pictures."""
    found = {name: recording.trajectory for name, recording in case.recordings.items()}
    first: Any = next(iter(found.values()))
    name = case.entry.name
    if name == "timesteps":
        run = first["forward"]
        times = dict(enumerate((0, 400, 999), 1))
        return (
            {f"x_0 {i}": run.states[0, i] for i in range(2)}
            | {f"eps {i}": run.eps[-1, i] for i in range(2)}
            | {f"x_t {i} t={t}": run.states[k, i] for k, t in times.items() for i in range(2)}
        )
    if name == "schedules":
        return {
            f"{schedule} t={t}": run.states[run.timesteps.tolist().index(t), 0]
            for schedule, run in found.items()
            for t in (99, 499, 999)
        }
    if name == "process":
        moments = {i: first.timesteps[i] for i in (0, 2, 4)}
        arrays = {"x_t": first.states, "eps_hat": first.eps_hat, "x0_hat": first.x0_hat}
        return {f"x_0 {s}": first.states[-1, s] for s in range(2)} | {
            f"{what} {s} t={t}": values[i, s]
            for what, values in arrays.items()
            for i, t in moments.items()
            for s in range(2)
        }
    if name == "u_turn":
        forward = first["forward"]
        return {"x_0": forward.states[0, 0]} | {
            key: state
            for k, t in enumerate((300, 900), 1)
            for key, state in [(f"x_t t={t}", forward.states[k, 0])]
            + [(f"returned {i} t={t}", first[f"from {t}"].states[-1, i]) for i in range(3)]
        }
    if name == "samplers":
        ends = {
            f"{rule} nfe={nfe}": first[rule if nfe == 2 else f"{rule} {nfe}"].states[-1, 0]
            for rule in ("ddpm", "ddim", "euler", "heun", "dpmpp")
            for nfe in (2, 4)
        }
        reference = first["reference"]
        return {"x_T": reference.states[0, 0], "reference": reference.states[-1, 0]} | ends
    if name == "guidance":
        return {f"x_T {i}": first.states[0, i] for i in range(3)} | {
            f"{row} {i}": found[row].states[-1, i] for row in ("g1", "g3") for i in range(3)
        }
    return {
        f"step {step} sample {i}": first[f"step {step}"].states[-1, i]
        for step in (0, 2)
        for i in (1, 0)
    }


@pytest.mark.parametrize("name", FIGURES)
def test_what_is_shown_is_what_was_recorded(name: str, case: Cases) -> None:
    shown, recorded = case(name).page().shown, expected(case(name))
    assert shown.keys() == recorded.keys()
    for key, state in recorded.items():
        np.testing.assert_array_equal(shown[key], as_shown(state), err_msg=key)


def words_of(page: Page) -> dict[str, Any]:
    """Every word on a page with where it stands, in dots from the lower left corner."""
    FigureCanvasAgg(page.figure).draw()
    renderer = page.figure.canvas.get_renderer()  # type: ignore[attr-defined]
    found = {}
    for i, text in enumerate(page.figure.findobj(Text)):
        assert isinstance(text, Text)
        if text.get_visible() and text.get_text().strip():
            found[f"{i} {text.get_text()}"] = text, text.get_window_extent(renderer)
    return found


@pytest.mark.parametrize("name", FIGURES)
def test_every_word_can_be_read_at_half_a_page(name: str, case: Cases) -> None:
    page = case(name).page(width=120)
    with matplotlib_as_here(page.style):
        found = words_of(page)
    assert len(found) > 4
    pictures = [axes.get_window_extent() for axes in page.figure.axes if axes.images]
    for told, (text, box) in found.items():
        assert text.get_fontsize() * HALF_PAGE / 120 >= SMALL - 1e-9, told
        assert box.x0 >= 0, told
        assert box.y0 >= 0, told
        assert box.x1 <= page.columns, told
        assert box.y1 <= page.rows, told
        assert contrast(text.get_color(), page.theme.background) >= MIN_CONTRAST, told
        ink = box.shrunk(0.98, 0.6) if box.height else box
        assert not any(ink.overlaps(picture) for picture in pictures), told
    for (one, (_, a)), (other, (_, b)) in combinations(found.items(), 2):
        assert not a.shrunk(0.99, 0.6).overlaps(b.shrunk(0.99, 0.6)), (one, other)


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("timesteps", {"timesteps": (*range(100, 1000, 100), 997, 998, 999)}),
        ("u_turn", {"images": 8}),
        ("guidance", {"images": 12, "scales": (1.0, 1.5, 12.5)}),
        ("process", {"columns": 5}),
    ],
)
def test_a_full_figure_has_room_for_its_words(name: str, most: dict[str, Any], case: Cases) -> None:
    small = case(name)
    choices = replace(small.choices, **most)
    recipes = small.entry.kind.recipes(choices)
    page = Case(small.entry, choices, recipes, record(recipes)).page(captioned=False)
    with matplotlib_as_here(page.style):
        found = words_of(page)
    for (one, (_, a)), (other, (_, b)) in combinations(found.items(), 2):
        assert not a.shrunk(0.99, 0.6).overlaps(b.shrunk(0.99, 0.6)), (one, other)
    assert all(box.x0 >= 0 and box.x1 <= page.columns for _, box in found.values())


def test_curves_are_those_of_the_recordings(case: Cases) -> None:
    small = case("schedules")
    axes = {str(axes.get_label()): axes for axes in small.page().figure.axes}
    for name, recording in small.recordings.items():
        run = run_of(recording)
        wanted = {
            "alpha_bar": run.alpha_bar,
            "sigma": np.sqrt(1 - run.alpha_bar),
            "log_snr": np.log(run.snr),
        }
        for graph, values in wanted.items():
            (line,) = [line for line in axes[graph].lines if line.get_gid() == name]
            np.testing.assert_array_equal(line.get_xdata(), run.timesteps[1:])
            np.testing.assert_allclose(line.get_ydata(), values[1:], rtol=1e-12)
            low, high = axes[graph].get_ylim()
            assert low <= min(values[1:])
            assert max(values[1:]) <= high


def test_the_loss_is_that_of_the_training(case: Cases) -> None:
    small = case("training")
    (axes,) = [axes for axes in small.page().figure.axes if axes.get_label() == "loss"]
    loss = small.recordings["training"].trajectory.common["loss"]  # type: ignore[union-attr]
    (line,) = [line for line in axes.lines if line.get_gid() == "loss"]
    np.testing.assert_array_equal(line.get_xdata(), loss["steps"])
    np.testing.assert_array_equal(line.get_ydata(), loss["means"])


def test_distances_stand_below_the_samplers_pictures(case: Cases) -> None:
    small = case("samplers")
    race: Any = small.recordings["race"].trajectory
    told = [text.get_text() for text in small.page().figure.texts]
    for name in ("ddim", "heun 4", "dpmpp"):
        assert f"{race[name].facts['distance_to_reference'][-1][0]:.3f}" in told


def test_stages_are_the_ends_and_those_that_differ(case: Cases) -> None:
    bundle: Any = case("training").recordings["training"].trajectory
    runs = list(bundle.values())
    assert stages(bundle, 3) == runs
    assert stages(bundle, 9) == runs
    assert stages(bundle, 2) == [runs[0], runs[-1]]
    assert stages(bundle, 1) == [runs[-1]]
    assert samples(bundle, 2) == [1, 0]  # the one with a prompt comes first


def test_frames_stand_where_the_judge_reads_another_digit() -> None:
    options = SceneOptions(image="", steps=5)
    choices = Choices(options=options, timesteps=(20, 900), images=4)
    kind = FIGURES["u_turn"].kind
    recordings = record(kind.recipes(choices))
    style = Style()
    with matplotlib_as_here(style):
        page = kind.draw(choices, recordings, style, "")
    digit = run_of(recordings["u_turn"], "forward").facts["class"]
    read = [run_of(recordings["u_turn"], f"from {t}").facts["final_class"] for t in (20, 900)]
    others = sum(other != digit for row in read for other in row)
    frames = [patch for patch in page.figure.findobj(Rectangle) if patch.get_zorder() < 0]
    green = tuple(int(PAPER.prediction[i : i + 2], 16) / 255 for i in (1, 3, 5))
    colours = [frame.get_facecolor() for frame in frames if isinstance(frame, Rectangle)]
    assert sum(np.allclose(colour[:3], green) for colour in colours) == others
    assert 0 < others < 8  # both kinds are there


@pytest.mark.parametrize("theme", FIGURE_THEMES.values(), ids=lambda theme: theme.name)
def test_every_colour_of_a_theme_can_be_read(theme: Any) -> None:
    for meaning, colour in theme.readable().items():
        assert contrast(colour, theme.background) >= MIN_CONTRAST, meaning
    assert PAPER.background == "#ffffff"


def test_captions_name_recipe_seed_and_recording(case: Cases) -> None:
    for name in FIGURES:
        small = case(name)
        told = small.entry.kind.caption(small.choices, small.recordings)
        assert "seed" in told, name
        for recording in small.recordings.values():
            assert recording.fingerprint[:8] in told, name
        assert all(ord(letter) < 0x2300 for letter in told), name


def test_pictures_come_from_where_they_are_asked_of() -> None:
    kind = FIGURES["timesteps"].kind
    flower = Choices(options=SceneOptions(image="flower", seed=5))
    (recipe,) = kind.recipes(flower).values()
    assert isinstance(recipe, NoisingRecipe)
    assert (recipe.image, recipe.samples, recipe.seeds) == ("flower", 1, (5,))
    assert recipe.inputs().keys() == {"picture"}
    for name in PUBLISHED:
        digits = Choices(options=SceneOptions(image=""), dataset=name, indices=(7, 3))
        (recipe,) = kind.recipes(digits).values()
        assert isinstance(recipe, NoisingRecipe)
        assert (recipe.dataset, recipe.taken, recipe.seeds) == (name, (7, 3), (0, 1))
        assert recipe.inputs() == {}
    turned = Choices(options=SceneOptions(image=""), dataset="mnist", indices=(9,))
    (recipe,) = FIGURES["u_turn"].kind.recipes(turned).values()
    assert isinstance(recipe, UTurnRecipe)
    assert (recipe.dataset, recipe.index) == ("mnist", 9)


def test_an_image_keeps_its_colours_and_each_row_has_noise_of_its_own() -> None:
    kind = FIGURES["timesteps"].kind
    choices = Choices(options=SceneOptions(image="flower"), timesteps=(500,), images=2)
    recordings = record(kind.recipes(choices))
    run = run_of(recordings["timesteps"])
    assert run.states.shape == (2, 2, 3, 64, 64)
    assert run.eps is not None
    assert (run.states[0, 0] == run.states[0, 1]).all()
    assert (run.eps[-1, 0] != run.eps[-1, 1]).all()


@pytest.mark.parametrize(
    ("values", "told"),
    [((3,), "3"), ((0, 1, 2, 3), "0 to 3"), ((1, 2), "1 and 2"), (("a", "b", "c"), "a, b and c")],
)
def test_values_in_words(values: tuple[Any, ...], told: str) -> None:
    assert listed(values) == told
