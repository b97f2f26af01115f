"""What the table of contents says of a scene; no manim at import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from diffusion_core.errors import UsageError
from diffusion_core.pretrained.names import is_pretrained
from scenes.brought import check_taken, fields_of
from scenes.options import ASKING, SceneOptions
from scenes.recipes import Recipes


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneEntry:
    """One scene.

    Parameters
    ----------
    name
        What it is asked for by.
    title, teaches
        Its heading, and what it teaches in a phrase.
    place
        Module and class: "scenes.forward_process:ForwardProcess".
    accepts
        Names of the options that change it.
    recipes
        From options to the runs that it shows, by the names it knows them by.
    loop
        First and last beat, counted from 1, of the stretch that shows it best.
    card
        Whether it is only a part of a lecture.
    pretrained
        Whether it makes sense with a pretrained model.
    asked
        Whether it takes a prompt and a guidance scale as well, with a pretrained model.
    pretrained_loop
        As ``loop``, where a pretrained model leaves out beats before it.
    brings
        Fields of its recipe that it can be brought (``scenes.brought``), where it
        accepts "recipe".
    """

    name: str
    title: str
    teaches: str
    place: str
    accepts: frozenset[str]
    recipes: Callable[[SceneOptions], Recipes]
    loop: tuple[int, int] = (1, 1)
    card: bool = False
    pretrained: bool = False
    asked: bool = False
    pretrained_loop: tuple[int, int] | None = None
    brings: frozenset[str] = frozenset()

    def loop_of(self, options: SceneOptions) -> tuple[int, int]:
        """The stretch that shows it best, with the model that was chosen."""
        brought = "model" in self.accepts and is_pretrained(options.model)
        return self.pretrained_loop or self.loop if brought else self.loop

    def accepted(self, options: SceneOptions) -> frozenset[str]:
        """Names of the options that change it, with the model that was chosen."""
        if "model" not in self.accepts or not is_pretrained(options.model):
            return self.accepts
        # It brings a schedule of its own; a picture that dissolves is not the model's.
        own = {"recipe"} | (set() if "image" in self.accepts else {"schedule"})
        return (self.accepts - own) | (ASKING if self.asked else frozenset())

    def taken(self, options: SceneOptions) -> SceneOptions:
        """The options as this scene takes them; what it has no use for is as usual."""
        return SceneOptions(**{name: getattr(options, name) for name in self.accepted(options)})

    def runs(self, options: SceneOptions) -> Recipes:
        """What is run for this scene when it, or a lecture with it, is asked for so.

        Raises
        ------
        UsageError
            For a pretrained model, where the scene has no use for one, and for
            what it cannot be brought.
        """
        if "model" in self.accepts and not self.pretrained and is_pretrained(options.model):
            from scenes.catalog import SCENES

            able = (entry.name for entry in SCENES.values() if entry.pretrained and not entry.card)
            raise UsageError(
                f"{self.name!r} has no use for the pretrained model {options.model!r}; it is for "
                f"models trained here. Scenes for pretrained ones: {', '.join(able)}"
            )
        taken = self.taken(options)
        brought = fields_of(taken.recipe)
        check_taken(self.name, brought, self.brings)
        try:
            return self.recipes(taken)
        except (TypeError, ValueError) as error:
            if not brought:
                raise
            # Text of somebody's own: a list where a number belongs, and the like.
            raise UsageError(
                f"recipe {taken.recipe[:80]!r} has a value of the wrong kind ({error}); "
                "docs/explorer.md says what each field takes"
            ) from error
