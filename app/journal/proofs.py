"""What counts as an acknowledgement, said once for all who ask when an entry was acknowledged.

An entry counts as acknowledged by a follower, in one generation, at the earliest proof that
reaches it: on the main lane, or, if it is live, on the express lane.
"""

_MAIN, _EARLY = "acknowledgements", "early_acknowledgements"


def proofs_between(*, follower: str, generation: str, after: str, upto: str) -> str:
    """Write a query for the proofs of one follower about a stretch of entries; arguments are SQL.

    Its rows are (after, upto, at, lane). One reaches the entries of its lane (null: of both) after
    ``after`` up to ``upto``, perhaps beyond the stretch. Within a lane no two overlap; what lies
    between two has no proof there: it was parked, or left to the main lane.
    """

    def on(table: str, lane: str) -> str:
        proofs = f"""
            SELECT a.after, a.upto, a.at, CAST({lane} AS int2) AS lane FROM {table} a
            WHERE a.follower = {follower} AND a.generation = {generation}
        """  # noqa: S608 - the arguments are names of tables and columns
        return f"""
            ({proofs} AND a.upto > {after} AND a.upto < {upto})
            UNION ALL
            ({proofs} AND a.upto >= {upto} ORDER BY a.upto LIMIT 1)
        """

    return f"{on(_MAIN, 'NULL')} UNION ALL {on(_EARLY, '1')}"


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

    early = f"CASE WHEN {lane} = 1 THEN {on(_EARLY)} END"
    return f"least({on(_MAIN)}, {early})"
