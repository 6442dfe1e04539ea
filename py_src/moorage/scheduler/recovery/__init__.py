"""Values whose workers are gone.

* ``restorer``    keys without a copy: tasks wait for them while the notebook is asked to send the value again
* ``lost``        the error of what cannot come back
* ``lives``       an earlier life of a key ends before a value is sent that comes back under it
* ``strays``      looks for what reached a worker without the scheduler knowing
* ``casualties``  gives up values that end the workers which take them
* ``departed``    nobody waits for a connection to a worker that has left

Imported by ``scheduler.plugin``; shipped by value.
"""
