"""Mail as programs and people write it: what is new in it, who complains; nothing raises."""

from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from app.intake.dialects import DIALECTS, Act, Event, NotGenuine, Request, Unreadable
from app.journal import Kind, Media

MAIL = DIALECTS["mail"]
SECRET = "whsec_" + b64encode(b"a key of twenty-four bytes").decode()
AT = datetime(2026, 11, 28, 9, tzinfo=UTC)
TOKEN = "Q" * 120
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
FOOTER = "To unsubscribe or to stop these messages, reply STOP. Se désabonner : https://example.com"
REPORT = f"""\
From: <abusedesk@example.net>
Date: Thu, 8 Mar 2005 17:40:36 EDT
Subject: FW: Earn money
To: <abuse@example.com>
Message-ID: <20030712040037.46341.5F8J@example.net>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report;
     boundary="part1_13d.2e68ed54_boundary"

--part1_13d.2e68ed54_boundary
Content-Type: text/plain; charset="US-ASCII"
Content-Transfer-Encoding: 7bit

This is an email abuse report for an email message received from IP
192.0.2.1 on Thu, 8 Mar 2005 14:00:00 EDT.

--part1_13d.2e68ed54_boundary
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <somespammer@example.net>
Original-Rcpt-To: <user@example.com>
Arrival-Date: Thu, 8 Mar 2005 14:00:00 EDT
Source-IP: 192.0.2.1

--part1_13d.2e68ed54_boundary
Content-Type: message/rfc822
Content-Disposition: inline

From: <somespammer@example.net>
Received: from mailserver.example.net (mailserver.example.net [192.0.2.1])
     by example.com with ESMTP id M63d4137594e46; Thu, 08 Mar 2005 14:00:00 -0400
To: <Undisclosed Recipients>
Subject: Earn money
List-Unsubscribe: <mailto:u@example.com?subject=x>,
     <https://optout.example.com/u/{TOKEN}>

Spam Spam Spam, unsubscribe
--part1_13d.2e68ed54_boundary--
"""
UNDELIVERED = """\
From: Mail Delivery System <MAILER-DAEMON@mx.example.net>
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
Message-ID: <20261127090000.7A1C@mx.example.net>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I could not deliver your mail: STOP.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
Arrival-Date: Fri, 27 Nov 2026 09:00:00 +0000

Final-Recipient: rfc822; jo@other.example.net
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <jo@other.example.net>: unknown

--b
Content-Type: message/rfc822

From: news@example.org
To: Jo <jo@example.com>
Subject: STOP everything, an offer
List-Unsubscribe: <https://optout.example.com/u/x>

Unsubscribe here
--b--
"""


def signed(body: bytes, *, minutes: float = 0, secret: str = SECRET) -> Request:
    """Hand over a mail, signed by the reference's own library."""
    sent_at = AT + timedelta(minutes=minutes)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", sent_at, body.decode()),
    }
    return Request("https://example.com/v1/inbound/mail/officer", headers, body)


def events(mail: bytes | str | EmailMessage) -> list[Event]:
    """Read a mail to its events."""
    raw = mail.encode() if isinstance(mail, str) else bytes(mail)
    return [MAIL.translate(fields, {}) for fields in MAIL.split(Request("", {}, raw), {})]


def letter(text: str = "", *, html: str | None = None, **headers: str) -> EmailMessage:
    """Write a mail from a person."""
    mail = EmailMessage()
    for name, value in ({"From": "Jo <jo@example.com>", "To": "dpo@example.org"} | headers).items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    if html is not None:
        mail.add_alternative(html, subtype="html")
    return mail


def said(mail: EmailMessage | str | bytes) -> tuple[Act, bool]:
    """Tell the act of a mail's one event, and whether somebody has to look."""
    (event,) = events(mail)
    return event.act, event.review


STOP, LOOK = (Act.OBJECTION, False), (Act.OBJECTION, True)
UNCLEAR, NOTHING = (Act.UNCLEAR, True), (Act.NOTHING, False)


def test_a_signature_of_the_reference_library_is_let_in() -> None:
    assert MAIL.verify(signed(b"From: jo@example.com"), SECRET, {}, AT) is None


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (Request("", {}, b""), "no-signature"),
        (replace(signed(b"a"), body=b"b"), "bad-signature"),
        (signed(b"a", secret="whsec_" + b64encode(b"another key, as long as it").decode()), ""),
        (signed(b"a", minutes=-6), "stale"),
        (signed(b"a", minutes=6), "stale"),
        (Request("", dict.fromkeys(HEADERS, "\u00e9\ud800"), b"a"), "no-signature"),
        (Request("", dict.fromkeys(HEADERS, "9" * 400), b"a"), "stale"),
    ],
)
def test_another_signature_is_not(request_: Request, reason: str) -> None:
    with pytest.raises(NotGenuine) as refused:
        MAIL.verify(request_, SECRET, {}, AT)
    assert refused.value.reason == (reason or "bad-signature")


def test_a_complaint_report_names_who_complains_and_our_token() -> None:
    by_token, by_name = events(REPORT)
    assert (by_token.act, by_token.identifiers, by_token.tokens) == (Act.COMPLAINT, [], [TOKEN])
    assert by_name.identifiers == [(Kind.EMAIL, "user@example.com")]


def test_a_redacted_complaint_is_known_by_the_token_alone() -> None:
    redacted = REPORT.replace("<user@example.com>", "<redacted@redacted.example.com>")
    (only,) = events(redacted)
    assert (only.act, only.identifiers, only.tokens) == (Act.COMPLAINT, [], [TOKEN])


def test_a_report_that_somebody_wants_the_mail_is_no_complaint() -> None:
    found = events(REPORT.replace("Feedback-Type: abuse", "Feedback-Type: not-spam"))
    assert {one.act for one in found} == {Act.NOTHING}


def test_a_thousand_recipients_complain_each_and_what_is_more_is_said() -> None:
    line = "Original-Rcpt-To: <user@example.com>\n"
    many = "".join(f"Original-Rcpt-To: <u{n}@example.com>\n" for n in range(1_000))
    assert len(events(REPORT.replace(line, many))) == 1 + 1_000
    fields = MAIL.split(Request("", {}, REPORT.replace(line, many + line).encode()), {})
    assert len(fields) == 1 + 1 + 1_000
    with pytest.raises(Unreadable, match="too-many-recipients"):
        MAIL.translate(fields[0], {})


@pytest.mark.parametrize(
    ("action", "status", "act"),
    [
        ("failed", "5.1.1", Act.HARD_BOUNCE),
        ("Failed", "5.0.0 (unknown)", Act.HARD_BOUNCE),
        ("failed", "5.2.1", Act.HARD_BOUNCE),
        ("failed", "4.4.7", Act.NOTHING),
        ("delayed", "4.4.1", Act.NOTHING),
        ("delayed", "5.1.1", Act.NOTHING),
        ("delivered", "2.1.5", Act.NOTHING),
        # Not for ever, or about what was sent and who sent it.
        ("failed", "5.2.2", Act.NOTHING),
        ("failed", "5.3.4", Act.NOTHING),
        ("failed", "5.6.1", Act.NOTHING),
        ("failed", "5.7.1", Act.NOTHING),
        ("failed", "soon", Act.NOTHING),
        ("", "5.1.1", Act.NOTHING),
    ],
)
def test_a_bounce_is_a_permanent_failure_of_the_address(action: str, status: str, act: Act) -> None:
    (event,) = events(
        UNDELIVERED.replace("failed", action).replace("Status: 5.1.1", f"Status: {status}")
    )
    assert (event.act, event.review) == (act, False)
    if act is Act.HARD_BOUNCE:
        assert (event.verified, event.media) == (False, Media.EMAIL)
        assert event.identifiers == [(Kind.EMAIL, "jo@example.com")]


def test_a_bounce_is_of_who_was_written_to_not_of_whom_it_was_passed_on_to() -> None:
    written, passed_on = "jo@example.com", "jo@other.example.net"
    final = f"Final-Recipient: rfc822; {passed_on}\n"
    again = f"\n{final}Action: failed\nStatus: 5.1.1\n"
    original = "Original-Recipient: rfc822;ann@example.com\n"
    for report, people in (
        (UNDELIVERED, [written]),
        (UNDELIVERED.replace(final, original + final), ["ann@example.com"]),
        (UNDELIVERED.replace("To: Jo <jo@example.com>\n", ""), [passed_on]),
        (UNDELIVERED.replace("<jo@example.com>", "a@example.com, b@example.com"), [passed_on]),
        (
            UNDELIVERED.replace("\n--b\nContent-Type: message/rfc822", again + "\n--b"),
            [passed_on] * 2,
        ),
        (UNDELIVERED.replace(final, "Final-Recipient: x400; /S=jo/\n"), [written]),
    ):
        assert [value for one in events(report) for _, value in one.identifiers] == people
    nobody = UNDELIVERED.replace(passed_on, "?").replace(written, "?")
    assert [(one.act, one.identifiers) for one in events(nobody)] == [(Act.HARD_BOUNCE, [])]


def test_a_thousand_recipients_bounce_each_and_what_is_more_is_said() -> None:
    one = "\nFinal-Recipient: rfc822; u@example.com\nAction: failed\nStatus: 5.1.1\n"
    many = UNDELIVERED.replace("\n--b\nContent-Type: message/rfc822", one * 1_000 + "\n--b")
    fields = MAIL.split(Request("", {}, many.encode()), {})
    assert len(fields) == 1 + 1_000
    with pytest.raises(Unreadable, match="too-many-recipients"):
        MAIL.translate(fields[0], {})


@pytest.mark.parametrize(
    ("mail", "expected"),
    [
        (letter("STOP"), STOP),
        (letter("Please take me off your list."), LOOK),
        (letter("Where is my order?"), UNCLEAR),
        (letter(Subject="unsubscribe"), STOP),
        (letter(Subject="=?utf-8?q?D=C3=A9sinscription?="), STOP),
        (letter("OUI"), (Act.REQUEST, True)),
        # What is quoted is not said, nor a subject that is answered.
        (letter(f"Where is my order?\n\n> {FOOTER}"), UNCLEAR),
        (
            letter(
                f"Merci !\n\nLe ven. 27 nov. 2026 à 10:00, Us <u@example.com>\n a écrit :\n{FOOTER}"
            ),
            UNCLEAR,
        ),
        (letter(f"Thanks\n\nOn Fri, 27 Nov 2026 at 10:00, Us wrote:\n\n{FOOTER}"), UNCLEAR),
        (
            letter(f"ok\n\nDe : Us\nEnvoyé : vendredi 27 novembre\nObjet : Promo\n\n{FOOTER}"),
            UNCLEAR,
        ),
        (letter(f"ok\n-----Original Message-----\n{FOOTER}"), UNCLEAR),
        (letter("ok", Subject="Re: How to unsubscribe"), UNCLEAR),
        (letter(f"\n> {FOOTER}\n\nPlease do not write again."), LOOK),
        (letter(f"On 27 Nov 2026, Us wrote:\n> {FOOTER}\n\nSTOP"), STOP),
        (letter("ok\n-- \nJo, head of stop motion"), UNCLEAR),
        (letter("", html=f'<p>ok</p><div class="gmail_quote">{FOOTER}</div>'), UNCLEAR),
        (letter("", html=f"<p>ok</p><blockquote>{FOOTER}</blockquote>"), UNCLEAR),
        (letter("", html="<style>p{}</style><p>Ne m&#39;&eacute;crivez <b>plus</b></p>"), LOOK),
        # Machines answer too.
        (letter("I am away. To unsubscribe: stop", Auto_Submitted="auto-replied"), NOTHING),
        (
            letter("Great offers! Unsubscribe here", List_Unsubscribe="<mailto:x@y.example>"),
            NOTHING,
        ),
        (letter("Stop wasting money!", Precedence="bulk"), NOTHING),
        (letter(Subject="unsubscribe", Auto_Submitted="auto-generated"), STOP),
        # A letter that is too long to be read whole may hide it.
        (letter("I like sauerkraut.\n" * 2_000), LOOK),
        (letter("\n" * 250_000 + "stop"), LOOK),
    ],
)
def test_only_what_is_new_in_a_letter_counts(
    mail: EmailMessage, expected: tuple[Act, bool]
) -> None:
    assert said(mail) == expected


def test_a_letter_objects_for_its_sender_and_the_numbers_in_it() -> None:
    (event,) = events(
        letter(
            "Ne m'appelez plus au 06 39 98 12 34 ni au +33 6 39 98 56 78.",
            From='"x, <y@z.example>" <jo@example.com>',
        )
    )
    assert event.identifiers == [
        (Kind.EMAIL, "jo@example.com"),
        (Kind.PHONE, "06 39 98 12 34"),
        (Kind.PHONE, "+33 6 39 98 56 78"),
    ]
    assert (event.verified, event.brand_hint) == (False, "dpo@example.org")


def test_a_token_in_the_subject_unsubscribes_whatever_the_mail_says() -> None:
    (event,) = events(letter("This message was sent by your mail program.", Subject=TOKEN))
    assert (event.act, event.review, event.tokens) == (Act.UNSUBSCRIBE, False, [TOKEN])
    fields = MAIL.split(Request("", {}, bytes(letter("Hello", Subject=TOKEN))), {})[0]
    assert MAIL.translate({**fields, "tokens": []}, {"unclear": "drop"}).act is Act.NOTHING


@pytest.mark.parametrize("charset", ["", "utf-8", "iso-8859-1", "windows-1252", "nonsense", "zlib"])
@pytest.mark.parametrize("written", ["utf-8", "cp1252"])
def test_a_wrong_charset_hides_no_word(charset: str, written: str) -> None:
    head = f"From: jo@example.com\nContent-Type: text/plain; charset={charset}\n\n".encode()
    assert (
        said(head + "Désinscription, ça suffit".encode(written) + b" \xff\x00")[0] is Act.OBJECTION
    )


def test_headers_inside_headers_are_text() -> None:
    raw = (
        b"From: jo@example.com\r\nSubject: =?utf-8?b?aGk=?=\r\n =?utf-8?q?=0D=0ATo:_x@example.org?="
        b"\r\n\r\nstop"
    )
    (event,) = events(raw)
    assert event.identifiers == [(Kind.EMAIL, "jo@example.com")]
    assert event.brand_hint is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"From: jo@example.com",
        b"From jo Fri Nov 27 10:00:00 2026\nFrom: jo@example.com\n\nstop",
        b"Content-Type: multipart/mixed\n\nstop",
        b"Content-Type: multipart/mixed; boundary=\n\nstop",
        b"Content-Type: text/plain; charset=zlib\nContent-Transfer-Encoding: base64\n\n====",
        b"Content-Type: text/plain; charset=punycode\n\n" + b"a-" * 100_000,
        b"Content-Transfer-Encoding: quoted-printable\n\n=ZZ=\xff=",
        b"Subject: =?utf-8?b?****?= =?x?q?=?=\n\n",
        b"Content-Type: message/feedback-report\n\n",
        b"Content-Type: message/delivery-status\n\n" + b"\n \n" * 5_000_000,
        b"To: " + b"a@example.com, " * 100_000 + b"\n\nstop",
        b"A:b\n" * 500_000 + b"\nstop",
        b"Content-Type: text/html\n\n" + b"<" * 500_000,
        b"Content-Type: text/html\n\n" + b"<!-- <style <blockquote" * 40_000,
        b"\n" + b"On 1 " * 200_000,
        b"\n\n" + b"stop\n" * 6_000_000,
        b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n)
            for n in range(20_000)
        ),
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nstop\n" * 1_000_000,
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhi\n--b\nContent-Type: image/png\n"
        b"Content-Transfer-Encoding: base64\n\n" + b"QUJD" * 7_500_000 + b"\n--b--",
    ],
    ids=range(21),
)
def test_malformed_and_enormous_mails_cost_little_and_never_raise(raw: bytes) -> None:
    began = perf_counter()
    events(raw)
    assert perf_counter() - began < 10


@given(st.binary(max_size=400))
def test_no_bytes_raise(raw: bytes) -> None:
    events(raw)


@given(
    st.lists(
        st.sampled_from((REPORT + UNDELIVERED).encode().splitlines(keepends=True)), max_size=40
    ),
    st.binary(max_size=20),
)
def test_no_shuffled_report_raises(lines: list[bytes], rubbish: bytes) -> None:
    events(rubbish.join(lines))
