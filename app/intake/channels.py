"""For which channel an act is recorded: the one that is named, or that the key is bound to."""

from app.parties import Caller, Directory
from app.platform.problems import FieldError
from app.platform.refusals import InvalidRequest


async def channel_of(
    caller: Caller, slug: str | None, directory: Directory, *, pointer: str = "/channel"
) -> int:
    """Find the channel that an act is recorded for; ``pointer`` says where it is named.

    Raises:
        UnknownChannel: there is no such channel.
        Forbidden: the key is bound to another one.
        InvalidRequest: none is named, and the key is bound to none.
    """
    if slug is not None:
        channel = await directory.channel(slug, pointer)
        caller.speak_for(channel)
        return channel
    if caller.channel is None:
        raise InvalidRequest(
            "This key is bound to no channel, so the request must name one.",
            errors=[FieldError(pointer, "is needed with a key that is bound to no channel")],
        )
    return caller.channel
