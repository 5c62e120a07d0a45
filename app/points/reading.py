"""Reading what people write: a contact point in any spelling, or a refusal that can be shown."""

from app.identifiers import Identifier, Unusable, UnusableRegion, normalise
from app.journal import Kind
from app.platform.problems import FieldError, Problem


class UnusableIdentifier(Problem):
    """The contact point cannot be understood, in the region given. Nothing was recorded.

    Ask for it again; for a phone in national form, say its `region`.
    """

    type = "unusable-identifier"
    title = "The contact point cannot be used"
    status = 422


def read_identifier(kind: Kind, value: str, *, region: str, pointer: str) -> Identifier:
    """Bring a contact point to its normal form; ``pointer`` says where in the request it stood.

    Its region stands beside it.

    Raises:
        UnusableIdentifier: it has none; the value is not repeated.
    """
    try:
        return normalise(kind, value, region=region)
    except Unusable as error:
        if isinstance(error, UnusableRegion):
            pointer = f"{pointer.rpartition('/')[0]}/region"
        raise UnusableIdentifier(
            "A contact point cannot be used.", errors=[FieldError(pointer, str(error))]
        ) from None
