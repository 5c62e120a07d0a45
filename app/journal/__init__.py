"""The numbered record of every change of what is suppressed, and how far each follower is.

It promises dense positions in commit order, a chain of hashes over them, and cursors that know
a fork.
"""

from .words import ALL_MEDIA, EVERY_MEDIUM, Change, Kind, Lane, Media, Reason

__all__ = ["ALL_MEDIA", "EVERY_MEDIUM", "Change", "Kind", "Lane", "Media", "Reason"]
