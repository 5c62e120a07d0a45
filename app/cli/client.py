"""Commands for whoever records an objection or asks before contacting, over the API."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import typer

from .remote import WAITS, ApiKey, Failed, NoAnswer, Url, remote
from .root import REFUSED, AsJson, Campaign, app, print_json

_OPT_OUT_SECONDS = 30
_CHECK_SECONDS = 5
"""How long an answer may keep silent; twice as long is given up, however it comes."""
_NOBODY = "one of --phone, --email, --siren, --customer is needed"
_FROM_INPUT = (
    "Arguments are shown by `ps` to every user of the machine: with `-` for the value, contact "
    "points are read from standard input, one a line."
)

Values = Annotated[
    list[str] | None, typer.Option(metavar="VALUE", help="`-`: from standard input.")
]
Value = Annotated[str | None, typer.Option(metavar="VALUE", help="`-`: from standard input.")]
Region = Annotated[
    str | None, typer.Option(help="Country of a phone in national form, as FR.", metavar="CC")
]


@app.command("opt-out", epilog=_FROM_INPUT)
def opt_out(  # noqa: PLR0913 - each is an option
    *,
    phone: Values = None,
    email: Values = None,
    siren: Values = None,
    customer: Values = None,
    region: Region = None,
    media: Annotated[
        list[str] | None,
        typer.Option(
            help="voice, sms, messaging, email or post; again for more. Left out: every medium."
        ),
    ] = None,
    brand: Annotated[str | None, typer.Option(help="Left out: every brand.")] = None,
    reason: Annotated[str | None, typer.Option(help="Left out: objection.")] = None,
    occurred_at: Annotated[
        str | None,
        typer.Option(help="When it was said, as 2026-01-31T10:00:00+01:00. Left out: now."),
    ] = None,
    channel: Annotated[str | None, typer.Option(help="Left out: the key's channel.")] = None,
    recorded_by: Annotated[str | None, typer.Option(help="The agent.")] = None,
    reference: Annotated[str | None, typer.Option(help="Your own, unique per channel.")] = None,
    evidence: Annotated[str | None, typer.Option(help="Where the proof lies.")] = None,
    evidence_kind: Annotated[
        str, typer.Option(help="call_recording, email, letter, sms, web_form or other.")
    ] = "other",
    evidence_sha256: Annotated[str | None, typer.Option(help="Of the proof, in hex.")] = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(help="That of an attempt without a receipt: it is recorded only once."),
    ] = None,
    url: Url = None,
    key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Record that somebody said stop, and print the receipt. Options are repeated for more."""
    given = {"phone": phone, "email": email, "siren": siren, "customer": customer}
    body = {
        "identifiers": _identifiers(_read(given), region),
        "media": media or None,
        "brand": brand,
        "reason": reason,
        "occurred_at": occurred_at,
        "channel": channel,
        "recorded_by": recorded_by,
        "reference": reference,
        "evidence": _evidence(evidence_kind, evidence, evidence_sha256),
    }
    once = idempotency_key or str(uuid4())
    with remote(
        url, key, as_json=as_json, seconds=_OPT_OUT_SECONDS, within=2 * _OPT_OUT_SECONDS
    ) as registry:
        try:
            receipt = registry.post(
                "/v1/opt-outs",
                {name: value for name, value in body.items() if value is not None},
                headers={"Idempotency-Key": once},
                waits=WAITS,
            )
        except NoAnswer:
            again = f"No receipt: it may be recorded or not. Again: --idempotency-key {once}"
            typer.echo(again, err=True)
            raise
    if as_json:
        print_json(receipt)
    else:
        typer.echo(_receipt_in_words(receipt))


@app.command(epilog=f"Nobody may be contacted unless the exit status is 0. {_FROM_INPUT}")
def check(  # noqa: PLR0913 - each is an option
    *,
    phone: Value = None,
    email: Value = None,
    siren: Value = None,
    customer: Value = None,
    region: Region = None,
    medium: Annotated[str, typer.Option(help="voice, sms, messaging, email or post.")],
    brand: Annotated[
        str | None, typer.Option(help="Left out: block if any brand is suppressed.")
    ] = None,
    campaign: Campaign = None,
    url: Url = None,
    key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Ask whether somebody may be contacted: exit status 0 for allow, and only for allow."""
    given = {"phone": phone, "email": email, "siren": siren, "customer": customer}
    person = _one_of_each(
        _read({kind: [value] for kind, value in given.items() if value is not None})
    )
    question: dict[str, Any] = {**person, "medium": medium, "brand": brand, "region": region}
    if campaign is not None:
        question["campaign"] = _campaign(campaign)
    with remote(
        url, key, as_json=as_json, seconds=_CHECK_SECONDS, within=2 * _CHECK_SECONDS
    ) as registry:
        try:
            answer = registry.post("/v1/checks", question)
            if "decision" not in answer:
                raise NoAnswer("What answered is no decision of a registry.", None)
        except Failed:
            typer.echo("Do not contact: without an answer nobody may be.", err=True)
            raise
    if as_json:
        print_json(answer)
    else:
        typer.echo(_answer_in_words(answer, medium))
    if answer.get("decision") != "allow":
        raise typer.Exit(REFUSED)


def _identifiers(read: dict[str, list[str]], region: str | None) -> list[dict[str, str]]:
    identifiers = [
        {"kind": kind, "value": value} for kind, values in read.items() for value in values
    ]
    if not identifiers:
        raise typer.BadParameter(_NOBODY)
    if region is not None:
        identifiers = [each | {"region": region} for each in identifiers]
    return identifiers


def _evidence(kind: str, reference: str | None, sha256: str | None) -> dict[str, str] | None:
    if reference is None:
        if sha256 is not None:
            raise typer.BadParameter("the digest of what?", param_hint="--evidence-sha256")
        return None
    evidence = {"kind": kind, "reference": reference}
    return evidence if sha256 is None else evidence | {"sha256": sha256}


def _one_of_each(read: dict[str, list[str]]) -> dict[str, str]:
    for kind, values in read.items():
        if len(values) > 1:
            raise typer.BadParameter("one at a time is checked", param_hint=f"--{kind}")
    person = {kind: values[0] for kind, values in read.items() if values}
    if not person:
        raise typer.BadParameter(_NOBODY)
    return person


def _read(given: Mapping[str, list[str] | None]) -> dict[str, list[str]]:
    """Put lines of standard input in the place of a ``-``, which one option may have."""
    asking = [kind for kind, values in given.items() if values and "-" in values]
    if len(asking) > 1:
        raise typer.BadParameter("one option at most reads standard input")
    read: dict[str, list[str]] = {}
    for kind, values in given.items():
        read[kind] = [value for value in values or [] if value != "-"]
        if kind in asking:
            read[kind] += _lines()
    return read


def _lines() -> list[str]:
    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise typer.BadParameter("standard input is no text in UTF-8") from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        # Going on with the other options would leave this contact point out, unnoticed.
        raise typer.BadParameter("standard input holds nothing")
    return lines


def _receipt_in_words(receipt: dict[str, Any]) -> str:
    told = receipt["propagation"]
    return "\n".join(
        [
            f"Receipt {receipt['id']}, journal position {receipt['position']}",
            f"  {receipt['reason']} by {receipt['channel']} of {_time(receipt['occurred_at'])}",
            *(
                f"  {one['masked']}  {', '.join(one['media'])}  {_brand(one['brand'])}"
                for one in receipt["suppressions"]
            ),
            f"  acknowledged by {told['acknowledged']} of {told['databases']} databases so far",
        ]
    )


def _answer_in_words(answer: dict[str, Any], medium: str) -> str:
    first = f"{answer['decision']}  {answer['identifier']['masked']}  {medium}"
    if answer["valid_until"] is not None:
        first += f"  until {_time(answer['valid_until'])}"
    if answer.get("next_allowed_at") is not None:
        first += f"  from {_time(answer['next_allowed_at'])}"
    return "\n".join([first, *map(_reason_in_words, answer["reasons"])])


def _reason_in_words(reason: dict[str, Any]) -> str:
    if "says" in reason:
        return f"  {reason['code']}: {reason['says']['en']}"
    since = _time(reason["since"])
    return f"  {reason['code']}: {reason['reason']} of {since}, {_brand(reason['brand'])}"


def _campaign(written: str) -> object:
    try:
        return json.loads(written)
    except ValueError:
        raise typer.BadParameter("a JSON object is needed", param_hint="--campaign") from None


def _brand(slug: str | None) -> str:
    return "every brand" if slug is None else slug


def _time(wire: str) -> str:
    return f"{datetime.fromisoformat(wire).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
