"""Merged look-ups: one at a time, never older than the question, none lost to a failure."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from app.platform.merged import Merged


class Slow:
    """A look-up that waits to be let go, and counts how many run at once."""

    def __init__(self) -> None:
        """Hold everybody until told to go."""
        self.asked: list[tuple[str, ...]] = []
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.running = 0
        self.fact = 0

    async def look_up(self, subjects: Sequence[str]) -> Mapping[str, int]:
        """Tell the fact of when it began about every subject but one."""
        self.running += 1
        assert self.running == 1
        self.asked.append(tuple(subjects))
        self.begun.set()
        fact = self.fact
        await self.go.wait()
        self.running -= 1
        if "poison" in subjects:
            raise OSError("away")
        return {subject: fact for subject in subjects if subject != "unknown"}


async def test_who_asks_meanwhile_is_part_of_the_next_look_up_and_hears_newer_facts() -> None:
    slow = Slow()
    merged = Merged(slow.look_up)
    first = merged.ask("a")
    await slow.begun.wait()
    slow.fact = 1
    others = [merged.ask(subject) for subject in ("a", "b", "unknown", "b")]
    slow.go.set()
    assert await first == 0
    assert await asyncio.gather(*others) == [1, 1, None, 1]
    assert slow.asked == [("a",), ("a", "b", "unknown")]


async def test_those_who_come_at_once_are_asked_together() -> None:
    slow = Slow()
    slow.go.set()
    merged = Merged(slow.look_up)

    async def ask(subject: str) -> int | None:
        return await merged.ask(subject)

    await asyncio.gather(ask("a"), ask("b"), ask("c"))
    assert slow.asked == [("a", "b", "c")]


async def test_a_failed_look_up_fails_its_own_round_alone() -> None:
    slow = Slow()
    slow.go.set()
    merged = Merged(slow.look_up)
    together = [merged.ask("poison"), merged.ask("a")]
    for answer in together:
        with pytest.raises(OSError, match="away"):
            await answer
    slow.running = 0
    assert await merged.ask("a") == 0


async def test_a_failure_that_nobody_awaits_is_dropped_in_silence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    slow = Slow()
    slow.go.set()
    merged = Merged(slow.look_up)
    merged.ask("poison")
    await merged.settled()
    assert [record.getMessage() for record in caplog.records] == []


async def test_one_who_gives_up_takes_nobody_with_him() -> None:
    slow = Slow()
    merged = Merged(slow.look_up)

    async def ask() -> int | None:
        return await merged.ask("a")

    impatient, patient = asyncio.create_task(ask()), asyncio.create_task(ask())
    await slow.begun.wait()
    impatient.cancel()
    slow.go.set()
    assert await patient == 0
    await merged.settled()


@pytest.mark.parametrize("subject", ["a", "poison"])
async def test_a_cancelled_answer_does_not_stop_the_look_ups(subject: str) -> None:
    slow = Slow()
    merged = Merged(slow.look_up)
    merged.ask(subject).cancel()
    slow.go.set()
    await merged.settled()
    slow.running = 0
    assert await merged.ask("b") == 0
