"""Collections: what of them is private. Most of it is about data frames, which Dask makes of expressions.

* ``cutting``    optimized graphs in which some frames are kept whole
* ``kept``       the expression that keeps one whole
* ``persisted``  the futures that the parts of a collection are
"""
