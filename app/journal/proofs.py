"""What counts as an acknowledgement, said once for all who ask when an entry was acknowledged.

An entry counts as acknowledged by a follower, in one generation, at the earliest proof that
reaches it: on the main lane, or, if it is live, on the express lane.
"""

PROOFS = """
    SELECT follower, generation, after, upto, at, CAST(NULL AS int2) AS lane FROM acknowledgements
    UNION ALL
    SELECT follower, generation, after, upto, at, CAST(1 AS int2) FROM early_acknowledgements
"""
"""All proofs as (follower, generation, after, upto, at, lane), for many entries at once.

One reaches the entries of its lane (null: of both) after ``after`` up to ``upto``. Within a lane
no two overlap; what lies between two has no proof there: it was parked, or left to the main lane.
"""


def first_proof(*, follower: str, generation: str, position: str, lane: str) -> str:
    """Write when one entry was acknowledged, null if it was not; the arguments are SQL.

    One look-up in an index for each lane.
    """

    def on(table: str) -> str:
        return f"""(
            SELECT CASE WHEN a.after < {position} THEN a.at END FROM {table} a
            WHERE a.follower = {follower} AND a.generation = {generation}
              AND a.upto >= {position}
            ORDER BY a.upto LIMIT 1
        )"""  # noqa: S608 - the arguments are names of tables and columns

    early = f"CASE WHEN {lane} = 1 THEN {on('early_acknowledgements')} END"
    return f"least({on('acknowledgements')}, {early})"
