"""The list that ``optout follow`` keeps, without a registry: what may never come undone."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain, permutations
from pathlib import Path

import pytest

from app.cli.follow.csv_file import CsvFile
from app.cli.follow.digests import Part, Sum, sum_of
from app.cli.follow.engines import Sqlite, StoreFailed
from app.cli.follow.rows import Page, Row
from app.cli.follow.store import Overtaken, Progress, Store

EVERYTHING = "voice|sms"


def row(version: int, media: str, value: str = "+33639980001", *, erased: bool = False) -> Row:
    """Write the state of a person of fiction."""
    since = f"2026-01-{version:02}T00:00:00.000000Z"
    return Row("phone", "plain", value, "", media, version, 10 + version, since, erased)


def page(*rows: Row, cursor: str = "next", untold: tuple[int, ...] = ()) -> Page:
    """Write a page of the feed."""
    return Page(rows, untold, cursor, has_more=False, head=0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(Sqlite(tmp_path / "list"))) as store:
        yield store


def begin(store: Store, *rows: Row, erased: int = 0) -> None:
    """Fill a new list from a snapshot."""
    store.add_fresh(rows)
    store.adopt(None, "first", erased=erased)


def standing(store: Store) -> Progress:
    progress = store.progress()
    assert progress is not None
    return progress


def listed(store: Store) -> set[tuple[str, str, int]]:
    """Read who is blocked: value, media, version."""
    return {(cells[1], cells[3], cells[4]) for cells in chain.from_iterable(store.pages())}


def heal(store: Store, *rows: Row, erased: int = 0) -> None:
    """Put a later snapshot in the list's place."""
    store.add_fresh(rows)
    store.adopt(standing(store), "healed", erased=erased)


def test_the_highest_version_counts_in_whatever_order_and_however_often(tmp_path: Path) -> None:
    rows = [row(1, EVERYTHING), row(2, ""), row(3, "sms")]
    for number, order in enumerate(permutations([*rows, rows[0]])):
        with closing(Store(Sqlite(tmp_path / str(number)))) as store:
            begin(store)
            for each in order:
                store.apply(standing(store), page(each))
            assert listed(store) == {("+33639980001", "sms", 3)}


def test_what_was_lifted_stays_so_when_an_older_entry_comes_again(store: Store) -> None:
    begin(store)
    store.apply(standing(store), page(row(1, EVERYTHING), row(2, "")))
    outcomes = store.apply(standing(store), page(row(1, EVERYTHING)))
    assert outcomes == {11: "already"}
    assert listed(store) == set()


def test_outcomes_say_what_was_done_and_stand_until_the_next_page(store: Store) -> None:
    begin(store, row(2, "sms"))
    store.apply(standing(store), page(row(2, "sms"), row(3, "voice"), untold=(20,)))
    told = {12: "already", 13: "applied", 20: "not_found"}
    assert standing(store).outcomes == told
    store.apply(standing(store), page(cursor="later"))
    assert standing(store).outcomes == told


def test_a_page_read_from_where_the_list_is_no_more_is_refused_whole(store: Store) -> None:
    begin(store)
    before = standing(store)
    store.apply(before, page(row(1, "sms"), cursor="second"))
    with pytest.raises(Overtaken):
        store.apply(before, page(row(2, ""), cursor="third"))
    with pytest.raises(Overtaken):
        store.adopt(before, "third", erased=0)
    with pytest.raises(Overtaken):
        store.adopt(None, "third", erased=0)
    assert listed(store) == {("+33639980001", "sms", 1)}
    assert standing(store).cursor == "second"


def test_the_list_is_current_only_when_there_was_nothing_more(store: Store, tmp_path: Path) -> None:
    begin(store)
    with closing(sqlite3.connect(tmp_path / "list")) as reader:

        def current() -> str:
            ((at,),) = reader.execute("SELECT current_at FROM cursor")
            return str(at)

        before = current()
        store.apply(standing(store), replace(page(row(1, "sms"), cursor="2"), has_more=True))
        assert current() == before
        store.apply(standing(store), page(cursor="2"))
        assert current() > before


def test_a_snapshot_counts_though_its_versions_are_lower(store: Store) -> None:
    begin(store, row(5, "sms"))
    heal(store, row(2, EVERYTHING))
    assert listed(store) == {("+33639980001", EVERYTHING, 2)}
    store.apply(standing(store), page(row(3, "voice")))
    assert listed(store) == {("+33639980001", "voice", 3)}


def test_a_snapshot_that_broke_off_leaves_nothing_to_the_next(store: Store) -> None:
    begin(store, row(1, "sms"))
    store.add_fresh([row(1, "sms", "+33639980002")])
    assert listed(store) == {("+33639980001", "sms", 1)}
    store.empty_fresh()
    heal(store, row(1, "sms"))
    assert listed(store) == {("+33639980001", "sms", 1)}


def test_whom_the_registry_can_list_no_more_goes_on_being_blocked(store: Store) -> None:
    begin(store, row(1, "sms"), row(1, "sms", "+33639980002"), erased=3)
    store.apply(standing(store), page(row(2, "sms", erased=True)))
    heal(store, erased=4)
    assert {value for value, *_ in listed(store)} == {"+33639980001"}
    # The registry counts from the beginning when they come again after a restore.
    store.apply(standing(store), page(row(1, EVERYTHING)))
    assert listed(store) == {("+33639980001", EVERYTHING, 1)}


def test_when_nobody_can_say_who_was_erased_everybody_stays_blocked(store: Store) -> None:
    begin(store, row(1, "sms"), row(1, "sms", "+33639980002"), erased=3)
    store.add_fresh([])
    difference = store.adopt(standing(store), "healed", erased=4)
    assert (difference.held, difference.unlisted) == (2, 0)
    assert len(listed(store)) == 2


def test_an_erased_person_stays_known_as_such_through_later_changes(store: Store) -> None:
    begin(store, row(1, "sms"), erased=1)
    store.apply(standing(store), page(row(2, "sms", erased=True), row(3, EVERYTHING)))
    heal(store, erased=1)
    assert {value for value, *_ in listed(store)} == {"+33639980001"}


def part(first: int, last: int, *states: Row) -> Part:
    """Say that the registry lists these states in a range, and erased nobody."""
    told = sum((sum_of(each.position, each.version) for each in states), Sum())
    return Part(first, last, told, Sum())


def test_rows_are_summed_up_by_the_part_in_which_they_lie_if_they_block(store: Store) -> None:
    rows = [row(number, "sms", f"+3363998000{number}") for number in range(1, 6)]
    begin(store, *rows)
    store.apply(standing(store), page(replace(rows[1], version=9, media="")))
    parts = [part(1, 11), part(12, 14), part(15, 15), part(16, 99)]
    sums = [part(1, 1, *rows[:1]), part(1, 1, *rows[2:4]), part(1, 1, rows[4]), part(1, 1)]
    assert store.sums(parts) == [each.told for each in sums]


def test_what_the_registry_does_not_say_blocks_until_all_the_rest_agrees(store: Store) -> None:
    mine, strange = row(1, "sms"), row(2, "voice", "+33639980002")
    begin(store, mine, strange)
    fine = [part(position, position) for position in range(10, 14)]
    fine[1] = part(11, 11, mine)
    found = store.mend(standing(store), fine, [mine])
    assert (found.missing, found.different, found.aside) == (0, 0, 1)
    assert listed(store) == {(mine.value, "sms", 1), (strange.value, "voice", 0)}
    # Whatever comes about them counts from then on.
    came = row(1, EVERYTHING, strange.value)
    assert store.apply(standing(store), page(came)) == {11: "applied"}
    assert store.settle(standing(store), lacking=0) == (0, 0)
    assert listed(store) == {(mine.value, "sms", 1), (strange.value, EVERYTHING, 1)}

    store.mend(standing(store), [part(11, 11, mine)], [mine])
    assert store.settle(standing(store), lacking=0) == (1, 0)
    assert listed(store) == {(mine.value, "sms", 1)}


def test_an_entry_that_is_no_present_state_is_not_kept(store: Store) -> None:
    begin(store)
    past, present = row(1, "sms"), row(2, "sms", "+33639980002")
    fine = [part(11, 11), part(12, 12, present)]
    found = store.mend(standing(store), fine, [past, present])
    assert (found.missing, found.different, found.aside) == (1, 0, 0)
    assert listed(store) == {(present.value, "sms", 2)}


def test_a_list_that_moved_meanwhile_is_not_mended(store: Store) -> None:
    begin(store, row(1, "sms"))
    before = standing(store)
    store.apply(before, page(cursor="second"))
    for mend in (
        lambda: store.mend(before, [part(11, 11)], []),
        lambda: store.set_aside(before, beyond=0),
        lambda: store.settle(before, lacking=0),
    ):
        with pytest.raises(Overtaken):
            mend()
    assert listed(store) == {("+33639980001", "sms", 1)}


def test_rows_behind_the_journal_are_set_aside_and_so_are_altered_ones(
    store: Store, tmp_path: Path
) -> None:
    begin(store, row(1, "sms"), row(2, "sms", "+33639980002"), row(3, "sms", "+33639980003"))
    assert store.set_aside(standing(store), beyond=13) == 0
    with closing(sqlite3.connect(tmp_path / "list")) as other, other:
        other.execute("UPDATE suppressions SET brand = 'other' WHERE version = 1")
    assert store.set_aside(standing(store), beyond=12) == 2
    assert {version for *_, version in listed(store)} == {0, 2}
    assert store.set_aside(standing(store), beyond=12) == 0


def test_since_is_the_earliest_that_was_told(store: Store) -> None:
    begin(store)
    store.apply(standing(store), page(row(2, "sms"), row(3, EVERYTHING)))
    assert next(store.pages())[0][6] == "2026-01-02T00:00:00.000000Z"
    store.apply(standing(store), page(row(4, ""), row(5, "sms")))
    assert next(store.pages())[0][6] == "2026-01-05T00:00:00.000000Z"


def test_a_file_for_a_dialler_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    file = CsvFile(tmp_path / "list.csv")
    with closing(file.open()) as store:
        assert not file.path.exists(), "an empty list says that everybody may be contacted"
        begin(store, row(1, EVERYTHING))
        assert file.path.stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "list.csv.sqlite").stat().st_mode & 0o777 == 0o600
        file.path.chmod(0o640)
        with file.path.open("rb") as reading:
            before = reading.read(10)
            store.apply(standing(store), page(row(2, ""), row(1, "sms", "+33639980002")))
            rest = reading.read()
    assert (before + rest).count(b"\r\n") == 2, "it changed under whoever was reading it"
    assert file.path.stat().st_mode & 0o777 == 0o640
    assert file.path.read_bytes() == (
        b"kind,value,brand,media,version,position,since\r\n"
        b"phone,+33639980002,,sms,1,11,2026-01-01T00:00:00.000000Z\r\n"
    )
    assert sorted(each.name for each in tmp_path.iterdir()) == ["list.csv", "list.csv.sqlite"]


def test_a_file_that_a_crash_left_behind_the_tables_is_written_when_they_are_opened(
    tmp_path: Path,
) -> None:
    file = CsvFile(tmp_path / "list.csv")
    with closing(file.open()) as store:
        begin(store, row(1, EVERYTHING))
    file.path.unlink()
    (tmp_path / ".list.csv.new").write_bytes(b"half of i")
    file.open().close()
    assert file.path.read_bytes().count(b"\r\n") == 2


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    file = CsvFile(tmp_path / "list.csv")
    with closing(file.open()) as store:
        file.path.mkdir()
        with pytest.raises(StoreFailed, match=r"list\.csv: Is a directory"):
            begin(store, row(1, "sms"))


def test_a_file_that_is_no_table_is_told(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"kind,value\r\n" * 100)
    with pytest.raises(StoreFailed, match="file is not a database"):
        Store(Sqlite(path))
