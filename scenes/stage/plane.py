"""A plane of points: where they are likely, an arrow at every place, and crowds that move in it.

What there is hundreds of is one mobject each, whose outline is made anew for
every moment: manim is slow with many mobjects, not with many points.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from manim import VMobject
from numpy.typing import NDArray

from scenes.stage.frames import Frames, Pixels, States
from scenes.stage.layout import px
from scenes.stage.theme import channels
from scenes.stage.tiles import Panel, Tile

Floats = NDArray[np.float64]
GAMMA = 0.7
"""Below 1, so that what is not likely is still seen."""
SQUEEZED = 1.0
"""The length of a vector whose arrow is half as long as there is room."""
CIRCLE = 0.5523
"""How far the handles of a quarter of a circle reach, in radii."""


class Glow(Frames):
    """A density as light: as bright as a place is likely, the likeliest of each moment brightest.

    Parameters
    ----------
    density
        (N, 1, H, W), at least 0, the highest y first.
    background, colour
        Of what is not likely at all, and of the light ("#rrggbb").
    strength
        How much of ``colour`` the likeliest place has, 0 … 1.
    """

    def __init__(
        self, density: States, background: str, colour: str, *, strength: float = 0.6
    ) -> None:
        super().__init__(density)
        self.dark = channels(background)
        self.light = self.dark + strength * (channels(colour) - self.dark)

    def paint(self, index: int, out: Pixels) -> None:
        """Write the picture at ``index`` into ``out`` (H, W, 3)."""
        p = self.states[index, 0].astype(np.float64)
        share = ((p / p.max()) ** GAMMA)[..., None]
        out[:] = np.rint(255 * (self.dark + share * (self.light - self.dark)))


class Plane(Panel):
    """A square of the plane, with its glow.

    Parameters
    ----------
    glow
        What is seen at each moment; its outermost pixels have their middles at ±``reach``.
    cell
        Screen pixels one of its pixels takes at 720p.
    reach
        Half the side, in units of the points.
    colour
        Of its border.
    """

    def __init__(self, glow: Glow, cell: int, reach: float, *, colour: str) -> None:
        super().__init__(Tile(glow, cell), colour=colour)
        side, _ = glow.size
        self.reach, self.unit = reach, px(cell) * (side - 1) / (2 * reach)

    def at(self, points: NDArray[np.floating]) -> Floats:
        """Where points (…, 2) of the plane stand on the stage, (…, 3)."""
        middle: Floats = self.tile.get_center()
        flat = np.asarray(points, np.float64) * self.unit
        return middle + np.concatenate([flat, np.zeros_like(flat[..., :1])], axis=-1)

    def inside(self, points: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which of the points (…, 2) lie in the square."""
        return np.asarray((np.abs(points) <= self.reach).all(axis=-1))


class Moving(VMobject):
    """Something in a plane that is drawn anew for the moment, and stays on it where it goes."""

    def __init__(self, plane: Plane, moments: int, **options: object) -> None:
        super().__init__(**options)
        self.plane, self.moments, self.index = plane, moments, 0
        self.show(0)

    def drawn(self) -> Floats:
        """The outline at this moment, cubic curves (4 n, 3)."""
        raise NotImplementedError

    def show(self, index: float) -> Moving:
        """Show the moment at ``index``, rounded down and kept within what there is."""
        self.index = int(min(max(index + 1e-6, 0), self.moments - 1))
        self.points = self.drawn()
        return self

    def follow(self, index: Callable[[], float]) -> Moving:
        """Show the moment that ``index`` gives, from now on."""
        self.add_updater(lambda moving: moving.show(index()))
        return self


class Arrows(Moving):
    """An arrow at every place of a grid: its direction is exact, its length is squeezed.

    A vector of length ℓ has an arrow of ℓ / (ℓ + 1) of the room that it has, so
    that a longer one is always seen to be longer.  Those that would reach over
    the edge of the plane are left out.

    Parameters
    ----------
    plane
        Where it stands.
    places
        (K, 2), a square grid.
    vectors
        (N, K, 2), one row a moment.
    colour
        Of the arrows.
    """

    DART = np.array([[1.0, 0.0], [0.0, 0.27], [0.2, 0.0], [0.0, -0.27]])
    """An arrow of length 1, without a shaft: tip, corner, notch, corner."""

    def __init__(
        self,
        plane: Plane,
        places: NDArray[np.floating],
        vectors: NDArray[np.floating],
        *,
        colour: str,
    ) -> None:
        every = np.asarray(places, np.float64)
        self.room = 2 * float(np.abs(every).max()) / (round(np.sqrt(len(every))) - 1) * 0.95
        self.seen = (np.abs(every) + self.room / 2 <= plane.reach).all(axis=1)
        self.places, self.vectors = every[self.seen], vectors
        super().__init__(
            plane, len(vectors), color=colour, fill_color=colour, fill_opacity=1, stroke_width=0
        )

    def drawn(self) -> Floats:
        """The arrows at this moment, each about its place."""
        vectors = np.asarray(self.vectors[self.index][self.seen], np.float64)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        along = vectors / np.maximum(lengths, 1e-12) * (lengths / (lengths + SQUEEZED)) * self.room
        across = np.stack([-along[:, 1], along[:, 0]], axis=1)
        dart = self.DART - [0.5, 0.0]
        corners = (
            self.places[:, None]
            + dart[None, :, :1] * along[:, None]
            + dart[None, :, 1:] * across[:, None]
        )
        return _closed(self.plane.at(corners))


class Dots(Moving):
    """A crowd of points; those outside of the plane's square are not drawn.

    Parameters
    ----------
    plane
        Where they move.
    positions
        (N, B, 2), one row a moment.
    colour
        Of the dots.
    radius
        In pixels at 720p.
    """

    def __init__(
        self, plane: Plane, positions: NDArray[np.floating], *, colour: str, radius: float = 3.2
    ) -> None:
        self.positions, self.radius = positions, px(radius)
        turn = np.array([[0.0, -1.0], [1.0, 0.0]])
        quarter = np.array([[1, 0], [1, CIRCLE], [CIRCLE, 1], [0, 1]])
        quarters = [quarter @ np.linalg.matrix_power(turn.T, k) for k in range(4)]
        self.circle = np.pad(np.concatenate(quarters), ((0, 0), (0, 1)))
        super().__init__(
            plane, len(positions), color=colour, fill_color=colour, fill_opacity=1, stroke_width=0
        )

    def drawn(self) -> Floats:
        """A circle at each point."""
        points = self.positions[self.index]
        middles = self.plane.at(points[self.plane.inside(points)])
        circles: Floats = middles[:, None] + self.radius * self.circle
        return circles.reshape(-1, 3)


class Trails(Moving):
    """The ways of a few points up to the moment.

    Parameters
    ----------
    plane
        Where they move.
    positions
        (N, B, 2), of points that stay within the plane.
    colour
        Of the lines.
    width
        Of the lines.
    """

    def __init__(
        self, plane: Plane, positions: NDArray[np.floating], *, colour: str, width: float = 2.5
    ) -> None:
        self.positions = positions
        super().__init__(plane, len(positions), color=colour, stroke_width=width)

    def drawn(self) -> Floats:
        """A line for each point, through where it has been."""
        if self.index == 0:
            return np.zeros((0, 3))
        stops = self.plane.at(self.positions[: self.index + 1])
        return _lines(stops[:-1], stops[1:]).transpose(1, 0, 2, 3).reshape(-1, 3)


def _lines(starts: Floats, stops: Floats) -> Floats:
    """Straight cubic curves (…, 4, 3) between points (…, 3)."""
    steps = np.linspace(0, 1, 4)[:, None]
    return np.asarray(starts[..., None, :] + steps * (stops - starts)[..., None, :])


def _closed(corners: Floats) -> Floats:
    """Closed outlines (4 n, 3) through corners (K, C, 3)."""
    return _lines(corners, np.roll(corners, -1, axis=1)).reshape(-1, 3)
