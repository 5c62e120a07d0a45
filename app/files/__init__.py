"""Tables in files: what a file looks like, its rows, and the same rows with columns appended.

Reading is synchronous, in one pass and in bounded memory, whatever the file: what it costs is for a
thread of the jobs' process. It promises that the raws of the batches, after the layout's ``head``,
encode to the very bytes that were read; that a row which cannot be read is a fault of that row
with a stable code; and that no error but ``BadFile`` comes out, which never repeats content.

Uploads and results lie sealed for a while, jobs work on them: each step of one is a transaction
under a lease, so that a job goes on where it was when its process dies. What a job does is passed
in; this room knows no rule about opt-outs.
"""

from . import tables as tables
from .access import TheStorage, taken_file
from .ahead import read_ahead
from .bad_file import BadFile
from .columns import BadMapping, Columns, Field, map_columns, shown_name
from .dates import DateOrder, find_order, read_date
from .exports import ReasonOfRow, guess_columns
from .jobs import (
    JOB_STATES,
    NO_KEY,
    Job,
    JobFailed,
    JobState,
    LeaseLost,
    NewJob,
    Progress,
    TooManyJobs,
    add_job,
    cancel_job,
    find_job,
    forget_jobs,
    jobs_in,
    list_jobs,
    require_room,
)
from .layout import Layout
from .limits import Limits
from .measures import JobStandings
from .reading import read_batches, read_layout, read_rows, read_start
from .results import Result, guard
from .rows import Batch, Fault, Row, column_of, newline_of
from .running import POLL_SECONDS, Handler, JobRunner, Work
from .source import open_file
from .storage import (
    SEALED,
    FileGone,
    FileWriter,
    Storage,
    StoredFile,
    keep_file,
    pack_chunk,
    read_file,
    release_file,
    sealed_in,
)
from .uploads import Upload, UploadTooSlow, discard, receive_upload
from .values import BadValue, clean, phone_text, plain_text

__all__ = [
    "JOB_STATES",
    "NO_KEY",
    "POLL_SECONDS",
    "SEALED",
    "BadFile",
    "BadMapping",
    "BadValue",
    "Batch",
    "Columns",
    "DateOrder",
    "Fault",
    "Field",
    "FileGone",
    "FileWriter",
    "Handler",
    "Job",
    "JobFailed",
    "JobRunner",
    "JobStandings",
    "JobState",
    "Layout",
    "LeaseLost",
    "Limits",
    "NewJob",
    "Progress",
    "ReasonOfRow",
    "Result",
    "Row",
    "Storage",
    "StoredFile",
    "TheStorage",
    "TooManyJobs",
    "Upload",
    "UploadTooSlow",
    "Work",
    "add_job",
    "cancel_job",
    "clean",
    "column_of",
    "discard",
    "find_job",
    "find_order",
    "forget_jobs",
    "guard",
    "guess_columns",
    "jobs_in",
    "keep_file",
    "list_jobs",
    "map_columns",
    "newline_of",
    "open_file",
    "pack_chunk",
    "phone_text",
    "plain_text",
    "read_ahead",
    "read_batches",
    "read_date",
    "read_file",
    "read_layout",
    "read_rows",
    "read_start",
    "receive_upload",
    "release_file",
    "require_room",
    "sealed_in",
    "shown_name",
    "taken_file",
]
