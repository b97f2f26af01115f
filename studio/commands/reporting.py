"""What a command says: progress on stderr, its result on stdout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click


@contextmanager
def display(parts: dict[str, list[str]], *, quiet: bool) -> Iterator[Any]:
    """The progress display on stderr, told which parts each stage will have."""
    from rich.console import Console

    from studio.display import Display
    from studio.progress import Stage

    with Display(Console(stderr=True), quiet=quiet) as shown:
        for stage, names in parts.items():
            shown.expect(Stage(stage), names)
        yield shown


def report(facts: dict[str, Any], as_json: bool, *lines: str) -> None:
    """The result on stdout: all of it as JSON, or what a person wants to know."""
    if as_json:
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        for line in lines:
            click.echo(line)
