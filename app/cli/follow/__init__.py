"""``optout follow``: a table or a file that stays equal to the registry, for those who only read.

What stands there is what must not be contacted. Every page of the feed and the cursor behind it are
one transaction, so that a crash resumes exactly; it is acknowledged after the commit, never before.
"""
