"""A worker in the notebook's own process takes the code of the worker side; that of the notebook stays as it is."""

import pickle
import types

import pytest

import moorage
from moorage.kernel import install
from moorage.kernel.images import sending
from moorage.kernel.install import pickled_by_value
from moorage.scheduler.plugin import PlacementSchedulerPlugin
from moorage.tasks.runtime import MODULES
from moorage.worker.images.plugin import ImagesPlugin
from moorage.worker.tasks.runtime import RuntimePlugin
from moorage.worker.unpickling.code import Sources


def methods(kind):
    return {name: value for name, value in vars(kind).items() if isinstance(value, types.FunctionType)}


@pytest.mark.parametrize(
    ("plugin", "modules"),
    [
        (RuntimePlugin("moorage_worker_here", sending.MODULE), MODULES),
        (ImagesPlugin(sending.MODULE, True), sending.MODULES),
        (PlacementSchedulerPlugin(), install.SHIPPED_MODULES),
    ],
    ids=["runtime", "images", "scheduler"],
)
def test_a_plugin_that_arrives_in_this_process_changes_no_class_of_it(plugin, modules):
    kind = type(plugin)
    before = methods(kind)
    first, second = (pickle.loads(pickled_by_value(plugin, modules)) for _ in range(2))
    assert methods(kind) == before
    assert len({kind, type(first), type(second)}) == 3


def test_tasks_run_on_other_workers_after_a_worker_in_this_process_took_the_plugin():
    code = Sources.code
    pickle.loads(pickled_by_value(RuntimePlugin("moorage_worker_here", sending.MODULE), MODULES))
    assert Sources.code is code
    with moorage.start(1) as cluster:
        assert cluster.submit(lambda: 5).result(30) == 5
