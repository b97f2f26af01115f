"""Digits in words."""

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def a(digit: int) -> str:
    """The digit's name with its article: "a four", "an eight"."""
    return f"{'an' if DIGITS[digit] == 'eight' else 'a'} {DIGITS[digit]}"
