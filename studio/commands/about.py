"""``list`` and ``doctor``: what there is, and what is missing."""

from __future__ import annotations

import cloup

from diffusion_core.errors import MissingRequirement
from scenes.catalog import LECTURES, SCENES
from studio.commands.options import JSON
from studio.commands.reporting import report


@cloup.command("list")
@JSON
def list_command(as_json: bool) -> None:
    """Scenes and lectures, and what each can be asked for."""
    scenes = [entry for entry in SCENES.values() if not entry.card]
    facts = {
        kind: [
            {
                "name": entry.name,
                "title": entry.title,
                "teaches": entry.teaches,
                "options": sorted(entry.accepts),
            }
            for entry in entries
        ]
        for kind, entries in (("scenes", scenes), ("lectures", list(LECTURES.values())))
    }
    lines = []
    for kind, entries in facts.items():
        lines.append(f"{kind.capitalize()}:")
        for entry in entries:
            lines.append(f"  {entry['name']:<18} {entry['teaches']}")
            lines.append(f"  {'':<18} --" + " --".join(entry["options"]))
    report(facts, as_json, *lines)


@cloup.command("doctor")
@JSON
def doctor_command(as_json: bool) -> None:
    """What is installed, what is missing, and how to get it."""
    from studio.doctor import examine

    findings = examine()
    missing = [finding for finding in findings if finding.required and not finding.ok]
    lines = []
    for finding in findings:
        mark = "ok" if finding.ok else ("MISSING" if finding.required else "absent")
        lines.append(f"{mark:<8} {finding.name:<16} {finding.detail}")
        if not finding.ok and finding.remedy:
            lines.append(f"{'':<8} {'':<16} → {finding.remedy}")
    facts = {
        finding.name: {
            "ok": finding.ok,
            "required": finding.required,
            "detail": finding.detail,
            "remedy": finding.remedy,
        }
        for finding in findings
    }
    report(facts, as_json, *lines)
    if missing:
        names = ", ".join(finding.name for finding in missing)
        raise MissingRequirement(f"missing: {names}; see above how to get it")
