"""A worker in the notebook's own process takes the code of the worker side; that of the notebook stays usable."""

import pickle

import moorage
from moorage.kernel.images import sending
from moorage.kernel.install import pickled_by_value
from moorage.tasks.runtime import MODULES
from moorage.worker.tasks.runtime import RuntimePlugin


def test_tasks_run_on_other_workers_after_a_worker_in_this_process_took_the_plugin():
    pickle.loads(pickled_by_value(RuntimePlugin("moorage_worker_here", sending.MODULE), MODULES))
    with moorage.start(1) as cluster:
        assert cluster.submit(lambda: 5).result(30) == 5
