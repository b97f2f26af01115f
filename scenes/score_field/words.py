"""What is said of a recording of the field: of the spiral, and of points drawn by hand.

A drawing may be one point or a hundred, in a heap or far apart: what is said
of it is true of every drawing, or read from what was recorded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffusion_core.bundle import Bundle
from scenes.score_field.reading import apart, drawn, errors, gone, landed, length, moment

SHAPED = 450
"""Down to here the spiral's density is hardly more than a cloud."""
EARLY, LATE = 500, 100
"""Times at which the learned field is judged."""
RIGHT, CLOSE = 0.05, 0.2
"""Shares up to which a learned field is right, and close to it."""
SEEN = 0.0095
"""From here on a share is said as whole percent, and shown with two decimals."""
MOST = 0.9
"""The share of particles that must arrive before it is said that noise has become data."""
ALIKE = 0.2
"""Two crowds drawn from one distribution differ by no more (see ``reading.apart``)."""

LAST = "The network knows no picture. From everywhere, it knows the way to one."
ROUGHLY = "The network knows no picture. From everywhere, it knows roughly the way to one."


@dataclass(frozen=True, kw_only=True)
class Words:
    """Sentences, in the order in which they are said, and what belongs to them.

    Parameters
    ----------
    parting
        The index of the state that ``first`` goes up to.
    decimals
        Of the learned field's error on screen: as many as show that it is not nothing.
    """

    data: str
    glow: tuple[str, ...]
    dissolving: str
    uphill: str
    turning: str
    start: str
    step: str
    first: str
    then: str
    arriving: str
    alike: str
    longer: str
    early: str
    late: str
    learned: str
    last: str
    parting: int
    decimals: int


def words_of(found: Bundle) -> Words:
    """What is said of a recording."""
    return of_drawing(found) if len(drawn(found)) else of_spiral(found)


def of_spiral(found: Bundle) -> Words:
    """What is said where the data is the spiral."""
    early, late, decimals = judged(found)
    return Words(
        data="Here the data lies on a spiral.",
        glow=("glow: where", "points are", "likely"),
        dissolving="Add noise, and the spiral dissolves, until nothing of it is left.",
        uphill="It points to where points are likelier.",
        turning="As t falls, they turn, first to the spiral as a whole, then to its nearest arm.",
        start=f"Back to the start, with {count(found)} points of pure noise.",
        step="Each step takes back a little shrinking, and goes a little along the arrow.",
        first="Let go. At first hardly anything moves, for the arrows only hold the cloud "
        "together.",
        then="Then the arrows part, and every point is drawn to the arm that is near.",
        arriving=f"{arrivals(found, 'ode')} arrive where the data is. Noise has become data.",
        alike="From the same noise each point goes another way, and yet both crowds stay alike.",
        longer=f"The jittery way is {longer(found)} times as long, and leads to the same data.",
        early=early,
        late=late,
        learned=f"By the learned arrows, {landed(found, 'ode learned')} of {count(found)} points "
        "arrive where the data is.",
        last=LAST,
        parting=moment(found["ode"], SHAPED),
        decimals=decimals,
    )


def of_drawing(found: Bundle) -> Words:
    """What is said where the data was drawn by hand."""
    points, ode = drawn(found), found["ode"]
    alone = len(np.unique(points, axis=0)) == 1
    half = ode.steps // 2
    early, late, decimals = judged(found)
    many, led = MOST * count(found), landed(found, "sde")
    return Words(
        data=f"Here the data lies around {'one point' if alone else f'{len(points)} points'}, "
        "drawn by hand.",
        glow=("glow: where", "noisy data", "is likely"),
        dissolving="Add noise, and the drawing dissolves, until nothing of it is left.",
        uphill="It points to where noisy data is likelier.",
        turning="As t falls, they find it: from every place, all of them point to the one point "
        "that was drawn."
        if alone
        else "As t falls, they turn: the nearer a drawn point is, the more it counts.",
        start=f"Back to the start, with {count(found)} particles of pure noise.",
        step="Each step takes back some of the shrinking, and goes along the arrow.",
        first=f"Let go. After {half} of {ode.steps} steps, {percent(gone(ode, half))} of the way "
        "is behind them.",
        then="The arrows all lead to the one point, and the particles follow."
        if alone
        else "Then the points that are near decide, and every particle follows its arrows.",
        arriving=f"{arrivals(found, 'ode')} arrive where the data is. "
        + (
            "Noise has become data."
            if landed(found, "ode") >= many
            else f"For the others, {ode.steps} steps were too few."
        ),
        alike="From the same noise each particle goes another way"
        + (", and yet both crowds stay alike." if unlike(found) <= ALIKE else "."),
        longer=f"The jittery way is {longer(found)} times as long, and leads "
        + ("to the same data." if led >= many else f"{led} of {count(found)} to the data."),
        early=early,
        late=late,
        learned=f"By the learned arrows, {landed(found, 'ode learned')} of {count(found)} "
        "particles arrive where the data is.",
        last=LAST if landed(found, "ode learned") >= many else ROUGHLY,
        parting=half,
        decimals=decimals,
    )


def judged(found: Bundle) -> tuple[str, str, int]:
    """Sentences on the learned field, in much noise and near the data; decimals for its error."""
    ode, error = found["ode"], errors(found)
    early, late = (moment(ode, t) for t in (EARLY, LATE))
    how = "right" if error[early] <= RIGHT else "close" if error[early] <= CLOSE else "rough"
    finer = error[late] > error[early]
    said = (
        f"While there is much noise, it is {how}",
        "Near the data the field is finest, and harder to learn"
        if finer
        else "Near the data, it is no worse",
    )
    first, second = (
        f"{words}: at t = {ode.timesteps[index]}, {percent(float(error[index]))} off."
        for words, index in zip(said, (early, late), strict=True)
    )
    return first, second, 2 if min(error[early], error[late]) >= SEEN else 3


def count(found: Bundle) -> int:
    """How many particles go each way."""
    return int(found["ode"].states.shape[1])


def arrivals(found: Bundle, name: str) -> str:
    """How many particles of a run end where the data is, in words."""
    there = landed(found, name)
    return "All of them" if there == count(found) else f"{there} of {count(found)}"


def longer(found: Bundle) -> str:
    """How many times as long as the ODE's way that of the SDE is."""
    ratio = length(found["sde"]) / length(found["ode"])
    return f"{ratio:.0f}" if ratio >= 9.5 else f"{ratio:.1f}"


def unlike(found: Bundle) -> float:
    """How far apart the crowds of the two ways are where they are farthest."""
    ode, sde = found["ode"], found["sde"]
    return max(apart(ode, sde, index) for index in range(ode.steps + 1))


def percent(share: float) -> str:
    """A share as it is said; what is not nothing is never said to be nothing."""
    if share >= SEEN:
        return f"{100 * share:.0f} %"
    return f"{100 * share:.1f} %" if share >= 0.0005 else "less than 0.1 %"


def aloud(sentence: str) -> str:
    """The sentence as it is said."""
    return sentence.replace("t =", "t equals").replace("%", "percent")
