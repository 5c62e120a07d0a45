"""How much of a file is taken in, so that any file is read in bounded memory and time."""

import csv
from dataclasses import dataclass

CELL_CHARACTERS = csv.field_size_limit()
"""Characters of a cell (131,072); the limit of the ``csv`` module, which is one for the process."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Above the first ones a row is a fault, above the others the file is refused."""

    row_characters: int = 1_048_576
    line_characters: int = 16_777_216
    columns: int = 4_096
    reread_characters: int = 134_217_728
    """Characters read twice because a quote was opened and never closed."""

    unpacked_bytes: int = 17_179_869_184
    most_times_packed: int = 250
    """How often a packed byte may be unpacked; lists of people pack 3 to 30 times."""
    unguarded_bytes: int = 16_777_216
    """What any packed file may unpack to."""
    zip_directory_bytes: int = 262_144
    workbook_bytes: int = 1_073_741_824
    """Of all that is in a workbook, unpacked."""
    workbook_memory_bytes: int = 1_610_612_736
    """Of the process that reads a workbook, which is held in memory whole."""
    workbook_seconds: int = 300
