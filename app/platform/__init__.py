"""The ground every room stands on: database, web, outbound requests, secrets, time.

It knows nothing of opt-outs. The list of its files is closed: a new one says in its docstring
why no room can own it.
"""
