"""Steps worked on ahead come in their order, few at a time, and none goes on alone."""

import asyncio
from collections.abc import AsyncIterator, Coroutine

import pytest

from app.scrubbing.ordered import in_order

Step = Coroutine[None, None, int]


class Steps:
    """Steps that end when they are told to; ``begun`` are those that were started."""

    def __init__(self, number: int, *, fails: int | None = None) -> None:
        """Take how many there are, and at which of them reading fails."""
        self.begun: list[int] = []
        self.cancelled: list[int] = []
        self.gates = [asyncio.Event() for _ in range(number)]
        self._fails = fails

    async def given(self) -> AsyncIterator[Step]:
        """Give them one after the other."""
        for number in range(len(self.gates)):
            if number == self._fails:
                raise ValueError("no more can be read")
            yield self._do(number)

    async def _do(self, number: int) -> int:
        self.begun.append(number)
        try:
            await self.gates[number].wait()
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        return number

    def end(self, *numbers: int) -> None:
        """Let some of them end."""
        for number in numbers:
            self.gates[number].set()


async def settle() -> None:
    """Let everything that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_is_ready_comes_together_in_order_and_no_more_is_begun_than_may_be() -> None:
    steps = Steps(7)
    taking = in_order(steps.given(), ahead=3, together=2)
    first = asyncio.ensure_future(anext(taking))
    await settle()
    assert steps.begun == [0, 1, 2, 3], "one is waited for, three are ahead"
    steps.end(1, 2, 3)
    await settle()
    assert not first.done(), "the first is not ready"
    steps.end(0)
    assert await first == [0, 1]
    await settle()
    # Whoever took those is busy: the next ones are begun meanwhile.
    assert steps.begun == [0, 1, 2, 3, 4, 5]
    steps.end(4, 5, 6)
    assert [some async for some in taking] == [[2, 3], [4, 5], [6]]


async def test_a_step_that_fails_ends_the_others() -> None:
    steps = Steps(3)

    async def given() -> AsyncIterator[Step]:
        async for step in steps.given():
            yield step
        yield failing()

    async def failing() -> int:
        raise ValueError("this one cannot be done")

    taking = in_order(given(), ahead=5)
    steps.end(0, 1)
    assert [await anext(taking), await anext(taking)] == [[0], [1]]
    steps.end(2)
    assert await anext(taking) == [2]
    with pytest.raises(ValueError, match="cannot be done"):
        await anext(taking)


async def test_what_was_read_is_given_before_the_reading_fails() -> None:
    steps = Steps(5, fails=2)
    steps.end(0, 1)
    taking = in_order(steps.given(), ahead=5)
    assert [await anext(taking), await anext(taking)] == [[0], [1]]
    with pytest.raises(ValueError, match="no more can be read"):
        await anext(taking)


async def test_whoever_stops_taking_stops_every_step() -> None:
    steps = Steps(5)
    taking = in_order(steps.given(), ahead=2)
    first = asyncio.ensure_future(anext(taking))
    await settle()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await settle()
    assert steps.begun == steps.cancelled == [0, 1, 2]
