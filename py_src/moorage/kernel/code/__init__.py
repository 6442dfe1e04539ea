"""The user's modules, from the notebook's imports to the scheduler, which has them for workers.

* ``watching``   remembers the text that an import or a reload has run
* ``following``  which modules are the user's at the moment, and what they say
* ``beside``     data files of a package
* ``state``      which version each worker has
* ``sending``    puts each new version on the scheduler of a cluster
"""
