"""The two tables, and the statements about them, for PostgreSQL and SQLite alike."""

_COLUMNS = """(
    kind TEXT NOT NULL,
    format TEXT NOT NULL,
    value TEXT NOT NULL,
    brand TEXT NOT NULL,
    media TEXT NOT NULL,
    version BIGINT NOT NULL,
    position BIGINT NOT NULL,
    since TIMESTAMPTZ NOT NULL,
    erased BOOLEAN NOT NULL,
    checksum TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (kind, value, brand)
)"""

SCHEMA = (
    f"CREATE TABLE IF NOT EXISTS suppressions {_COLUMNS}",
    """
    CREATE TABLE IF NOT EXISTS cursor (
        id SMALLINT PRIMARY KEY CHECK (id = 1),
        cursor TEXT NOT NULL,
        outcomes TEXT NOT NULL,
        untold BIGINT NOT NULL,
        current_at TIMESTAMPTZ NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS suppressions_position ON suppressions (position)",
    # A snapshot, before it takes the place of what stands.
    f"CREATE TEMPORARY TABLE fresh {_COLUMNS}",
)

KEEP = """
INSERT INTO suppressions AS known
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::timestamptz, $9, $10)
ON CONFLICT (kind, value, brand) DO UPDATE
SET format = excluded.format, media = excluded.media, version = excluded.version,
    position = excluded.position, checksum = excluded.checksum,
    erased = known.erased OR excluded.erased,
    since = CASE WHEN known.media = '' OR excluded.since < known.since
                 THEN excluded.since ELSE known.since END
WHERE excluded.version > known.version
RETURNING position
"""
"""Keep a row unless the same or a higher version of it is known: its position if it was not."""

KEEP_FRESH = KEEP.replace("suppressions", "fresh", 1)

FORGET = "DELETE FROM suppressions WHERE kind = $1 AND value = $2 AND brand = $3 AND media = ''"
"""Nothing is suppressed and the person is to be erased: nothing is left to know."""

READ_CURSOR = "SELECT cursor, outcomes, untold FROM cursor"

BEGIN_CURSOR = """
INSERT INTO cursor VALUES (1, $1, '[]', $2, $3::text::timestamptz)
ON CONFLICT (id) DO NOTHING RETURNING id
"""

MOVE_CURSOR = "UPDATE cursor SET cursor = $2 WHERE cursor = $1 RETURNING id"
"""Move the cursor from where it was read; no row if another process moved it meanwhile."""

NOTE_OUTCOMES = "UPDATE cursor SET outcomes = $1"
NOTE_CURRENT = "UPDATE cursor SET current_at = $1::text::timestamptz"
NOTE_UNTOLD = "UPDATE cursor SET outcomes = '[]', untold = $1"

_LISTED = """EXISTS (
    SELECT 1 FROM fresh f
    WHERE f.kind = s.kind AND f.value = s.value AND f.brand = s.brand AND f.media <> '')"""

COUNT_MISSING = """
SELECT count(*) FROM fresh f WHERE f.media <> '' AND NOT EXISTS (
    SELECT 1 FROM suppressions s
    WHERE f.kind = s.kind AND f.value = s.value AND f.brand = s.brand AND s.media <> '')
"""
COUNT_DIFFERENT = """
SELECT count(*) FROM fresh f JOIN suppressions s USING (kind, value, brand)
WHERE f.media <> '' AND s.media <> ''
  AND (f.format, f.media, f.version, f.position) <> (s.format, s.media, s.version, s.position)
"""
COUNT_UNLISTED = f"""
SELECT erased, count(*) FROM suppressions s WHERE s.media <> '' AND NOT {_LISTED} GROUP BY erased
"""  # noqa: S608 - of parts that stand here
HOLD = f"UPDATE suppressions AS s SET erased = TRUE WHERE media <> '' AND NOT {_LISTED}"  # noqa: S608 - of parts that stand here
REMOVE = f"DELETE FROM suppressions AS s WHERE NOT (erased AND media <> '') AND NOT {_LISTED}"  # noqa: S608 - of parts that stand here
# Whatever comes about these people later counts: the registry's versions may have begun again.
YIELD = f"UPDATE suppressions AS s SET version = 0, position = 0 WHERE NOT {_LISTED}"  # noqa: S608 - of parts that stand here
ADOPT = """
INSERT INTO suppressions AS known SELECT * FROM fresh WHERE media <> ''
ON CONFLICT (kind, value, brand) DO UPDATE
SET format = excluded.format, media = excluded.media, version = excluded.version,
    position = excluded.position, since = excluded.since, checksum = excluded.checksum,
    erased = known.erased OR excluded.erased
"""
EMPTY_FRESH = "DELETE FROM fresh"

COUNT = "SELECT count(*) FROM suppressions WHERE media <> ''"
LIST = """
SELECT kind, value, brand, media, version, position, since FROM suppressions
WHERE media <> '' AND (kind, value, brand) > ($1, $2, $3) ORDER BY kind, value, brand LIMIT $4
"""

_HELD = "SELECT kind, format, value, brand, media, version, position, checksum FROM suppressions"
ALL = f"""
{_HELD} WHERE (kind, value, brand) > ($1, $2, $3) ORDER BY kind, value, brand LIMIT $4
"""
BLOCKING = f"{_HELD} WHERE position BETWEEN $1 AND $2 AND media <> ''"
FIND = f"{_HELD} WHERE kind = $1 AND value = $2 AND brand = $3"
SUM = "SELECT position, version FROM suppressions WHERE position BETWEEN $1 AND $2 AND media <> ''"

# At position 0 stands what the registry does not say, until it is sure that it says nothing else.
SET_ASIDE = """
UPDATE suppressions SET version = 0, position = 0, checksum = ''
WHERE kind = $1 AND value = $2 AND brand = $3
"""
COUNT_ASIDE = """
SELECT erased, count(*) FROM suppressions WHERE position = 0 AND media <> '' GROUP BY erased
"""
HOLD_ASIDE = "UPDATE suppressions SET erased = TRUE WHERE position = 0 AND media <> ''"
REMOVE_ASIDE = "DELETE FROM suppressions WHERE position = 0 AND NOT (erased AND media <> '')"
COUNT_UNTOLD = "UPDATE cursor SET untold = $1"
