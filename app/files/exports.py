"""The unsubscribe exports of the usual senders: told by their headers, read for what they mean.

Each is a set of names that such a file has together, with the page that documents them. What a file
says about a person may stand in the kind of file (a list of bounces) or in each row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .columns import CONTACTS, Columns, Field, guess_by_names, guess_by_values, plain


@dataclass(frozen=True, slots=True)
class Export:
    """A known kind of file: its columns by their plain names, and what a row of it stands for."""

    source: str
    names: frozenset[str]
    fields: Mapping[str, Field]
    reason: str | None = None
    flags: Mapping[str, str] = field(default_factory=dict)
    """Columns that hold TRUE, or a text, for a reason; the first that does decides."""
    code: str | None = None
    """A column whose word, where it is one of ``codes``, decides instead of ``reason``."""
    codes: Mapping[str, str] = field(default_factory=dict)
    may_have: frozenset[str] | None = None
    """All the other names that it may have; None: any, for ``names`` are its own."""


def _names(*names: str) -> frozenset[str]:
    return frozenset(names)


_EMAIL = {"email": Field.EMAIL}
_SENDGRID = {"email": Field.EMAIL, "created": Field.OCCURRED_AT}
_MAILGUN = {"address": Field.EMAIL, "created at": Field.OCCURRED_AT}
_MAILCHIMP = {"email address": Field.EMAIL}

_EXPORTS = (
    # https://www.twilio.com/docs/sendgrid/api-reference/bounces-api (invalid addresses are without
    # status), .../spam-reports-api, .../suppressions-global-suppressions; created in Unix seconds.
    Export(
        "sendgrid",
        _names("created", "email", "reason"),
        _SENDGRID,
        "hard_bounce",
        may_have=_names("status"),
    ),
    Export("sendgrid", _names("created", "email", "ip"), _SENDGRID, "complaint", may_have=_names()),
    Export("sendgrid", _names("created", "email"), _SENDGRID, "unsubscribe", may_have=_names()),
    # https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/bounces,
    # .../unsubscribe, .../complaints; created_at as in RFC 2822.
    Export("mailgun", _names("address", "code", "error", "created at"), _MAILGUN, "hard_bounce"),
    Export("mailgun", _names("address", "tags", "created at"), _MAILGUN, "unsubscribe"),
    Export("mailgun", _names("address", "created at"), _MAILGUN, "complaint", may_have=_names()),
    # https://mailchimp.com/help/view-unsubscribed-contacts/ has the two kinds, unsubscribed and
    # cleaned (hard bounces, and soft ones again and again); open importers have the columns.
    Export(
        "mailchimp",
        _names("email address", "unsub time"),
        _MAILCHIMP | {"unsub time": Field.OCCURRED_AT},
        "unsubscribe",
    ),
    Export(
        "mailchimp",
        _names("email address", "clean time"),
        _MAILCHIMP | {"clean time": Field.OCCURRED_AT},
        "hard_bounce",
    ),
    # https://developers.brevo.com/reference/get-transac-blocked-contacts, an object a line.
    Export(
        "brevo",
        _names("email", "reason code", "blockedat"),
        _EMAIL | {"blockedat": Field.OCCURRED_AT},
        "unsubscribe",
        code="reason code",
        codes={"hardbounce": "hard_bounce", "contactflaggedasspam": "complaint"},
    ),
    # https://developers.brevo.com/reference/request-contact-export: EMAIL, ADDED_TIME and
    # MODIFIED_TIME always, SMS where there are numbers. No column tells when somebody left.
    Export(
        "brevo",
        _names("email", "added time", "modified time"),
        _EMAIL | {"sms": Field.PHONE},
        "unsubscribe",
    ),
    # https://knowledge.hubspot.com/articles/kcs_article/contacts/
    # what-do-the-columns-mean-in-csv-i-receive-when-i-export-unsubscribes-and-bounces: TRUE, or for
    # a bounce its reason. Each other column is one kind of e-mail: whoever left only that may still
    # be sent the rest.
    Export(
        "hubspot",
        _names("portal bounce", "portal unsubscribe"),
        _EMAIL | {"email address": Field.EMAIL},
        flags={
            "portal spam report": "complaint",
            "portal unsubscribe": "unsubscribe",
            "portal bounce": "hard_bounce",
            "global bounce": "hard_bounce",
        },
    ),
    # VICIdial's list_download.php writes the header and a number a line.
    Export(
        "vicidial",
        _names("phone number"),
        {"phone number": Field.PHONE},
        "objection",
        may_have=_names(),
    ),
)

_FALSE = {"", "false", "no", "0"}


def recognise(header: Sequence[str] | None) -> Export | None:
    """Tell whose export has these columns; None if nobody's that is known."""
    names = {plain(name) for name in header or ()}
    for export in _EXPORTS:
        more = names - export.names
        if export.names <= names and (export.may_have is None or more <= export.may_have):
            return export
    return None


def guess_columns(header: Sequence[str] | None, samples: Sequence[Sequence[str]]) -> Columns:
    """Guess what the columns of a file mean, from their names and some rows.

    A known export is read by its documentation. Else names come first, as long as what stands in a
    column does not contradict its name; where no name tells of a contact point, the values do.
    """
    export = recognise(header)
    if export is None:
        columns = guess_by_names(header, samples) if header else {}
    else:
        columns = {
            export.fields[plain(name)]: (at,)
            for at, name in enumerate(header or ())
            if plain(name) in export.fields
        }
    if not _tells_of_contacts(columns):
        columns |= guess_by_values(samples, taken=columns)
    if not _tells_of_contacts(columns) and header:
        # A few bad rows must not leave a file without any column.
        columns |= guess_by_names(header, [])
    if Field.PHONE not in columns:
        columns.pop(Field.AREA_CODE, None)
    return columns


def _tells_of_contacts(columns: Columns) -> bool:
    return any(field in columns for field in CONTACTS)


class ReasonOfRow:
    """What the rows of a file stand for, where the file is a known export."""

    def __init__(self, header: Sequence[str] | None) -> None:
        """Look at the header once; ``is_known`` tells whether rows have a reason of their own."""
        export = recognise(header)
        self.is_known = export is not None
        places = {plain(name): at for at, name in enumerate(header or ())}
        self._export = export
        self._flags = [
            (places[name], reason)
            for name, reason in (export.flags if export else {}).items()
            if name in places
        ]
        self._code = places.get(export.code) if export and export.code else None

    def of(self, cells: Sequence[str]) -> str | None:
        """Give the reason that a row stands for; None: it does not say that anybody objected."""
        if self._export is None:
            return None
        for at, reason in self._flags:
            if at < len(cells) and cells[at].strip().lower() not in _FALSE:
                return reason
        if self._code is not None and self._code < len(cells):
            word = cells[self._code].strip().lower()
            return self._export.codes.get(word, self._export.reason)
        return self._export.reason
