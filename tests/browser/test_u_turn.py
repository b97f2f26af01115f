"""The U-turn as a person uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from diffusion_core.experiment_runs import run_experiment
from diffusion_core.recipe import UTurnRecipe
from explorer.u_turn import SHOWN, way_out
from scenes.recipes import RETURNS
from tests.browser.boards import assert_shows, last, scene_command, scrub, wait_for_text

ADDRESS = "tab=u_turn&u_turn-t=650&u_turn-steps=10&u_turn-seed=18"


def test_the_trip_is_the_cores(open_page: Any) -> None:
    page = open_page(ADDRESS)
    run = run_experiment(UTurnRecipe(seed=18, samples=RETURNS, turns=(650,), steps=10))
    back, x_0 = run["from 650"], run["forward"].states[0, 0]
    wait_for_text(page, "#u_turn-verdict", f"ᾱ = {run['forward'].alpha_bar[1]:.3f}")
    # The verdict and the film are two parts of the page, and either may be first.
    away = f"{back.facts['rms_to_x0'][0]:.2f} from the picture"
    wait_for_text(page, "[data-panel=u_turn-0] .note", away)
    assert last(page, "u_turn") == "t = −1, the picture, back"
    assert_shows(page, "u_turn-x0", x_0)
    classes = back.facts["final_class"]
    for i in range(RETURNS):
        assert_shows(page, f"u_turn-{i}", back.states[-1, i])
        note = f"reads as a {classes[i]}, {back.facts['rms_to_x0'][i]:.2f} from the picture"
        assert note in page.text_content(f"[data-panel=u_turn-{i}] .note")
    assert scrub(page, "u_turn", SHOWN) == "t = 650, turning"
    assert_shows(page, "u_turn-1", run["forward"].states[1, 1])
    assert scrub(page, "u_turn", 0) == "t = −1, the picture, out"
    assert_shows(page, "u_turn-2", x_0)
    said = scrub(page, "u_turn", 5)
    assert said.endswith(", out")
    t = int(said.split(",")[0].removeprefix("t = "))
    assert_shows(page, "u_turn-2", way_out(run, [t])[0, 2])
    command = scene_command(page, "u_turn")
    assert command == (
        """python render.py scene u_turn --seed 18 --steps 10 --recipe '{"turns":[650]}'"""
    )


def test_a_picture_of_ones_own_is_brought_to_the_models_form(
    open_page: Any, tmp_path: Path
) -> None:
    path = tmp_path / "mine.png"
    steps = np.linspace(0, 255, 28).astype(np.uint8)
    Image.fromarray(np.stack([np.tile(steps, (28, 1))] * 3, axis=-1)).save(path)
    page = open_page(ADDRESS)
    wait_for_text(page, "#u_turn-verdict", "ᾱ")
    page.set_input_files("#u_turn-file", path)
    run = run_experiment(
        UTurnRecipe(image=str(path), seed=18, samples=RETURNS, turns=(650,), steps=10)
    )
    away = run["from 650"].facts["rms_to_x0"][0]
    wait_for_text(page, "[data-panel=u_turn-0] .note", f"{away:.2f} from the picture")
    last(page, "u_turn")
    assert_shows(page, "u_turn-x0", run["forward"].states[0, 0])
    assert_shows(page, "u_turn-0", run["from 650"].states[-1, 0])
