"""The process that holds a cluster for a notebook: any Dask cluster class, outside the kernel.

A kernel that computes then does not stop the scheduler, and a kernel that dies leaves nothing behind. It is started by
``deploy.host_process`` as ``python -m moorage.deploy.host``, and imported by nothing else but for its ``channel`` and
the name of its handler (``control``).
"""
