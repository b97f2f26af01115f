"""Letters and formulas: the same however often they are set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from manim import tempconfig

from scenes.stage.lettering import Lettering
from scenes.stage.theme import DARK
from studio.performance import settings
from studio.quality import QUALITIES


@pytest.mark.parametrize("size", [28, 46])
def test_a_formula_that_is_set_again_is_the_same(size: float, tmp_path: Path) -> None:
    """Its rules and bars, too: they are strokes, and have a width."""
    with tempconfig(settings(QUALITIES["draft"], tmp_path, dry=True)):
        letters = Lettering(DARK)
        source = f"sqrt(1 - macron(alpha)_{size})"
        first, *others = (letters.maths(source, size=size) for _ in range(3))
        for other in others:
            pairs = list(zip(first, other, strict=True))
            assert any(one.stroke_width for one, _ in pairs)
            for one, same in pairs:
                np.testing.assert_array_equal(one.points, same.points)
                assert one.stroke_width == same.stroke_width
