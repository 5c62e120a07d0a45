"""The whole story on real parts: a registry, five databases that it tells, three channels.

``receiver`` and ``puller`` are programs of their own, as an integrator would write them: with the
API and the page "Receivers" of the README, and nothing of the registry's code.
"""
