"""Getting the images of values from the notebook to workers, one copy a host.

* ``sending``  puts the code for it on the workers, and gives Dask what it sends
* ``sharing``  memory of this host that its workers map
* ``pool``     that memory: written once, and again when nobody needs it
* ``hosts``    copies for other hosts
* ``steady``   what is sent is what the digest says, whoever writes to the value meanwhile

The format and the memory are in ``moorage.images``, the workers' part in ``moorage.worker.images``. Imported by
``kernel.connection``, ``kernel.placement`` and ``tasks``.
"""
