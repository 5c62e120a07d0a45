"""``optout policy``: what the rules come to, for whoever runs or writes a campaign."""

from typing import Annotated, Any

import typer
from pydantic import ValidationError

from app.checks import EvaluationIn, evaluated, load_law
from app.platform.clock import now
from app.settings import read_settings

from .root import AsJson, app, print_json

policy = typer.Typer(help="Ask what the rules in force come to.", no_args_is_help=True)
app.add_typer(policy, name="policy")

_FLAGS = {"true": True, "false": False}


@policy.callback()
def of_the_law() -> None:
    """Ask what the rules in force come to: no registry is needed, and nobody is named."""


@policy.command("explain")
def explain(
    *,
    medium: Annotated[str, typer.Option(help="voice, sms, messaging, email or post.")],
    country: Annotated[str, typer.Option(help="As FR; overseas territories have their own.")],
    audience: Annotated[
        str, typer.Option(help="consumer, professional or unknown, judged as a consumer.")
    ] = "unknown",
    at: Annotated[
        str | None, typer.Option(help="As 2026-08-11T10:00:00+02:00. Left out: now.")
    ] = None,
    automated: Annotated[bool, typer.Option("--automated", help="A machine speaks.")] = False,
    fact: Annotated[
        list[str] | None, typer.Option(help="As consent=valid; again for more.")
    ] = None,
    language: Annotated[str, typer.Option(help="Of the reasons: en or fr.")] = "en",
    as_json: AsJson = False,
) -> None:
    """Say what a check would answer under given facts, by which rules, and on what basis.

    Facts that are left out are what they are if nothing is known. No legal advice.
    """
    if language not in ("en", "fr"):
        raise typer.BadParameter("languages are en, fr", param_hint="--language")
    settings = read_settings()
    asked = _question(
        {
            "at": at or now(),
            "country": country,
            "medium": medium,
            "audience": audience,
            "automated": automated,
            "facts": dict(_fact(one) for one in fact or ()),
        }
    )
    answer = evaluated(load_law(settings), asked, settings).model_dump(mode="json")
    if as_json:
        print_json(answer)
    else:
        typer.echo(_in_words(answer, language))


def _fact(written: str) -> tuple[str, Any]:
    name, equals, value = written.partition("=")
    if not equals:
        raise typer.BadParameter("a fact is written as consent=valid", param_hint="--fact")
    return name, _FLAGS.get(value, value)


def _question(said: dict[str, Any]) -> EvaluationIn:
    try:
        return EvaluationIn.model_validate(said)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
            for each in error.errors(include_input=False, include_url=False)
        ]
        raise typer.BadParameter("; ".join(faults)) from None


def _in_words(answer: dict[str, Any], language: str) -> str:
    lines = [answer["decision"]]
    if answer["next_allowed_at"] is not None:
        lines.append(f"at the latest allowed from {answer['next_allowed_at']}")
    for reason in answer["reasons"]:
        basis = "; ".join(reason["basis"])
        source = f" ({basis}; confidence {reason['confidence']})" if basis else ""
        lines.append(f"- {reason['code']}: {reason['says'][language]}{source}")
    lines += [f"to do: {duty['says'][language]}" for duty in answer["obligations"]]
    lines.append(f"by {', '.join(answer['packs']) or 'no pack'}")
    if answer["incomplete"]:
        lines.append("These packs are incomplete: they do not hold the whole law.")
    return "\n".join(lines)
