"""Placing, moving, gathering and releasing variables.

* ``placer``     the verbs, as coroutines
* ``request``    what is about to be placed: checked as a whole, then sent; ``elements`` is one value taken apart
* ``checks``     whether it can be placed
* ``targets``, ``assign``  which workers are meant (`ResolvedPlacement`), and which gets what
* ``gather``     bringing values back
* ``inventory``  the variables as this notebook sees them; ``variable``, ``placements`` are what users hold of it
* ``structure``  how a value is taken apart into elements and put together again

What the scheduler does to keep them there is in ``moorage.scheduler``. Imported by ``tasks`` and ``controller``.
"""
