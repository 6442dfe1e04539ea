"""What is done for kept clusters that no notebook is attached to: each module is a process of its own.

* ``returning``  brings one back whose host process has died
* ``parking``    saves an idle one, which then has no workers

They do as a notebook does, and are started by the cluster's processes in ``deploy/``. Nothing imports this room.
"""
