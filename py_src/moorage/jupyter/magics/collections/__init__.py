"""The magics `%compute` and `%persist`, and what others do for Dask collections.

* ``line``      what their lines say
* ``commands``  what they do
* ``placing``   what `%scatter`, `%broadcast` and `%pin` do besides for collections
"""
