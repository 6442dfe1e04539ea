"""What a worker knows of images: values from the notebook lie once on a host, in memory that all its workers map.

* ``plugin``     installs the rest
* ``sharing``, ``lending``  mapping what others have, offering what is there
* ``receiving``, ``spreading``  a worker as the agent of its host: images that come from another one
* ``forwarding``  what a worker has, sent on to other hosts that way
* ``transfers``  what has moved, for who asks: Dask's logs, and what they do not tell
* ``memory_manager``, ``nanny``  Dask's limits, without counting shared memory as the worker's own

Put on workers by ``kernel.images``.
"""
