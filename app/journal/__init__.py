"""The numbered record of every change of what is suppressed, and how far each follower is.

It promises dense positions in commit order, a chain of hashes over them, and cursors that know
a fork. It is the outbox and the feed at once; nothing else queues a change.
"""

from . import tables as tables
from .cursors import Cursor, CursorExpired, Head, JournalForked, cursor_at, read_head, resolve
from .entries import (
    EVERY_BRAND,
    Draft,
    Entry,
    Scope,
    Window,
    append,
    read_window,
    recorded_at,
)
from .followers import (
    FollowerState,
    Step,
    acknowledge,
    advance,
    claim,
    follow,
    interrupt,
    is_held,
    pass_over,
    pause,
    put_off,
    read_followers,
    release,
    renew,
    restart,
    resume,
    rewind,
    unfollow,
)
from .propagation import Report, Result, Told, count_concerned, report, who_was_told
from .pulse import Pulse, read_pulse
from .verification import Verification, verify
from .wire import KindWord, MediaWords, MediumWord, ReasonWord, ResultWord
from .words import ALL_MEDIA, EVERY_MEDIUM, Change, Kind, Lane, Media, Reason, Word

__all__ = [
    "ALL_MEDIA",
    "EVERY_BRAND",
    "EVERY_MEDIUM",
    "Change",
    "Cursor",
    "CursorExpired",
    "Draft",
    "Entry",
    "FollowerState",
    "Head",
    "JournalForked",
    "Kind",
    "KindWord",
    "Lane",
    "Media",
    "MediaWords",
    "MediumWord",
    "Pulse",
    "Reason",
    "ReasonWord",
    "Report",
    "Result",
    "ResultWord",
    "Scope",
    "Step",
    "Told",
    "Verification",
    "Window",
    "Word",
    "acknowledge",
    "advance",
    "append",
    "claim",
    "count_concerned",
    "cursor_at",
    "follow",
    "interrupt",
    "is_held",
    "pass_over",
    "pause",
    "put_off",
    "read_followers",
    "read_head",
    "read_pulse",
    "read_window",
    "recorded_at",
    "release",
    "renew",
    "report",
    "resolve",
    "restart",
    "resume",
    "rewind",
    "unfollow",
    "verify",
    "who_was_told",
]
