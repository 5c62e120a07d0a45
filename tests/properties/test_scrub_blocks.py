"""What is done to many rows of a scrub at once is what would be done to each by itself."""

import io
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.files import Batch, Storage, column_of, read_batches, read_layout
from app.journal import Kind
from app.scrubbing import duplicates
from app.scrubbing.answers import ALLOW, BLANK, BLOCK, DUPLICATE, UNUSABLE, Answers, Block, Changes
from app.scrubbing.campaigns import Campaign, blank_rows
from app.scrubbing.roll import Roll
from app.scrubbing.writing import write_rows

EPOCH, MILLENNIUM = datetime(1970, 1, 1, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

words = st.sampled_from([1, 2, 3, 2**63, 2**64 - 1])
digests = st.tuples(words, words).map(lambda two: np.array(two, np.uint64).tobytes())
"""Of which many begin alike, as no two of a million do."""
rows = st.lists(digests | st.just(bytes(16)), max_size=30)
times = st.integers(-(10**15), 10**15)


def block_of(*under_keys: Sequence[bytes], blank: Sequence[int] = ()) -> Block:
    return Block.begin(tuple(map(b"".join, under_keys)), blank)


@given(
    st.lists(st.tuples(digests, times), max_size=30),
    rows.flatmap(
        lambda some: st.tuples(
            st.just(some), st.lists(digests, min_size=len(some), max_size=len(some))
        )
    ),
)
@settings(max_examples=300, deadline=None)
def test_a_roll_blocks_who_stands_on_it_since_the_first_of_the_times_and_nobody_else(
    listed: list[tuple[bytes, int]], asked: tuple[list[bytes], list[bytes]]
) -> None:
    current, older = asked
    since: dict[bytes, int] = {}
    for digest, at in listed:
        since[digest] = min(at, since.get(digest, at))
    sent = [at.to_bytes(8, "big", signed=True) for _, at in listed]
    block = block_of(current, older)
    Roll([digest for digest, _ in listed], sent).decide(block)
    for row, one in enumerate(zip(current, older, strict=True)):
        known = [since[digest] for digest in one if digest in since]
        if one[0] == bytes(16):
            assert (block.codes[row], block.sinces[row]) == (UNUSABLE, 0)
        elif known:
            at = (MILLENNIUM - EPOCH) // MICROSECOND + min(known)
            assert (block.codes[row], block.sinces[row]) == (BLOCK, at)
        else:
            assert (block.codes[row], block.sinces[row]) == (ALLOW, 0)


def test_a_roll_of_which_a_time_is_missing_is_refused() -> None:
    with pytest.raises(ValueError, match="no time"):
        Roll([bytes(range(16)), bytes(range(16, 32))], [bytes(8)])


@given(st.lists(rows, min_size=1, max_size=4), st.integers(1, 40))
@settings(max_examples=300, deadline=None)
async def test_every_row_but_the_first_of_a_person_is_marked(
    groups: list[list[bytes]], at_once: int
) -> None:
    answers = Answers(cast("Storage", None), UUID(int=0))
    blocks = [block_of(group) for group in groups]
    for number, block in enumerate(blocks):
        answers.remember(number, block)
    before = [block.codes.copy() for block in blocks]
    count = sum(map(len, groups))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "_AT_ONCE", at_once)
        changed = {
            n for some in [m async for m in marked(answers, len(blocks), count)] for n in some
        }
    seen: set[bytes] = set()
    for number, group in enumerate(groups):
        expected = [
            DUPLICATE if one in seen or one in group[:row] else 0 for row, one in enumerate(group)
        ]
        expected = [
            0 if one == bytes(16) else mark for one, mark in zip(group, expected, strict=True)
        ]
        assert (blocks[number].codes & DUPLICATE).tolist() == expected
        assert (number in changed) == (blocks[number].codes != before[number]).any()
        seen.update(group)


def marked(answers: Answers, blocks: int, count: int) -> AsyncIterator[dict[int, Block]]:
    return duplicates.mark_duplicates(answers, blocks, count)


@given(rows, st.dictionaries(digests, st.none() | times, max_size=8))
@settings(max_examples=200, deadline=None)
def test_whoever_was_changed_is_decided_anew_and_nobody_else(
    group: list[bytes], changes: dict[bytes, int | None]
) -> None:
    block = block_of(group)
    block.codes[block.codes == ALLOW] = BLOCK | DUPLICATE
    block.sinces[:] = 7
    since = {
        digest: None if at is None else EPOCH + at * MICROSECOND for digest, at in changes.items()
    }
    expected = [(row, one) for row, one in enumerate(group) if one in changes]
    assert Changes(since).apply(block) == expected
    for row, one in enumerate(group):
        told = (BLOCK | DUPLICATE, 7) if any(one) else (UNUSABLE, 7)
        if one in changes:
            at = changes[one]
            told = (ALLOW | DUPLICATE, 0) if at is None else (BLOCK | DUPLICATE, at)
        assert (block.codes[row], block.sinces[row]) == told


texts = st.lists(
    st.sampled_from(
        [
            ",",
            ";",
            "\n",
            "\r\n",
            "x",
            "é",
            "0639980001",
            "=1",
            "-2",
            "+3a",
            '"',
            "\t",
            "\r",
            "\u2028",
            "\x85",
        ]
    ),
    max_size=60,
).map("".join)


@given(texts, st.integers(0, 3), st.data())
@settings(max_examples=400, deadline=None)
def test_plain_rows_are_cut_and_written_as_rows_of_any_kind_are(
    body: str, at: int, data: st.DataObject
) -> None:
    content = f"phone,id,c\n0639980002,1,2\n{body}".encode()
    source = io.BytesIO(content)
    layout = read_layout(source)
    campaign = Campaign(layout, Kind.PHONE, (0,))
    plain = list(read_batches(source, layout, raws_only=True))
    whole = list(read_batches(source, layout))
    for batch, other in zip(plain, whole, strict=True):
        if batch.text is not None:
            assert (batch.raws, len(batch)) == (other.raws, len(other))
            assert column_of(batch.text, at, layout.delimiter) == other.column(at, layout.delimiter)
    count = sum(map(len, whole))
    codes = data.draw(st.lists(st.sampled_from([0, 1, 2, 4, 5]), min_size=count, max_size=count))
    block = Block(np.array(codes, np.uint8), np.array(codes, np.int64) * 10**15, (b"",))
    block.codes[blank_rows(whole)] = BLANK
    for wanted in (None, np.flatnonzero(block.codes == ALLOW)):
        assert write_rows(campaign, plain, block, wanted) == write_rows(
            campaign,
            [Batch(b.number, b.lines, b.cells, b.raws, b.faults) for b in whole],
            block,
            wanted,
        )
