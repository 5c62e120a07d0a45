"""Which column means what: by name, by values, by whose export it is, and as the caller says."""

import pytest

from app.files import BadMapping, Field, ReasonOfRow, guess_columns, map_columns
from tests.tables import read

PHONE, EMAIL, DATE = Field.PHONE, Field.EMAIL, Field.OCCURRED_AT


@pytest.mark.parametrize(
    ("names", "field"),
    [
        (
            "phone|Phone Number|Téléphone|Tél.|N° de téléphone|Portable|MOBILE|GSM|Numéro|msisdn",
            PHONE,
        ),
        ("tel_portable|Téléphone fixe|tel1|Cell|num tel", PHONE),
        ("email|E-mail|Courriel|mail|Adresse mail|EMAIL ADDRESS|Adresse e-mail|mél", EMAIL),
        (
            "Date d'opposition|date|Date de désinscription|unsubscribed_at|Opt-out date|Horodatage",
            DATE,
        ),
        ("occurred_at|Date opposition|UNSUB_TIME|Date et heure|created_at|Date du refus", DATE),
        ("motif|Motif d'opposition|reason|raison|Unsubscribe reason", Field.REASON),
        ("SIREN|N° SIREN|siren", Field.SIREN),
        ("customer|client|ID client|customer_id|N° client", Field.CUSTOMER),
        ("brand|Marque|enseigne", Field.BRAND),
        ("media|canal|Channel", Field.MEDIA),
        ("reference|réf", Field.REFERENCE),
        ("region|Pays|country code", Field.REGION),
    ],
)
def test_a_column_is_known_by_its_name_in_french_and_english(names: str, field: Field) -> None:
    for name in names.split("|"):
        found = guess_columns(["x", name], [])
        assert found == {field: (1,)}, name


@pytest.mark.parametrize(
    "name",
    [
        "Date de naissance",
        "Nom",
        "Ville",
        "Numéro de rue",
        "Date d'inscription",
        "type de mobile",
        "SIRET",
        "Birthday",
        "N° de commande",
        "LAST_CHANGED",
        "Opt-in date",
        "created by",
    ],
)
def test_a_column_that_means_something_else_is_left_alone(name: str) -> None:
    assert guess_columns([name, "phone"], []) == {PHONE: (1,)}


def test_several_columns_may_hold_contact_points() -> None:
    header = ["Nom", "Tél fixe", "Portable", "e-mail"]
    assert guess_columns(header, []) == {PHONE: (1, 2), EMAIL: (3,)}


def test_a_name_is_not_believed_against_what_stands_in_its_column() -> None:
    header = ["mobile", "mail", "phone", "region", "canal", "client"]
    rows = [["oui", "non", "06 39 98 00 01", "Bretagne", "web", "4411"]] * 3
    assert guess_columns(header, rows) == {PHONE: (2,)}


def test_a_few_bad_values_leave_no_column_of_contact_points_unread() -> None:
    header = ["Tél.", "Adresse e-mail"]
    rows = [["0639980001", mail] for mail in ("j@example.com", "none", "no", "k@example.com")]
    assert guess_columns(header, rows) == {PHONE: (0,), EMAIL: (1,)}


def test_bad_values_alone_do_not_speak_against_the_only_column_there_is() -> None:
    assert guess_columns(["Nom", "Tél"], [["Zoé", "none"]]) == {PHONE: (1,)}


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ([["Zoé", "0639980001"], ["Noé", "+33 6 39 98 00 02"]], {PHONE: (1,)}),
        ([["639980001"], ["639980002"]], {PHONE: (0,)}),
        ([['="0639980001"'], ["'0639980002"]], {PHONE: (0,)}),
        ([["3,36123E+10"]], {PHONE: (0,)}),
        ([["x", "a@example.com", "0639980001"]], {PHONE: (2,), EMAIL: (1,)}),
        ([["202", "5550001"], ["202", "5550002"]], {Field.AREA_CODE: (0,), PHONE: (1,)}),
        ([["crm:A1"], ["crm:A2"]], {Field.CUSTOMER: (0,)}),
        ([["20260131"], ["20260201"]], {}),
        ([["31/01/2026"], ["01/02/2026"]], {}),
        ([["404833048"]], {}),
        ([["Zoé"]], {}),
        ([], {}),
    ],
)
def test_without_names_the_values_decide(
    rows: list[list[str]], columns: dict[Field, tuple[int, ...]]
) -> None:
    assert guess_columns(None, rows) == columns
    assert guess_columns(["Nom"] * len(rows[0]) if rows else ["Nom"], rows) == columns


def test_values_and_names_of_any_length_are_looked_at_in_no_time() -> None:
    for long in (" " * 130_000 + "x", "0" * 130_000, "@." * 60_000, "a:" * 60_000, "-" * 130_000):
        guess_columns([long, "tel " * 30_000], [[long, long]] * 20)


def test_a_mapping_names_columns_as_people_write_them_or_by_number() -> None:
    header = ["Téléphone", "Mobile", "Le", "E-mail"]
    mapping = {"telephone": "phone", "2": "phone", "Le": "occurred_at", "E-mail": "email"}
    assert map_columns(header, 4, mapping) == {PHONE: (0, 1), DATE: (2,), EMAIL: (3,)}
    assert map_columns(None, 2, {"2": "email"}) == {EMAIL: (1,)}


def test_a_mapping_that_does_not_fit_is_refused_column_by_column() -> None:
    header = ["x", "y", "twice", "Twice", "a/b"]
    mapping = {"nothing": "phone", "a/b": "colour", "TWICE": "email", "1": "brand", "2": "brand"}
    with pytest.raises(BadMapping) as refused:
        map_columns(header, 5, mapping | {"9": "phone"})
    assert [(error.pointer, error.detail) for error in refused.value.errors] == [
        ("/mapping/nothing", "the file has no such column, or has it twice"),
        ("/mapping/a~1b", "there is no such field"),
        ("/mapping/TWICE", "the file has no such column, or has it twice"),
        ("/mapping/2", "brand is mapped twice"),
        ("/mapping/9", "the file has no such column, or has it twice"),
    ]


EXPORTS = {
    "sendgrid bounces": (
        b"status,reason,email,created\n5.1.1,550 no such user,a@example.com,1700000000\n",
        ("sendgrid", {EMAIL: (2,), DATE: (3,)}, ["hard_bounce"]),
    ),
    "sendgrid spam reports": (
        b"ip,email,created\n192.0.2.1,a@example.com,1700000000\n",
        ("sendgrid", {EMAIL: (1,), DATE: (2,)}, ["complaint"]),
    ),
    "sendgrid unsubscribes": (
        b"email,created\na@example.com,1700000000\n",
        ("sendgrid", {EMAIL: (0,), DATE: (1,)}, ["unsubscribe"]),
    ),
    "mailgun bounces": (
        b'address,code,error,created_at\na@example.com,550,x,"Tue, 07 Jan 2025 19:25:45 UTC"\n',
        ("mailgun", {EMAIL: (0,), DATE: (3,)}, ["hard_bounce"]),
    ),
    "mailgun unsubscribes": (
        b'address,tags,created_at\na@example.com,*,"Tue, 07 Jan 2025 19:25:45 UTC"\n',
        ("mailgun", {EMAIL: (0,), DATE: (2,)}, ["unsubscribe"]),
    ),
    "mailgun complaints": (
        b'address,created_at\na@example.com,"Tue, 07 Jan 2025 19:25:45 UTC"\n',
        ("mailgun", {EMAIL: (0,), DATE: (1,)}, ["complaint"]),
    ),
    "mailchimp unsubscribed": (
        (
            b"Email Address,First Name,LAST_CHANGED,UNSUB_TIME,UNSUB_REASON,LEID\n"
            b"a@example.com,Z,2025-01-01 10:00:00,2024-02-01 09:00:00,NORMAL,1\n"
        ),
        ("mailchimp", {EMAIL: (0,), DATE: (3,)}, ["unsubscribe"]),
    ),
    "mailchimp cleaned": (
        b"Email Address,CLEAN_TIME,CLEAN_CAMPAIGN_TITLE\na@example.com,2024-02-01 09:00:00,x\n",
        ("mailchimp", {EMAIL: (0,), DATE: (1,)}, ["hard_bounce"]),
    ),
    "brevo contacts": (
        b"EMAIL;SMS;ADDED_TIME;MODIFIED_TIME\na@example.com;33639980001;01-01-2024;02-01-2024\n",
        ("brevo", {EMAIL: (0,), PHONE: (1,)}, ["unsubscribe"]),
    ),
    "brevo blocked": (
        (
            b'{"email": "a@example.com", "reason": {"code": "hardBounce", "message": "x"}, '
            b'"blockedAt": "2017-05-01T12:30:00Z"}\n'
            b'{"email": "b@example.com", "reason": {"code": "contactFlaggedAsSpam"}}\n'
            b'{"email": "c@example.com", "reason": {"code": "adminBlocked"}, "blockedAt": ""}\n'
        ),
        ("brevo", {EMAIL: (0,), DATE: (3,)}, ["hard_bounce", "complaint", "unsubscribe"]),
    ),
    "hubspot": (
        (
            b"Email,Portal Bounce,Portal Unsubscribe,Portal Spam Report,Global Bounce,Newsletter\n"
            b"a@example.com,,TRUE,,,\nb@example.com,,TRUE,TRUE,,\n"
            b"c@example.com,MAILBOX_FULL,FALSE,,,\nd@example.com,,,,,TRUE\n"
        ),
        ("hubspot", {EMAIL: (0,)}, ["unsubscribe", "complaint", "hard_bounce", None]),
    ),
    "vicidial": (
        b"phone_number\r\n2025550001\r\n2025550002\r\n",
        ("vicidial", {PHONE: (0,)}, ["objection", "objection"]),
    ),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_of_a_usual_sender_is_known_and_read_for_what_it_means(name: str) -> None:
    data, (source, columns, reasons) = EXPORTS[name]
    layout, rows = read(data)
    meant = ReasonOfRow(layout.header)
    assert (layout.known, meant.is_known) == (source, True)
    assert guess_columns(layout.header, [row.cells for row in rows]) == columns
    assert [meant.of(row.cells) for row in rows] == reasons


def test_a_list_like_an_export_is_not_taken_for_one() -> None:
    layout, rows = read(b"email,created,name\na@example.com,2024-01-31,Z\n")
    assert (layout.known, ReasonOfRow(layout.header).of(rows[0].cells)) == (None, None)
    assert ReasonOfRow(None).is_known is False
