"""What every recipe asks of its fields: names, ranges, whole numbers."""

from __future__ import annotations

import operator

from diffusion_core.errors import UsageError

SEED_LIMIT = 2**32
VP_SCHEDULES = ("linear", "scaled_linear", "cosine", "sigmoid")
"""Those that preserve variance: x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε."""
SCHEDULES = (*VP_SCHEDULES, "karras")
SAMPLERS = ("ddim", "ddpm", "euler", "heun", "dpmpp")
SPACINGS = ("trailing", "leading", "linspace", "karras")
OWN = "own"
"""The schedule that a pretrained model brings with it, and the spacing of its scheduler."""
LATER = {"later": True}
"""The metadata of a field that came after recordings had been filed: where it is
left as usual, the fingerprint is what it was without it."""


def check_seed(seed: int) -> int:
    """Return ``seed`` if every generator used here takes it.

    Raises
    ------
    UsageError
        Outside 0 … 2³² − 1: torch takes more, NumPy does not, and a seed
        means one thing throughout.
    """
    return check_whole("seed", seed, 0, SEED_LIMIT - 1)


def check_name(what: str, name: str, known: tuple[str, ...]) -> str:
    """Return ``name`` if it is one of ``known``; otherwise raise a UsageError."""
    if name not in known:
        raise UsageError(f"{what} {name!r} is unknown; choose one of: {', '.join(known)}")
    return name


def check_range(what: str, value: float, low: float, high: float) -> None:
    """Raise a UsageError unless low ≤ value ≤ high (NaN lies in no range)."""
    if not low <= value <= high:
        raise UsageError(f"{what} = {value} is outside {low} … {high}")


def check_whole(what: str, value: int, low: int, high: int) -> int:
    """Return ``value`` as an int if it is whole and low ≤ value ≤ high.

    Raises
    ------
    UsageError
        Otherwise; 50.0 is not whole, since it would be filed under another name.
    """
    check_range(what, value, low, high)
    try:
        return operator.index(value)
    except TypeError:
        raise UsageError(f"{what} = {value} must be a whole number, {low} … {high}") from None


def check_schedule(name: str, T: int, zero_terminal_snr: bool = False) -> int:
    """Return T if there is a schedule called ``name`` with so many levels.

    Raises
    ------
    UsageError
        For an unknown name, a T outside 10 … 100,000, or zero terminal SNR
        asked of a schedule that does not preserve variance.
    """
    check_name("schedule", name, SCHEDULES)
    if zero_terminal_snr and name not in VP_SCHEDULES:
        raise UsageError(
            f"schedule {name!r} always keeps its signal; zero terminal SNR is for "
            f"{', '.join(VP_SCHEDULES)}"
        )
    return check_whole("T", T, 10, 100_000)


def settle(recipe: object, **values: object) -> None:
    """Give fields of a frozen recipe the one spelling that its fingerprint is taken of."""
    for name, value in values.items():
        object.__setattr__(recipe, name, value)


def seeds_from(seed: int, count: int) -> tuple[int, ...]:
    """``count`` seeds from ``seed`` on, round the end of the range."""
    return tuple((seed + i) % SEED_LIMIT for i in range(count))
