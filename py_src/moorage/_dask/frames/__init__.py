"""Data frames, which Dask makes of expressions: what of it is private, for graphs that are cut at named collections.

* ``cutting``  optimized graphs in which some frames are kept whole
* ``kept``     the expression that keeps one whole
"""
