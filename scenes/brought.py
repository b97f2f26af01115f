"""What a scene is brought: fields of the recipe that it shows, as JSON text.

The explorer writes it of what is on its page; by hand it is a line such as
``{"turns": [640]}``.  Which fields a scene takes is in the table of contents,
what they mean and may be in the docstring of the recipe.
"""

from __future__ import annotations

import json
from typing import Any

from diffusion_core.errors import UsageError

LONGEST = 2_000_000
"""Characters; 20,000 dabs of a brush are a fifth of it."""


def fields_of(text: str) -> dict[str, Any]:
    """Names and values of the fields, lists as tuples; none in an empty text.

    Raises
    ------
    UsageError
        For what is no JSON object, or longer than any recipe.
    """
    if not text.strip():
        return {}
    if len(text) > LONGEST:
        raise UsageError(f"recipe has {len(text):,} characters; at most {LONGEST:,} are read")
    try:
        found = json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f'recipe {text[:40]!r} is no JSON ({error}); write it like {{"turns": [640]}}, or '
            "give the file that the explorer wrote"
        ) from None
    if not isinstance(found, dict):
        raise UsageError(f'recipe {text[:40]!r} must be a JSON object, like {{"turns": [640]}}')
    return {name: _frozen(value) for name, value in found.items()}


def spelt(text: str) -> str:
    """The one spelling of ``text``: names in order, no spaces; "" where nothing is brought."""
    found = fields_of(text)
    return json.dumps(found, sort_keys=True, separators=(",", ":")) if found else ""


def check_taken(scene: str, brought: dict[str, Any], taken: frozenset[str]) -> None:
    """Raise a UsageError for a field that the scene does not take."""
    for name in brought:
        if name not in taken:
            raise UsageError(
                f"{scene!r} cannot be brought {name!r} by --recipe; it takes "
                f"{', '.join(sorted(taken))}"
            )


def _frozen(value: Any) -> Any:
    return tuple(_frozen(one) for one in value) if isinstance(value, list) else value


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")
