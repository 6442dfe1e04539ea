"""The process that holds a cluster for a notebook: any Dask cluster class, outside the kernel.

A kernel that computes then does not stop the scheduler, and a kernel that dies leaves nothing behind.
"""
