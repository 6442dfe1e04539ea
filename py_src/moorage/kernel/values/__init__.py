"""The notebook's values, before and after they are placed. Nothing here talks to a cluster.

* ``value_registry``  values by key and keys by value: what a reference in a task stands for
* ``extents``         where in its memory the buffers of its image lie
* ``fingerprint``, ``changes``  the image of a value, and what has changed since it was placed
* ``ahead``           copies of buffers made while they are read
* ``written``         which memory was written to, as told by the operating system
* ``mapped``          values that lie in memory of the host
* ``keys``            what the key of a value says of it
* ``describe``        a value in a few words

Imported by the rest of ``kernel``, by ``tasks`` and ``jupyter``.
"""
