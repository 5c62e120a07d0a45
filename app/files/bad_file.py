"""The refusal of a whole file."""

from app.platform.problems import Problem


class BadFile(Problem):
    """The file cannot be read as a table.

    `code` says why and `line`, where it is known, from which line on. Nothing of the content is
    repeated, because it may be contact points. Rows before that line may have been read.

    Codes: `empty`, `not-a-table`, `json-array`, `too-many-columns`; of packed files `packed-twice`,
    `zip-of-many`, `encrypted`, `damaged`, `cut-short`, `unknown-packing`, `unpacks-to-too-much`; of
    workbooks `workbook-too-large`; of rows without end `line-too-long`, `quotes-not-closed`.
    """

    type = "unreadable-file"
    title = "The file cannot be read"
    status = 422

    def __init__(self, code: str, detail: str, *, line: int | None = None) -> None:
        """Name the reason by a stable code (``line``: the physical one, from 1)."""
        super().__init__(detail, extra={"code": code, "line": line})
        self.code = code
        self.line = line
