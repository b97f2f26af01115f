"""The states of a run as the tab "Reverse" shows them."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_core.grids import to_pixels
from diffusion_core.onlookers import Look
from diffusion_core.trajectory import Trajectory
from explorer.showing import Pixels, facts, figure, mosaic_of, row

CELL, NARROW, SMALL_CELL, COLUMNS = 10, 4, 3, 8
"""Screen pixels that a pixel takes: alone, on a phone, among many; samples in a row."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One state of a run as it is shown.

    Parameters
    ----------
    index, total
        Which state it is, 0 for x_T, and the number of steps.
    t
        Its time.
    nfe
        Network evaluations until it was reached.
    x_t
        The samples, (B, C, H, W) levels.
    x0_hat, eps_hat
        What the network said last, (B, C, H, W) levels; at x_T what it says of it.
    """

    index: int
    total: int
    t: int
    nfe: int
    x_t: Pixels
    x0_hat: Pixels
    eps_hat: Pixels


def frame_of_look(look: Look) -> Frame:
    """The state that a step arrives at, with the judgement that led there."""
    return Frame(
        look.done,
        look.total,
        look.s,
        look.nfe,
        to_pixels(look.x_s),
        to_pixels(look.x0_hat),
        to_pixels(look.eps_hat),
    )


def frame_of(run: Trajectory, nfe: list[int], index: int) -> Frame:
    """The same of a recording; at x_T, before any step, the first judgement."""
    assert run.x0_hat is not None
    assert run.eps_hat is not None
    said = max(0, index - 1)
    return Frame(
        index,
        run.steps,
        int(run.timesteps[index]),
        nfe[index],
        to_pixels(run.states[index]),
        to_pixels(run.x0_hat[said]),
        to_pixels(run.eps_hat[said]),
    )


def drawn(frame: Frame) -> str:
    """A frame as HTML."""
    when = f"t = {frame.t}" if frame.t >= 0 else "the end"
    shown = row(
        *(
            figure(
                levels_of(levels[0]),
                label,
                name=f"reverse-{name}",
                says=says,
                colour=colour,
                cell=CELL,
                narrow=NARROW,
            )
            for name, levels, label, says, colour in (
                (
                    "x_t",
                    frame.x_t,
                    "x<sub>t</sub>, the state",
                    f"The first sample at {when}",
                    "text",
                ),
                ("eps_hat", frame.eps_hat, "ε̂, the noise seen", "The noise it sees", "noise"),
                (
                    "x0_hat",
                    frame.x0_hat,
                    "x̂<sub>0</sub>, the guess",
                    "The network's best guess",
                    "prediction",
                ),
            )
        )
    )
    numbers = facts(
        {
            "step": f"{frame.index} of {frame.total}",
            "t": str(frame.t) if frame.t >= 0 else "finished",
            "NFE": str(frame.nfe),
        },
        name="reverse-facts",
    )
    if len(frame.x_t) == 1:
        return numbers + shown
    count = len(frame.x_t)
    many = figure(
        mosaic_of(frame.x_t, COLUMNS),
        f"x<sub>t</sub> of all {count} samples",
        name="reverse-samples",
        says=f"{count} samples at {when}",
        cell=SMALL_CELL,
        narrow=1,
    )
    return numbers + shown + many


def levels_of(levels: Pixels) -> Pixels:
    """(C, H, W) levels as a picture."""
    return levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0)
