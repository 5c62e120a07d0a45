"""The people who sign in: what proves them, and when it no longer does."""

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from sqlalchemy import text

from app.accounts import (
    BadTicket,
    Limit,
    LoginTaken,
    NewUser,
    Role,
    TooManyTries,
    Visit,
    WeakPassword,
    WrongCredentials,
    address_block,
    begin_enrolment,
    begin_session,
    change_user,
    check_code,
    check_password,
    count_try,
    create_user,
    disable_user,
    end_session,
    end_sessions,
    find_ticket,
    find_user,
    find_visit,
    issue_ticket,
    list_users,
    pass_second_factor,
    redeem_ticket,
    require_strength,
)
from app.platform.db import Database
from app.platform.vault import Vault
from tests.conftest import SEALING_KEYS
from tests.people import PASSWORD, invited, let_in

AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
VAULT = Vault.parse(SEALING_KEYS)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("eleven char", "short"),
        ("x" * 129, "long"),
        ("passwordpassword", "common"),
        ("Password2026!!", "common"),
        ("123456789012345", "common"),
        ("!!monkey??1234567", "common"),
        ("aaaaaaaaaaaaaaa", "common"),
        ("my agent-42 is me", "login"),
    ],
)
def test_a_password_that_is_guessed_soon_is_refused_and_told_why(password: str, why: str) -> None:
    with pytest.raises(WeakPassword) as refused:
        require_strength(password, "agent-42@example.com")
    assert refused.value.why == why
    assert password not in str(refused.value)


@pytest.mark.parametrize("password", [PASSWORD, "ünïcödé pässwörd", "monkey trousers 1850"])
def test_a_password_of_several_words_is_taken(password: str) -> None:
    require_strength(password, "agent-42")


async def test_a_password_is_kept_as_an_argon2id_hash_alone(database: Database) -> None:
    user = await let_in(database, "a")
    async with database.reading() as session:
        kept = await session.scalar(
            text("SELECT password FROM users WHERE id = :id"), {"id": user.id}
        )
    assert str(kept).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


async def test_two_users_of_one_login_are_refused_whatever_the_case(database: Database) -> None:
    await invited(database, "agent")
    with pytest.raises(LoginTaken):
        await invited(database, "AGENT")


async def test_login_and_password_are_judged_together(database: Database) -> None:
    user = await let_in(database, "a")
    await invited(database, "no-password-yet")
    found = await check_password(database, "A", PASSWORD, place="192.0.2.1", at=AT)
    assert found.id == user.id
    for login, password in (("a", "wrong"), ("nobody", PASSWORD), ("no-password-yet", "")):
        with pytest.raises(WrongCredentials):
            await check_password(database, login, password, place="192.0.2.1", at=AT)


async def test_a_disabled_user_is_refused_signed_out_and_cannot_use_a_ticket(
    database: Database,
) -> None:
    user = await let_in(database, "a")
    async with database.transaction() as session:
        token = await begin_session(session, user.id, whole=True, browser="", at=AT)
        ticket = await issue_ticket(session, user.id, at=AT)
        await disable_user(session, user.id, at=AT)
    with pytest.raises(WrongCredentials):
        await check_password(database, "a", PASSWORD, place="192.0.2.1", at=AT)
    async with database.reading() as session:
        assert await find_visit(session, token, at=AT) is None
        with pytest.raises(BadTicket):
            await find_ticket(session, ticket, at=AT)


async def test_the_sixth_try_within_a_quarter_of_an_hour_is_not_judged(database: Database) -> None:
    await let_in(database, "a")
    for _ in range(5):
        with pytest.raises(WrongCredentials):
            await check_password(database, "a", "wrong", place="192.0.2.1", at=AT)
    with pytest.raises(TooManyTries):
        await check_password(database, "a", PASSWORD, place="192.0.2.1", at=AT)
    # Whoever is elsewhere, or waits, is judged again: nobody locks another out from afar.
    await check_password(database, "a", PASSWORD, place="198.51.100.7", at=AT)
    later = AT + timedelta(minutes=15, seconds=1)
    await check_password(database, "a", PASSWORD, place="192.0.2.1", at=later)


async def test_one_place_cannot_try_many_logins_without_end(database: Database) -> None:
    async with database.transaction() as session:
        for _ in range(100):
            limit = Limit(100, timedelta(hours=1))
            assert await count_try(session, "sign-in-from/192.0.2.1/32", limit, at=AT)
    with pytest.raises(TooManyTries):
        await check_password(database, "anybody", PASSWORD, place="192.0.2.1", at=AT)


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("192.0.2.1", "192.0.2.1/32"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", "unknown"),
        ("testclient", "unknown"),
    ],
)
def test_an_address_block_is_what_one_customer_holds(address: str, block: str) -> None:
    assert address_block(address) == block


async def test_tries_keep_no_login_and_no_address(database: Database) -> None:
    with pytest.raises(WrongCredentials):
        await check_password(database, "somebody", "x", place="192.0.2.99", at=AT)
    async with database.reading() as session:
        kept = (await session.execute(text("SELECT what::text FROM tries"))).scalars().all()
    assert len(kept) == 3
    assert not any(b"somebody".hex() in one or b"192.0.2".hex() in one for one in kept)


async def test_a_ticket_is_opened_often_and_used_once(database: Database) -> None:
    user, ticket = await invited(database, "a")
    async with database.transaction() as session:
        await find_ticket(session, ticket, at=AT)
        assert (await find_ticket(session, ticket, at=AT)).user.id == user.id
        await redeem_ticket(session, ticket, "hash", at=AT)
    async with database.transaction() as session:
        with pytest.raises(BadTicket):
            await redeem_ticket(session, ticket, "hash", at=AT)


async def test_a_ticket_ends_after_two_days_and_with_the_next_one(database: Database) -> None:
    user, _ = await invited(database, "a")
    async with database.transaction() as session:
        first = await issue_ticket(session, user.id, at=AT)
        second = await issue_ticket(session, user.id, at=AT)
        with pytest.raises(BadTicket):
            await find_ticket(session, first, at=AT)
        await find_ticket(session, second, at=AT + timedelta(hours=47))
        with pytest.raises(BadTicket):
            await find_ticket(session, second, at=AT + timedelta(hours=48))


async def test_a_new_password_ends_every_session(database: Database) -> None:
    user = await let_in(database, "a")
    async with database.transaction() as session:
        token = await begin_session(session, user.id, whole=True, browser="", at=AT)
        ticket = await issue_ticket(session, user.id, at=AT)
        await redeem_ticket(session, ticket, "hash", at=AT)
        assert await find_visit(session, token, at=AT) is None


async def test_a_session_ends_by_idleness_after_a_day_or_when_it_is_ended(
    database: Database,
) -> None:
    user = await let_in(database, "a")
    async with database.transaction() as session:
        token = await begin_session(session, user.id, whole=True, browser="x" * 900, at=AT)
        other = await begin_session(session, user.id, whole=True, browser="", at=AT)
        assert await find_visit(session, token, at=AT + timedelta(minutes=29)) is not None
        assert await find_visit(session, token, at=AT + timedelta(minutes=30)) is None
        await session.execute(text("UPDATE sessions SET seen_at = :at"), {"at": AT + 30 * HOUR})
        assert await find_visit(session, token, at=AT + 12 * HOUR) is None
        visit = await find_visit(session, token, at=AT)
        assert visit is not None
        await end_session(session, user.id, visit.session)
        assert await find_visit(session, token, at=AT) is None
        assert await find_visit(session, other, at=AT) is not None
        await end_sessions(session, user.id)
        assert await find_visit(session, other, at=AT) is None


HOUR = timedelta(hours=1)


async def test_a_session_s_token_stands_nowhere_in_the_database(database: Database) -> None:
    user = await let_in(database, "a")
    async with database.transaction() as session:
        token = await begin_session(session, user.id, whole=True, browser="", at=AT)
        kept = await session.scalar(text("SELECT sessions::text FROM sessions"))
    assert token not in str(kept)
    assert token.encode().hex() not in str(kept)


async def enrolment(database: Database, login: str = "a") -> tuple[Visit, pyotp.TOTP]:
    """Let somebody in half, with an authenticator app that is set up and not confirmed."""
    user = await let_in(database, login, Role.OFFICER)
    async with database.transaction() as session:
        token = await begin_session(session, user.id, whole=False, browser="", at=AT)
        made = await begin_enrolment(session, VAULT, user.id, user.login)
        again = await begin_enrolment(session, VAULT, user.id, user.login)
        visit = await find_visit(session, token, at=AT)
    assert made == again
    assert visit is not None
    assert visit.whole is False
    return visit, pyotp.parse_uri(made.uri)  # type: ignore[return-value]  # it makes either kind


async def test_a_code_counts_once_and_near_its_time(database: Database) -> None:
    visit, phone = await enrolment(database)
    with pytest.raises(WrongCredentials):
        await check_code(database, VAULT, visit.user, "000000", at=AT)
    await check_code(database, VAULT, visit.user, phone.at(AT), at=AT)
    async with database.reading() as session:
        user = await find_user(session, visit.user.id)
    assert user.second_factor
    with pytest.raises(WrongCredentials):
        await check_code(database, VAULT, user, phone.at(AT), at=AT)
    later = AT + timedelta(minutes=5)
    with pytest.raises(WrongCredentials):
        await check_code(database, VAULT, user, phone.at(later - timedelta(minutes=1)), at=later)
    drifted = phone.at(later + timedelta(seconds=30))
    await check_code(database, VAULT, user, f"{drifted[:3]} {drifted[3:]}", at=later)
    # An earlier code than one that was taken is worth nothing, though its time is near.
    with pytest.raises(TooManyTries):
        await check_code(database, VAULT, user, phone.at(later), at=later)


async def test_a_session_made_whole_goes_on_under_another_token(database: Database) -> None:
    visit, _ = await enrolment(database)
    async with database.transaction() as session:
        token = await pass_second_factor(session, visit, at=AT)
        assert await find_visit(session, visit.token, at=AT) is None
        whole = await find_visit(session, token, at=AT)
    assert whole is not None
    assert whole.whole
    assert whole.session == visit.session


async def test_the_secret_of_a_second_factor_is_sealed(database: Database) -> None:
    visit, phone = await enrolment(database)
    async with database.reading() as session:
        kept = await session.scalar(
            text("SELECT new_second_factor FROM users WHERE id = :id"), {"id": visit.user.id}
        )
    assert phone.secret.encode() not in bytes(kept)


async def test_a_role_changes_from_the_next_request_on(database: Database) -> None:
    user = await let_in(database, "a")
    async with database.transaction() as session:
        token = await begin_session(session, user.id, whole=True, browser="", at=AT)
        await change_user(session, user.id, role=Role.SUPERVISOR, channel=None)
        visit = await find_visit(session, token, at=AT)
    assert visit is not None
    assert visit.user.role is Role.SUPERVISOR


async def test_users_are_listed_by_login_page_by_page(database: Database) -> None:
    for login in ("c", "a", "b"):
        await invited(database, login)
    async with database.reading() as session:
        first = await list_users(session, limit=2)
        rest = await list_users(session, after=first[-1].login, limit=2)
    assert [user.login for user in (*first, *rest)] == ["a", "b", "c"]


def test_a_role_in_capitals_is_none() -> None:
    assert Role.of("agent") is Role.AGENT
    with pytest.raises(KeyError):
        Role.of("AGENT")


async def test_a_user_s_login_is_kept_in_lower_case(database: Database) -> None:
    async with database.transaction() as session:
        new = NewUser("Officer@Example.com", "Officer", Role.OFFICER)
        user = await create_user(session, new, at=AT)
    assert user.login == "officer@example.com"
    assert user.role.needs_second_factor
