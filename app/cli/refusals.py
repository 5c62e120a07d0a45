"""Turning what stops a command into a sentence and an exit status."""

import traceback

import typer
from alembic.util import CommandError
from pydantic import ValidationError

from app.platform.db import Unavailable, driver_words, is_unavailable
from app.platform.embedded import FolderUnfit, KeysMissing, ServerFailed
from app.platform.keyring import BadKeys
from app.platform.problems import Problem
from app.platform.resealing import StillNeeded
from app.platform.schema import SchemaUnfit
from app.platform.vault import KeysUnfit
from app.points import PhoneTablesUnfit
from app.policy import BadPack
from app.settings import SettingUnfit

from .root import REFUSED, UNREACHABLE

WRONG_USE = 2

_REFUSALS = (
    Problem,
    FolderUnfit,
    KeysMissing,
    SchemaUnfit,
    KeysUnfit,
    PhoneTablesUnfit,
    StillNeeded,
    BadKeys,
    BadPack,
    CommandError,
)


def explain(error: Exception) -> int:
    """Say on standard error what stopped a command, and return its exit status.

    What is none of a command's refusals is a fault of ours, shown with its trace.
    """
    if isinstance(error, SettingUnfit):
        typer.echo(str(error), err=True)
        return WRONG_USE
    if isinstance(error, ValidationError):
        typer.echo(_settings(error), err=True)
        return WRONG_USE
    if isinstance(error, Unavailable | ServerFailed) or is_unavailable(error):
        typer.echo(f"The registry's database cannot be reached: {driver_words(error)}", err=True)
        return UNREACHABLE
    if isinstance(error, _REFUSALS):
        typer.echo(str(error), err=True)
        return REFUSED
    typer.echo("".join(traceback.format_exception(error)), err=True)
    return REFUSED


def _settings(error: ValidationError) -> str:
    lines = [
        f"OPTOUT_{'.'.join(map(str, each['loc'])).upper()}: "
        + each["msg"].removeprefix("Value error, ")
        for each in error.errors(include_input=False, include_url=False)
    ]
    return "\n".join(lines)
