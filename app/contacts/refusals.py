"""What makes a record unfit to be kept: a stable code, where it stood, and never the value."""

from app.platform.problems import FieldError, Problem


class UnusableRecord(Problem):
    """A consent, contract, attempt or profile contradicts itself or the calendar.

    `errors` says where and how: a time that has not come yet, an end before the beginning, a time
    zone that does not exist, a wording that is not on record. Nothing was recorded.
    """

    type = "unusable-record"
    title = "The record cannot be used"
    status = 422

    def __init__(self, code: str, pointer: str, detail: str) -> None:
        """Name the fault by its code, for lines of batches and files have no room for more."""
        super().__init__(
            f"The record cannot be used: {detail}.", errors=[FieldError(pointer, detail)]
        )
        self.code = code


def code_of(problem: Problem) -> str:
    """Name a refusal as a line of a batch or a file does."""
    return problem.code if isinstance(problem, UnusableRecord) else problem.type.replace("-", "_")
