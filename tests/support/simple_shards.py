"""Shards of something simple, which worker processes find by its name."""

import time


def cubed(number: int) -> int:
    """The later of the first five are done first."""
    time.sleep(0.02 * max(0, 5 - number))
    if number == 99:
        raise LookupError("99 is no good")
    return number**3
