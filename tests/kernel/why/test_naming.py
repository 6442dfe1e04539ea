"""Names of workers in sentences: short where machines made them, and taken back for what they mean."""

import pytest

from moorage.errors import UnknownWorkerError
from moorage.model import OnWorkers, WorkerInfo, describe
from moorage.naming import named, short_name, short_names
from moorage.plan import ClusterView

POD = "ships-default-worker-a8b7c6d5e4"
ADDRESS = "tcp://10.0.0.5:45123"


@pytest.mark.parametrize(
    ("name", "short"),
    [
        (ADDRESS, "10.0.0.5:45123"),
        (POD, "ships-default-worker-a8b7c6d"),
        ("dask-gateway-3f8a9b2c-4d5e-6f70-8a9b-0c1d2e3f4a5b", "dask-gateway-3f8a9b2"),
        ("SGECluster-0-12", "SGECluster-0-12"),
        ("deadbeef", "deadbeef"),
        ("20261128000000", "20261128000000"),
        ("tcp://", "tcp://"),
    ],
)
def test_a_name_is_shortened_as_in_the_panel_and_taken_back(name, short):
    assert short_name(name) == short
    view = ClusterView([WorkerInfo(name, ADDRESS, "10.0.0.5"), WorkerInfo("al", "tcp://10.0.0.6:1", "10.0.0.6")])
    assert view.resolve(short) == {ADDRESS}
    assert describe(OnWorkers((name, "al"))) == f"on {short}, al"


def test_names_that_would_be_the_same_stay_whole():
    twins = [f"{POD}{end}" for end in "12"]
    assert short_names([*twins, "al", ADDRESS]) == [*twins, "al", "10.0.0.5:45123"]
    assert named(short_name(POD), twins) == ""
    assert f"{twins[0]}, {twins[1]}" in str(UnknownWorkerError("bo", twins))
    assert "workers: ships-default-worker-a8b7c6d." in str(UnknownWorkerError("bo", [POD]))
