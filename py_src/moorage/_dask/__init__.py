"""The one boundary to parts of Dask that are private, or that no documentation promises.

A module for each subject. Its docstring says what is relied on, its ``PARTS`` name each part, so that it can be looked
for before anything is touched; its functions are the only place where private names of Dask stand.

* ``parts``           how a part is named and looked for
* ``refusal``         the error of one that is missing
* ``scheduler/``      all that must be there on a scheduler, a module for each subject
* ``worker``          all that must be there on a worker; ``spilling`` is about its data, ``moved`` about its logs of
  transfers, and shuffles
* ``nanny``           what nannies check
* ``server``          what all three have: handlers, timers, connections
* ``client``          what is relied on of the notebook's client and its futures
* ``graphs``          tasks of a graph; ``frames/``: those of collections
* ``scaling``         cluster objects of Dask, of dask-jobqueue too; ``pages``: what their servers show

What Dask's reference describes of the state of scheduler and workers is read elsewhere, too, and is among the parts all
the same. Public functions of Dask's modules are imported where they are needed: without one the import says so.

All was read in distributed and dask 2026.8.0 and dask-jobqueue 0.9.0. The number is not what decides: a newer version
that has the parts is taken, and one without them is refused by a `VersionError` that names the part.

Imported by all above; what runs on schedulers and workers is shipped there by value, and imports nothing but its like.
"""
