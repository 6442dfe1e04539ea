"""A placed value as it is written once: its format, the memory it lies in, how it travels under a key, and its parts.

* ``format``            one pass over a value gives its stream and buffers; ``arrays``, ``texts`` and ``code`` objects
* ``altered``           when a key has another value than its image
* ``segment``, ``room``, ``mappings``, ``free_memory``  shared memory of a host
* ``filed``             images in saved files, mapped where they are
* ``carrier``           an image under an ordinary Dask key
* ``blocks``            who gets which piece from whom, between hosts

Shipped by value to workers that do not have moorage: nothing here imports the rest of the package, and all of it may.
"""
