"""What counts as an acknowledgement, said once for all who ask when an entry was acknowledged.

An entry counts as acknowledged by a follower, in one generation, at the earliest proof that
reaches it. A further lane is one more line in each of the two texts below.
"""

PROOFS = """
    SELECT follower, generation, upto, at, CAST(NULL AS int2) AS lane FROM acknowledgements
"""
"""All proofs as (follower, generation, upto, at, lane), for many entries at once.

One reaches the entries of its lane (null: of both) up to ``upto``. Within a lane later proofs
reach further.
"""


def first_proof(*, follower: str, generation: str, position: str, lane: str) -> str:
    """Write when one entry was acknowledged, null if it was not; the arguments are SQL.

    One look-up in an index for each lane; all later proofs reach the entry too.
    """
    del lane  # the main lane brings the entries of both
    return f"""(
        SELECT a.at FROM acknowledgements a
        WHERE a.follower = {follower} AND a.generation = {generation} AND a.upto >= {position}
        ORDER BY a.upto LIMIT 1
    )"""  # noqa: S608 - the arguments are names of columns
