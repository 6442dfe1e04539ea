"""The notebook's conversation with the scheduler.

* ``client``           a Dask client for an address, and what is wrong when there is none to be had
* ``scheduler_link``   requests to the plugin and events from it
* ``mirror``           what the scheduler said last
* ``forks``            a forked process, which has no connection
* ``worker_versions``  whether the workers run what the notebook runs

What is placed where is in ``kernel.placement``, which alone imports this, besides ``tasks`` and ``controller``.
"""
