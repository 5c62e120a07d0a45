"""Whom the benchmarks are about: phone numbers, valid ones, scattered over a range.

libphonenumber takes another way for numbers that are not valid, so the ranges for fiction would
measure the wrong thing, and they are too few. These are made up, stay on this machine, and nobody
is ever called.
"""

_FIRST = 730_000_000
_RANGE = 60_000_000
_STEP = 37_199_231
"""Has no divisor in common with the range, so that each index has a number of its own."""

STRANGERS = 3
"""Of whom is asked, so many are not suppressed for each one that is."""


def national(index: int) -> str:
    """Give a person's number without its leading zero: nine digits, one per index."""
    return str(_FIRST + index * _STEP % _RANGE)


def written(index: int) -> str:
    """Write a person's number as a call centre does."""
    digits = f"0{national(index)}"
    return " ".join(digits[at : at + 2] for at in range(0, 10, 2))
