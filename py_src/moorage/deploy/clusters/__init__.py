"""Kinds of clusters, and what each needs besides the user's options: local processes, SSH, job queues.

Any other cluster class of Dask works as it is (``deploy.factory``). Growing and shrinking is in ``deploy.scaling``.
Imported by the rest of ``deploy``.
"""
