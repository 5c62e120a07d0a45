"""Letters, text messages and calls from end to end: signed, recorded, answered, looked at."""

import asyncio
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from typer.testing import CliRunner

from app.cli import inbound as inbound_command  # noqa: F401 - it hangs its commands on the app
from app.cli.root import app as command
from app.intake import Replaying, forget_events, replay
from app.parties import Directory
from app.platform.clock import now
from app.platform.db import Database
from app.points import open_registry
from app.settings import read_settings
from tests.doors import decision, listed, open_door, taken
from tests.servers import free_port, listening
from tests.signers import Mailbox, Twilio, letter

SECRET = Mailbox.secret
JO, PERSON, OURS = "jo@example.com", "+33639980043", "+33199000012"


async def post(client: httpx.AsyncClient, path: str, mail: bytes) -> dict[str, int]:
    """Hand over a mail, signed."""
    signed = Mailbox().sign(mail, datetime.now(UTC))
    return await taken(await client.post(path, content=signed.body, headers=signed.headers))


async def write(client: httpx.AsyncClient, path: str, words: str, **more: str) -> str:
    """Send a text message as Twilio brings it: what it is answered."""
    fields = {"MessageSid": f"SM {words}", "From": PERSON, "To": OURS, "Body": words} | more
    signed = Twilio().sign(path, fields)
    answer = await client.post(path, content=signed.body, headers=signed.headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/xml")
    return answer.text.partition("<Response>")[2].removesuffix("</Response>")


async def reviews(admin: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    """List what is to be looked at."""
    answer = await admin.get("/v1/inbound-reviews", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def open_brands(admin: httpx.AsyncClient) -> None:
    """Register two brands."""
    for slug in ("sauerkraut", "pickles"):
        await admin.post("/v1/brands", json={"slug": slug, "name": slug.title()})


@pytest.fixture
async def officer(admin: httpx.AsyncClient) -> str:
    """Open the door of the officer's mailbox."""
    return await open_door(admin, "mail", secret=SECRET)


@pytest.fixture
async def texts(admin: httpx.AsyncClient) -> str:
    """Open the door of a number, which confirms in two languages."""
    return await open_door(
        admin,
        "twilio",
        slug="texts",
        secret=Twilio.secret,
        confirmation="You will hear no more from us.",
        confirmation_fr="C'est noté & fait.",
    )


async def test_a_stop_blocks_and_is_confirmed_once(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, texts: str
) -> None:
    assert await write(client, texts, "Où est mon colis ?") == ""
    assert await decision(admin, PERSON) == "allow"
    assert await write(client, texts, "ARRÊT") == "<Message>C'est noté &amp; fait.</Message>"
    assert await decision(admin, PERSON) == "block"
    assert await write(client, texts, "ARRÊT") == ""
    assert await write(client, texts, "STOP") == ""
    assert await write(client, texts, "OUI") == ""
    assert await decision(admin, PERSON) == "block"
    assert await listed(admin) == [
        ("request", "waiting", "asks-to-be-contacted"),
        ("stop_keyword", "recorded", ""),
        ("stop_keyword", "recorded", ""),
        ("unclear", "waiting", "not-understood"),
    ]


async def test_a_stop_is_for_the_brand_whose_number_it_was_written_to(
    client: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    await open_brands(admin)
    path = await open_door(admin, "twilio", secret=Twilio.secret, brands=[f"{OURS}=sauerkraut"])
    await write(client, path, "STOP")
    assert await decision(admin, PERSON, brand="sauerkraut") == "block"
    assert await decision(admin, PERSON, brand="pickles") == "allow"
    await write(client, path, "stop", To="+33199000013")
    assert await decision(admin, PERSON, brand="pickles") == "block"


@pytest.mark.parametrize("change", [{"Body": "START"}, {"To": "+33199000013"}])
async def test_a_changed_message_is_not_let_in(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, texts: str, change: dict[str, str]
) -> None:
    fields = {"MessageSid": "SM1", "From": PERSON, "To": OURS, "Body": "STOP"}
    signed = Twilio().sign(texts, fields)
    answer = await client.post(texts, content=urlencode(fields | change), headers=signed.headers)
    assert answer.status_code == 401
    assert await decision(admin, PERSON) == "allow"


async def test_other_words_block_at_once_and_wait_for_a_look(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, officer: str
) -> None:
    words = "Foutez-moi la paix, et au 06 39 98 00 43 aussi."
    assert await post(client, officer, letter(words, Subject="Vos appels")) == {"recorded": 1}
    assert await post(client, officer, letter(words, Subject="Vos appels")) == {"duplicate": 1}
    assert (await decision(admin, JO), await decision(admin, PERSON)) == ("block", "block")
    (one,) = await reviews(admin)
    assert one["said"] == f"Vos appels\n{words}"
    assert (one["decision"], one["event"]["reason"]) == (None, "to-be-reviewed")
    assert one["event"]["identifiers"] == ["j•••@example.com", "+33 6 •• •• •• 43"]
    path = f"/v1/inbound-reviews/{one['event']['id']}"
    confirmed = await admin.post(f"{path}/confirm")
    assert (confirmed.status_code, confirmed.json()["position"]) == (200, None)
    assert (await admin.post(f"{path}/confirm")).json() == confirmed.json()
    audit = (await admin.get("/v1/audit", params={"action": "inbound-review.confirmed"})).json()
    assert [act["subject"] for act in audit["items"]] == [f"event:{one['event']['id']}"]
    refused = await admin.post(f"{path}/void", json={"reason": "no"})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/already-reviewed")
    assert (await decision(admin, JO), await reviews(admin)) == ("block", [])
    (decided,) = await reviews(admin, state="decided")
    assert decided["decision"] == "confirmed"
    assert decided["decided_at"] == confirmed.json()["decided_at"]


async def test_what_was_no_objection_is_voided_by_a_named_human(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, officer: str, texts: str
) -> None:
    await post(client, officer, letter("Your spam filter lost my invoice."))
    (one,) = await reviews(admin)
    path = f"/v1/inbound-reviews/{one['event']['id']}/void"
    assert (await client.post(path, json={"reason": "x"})).status_code == 401
    answer = await admin.post(path, json={"reason": "asks for an invoice"})
    assert answer.json()["position"] is not None
    assert (await decision(admin, JO), await reviews(admin)) == ("allow", [])
    assert (await admin.post(path.replace("void", "confirm"))).status_code == 409
    # A wish to be contacted recorded nothing, so it can be seen and not voided.
    await write(client, texts, "OUI")
    (wish,) = await reviews(admin)
    path = f"/v1/inbound-reviews/{wish['event']['id']}"
    assert (await admin.post(f"{path}/void", json={"reason": "x"})).status_code == 409
    assert (await admin.post(f"{path}/confirm")).status_code == 200
    assert await reviews(admin) == []


async def test_what_nobody_understood_is_recorded_by_who_does(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, officer: str
) -> None:
    german = ("Bitte nie wieder schreiben.", "Vielen Dank für das Kraut!")
    for number, words in enumerate(german):
        mail = letter(words, **{"From": f"p{number}@example.com", "Message-ID": f"<{number}>"})
        assert await post(client, officer, mail) == {"waiting": 1}
    objection, thanks = await reviews(admin)
    assert [one["event"]["act"] for one in (objection, thanks)] == ["unclear", "unclear"]
    assert await decision(admin, "p0@example.com") == "allow"
    path = f"/v1/inbound-reviews/{objection['event']['id']}/confirm"
    first = await admin.post(path)
    assert (first.status_code, first.json()["position"] is None) == (200, False)
    assert (await admin.post(path)).json()["position"] is None
    assert await decision(admin, "p0@example.com") == "block"
    path = f"/v1/inbound-reviews/{thanks['event']['id']}"
    aside = await admin.post(f"{path}/void", json={"reason": "thanks us"})
    assert (aside.status_code, aside.json()["position"]) == (200, None)
    assert (await admin.post(f"{path}/confirm")).status_code == 409
    assert (await decision(admin, "p1@example.com"), await reviews(admin)) == ("allow", [])


async def test_what_nobody_has_looked_at_outlives_the_time_that_events_are_kept(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, officer: str, database: Database
) -> None:
    said = [
        "STOP",
        "Bitte nie wieder schreiben.",
        "Please stop writing.",
        "Your spam filter fails.",
    ]
    for number, words in enumerate(said):
        mail = letter(words, **{"From": f"p{number}@example.com", "Message-ID": f"<{number}>"})
        await post(client, officer, mail)
    *waiting, voided = [one["event"] for one in await reviews(admin)]
    await admin.post(f"/v1/opt-outs/{voided['opt_out']}/void", json={"reason": "x"})

    async def forget() -> int:
        async with database.transaction() as session:
            return await forget_events(session, before=now() + timedelta(days=1))

    assert await forget() == 2, "what said STOP, and what was voided by itself"
    kept = await reviews(admin)
    assert [one["said"] for one in kept] == said[1:3]
    for one in waiting:
        assert (await admin.post(f"/v1/inbound-reviews/{one['id']}/confirm")).status_code == 200
    assert [await decision(admin, f"p{number}@example.com") for number in (1, 2)] == ["block"] * 2
    assert (await forget(), await reviews(admin, state="decided")) == (2, [])


async def test_what_was_voided_by_itself_needs_no_look(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, officer: str
) -> None:
    await post(client, officer, letter("Please stop writing to me."))
    (one,) = await reviews(admin)
    await admin.post(f"/v1/opt-outs/{one['event']['opt_out']}/void", json={"reason": "x"})
    assert await reviews(admin) == []


async def test_a_replay_brings_back_nothing_that_a_person_voided(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, officer: str, database: Database
) -> None:
    await post(client, officer, letter("Your spam filter lost my invoice."))
    (one,) = await reviews(admin)
    path = f"/v1/inbound-reviews/{one['event']['id']}/void"
    await admin.post(path, json={"reason": "asks for an invoice"})
    async with open_registry(database.settings) as (registry, keys):
        wanted = Replaying(recorded_too=True)
        assert not await replay(registry, keys, Directory(registry), wanted)
    assert (await decision(admin, JO), await reviews(admin)) == ("allow", [])


async def link(admin: httpx.AsyncClient, **more: object) -> str:
    """Make the token of a single click."""
    body = {"identifiers": [{"kind": "email", "value": "anna@example.com"}], **more}
    made = (await admin.post("/v1/preference-links", json=body)).json()
    return str(urlsplit(made["one_click_url"]).path).removeprefix("/u/")


async def test_a_token_of_ours_tells_who_whatever_address_the_mail_comes_from(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, officer: str
) -> None:
    await open_brands(admin)
    token = await link(admin, brand="sauerkraut")
    assert await post(client, officer, letter("", Subject=token)) == {"recorded": 1}
    assert await decision(admin, "anna@example.com", brand="sauerkraut") == "block"
    assert await decision(admin, "anna@example.com", brand="pickles") == "allow"
    assert await decision(admin, JO) == "allow"
    # One that does not open says nothing; the mail is read like any other.
    assert await post(client, officer, letter("Hello", Subject="Q" * 120)) == {"waiting": 1}
    assert await post(client, officer, letter("STOP", Subject=token[:-4] + "AAAA")) == {
        "recorded": 1
    }
    assert await decision(admin, JO) == "block"


async def test_a_redacted_complaint_is_its_links(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, officer: str
) -> None:
    token = await link(admin)
    report = f"""\
From: <fbl@example.net>
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: message/feedback-report

Feedback-Type: abuse
Original-Rcpt-To: <redacted@example.net>

--b
Content-Type: message/rfc822

List-Unsubscribe: <https://optout.example.com/u/{token}>
List-Unsubscribe-Post: List-Unsubscribe=One-Click

Spam
--b--
"""
    assert await post(client, officer, report.encode()) == {"recorded": 1}
    assert await decision(admin, "anna@example.com") == "block"
    assert await listed(admin) == [("complaint", "recorded", "")]
    unknown = report.replace(token, "Q" * 120)
    assert await post(client, officer, unknown.encode()) == {"refused": 1}
    assert (await listed(admin))[0] == ("complaint", "refused", "no-identifier")


async def test_a_bounce_stops_mail_alone_and_proves_nothing(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, officer: str, database: Database
) -> None:
    report = f"""\
From: MAILER-DAEMON@mx.example.net
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; {JO}
Action: %s
Status: %s
--b--
"""
    delayed = (report % ("delayed", "4.4.1")).encode()
    assert await post(client, officer, delayed) == {"dropped": 1}
    assert await decision(admin, JO) == "allow"
    assert await post(client, officer, (report % ("failed", "5.1.1")).encode()) == {"recorded": 1}
    assert await decision(admin, JO) == "block"
    assert await decision(admin, JO, medium="post") == "allow"
    assert await listed(admin) == [("hard_bounce", "recorded", "")]
    async with database.reading() as session:
        verified = await session.scalars(text("SELECT verified FROM grounds"))
        assert verified.all() == [False]


async def test_an_erasure_takes_the_words_too(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, officer: str, database: Database
) -> None:
    await post(client, officer, letter("Stop it, I am Jo Example of Example Street."))
    async with database.reading() as session:
        kept = await session.scalars(text("SELECT fields FROM inbound_events"))
        assert b"Example Street" not in b"".join(kept)
    await admin.post("/v1/erasures", json={"identifiers": [{"kind": "email", "value": JO}]})
    (one,) = await reviews(admin)
    assert (one["said"], one["event"]["identifiers"]) == (None, None)
    assert await decision(admin, JO) == "block"


async def pipe(url: str, mail: bytes, secret: str | None = SECRET, *words: str) -> tuple[int, str]:
    """Pipe a mail into the command, as a mail server does: its exit status and what it says."""
    read_settings.cache_clear()
    done = await asyncio.to_thread(
        CliRunner().invoke,
        command,
        ["inbound", "mail", "--channel", "mailer", "--url", url, *words],
        input=mail,
        env={"OPTOUT_INBOUND_SECRET": secret},
    )
    read_settings.cache_clear()
    return done.exit_code, done.output


async def test_a_mail_server_pipes_mails_in_and_keeps_what_was_not_taken(
    app: FastAPI, admin: httpx.AsyncClient, officer: str
) -> None:
    del officer
    mail = letter("Désinscription, merci") + b"\n\xff\x00"
    async with listening(app) as url:
        assert (await pipe(url, mail))[0] == 0
        assert await decision(admin, JO) == "block"
        status, said = await pipe(url, mail, SECRET, "--json")
        assert (status, '"duplicate": 1' in said) == (0, True)
        status, said = await pipe(url, mail, "whsec_" + b64encode(b"x" * 32).decode())
        assert (status, "bad-signature" in said) == (75, True)
        assert (await pipe(url, mail, SECRET, "--channel", "nobody"))[0] == 75
        assert (await pipe(url, b"x" * 33_554_433))[0] == 1
        assert (await pipe(url, mail, None))[0] == 2
        assert (await pipe(url, b"Subject: x\n\n" + b"hello\n" * 5_000_000))[0] == 0
    assert (await pipe(f"http://127.0.0.1:{free_port()}", mail))[0] == 75
