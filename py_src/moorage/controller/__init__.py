"""What a notebook or a script holds of a cluster: `start`, `attach`, and the `ClusterController` that they return.

* ``start``         starting a cluster, attaching to one, installing placement on one
* ``ahead``         what every cluster gets, pickled while its processes start
* ``cluster``       `ClusterController`: ``placing``, ``running``, ``saving`` and ``resizing`` have its verbs
* ``connected``     its connection: kept up, sought again, given up
* ``info``          what there is to say of a cluster at a glance
* ``registry``      the clusters of this process, and which of them is the current one
* ``reviving``      a cluster whose scheduler has died, brought back
* ``unattended``    what is done for kept ones that no notebook is attached to; processes of their own
* ``sizing``        how many workers there are and should be, and who changes that
* ``dask_cluster``  what code written for one of Dask's cluster objects expects
* ``ending``        a cluster without a connection

How variables are placed is in ``kernel``, how code runs in ``tasks``. Imported by ``jupyter`` and by users.
"""
