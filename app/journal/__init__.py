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
from .express import (
    OUTAGE_AFTER,
    Ahead,
    EarlyState,
    EarlyStep,
    advance_early,
    claim_early,
    look_ahead,
    put_off_early,
)
from .followers import (
    FollowerState,
    follow,
    interrupt,
    pause,
    read_followers,
    restart,
    resume,
    rewind,
    unfollow,
)
from .lags import Lag, read_lags
from .leases import (
    LaneName,
    absent_workers,
    claim,
    is_held,
    release,
    renew,
    take_presence,
    void_leases,
)
from .progress import Step, acknowledge, advance, pass_over, put_off
from .propagation import (
    Report,
    Result,
    Told,
    count_concerned,
    is_anyone_behind,
    report,
    who_was_told,
)
from .pulse import Pulse, read_pulse
from .silence import Period, Silence, find_period, measure_silence
from .verification import Verification, verify
from .wire import KindWord, MediaWords, MediumWord, ReasonWord, ResultWord
from .words import ALL_MEDIA, EVERY_MEDIUM, Change, Kind, Lane, Media, Reason, Word

__all__ = [
    "ALL_MEDIA",
    "EVERY_BRAND",
    "EVERY_MEDIUM",
    "OUTAGE_AFTER",
    "Ahead",
    "Change",
    "Cursor",
    "CursorExpired",
    "Draft",
    "EarlyState",
    "EarlyStep",
    "Entry",
    "FollowerState",
    "Head",
    "JournalForked",
    "Kind",
    "KindWord",
    "Lag",
    "Lane",
    "LaneName",
    "Media",
    "MediaWords",
    "MediumWord",
    "Period",
    "Pulse",
    "Reason",
    "ReasonWord",
    "Report",
    "Result",
    "ResultWord",
    "Scope",
    "Silence",
    "Step",
    "Told",
    "Verification",
    "Window",
    "Word",
    "absent_workers",
    "acknowledge",
    "advance",
    "advance_early",
    "append",
    "claim",
    "claim_early",
    "count_concerned",
    "cursor_at",
    "find_period",
    "follow",
    "interrupt",
    "is_anyone_behind",
    "is_held",
    "look_ahead",
    "measure_silence",
    "pass_over",
    "pause",
    "put_off",
    "put_off_early",
    "read_followers",
    "read_head",
    "read_lags",
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
    "take_presence",
    "unfollow",
    "verify",
    "void_leases",
    "who_was_told",
]
