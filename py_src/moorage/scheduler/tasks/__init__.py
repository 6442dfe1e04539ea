"""Tasks on the scheduler: ``turns``, ``restrictions`` to workers, ``history``, and the ``worker_code`` that they need.

Imported by the rest of ``scheduler`` only.
"""
