"""Clusters: which one to start, the process that holds it, and how it grows and shrinks.

* ``spec``, ``factory``  what to start, and how it is chosen
* ``host_process``       starting the process that holds a cluster, and ending it
* ``host``               what runs in that process
* ``clusters``           kinds of clusters
* ``scaling``            more workers, fewer without losing data, as many as asked for when some are lost
* ``kept``, ``state_file``  clusters that outlive the notebook
* ``security``, ``dashboard_gate``  who can reach a cluster, and who may see its pages
* ``processes``, ``reasons``  ending processes; why one could not be started

`ClusterController`, which uses this, is in ``controller``. Nothing here knows of it, or of ``kernel``.
"""
