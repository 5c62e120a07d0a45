"""Files as people send them, made in memory."""

import io
import zipfile
from collections.abc import Sequence

from app.files import BadFile, Layout, Limits, Row, read_layout, read_rows

_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def read(data: bytes, limits: Limits | None = None) -> tuple[Layout, list[Row]]:
    """Read a file to its end, or raise its ``BadFile``."""
    source = io.BytesIO(data)
    limits = limits or Limits()
    layout = read_layout(source, limits=limits)
    return layout, list(read_rows(source, layout, limits=limits))


def refusal(data: bytes, limits: Limits | None = None) -> tuple[str, int | None]:
    """Tell by which code a file is refused, and from which line on."""
    try:
        read(data, limits)
    except BadFile as refused:
        return refused.code, refused.line
    raise AssertionError("it was read")


def zipped(**files: bytes) -> bytes:
    """Pack files, underscores in their names standing for dots."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return output.getvalue()


def workbook(*sheets: Sequence[Sequence[object]], hidden: Sequence[int] = ()) -> bytes:
    """Write a workbook as spreadsheets do; a cell of None is not written, a float is a number."""
    texts: list[str] = []
    names = [f"sheet{at}" for at in range(1, len(sheets) + 1)]
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        parts = "".join(
            f'<Override PartName="/xl/worksheets/{name}.xml" ContentType="{_KIND}.worksheet+xml"/>'
            for name in names
        )
        main = f'<Override PartName="/xl/workbook.xml" ContentType="{_KIND}.sheet.main+xml"/>'
        more = "".join(
            f'<Override PartName="/xl/{name}.xml" ContentType="{_KIND}.{name}+xml"/>'
            for name in ("styles", "sharedStrings")
        )
        archive.writestr(
            "[Content_Types].xml", f'<Types xmlns="{_TYPES}">{main}{more}{parts}</Types>'
        )
        archive.writestr("_rels/.rels", _relations([("officeDocument", "xl/workbook.xml")]))
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            _relations(
                [("worksheet", f"worksheets/{name}.xml") for name in names]
                + [("styles", "styles.xml"), ("sharedStrings", "sharedStrings.xml")]
            ),
        )
        unseen = dict.fromkeys(hidden, ' state="hidden"')
        listed = "".join(
            f'<sheet name="{name}" sheetId="{at + 1}" r:id="r{at + 1}"{unseen.get(at, "")}/>'
            for at, name in enumerate(names)
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>',
        )
        archive.writestr(
            "xl/styles.xml",
            f'<styleSheet xmlns="{_SHEET}"><cellXfs count="2"><xf numFmtId="0"/>'
            '<xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>',
        )
        for name, rows in zip(names, sheets, strict=True):
            archive.writestr(f"xl/worksheets/{name}.xml", _sheet(rows, texts))
        shared = "".join(f"<si><t>{text}</t></si>" for text in texts)
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{_SHEET}">{shared}</sst>')
    return output.getvalue()


def _relations(targets: Sequence[tuple[str, str]]) -> str:
    each = "".join(
        f'<Relationship Id="r{at}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for at, (kind, target) in enumerate(targets, 1)
    )
    return f'<Relationships xmlns="{_RELATIONS}">{each}</Relationships>'


def _sheet(rows: Sequence[Sequence[object]], texts: list[str]) -> str:
    written = "".join(
        f'<row r="{number}">'
        + "".join(
            _cell(f"{chr(65 + at)}{number}", cell, texts)
            for at, cell in enumerate(row)
            if cell is not None
        )
        + "</row>"
        for number, row in enumerate(rows, 1)
        if row
    )
    return f'<worksheet xmlns="{_SHEET}"><sheetData>{written}</sheetData></worksheet>'


def _cell(place: str, value: object, texts: list[str]) -> str:
    if isinstance(value, Serial):
        return f'<c r="{place}" s="1"><v>{float(value)}</v></c>'
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, float):
        return f'<c r="{place}"><v>{value}</v></c>'
    if value == "#N/A":
        return f'<c r="{place}" t="e"><v>{value}</v></c>'
    texts.append(str(value))
    return f'<c r="{place}" t="s"><v>{len(texts) - 1}</v></c>'


class Serial(float):
    """A date as spreadsheets count them: days since the end of 1899."""
