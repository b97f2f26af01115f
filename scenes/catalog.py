"""The table of contents: scenes and lectures, what they teach and need; no manim at import."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from diffusion_core.errors import UsageError
from scenes import recipes
from scenes.entries import SceneEntry
from scenes.options import (
    ALL_OPTIONS,
    FORWARD_OPTIONS,
    LOOK,
    OWN,
    PROMPT_OPTIONS,
    REVERSE_OPTIONS,
    RULES_OPTIONS,
    SceneOptions,
)

__all__ = ["LECTURES", "SCENES", "LectureEntry", "SceneEntry", "lecture_entry", "scene_entry"]

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class LectureEntry:
    """Scenes in the order in which a lecture shows them."""

    name: str
    title: str
    teaches: str
    scenes: tuple[str, ...]

    @property
    def accepts(self) -> frozenset[str]:
        """Options that change at least one of its scenes; a recipe is brought to one alone."""
        return frozenset().union(*(scene_entry(name).accepts for name in self.scenes)) - OWN

    def accepted(self, options: SceneOptions) -> frozenset[str]:
        """The same with the model that was chosen."""
        return (
            frozenset().union(*(scene_entry(name).accepted(options) for name in self.scenes)) - OWN
        )


CARDS = [
    SceneEntry(
        name=f"{lecture}_{card}",
        title=title,
        teaches="what its lecture asks" if card == "opening" else "what is left of its lecture",
        place=f"scenes.cards:{lecture.title()}{card.title()}",
        accepts=accepts,
        recipes=runs,
        card=True,
        pretrained=lecture == "introduction",
    )
    for lecture, card, title, accepts, runs in (
        ("introduction", "opening", "From picture to noise, and back", ALL_OPTIONS, recipes.both),
        ("introduction", "closing", "What to remember", ALL_OPTIONS, recipes.both),
        ("sampling", "opening", "From noise to a picture", PROMPT_OPTIONS, recipes.reverse_asked),
        ("sampling", "closing", "What to remember", RULES_OPTIONS, recipes.ddpm_and_ddim),
        ("guidance", "opening", "Words and noise", PROMPT_OPTIONS, recipes.prompted),
        ("guidance", "closing", "What to remember", PROMPT_OPTIONS, recipes.prompted),
        ("course", "opening", "Diffusion models", ALL_OPTIONS, recipes.course),
        ("course", "closing", "What to remember", ALL_OPTIONS, recipes.course),
    )
]

SCENES = {
    entry.name: entry
    for entry in (
        SceneEntry(
            name="forward_process",
            title="Forward process",
            teaches="how a picture becomes noise, and when signal and noise weigh the same",
            place="scenes.forward_process:ForwardProcess",
            accepts=FORWARD_OPTIONS | OWN,
            recipes=recipes.forward,
            loop=(4, 6),
            brings=frozenset({"size", "noise"}),
        ),
        SceneEntry(
            name="reverse_process",
            title="Reverse process",
            teaches="how a network turns noise into a picture, one small step at a time",
            place="scenes.reverse_process:ReverseProcess",
            accepts=PROMPT_OPTIONS,
            recipes=recipes.reverse_asked,
            loop=(6, 6),
            pretrained=True,
        ),
        SceneEntry(
            name="noise_schedules",
            title="Noise schedules",
            teaches="what sets the pace at which a picture becomes noise",
            place="scenes.noise_schedules:NoiseSchedules",
            accepts=LOOK | {"seed", "image"},
            recipes=recipes.schedules,
            loop=(4, 5),
        ),
        SceneEntry(
            name="one_jump",
            title="One jump",
            teaches="why a picture can be made as noisy as any t in a single step",
            place="scenes.one_jump:OneJump",
            accepts=FORWARD_OPTIONS,
            recipes=recipes.routes,
            loop=(6, 8),
        ),
        SceneEntry(
            name="predicted_noise",
            title="Predicted noise",
            teaches="what the network answers, and how its guess of the picture sharpens",
            place="scenes.predicted_noise:PredictedNoise",
            accepts=REVERSE_OPTIONS,
            recipes=recipes.reverse_wanted,
            loop=(11, 13),
            pretrained=True,
            asked=True,
        ),
        SceneEntry(
            name="inside_the_unet",
            title="Inside the U-Net",
            teaches="what the depths of the network do, what goes straight across, and the words",
            place="scenes.inside_the_unet:InsideTheUnet",
            accepts=REVERSE_OPTIONS | {"prompt"},
            recipes=recipes.inside,
            loop=(13, 15),
        ),
        SceneEntry(
            name="ddpm_and_ddim",
            title="DDPM and DDIM",
            teaches="what the starting noise decides, and what the noise on the way does",
            place="scenes.ddpm_and_ddim:DdpmAndDdim",
            accepts=RULES_OPTIONS,
            recipes=recipes.ddpm_and_ddim,
            loop=(7, 10),
            pretrained=True,
            asked=True,
        ),
        SceneEntry(
            name="guidance",
            title="Guidance",
            teaches="how a prompt steers the noise, and what too much of it does",
            place="scenes.guidance:Guidance",
            accepts=PROMPT_OPTIONS,
            recipes=recipes.guidance,
            loop=(9, 10),
            pretrained=True,
            pretrained_loop=(7, 8),
        ),
        SceneEntry(
            name="u_turn",
            title="The U-turn",
            teaches="how much of a picture survives noise, and when another one comes back",
            place="scenes.u_turn:UTurn",
            accepts=REVERSE_OPTIONS | OWN,
            recipes=recipes.u_turn,
            loop=(2, 3),
            pretrained=True,
            asked=True,
            brings=frozenset({"turns", "image"}),
        ),
        SceneEntry(
            name="similar_noise",
            title="Similar noise",
            teaches="that a deterministic sampler turns similar noise into similar pictures",
            place="scenes.similar_noise:SimilarNoise",
            accepts=REVERSE_OPTIONS | OWN,
            recipes=recipes.similar_noise,
            loop=(4, 5),
            pretrained=True,
            asked=True,
            brings=frozenset({"patch", "further"}),
        ),
        SceneEntry(
            name="sampler_race",
            title="The sampler race",
            teaches="what a better rule makes of the same network and as many questions",
            place="scenes.sampler_race:SamplerRace",
            accepts=LOOK | {"seed", "model", "schedule", "prompt", "guidance"},
            recipes=recipes.sampler_race,
            loop=(6, 7),
        ),
        SceneEntry(
            name="score_field",
            title="The score field",
            teaches="that the score points from everywhere to the data, and noise follows it there",
            place="scenes.score_field.scene:ScoreField",
            accepts=LOOK | OWN | {"seed", "schedule"},
            recipes=recipes.score_field,
            loop=(9, 10),
            brings=frozenset({"drawn", "std", "steps"}),
        ),
        SceneEntry(
            name="noise_brush",
            title="The noise brush",
            teaches="what the network paints where only a part of a picture is noise",
            place="scenes.noise_brush.scene:NoiseBrush",
            accepts=PROMPT_OPTIONS | OWN,
            recipes=recipes.noise_brush,
            loop=(8, 8),
            brings=frozenset({"dabs", "radius", "strength", "t", "outside", "image"}),
        ),
        SceneEntry(
            name="training",
            title="Training",
            teaches="what a network learns while its loss falls, and after it looks flat",
            place="scenes.training:Training",
            accepts=LOOK | {"model"},
            recipes=recipes.training,
            loop=(6, 10),
        ),
        SceneEntry(
            name="text_to_image",
            title="Text to image",
            teaches="how words become numbers that steer the noise, and when they decide",
            place="scenes.text_to_image:TextToImage",
            accepts=PROMPT_OPTIONS,
            recipes=recipes.text_to_image,
            loop=(13, 15),
            pretrained=True,
            pretrained_loop=(10, 12),
        ),
        SceneEntry(
            name="deliberate_mistakes",
            title="Deliberate mistakes",
            teaches="what each ingredient is for, by what goes wrong without it",
            place="scenes.deliberate_mistakes:DeliberateMistakes",
            accepts=LOOK | {"seed", "model", "sampler", "steps"},
            recipes=recipes.deliberate_mistakes,
            loop=(3, 5),
        ),
        SceneEntry(
            name="latent_diffusion",
            title="Latent diffusion",
            teaches="why the noise moves into a small grid of numbers, and a decoder draws",
            place="scenes.latent_diffusion:LatentDiffusion",
            accepts=REVERSE_OPTIONS,
            recipes=recipes.latent,
            loop=(10, 11),
            pretrained=True,
            pretrained_loop=(8, 9),
            asked=True,
        ),
        *CARDS,
    )
}

LECTURES = {
    entry.name: entry
    for entry in (
        LectureEntry(
            name="introduction",
            title="Diffusion: from picture to noise, and back",
            teaches="what a diffusion model does, in under two minutes",
            scenes=(
                "introduction_opening",
                "forward_process",
                "reverse_process",
                "introduction_closing",
            ),
        ),
        LectureEntry(
            name="sampling",
            title="Sampling: from noise to a picture",
            teaches="what the network says, how samplers use it, and what the noise decides",
            scenes=(
                "sampling_opening",
                "predicted_noise",
                "reverse_process",
                "ddpm_and_ddim",
                "score_field",
                "sampler_race",
                "similar_noise",
                "u_turn",
                "noise_brush",
                "sampling_closing",
            ),
        ),
        LectureEntry(
            name="guidance_and_text",
            title="Guidance and text: how words reach a picture",
            teaches="how words become numbers, steer the noise, and what more of them does",
            scenes=(
                "guidance_opening",
                "reverse_process",
                "inside_the_unet",
                "text_to_image",
                "guidance",
                "latent_diffusion",
                "guidance_closing",
            ),
        ),
        LectureEntry(
            name="diffusion_models",
            title="Diffusion models",
            teaches="the whole course: the noise, the network, the steps and the words",
            scenes=(
                "course_opening",
                "forward_process",
                "noise_schedules",
                "one_jump",
                "training",
                "inside_the_unet",
                "predicted_noise",
                "reverse_process",
                "ddpm_and_ddim",
                "score_field",
                "sampler_race",
                "similar_noise",
                "u_turn",
                "noise_brush",
                "text_to_image",
                "guidance",
                "latent_diffusion",
                "deliberate_mistakes",
                "course_closing",
            ),
        ),
    )
}


def _find(what: str, name: str, entries: Mapping[str, Entry]) -> Entry:
    if name in entries:
        return entries[name]
    shown = [key for key, entry in entries.items() if not getattr(entry, "card", False)]
    near = difflib.get_close_matches(name, shown, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(shown)}"
    raise UsageError(f"{what} {name!r} is unknown; {hint}")


def scene_entry(name: str) -> SceneEntry:
    """The scene called ``name``; a UsageError with the nearest name otherwise."""
    return _find("scene", name, SCENES)


def lecture_entry(name: str) -> LectureEntry:
    """The lecture called ``name``; a UsageError with the nearest name otherwise."""
    return _find("lecture", name, LECTURES)
