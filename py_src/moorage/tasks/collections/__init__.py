"""Dask collections: computed where it is said, looped over part by part, and made of what came of a loop.

* ``compute``   ``workers=`` for each collection
* ``cut``       graphs that are optimized, and keep the ends of named collections
* ``staying``   what is computed already, elsewhere
* ``loops``     the parts that a loop runs over
* ``together``  a collection of the results of a loop
"""
