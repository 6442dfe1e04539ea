"""The file descriptor store: a small process beside a host process, which outlives it.

A scheduler's death ends all workers, and memory that nobody has open any longer is gone. The store has open what the
workers of its host share, without mapping it, as systemd's store of that name has sockets; so the workers that come in
their place map it again. It knows no Dask.

* ``process``  what it does; it is started as ``python -m moorage.deploy.fdstore``
* ``client``   how it is started, and asked

Imported by the host process, which feeds it (``deploy.host.preserving``), and by notebooks of that host.
"""
