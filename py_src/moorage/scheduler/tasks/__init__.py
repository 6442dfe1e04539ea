"""Tasks on the scheduler: whose ``turns`` it is, ``restrictions`` to workers, what of their ``history`` is kept.

Imported by the rest of ``scheduler`` only.
"""
