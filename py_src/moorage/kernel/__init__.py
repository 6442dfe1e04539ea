"""The notebook's side of placement, in a kernel or a plain script: nothing here needs IPython.

* ``placement``   placing, moving, gathering and releasing variables
* ``transfers``   what has moved between workers, by name, and what would have saved it
* ``why``         what is the matter with a variable, a task or a worker, and what helps
* ``connection``  the conversation with the scheduler plugin, and the Dask client for it
* ``images``      getting the images of values to workers, one copy a host
* ``values``      the notebook's values: which of them are placed, and whether they have changed
* ``install``     puts the plugin on a scheduler; ``versions`` says whether it can run there
* ``waiting``     waits that end: by a time limit, an interrupt, a closed client; ``works`` for what is being done here

`ClusterController` is in ``controller``, running code in ``tasks``. Imported by those two and by ``jupyter``.
"""
