"""Sealed values open with the right key in the right place alone, and wrong keys are found out."""

import asyncio
from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.platform.db import Database
from app.platform.keyring import BadKeys, KeyRing
from app.platform.vault import (
    KeysUnfit,
    Unsealable,
    Vault,
    check_value,
    keys_lacking,
    register_keys,
    require_keys,
)


def key_text(filling: int, length: int = 32) -> str:
    return b64encode(bytes([filling]) * length).decode()


OLD = f"1:{key_text(1)}"
NEW = f"2:{key_text(2)}"
ROTATED = f"{NEW},{OLD}"
OTHER_KEY_1 = f"1:{key_text(9)}"


def test_the_first_key_of_a_ring_writes_and_all_are_live() -> None:
    ring = KeyRing.parse(f" 2:{key_text(2)} , 32767:{key_text(3)} ,1:{key_text(1)}")
    assert (ring.current, ring.numbers) == (2, (2, 32_767, 1))
    assert ring.keys == {number: bytes([key]) * 32 for number, key in ((2, 2), (32_767, 3), (1, 1))}


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "1",
        "1:",
        f"{OLD},",
        key_text(1),
        f":{key_text(1)}",
        f"0:{key_text(1)}",
        f"-1:{key_text(1)}",
        f"32768:{key_text(1)}",
        f"1e1:{key_text(1)}",
        f"\u0661:{key_text(1)}",
        f"{'9' * 5_000}:{key_text(1)}",
        f"1:{key_text(1, 31)}",
        f"1:{key_text(1, 33)}",
        f"1:{key_text(1)[:-1]}",
        f"1:{key_text(1)[:-2]}",
        f"1:{key_text(1)}=",
        f"1:{key_text(251).replace('+', '-').replace('/', '_')}",
        f"{OLD},1:{key_text(2)}",
        f"{OLD},2:{key_text(1)}",
    ],
)
def test_what_is_no_ring_is_refused_without_showing_a_key(text: str) -> None:
    with pytest.raises(BadKeys) as refused:
        KeyRing.parse(text)
    assert key_text(1)[:8] not in str(refused.value)


def test_no_key_is_shown_by_repr() -> None:
    assert repr(KeyRing.parse(ROTATED)) == "KeyRing(numbers=(2, 1))"
    assert repr(Vault.parse(ROTATED)) == "Vault(numbers=(2, 1))"


@given(st.binary(max_size=400), st.binary(max_size=40))
@settings(deadline=None)
def test_what_is_sealed_opens_in_its_place(plain: bytes, context: bytes) -> None:
    vault = Vault.parse(ROTATED)
    sealed = vault.seal(plain, context)
    assert vault.unseal(sealed, context) == plain
    assert sealed[:2] == b"\x00\x02"
    assert len(sealed) == len(plain) + 30
    assert vault.seal(plain, context) != sealed


def test_a_sealed_value_opens_nowhere_else() -> None:
    sealed = Vault.parse(OLD).seal(b"+33639980001", b"point 1")
    with pytest.raises(Unsealable):
        Vault.parse(OLD).unseal(sealed, b"point 2")


def test_another_key_under_the_same_number_opens_nothing() -> None:
    sealed = Vault.parse(OLD).seal(b"+33639980001", b"point 1")
    with pytest.raises(Unsealable):
        Vault.parse(OTHER_KEY_1).unseal(sealed, b"point 1")


def test_an_altered_or_shortened_value_is_never_opened() -> None:
    vault = Vault.parse(ROTATED)
    sealed = vault.seal(b"+33639980001", b"point 1")
    damaged = [sealed[:length] for length in range(len(sealed))]
    damaged += [sealed + b"\0"]
    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1
        damaged.append(bytes(altered))
    for value in damaged:
        with pytest.raises(Unsealable) as refused:
            vault.unseal(value, b"point 1")
        assert "33639980001" not in str(refused.value)


def test_after_a_rotation_the_old_values_open_and_the_new_key_seals() -> None:
    old, rotated, retired = (Vault.parse(ring) for ring in (OLD, ROTATED, NEW))
    sealed = old.seal(b"secret", b"database 7")
    assert rotated.unseal(sealed, b"database 7") == b"secret"
    with pytest.raises(Unsealable, match="key 2"):
        old.unseal(rotated.seal(b"secret", b"database 7"), b"database 7")
    with pytest.raises(Unsealable, match="key 1"):
        retired.unseal(sealed, b"database 7")


def test_a_check_value_never_changes_for_it_is_stored() -> None:
    assert check_value(bytes(range(32))).hex() == "4b8564fd363d7b33765d1fe561472a9c"


async def register(database: Database, text: str, purpose: str = "digest") -> None:
    async with database.transaction() as session:
        await register_keys(session, purpose, KeyRing.parse(text))


async def require(database: Database, text: str, purpose: str = "digest") -> None:
    async with database.reading() as session:
        await require_keys(session, purpose, KeyRing.parse(text))


async def lacking(database: Database, text: str, purpose: str = "digest") -> tuple[int, ...]:
    async with database.reading() as session:
        return await keys_lacking(session, purpose, KeyRing.parse(text))


async def test_keys_that_wrote_a_database_fit_it(database: Database) -> None:
    await require(database, OLD)
    await register(database, OLD)
    await register(database, OLD)
    await require(database, OLD)
    assert await lacking(database, OLD) == ()


async def test_a_wrong_key_is_refused_by_purpose_and_number(database: Database) -> None:
    await register(database, OLD)
    for act in (require, register):
        with pytest.raises(KeysUnfit, match="digest key 1") as refused:
            await act(database, OTHER_KEY_1)
        assert key_text(9)[:8] not in str(refused.value)
        assert check_value(bytes([9]) * 32).hex() not in str(refused.value)
    await require(database, OLD)


async def test_a_missing_key_is_refused_by_purpose_and_number(database: Database) -> None:
    await register(database, ROTATED)
    with pytest.raises(KeysUnfit, match="digest key 2"):
        await require(database, OLD)
    with pytest.raises(KeysUnfit, match="digest key 1"):
        await register(database, NEW)


async def test_requiring_keys_writes_nothing(database: Database) -> None:
    await require(database, ROTATED)
    assert await lacking(database, f"3:{key_text(3)}") == ()


async def test_a_process_sees_that_a_rotation_left_it_behind(database: Database) -> None:
    await register(database, OLD)
    assert await lacking(database, OLD) == ()
    await register(database, ROTATED)
    assert await lacking(database, OLD) == (2,)
    assert await lacking(database, ROTATED) == ()
    assert await lacking(database, f"3:{key_text(3)}") == (1, 2)


async def test_purposes_do_not_mix(database: Database) -> None:
    await register(database, OLD, "digest")
    await register(database, OTHER_KEY_1, "sealing")
    await require(database, OLD, "digest")
    with pytest.raises(KeysUnfit, match="sealing key 1"):
        await require(database, OLD, "sealing")


async def test_of_two_different_keys_under_one_new_number_the_second_is_refused(
    database: Database,
) -> None:
    async with database.transaction() as session:
        await register_keys(session, "digest", KeyRing.parse(OLD))
        second = asyncio.create_task(register(database, OTHER_KEY_1))
        await asyncio.sleep(0.2)
        assert not second.done()
    with pytest.raises(KeysUnfit, match="digest key 1"):
        await second
    await require(database, OLD)
