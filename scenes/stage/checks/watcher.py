"""Looks at a scene while it is played, and says in the end what it has found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scenes.cues import Cue
from scenes.stage.checks.findings import Finding
from scenes.stage.checks.pace import Span, beat_at, pace
from scenes.stage.checks.picture import broken
from scenes.stage.checks.things import Stage

if TYPE_CHECKING:
    from scenes.stage.lecture_scene import LectureScene


class Watcher:
    """Watches one scene from its first animation to its end.

    Parameters
    ----------
    scene
        Its name in the catalogue.
    """

    def __init__(self, scene: str) -> None:
        self.scene = scene
        self._seen: dict[tuple[str, ...], Finding] = {}
        self._moves: list[Span] = []

    def look(self, scene: LectureScene, start: float) -> None:
        """Look at ``scene`` as it is after what began at ``start`` seconds."""
        if not scene.is_current_animation_frozen_frame():
            self._moves.append((start, scene.now))
        beat = beat_at(scene.cues, start)
        for found in broken(Stage.of(scene.mobjects), scene.theme.background):
            # What is wrong once stays wrong until it goes, and is told once.
            finding = self._finding(scene.cues, beat, found.rule, found.what)
            self._seen.setdefault(found.key, finding)

    def rested(self, scene: LectureScene) -> None:
        """A beat of ``scene`` is over, and it stands still."""

    def findings(self, cues: Sequence[Cue], seconds: float) -> tuple[Finding, ...]:
        """All that was found in a scene that said ``cues`` and took so many seconds."""
        found = list(self._seen.values())
        for beat, what in pace(cues, self._moves, seconds):
            found.append(self._finding(cues, beat, "pace", what))
        return tuple(sorted(found, key=lambda finding: finding.beat))

    def _finding(self, cues: Sequence[Cue], beat: int, rule: str, what: str) -> Finding:
        said = cues[beat - 1].sentence.caption if beat else ""
        return Finding(self.scene, beat, said, rule, what)
