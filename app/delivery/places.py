"""The places of databases that pull: moved over what does not concern them, as a courier does.

Else a database that pulls e-mail addresses alone would seem to lag behind every phone number.
"""

from app.journal import FollowerState, find_window, pass_over, read_followers, read_head
from app.platform.db import Database


async def pass_over_strangers(database: Database) -> None:
    """Move each pulling database's place up to the next entry that concerns it.

    At most one window of the journal is looked at for each; the next call goes on from there.
    """
    async with database.reading() as session:
        head = await read_head(session)
        followers = (await read_followers(session)).values()
        behind = [one for one in followers if not one.pushed and one.scanned < head.position]
    for follower in behind:
        upto = await _next_concern(database, follower, head.position)
        if upto > follower.scanned:
            async with database.transaction() as session:
                await pass_over(session, follower, upto)


async def _next_concern(database: Database, follower: FollowerState, head: int) -> int:
    async with database.reading() as session:
        window = await find_window(
            session, follower.scope, after=follower.scanned, head=head, most=1
        )
    return window.positions[0] - 1 if window.positions else window.upto
