"""The magics `%compute` and `%persist`: Dask collections, each on the workers that are named for it.

* ``line``      what their lines say
* ``commands``  what they do
"""
