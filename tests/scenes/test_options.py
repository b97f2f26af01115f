"""What a scene can be asked for: prompts, guidance scales, and the names of what comes of it."""

from __future__ import annotations

import pytest

from diffusion_core.errors import UsageError
from scenes.options import USUAL_GUIDANCE, SceneOptions
from studio.production import Order
from studio.quality import QUALITIES


def test_the_scale_is_the_chosen_one_or_what_the_prompt_makes_usual() -> None:
    assert SceneOptions().scale() == 1
    assert SceneOptions().scale("a seven") == USUAL_GUIDANCE
    assert SceneOptions(prompt="a seven").scale() == USUAL_GUIDANCE
    assert SceneOptions(prompt="a seven", guidance=5).scale() == 5
    assert SceneOptions(prompt="a seven", guidance=0).scale() == 0


@pytest.mark.parametrize("guidance", [-0.5, 100.5, float("nan")])
def test_a_scale_out_of_range_is_refused(guidance: float) -> None:
    with pytest.raises(UsageError, match=r"guidance = .* is outside 0 … 100"):
        SceneOptions(guidance=guidance)


def test_files_of_two_prompts_never_share_a_name() -> None:
    prompts = ("a bold seven", "a-bold seven", "A bold seven", "a/bold/seven", "七", "八", "x" * 50)
    stems = [
        Order("guidance", SceneOptions(prompt=prompt), QUALITIES["medium"], "silent", None).stem
        for prompt in prompts
    ]
    assert stems[0] == "guidance-seed0-prompt-a-bold-seven-silent"
    assert len(set(stems)) == len(stems)
    for stem in stems:
        assert stem.isascii()
        assert stem.replace("-", "").isalnum()
        assert len(stem) < 100
