"""``optout follow`` against a served registry: equal in the end, whatever comes between."""

import base64
import hashlib
import hmac
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests.following import BRAND, House, List, Member, cutting, eventually
from tests.servers import Served, free_port, serving

pytestmark = pytest.mark.own_postgres
_numbers = count()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("follow") / "data") as served:
        yield served


@pytest.fixture(scope="module")
def house(served: Served) -> Iterator[House]:
    with closing(House(served)) as house:
        yield house.furnish()


@pytest.fixture
def member(house: House) -> Member:
    """Register a database that wants everything."""
    return house.database(f"member-{next(_numbers)}")


@pytest.fixture(params=["sqlite", "postgresql", "csv"])
def list_(request: pytest.FixtureRequest, tmp_path: Path) -> List:
    if request.param == "postgresql":
        url = make_url(request.getfixturevalue("empty_url")).set(drivername="postgresql")
        return List(url.render_as_string(hide_password=False))
    prefix = "sqlite:///" if request.param == "sqlite" else "csv:"
    return List(f"{prefix}{tmp_path / 'list'}")


@pytest.fixture
def sqlite_list(tmp_path: Path) -> List:
    return List(f"sqlite:///{tmp_path / 'list'}")


def phone(number: int | None = None) -> str:
    """Name a person of fiction, another one each time."""
    return f"+3363998{next(_numbers) if number is None else number:04}"


def test_a_list_begins_with_the_snapshot_and_goes_on_with_the_feed(
    house: House, member: Member, list_: List
) -> None:
    one, two, three = phone(), phone(), phone()
    house.opt_out(one, media=["voice"])
    house.opt_out(two, brand=BRAND)
    first = member.once(list_.to)
    assert (first["snapshots"], first["applied"]) == (1, 0)
    assert list_.lines() == member.snapshot()

    house.opt_out(one, media=["sms"])
    house.opt_out(f"{three}@example.com", kind="email")
    last = house.opt_out(three)
    second = member.once(list_.to)
    assert (second["snapshots"], second["applied"], second["already"]) == (0, 3, 0)
    assert second["suppressed"] == len(list_.lines())
    assert list_.lines() == member.snapshot()

    told = house.ask(f"opt-outs/{last['id']}/propagation")["databases"]
    assert {each["database"]: each["outcome"] for each in told}[member.slug] == "applied"
    assert house.ask(f"databases/{member.slug}")["lag_entries"] == 0
    assert member.once(list_.to) == second | {"applied": 0}


def test_what_is_lifted_is_blocked_no_more(house: House, member: Member, list_: List) -> None:
    person = phone()
    house.opt_out(person)
    member.once(list_.to)
    assert any(person in line for line in list_.lines())
    house.reinstate(person)
    member.once(list_.to)
    assert not any(person in line for line in list_.lines())
    assert list_.lines() == member.snapshot()
    kept = list_.run(f"SELECT media, version FROM suppressions WHERE value = '{person}'")  # noqa: S608 - a number
    assert kept == [("", 2)], "its version is forgotten, and an older entry could come back"


def test_a_list_holds_what_its_database_is_for_and_no_more(house: House, sqlite_list: List) -> None:
    member = house.database("narrow", media=["sms"], kinds=["phone"], brands=[BRAND])
    others = [phone(), phone(), phone(), "narrow@example.com"]
    house.opt_out(others[0], brand="pickles")
    house.opt_out(others[1], media=["voice"])
    house.opt_out(others[3], kind="email")
    mine = [phone(), phone()]
    house.opt_out(mine[0], brand=BRAND)
    member.once(sqlite_list.to)
    house.opt_out(mine[1], brand=BRAND)
    house.opt_out(others[2], brand="pickles")
    member.once(sqlite_list.to)
    kinds, values, brands, media = (
        {line[column] for line in sqlite_list.lines()} for column in range(4)
    )
    assert (kinds, media) == ({"phone"}, {"sms"})
    assert brands <= {"", BRAND}
    assert values >= {*mine}
    assert values.isdisjoint(others)
    assert sqlite_list.lines() == member.snapshot()


def test_a_list_of_hashed_numbers_can_be_asked_with_its_key(
    house: House, sqlite_list: List
) -> None:
    member = house.database("hashed", identifier_format="hmac-sha256")
    assert member.identifier_key is not None
    known, person = phone(), phone()
    house.opt_out(known)
    member.once(sqlite_list.to)
    house.opt_out(person)
    member.once(sqlite_list.to)
    key = base64.b64decode(member.identifier_key)
    for value in (known, person):
        asked = hmac.new(key, value.encode(), hashlib.sha256).hexdigest()
        found = sqlite_list.run(f"SELECT format FROM suppressions WHERE value = '{asked}'")  # noqa: S608 - hex digits
        assert found == [("hmac-sha256",)]
    assert sqlite_list.lines() == member.snapshot()


def test_a_service_is_told_within_seconds_and_ends_at_once(
    house: House, member: Member, list_: List, tmp_path: Path
) -> None:
    person = phone()
    with member.following(list_.to, log=tmp_path / "log") as process:
        eventually(lambda: _has_begun(list_))
        house.opt_out(person)
        eventually(lambda: any(person in line for line in list_.lines()), seconds=30)
        time.sleep(0.5)  # by now it waits for the next one
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert "Traceback" not in log
    assert person not in log
    assert list_.lines() == member.snapshot()


def _has_begun(list_: List) -> bool:
    with suppress(Exception):
        return bool(list_.run("SELECT 1 FROM cursor"))
    return False


@contextmanager
def writing(house: House) -> Iterator[list[str]]:
    """Let people object during a block, and some be reached again: the ids of the receipts."""
    receipts: list[str] = []
    ended = threading.Event()

    def write() -> None:
        while not ended.wait(0.02):
            person = phone()
            receipts.append(house.opt_out(person, phone())["id"])
            house.reinstate(person)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield receipts
    finally:
        ended.set()
        writer.join()


def test_killed_again_and_again_it_is_complete_in_the_end(
    house: House, member: Member, list_: List
) -> None:
    for _ in range(10):
        house.opt_out(*[phone() for _ in range(20)])
    with writing(house) as receipts:
        for _ in range(4):
            with member.following(list_.to) as process:
                time.sleep(random.uniform(0.8, 2.0))  # noqa: S311 - any moment will do
                assert process.poll() is None
    member.once(list_.to)
    assert list_.lines() == member.snapshot()
    for receipt in receipts[::10]:
        told = house.ask(f"opt-outs/{receipt}/propagation")["databases"]
        mine = next(each for each in told if each["database"] == member.slug)
        assert mine["status"] == "acknowledged"


def test_a_page_is_kept_whole_with_its_cursor_or_not_at_all(
    house: House, member: Member, sqlite_list: List
) -> None:
    member.once(sqlite_list.to)
    before, cursor = sqlite_list.lines(), sqlite_list.run("SELECT cursor FROM cursor")
    poison = phone()
    for value in (phone(), poison, phone()):
        house.opt_out(value)
    sqlite_list.run(
        f"CREATE TRIGGER full BEFORE INSERT ON suppressions WHEN new.value = '{poison}'"
        " BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
    )
    failed = member.follow(sqlite_list.to, "--once")
    assert failed.returncode == 1
    assert "the disk is full" in failed.stderr
    assert sqlite_list.lines() == before
    assert sqlite_list.run("SELECT cursor FROM cursor") == cursor
    assert house.ask(f"databases/{member.slug}")["lag_entries"] == 3

    sqlite_list.run("DROP TRIGGER full")
    assert member.once(sqlite_list.to)["applied"] == 3
    assert sqlite_list.lines() == member.snapshot()


def test_an_acknowledgement_lost_in_a_crash_is_made_up_for_with_its_outcomes(
    house: House, member: Member, sqlite_list: List
) -> None:
    member.once(sqlite_list.to)
    receipt = house.opt_out(phone())
    # The registry goes away between the commit and the acknowledgement, which is the second: a
    # follower that starts says again how far it is.
    with cutting(member.served.url, "/v1/acknowledgements", passing=1) as url:
        assert member.follow(sqlite_list.to, "--once", url=url).returncode == 3
    assert sqlite_list.lines() == member.snapshot()
    told = house.ask(f"opt-outs/{receipt['id']}/propagation")["databases"]
    assert {each["database"]: each["status"] for each in told}[member.slug] == "pending"

    assert member.once(sqlite_list.to)["applied"] == 0
    told = house.ask(f"opt-outs/{receipt['id']}/propagation")["databases"]
    mine = next(each for each in told if each["database"] == member.slug)
    assert (mine["status"], mine["outcome"]) == ("acknowledged", "applied")


def test_a_registry_restored_to_an_older_state_is_followed_again_from_a_snapshot(
    tmp_path: Path, sqlite_list: List
) -> None:
    folder, copy = tmp_path / "data", tmp_path / "copy"
    with serving(folder) as served, closing(House(served).furnish()) as house:
        member = house.database("restored")
        for number in (1, 2):
            house.opt_out(phone(number), media=["voice"])
        member.once(sqlite_list.to)
    shutil.copytree(folder, copy)
    with serving(folder) as served, closing(House(served)) as house:
        house.opt_out(phone(1), media=["sms"])
        house.opt_out(phone(3))
        lost = Member(served, "restored", member.key, None)
        lost.once(sqlite_list.to)
        assert sqlite_list.lines() == lost.snapshot()
    shutil.rmtree(folder)
    copy.rename(folder)
    with serving(folder) as served, closing(House(served)) as house:
        # As many entries as were lost, of the same versions: only the chain tells them apart.
        house.opt_out(phone(1), media=["email"])
        house.opt_out(phone(4))
        found = Member(served, "restored", member.key, None)
        assert found.once(sqlite_list.to)["snapshots"] == 1
        assert sqlite_list.lines() == found.snapshot()
        assert {line[1] for line in sqlite_list.lines()} == {phone(1), phone(2), phone(4)}
        house.opt_out(phone(3))
        assert found.once(sqlite_list.to)["applied"] == 1
        assert sqlite_list.lines() == found.snapshot()


def test_who_was_erased_stays_blocked_when_no_snapshot_lists_them_any_more(
    house: House, member: Member, list_: List
) -> None:
    person, other = phone(), phone()
    house.opt_out(person, other)
    member.once(list_.to)
    kept = next(line for line in list_.lines() if line[1] == person)
    house.make("erasures", identifiers=[{"kind": "phone", "value": person}])
    member.once(list_.to)
    for each in house.ask("databases?limit=500")["items"]:
        if each["slug"] != member.slug:
            house.delete(f"databases/{each['slug']}")
    eventually(lambda: not any(person in line for line in member.snapshot()))

    house.change(f"databases/{member.slug}", media=["voice", "email"])
    house.reinstate(other)
    assert member.once(list_.to)["snapshots"] == 1
    assert member.verify(list_.to)["held"] == 1
    assert {line for line in list_.lines() if line[1] != person} == member.snapshot()
    assert [line[:4] for line in list_.lines() if line[1] == person] == [kept[:4]]

    # Back again, and objecting anew: what the registry says now counts.
    house.opt_out(person, media=["voice"])
    member.once(list_.to)
    assert list_.lines() == member.snapshot()


def test_who_is_erased_and_not_suppressed_is_forgotten(
    house: House, member: Member, sqlite_list: List
) -> None:
    person = phone()
    house.opt_out(person)
    member.once(sqlite_list.to)
    house.reinstate(person)
    house.make("erasures", identifiers=[{"kind": "phone", "value": person}])
    member.once(sqlite_list.to)
    assert not sqlite_list.run(f"SELECT 1 FROM suppressions WHERE value = '{person}'")  # noqa: S608 - a number


def test_verifying_names_what_was_lost_and_mends_it(
    house: House, member: Member, list_: List
) -> None:
    people = [phone() for _ in range(4)]
    house.opt_out(*people)
    member.once(list_.to)
    clean = member.verify(list_.to)
    assert clean == {
        "missing": 0,
        "different": 0,
        "unlisted": 0,
        "held": clean["held"],
        "snapshots": 0,
        "suppressed": len(list_.lines()),
    }
    list_.run(f"DELETE FROM suppressions WHERE value = '{people[0]}'")  # noqa: S608 - a number
    list_.run(f"UPDATE suppressions SET media = '' WHERE value = '{people[1]}'")  # noqa: S608 - a number
    list_.run(f"UPDATE suppressions SET media = 'sms' WHERE value = '{people[2]}'")  # noqa: S608 - a number
    list_.run(
        "INSERT INTO suppressions"
        " (kind, format, value, brand, media, version, position, since, erased) VALUES"
        " ('phone', 'plain', 'nobody', '', 'voice', 1, 1, '2026-01-01T00:00:00Z', false)"
    )
    house.opt_out(phone())
    found = member.verify(list_.to)
    assert (found["missing"], found["different"], found["unlisted"]) == (2, 1, 1)
    assert list_.lines() == member.snapshot()


def test_verifying_while_people_object_finds_nothing_lost(
    house: House, member: Member, sqlite_list: List
) -> None:
    member.once(sqlite_list.to)
    with writing(house):
        for _ in range(3):
            found = member.verify(sqlite_list.to)
            assert (found["missing"], found["different"], found["unlisted"]) == (0, 0, 0)
    member.once(sqlite_list.to)
    assert sqlite_list.lines() == member.snapshot()


def test_a_service_outlives_its_registry_and_its_list(tmp_path: Path, empty_url: str) -> None:
    there = make_url(empty_url).set(drivername="postgresql")
    list_ = List(there.render_as_string(hide_password=False))
    port, folder = free_port(), tmp_path / "data"
    with serving(folder, port=port) as served, closing(House(served).furnish()) as house:
        member = house.database("patient")
        house.opt_out(phone(1))
    with member.following(list_.to) as process:
        time.sleep(2)
        assert process.poll() is None
        with serving(folder, port=port), closing(House(served)) as house:
            eventually(lambda: _has_begun(list_))
            list_.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'optout follow' AND datname = current_database()"
            )
            house.opt_out(phone(2))
            eventually(lambda: list_.lines() == member.snapshot())
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0


def test_once_without_a_registry_ends_with_3_and_leaves_no_file_for_a_dialler(
    member: Member, tmp_path: Path
) -> None:
    list_ = List(f"csv:{tmp_path / 'list.csv'}")
    done = member.follow(list_.to, "--once", url=f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 3
    assert "cannot be reached" in done.stderr
    assert not list_.path.exists()


def test_a_key_that_is_refused_ends_the_service(member: Member, sqlite_list: List) -> None:
    done = member.follow(sqlite_list.to, "--key", "optout_unknown")
    assert done.returncode == 1
    assert "A valid key is needed" in done.stderr


@pytest.mark.parametrize("to", ["list", "sqlite://list", "sqlite:///", "csv:", "mysql://x/y"])
def test_a_list_nowhere_is_wrong_use(member: Member, to: str) -> None:
    done = member.follow(to, "--once")
    assert done.returncode == 2
    assert "sqlite:///PATH" in done.stderr
