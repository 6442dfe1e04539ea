"""Which cluster is started: by name, by the configuration, by default."""

import socket

import dask
import pytest

import moorage
from moorage.deploy.factory import CLASSES, deployment
from moorage.deploy.spec import LOCAL_CLUSTER
from moorage.errors import InputError


def test_without_a_word_it_is_local():
    spec = deployment(None, {}, n_workers=2)
    assert (spec.cluster_class, spec.kind, spec.n_workers) == (LOCAL_CLUSTER, "local", 2)


@pytest.mark.parametrize("using", ["sge", "SLURM", "pbs", "lsf", "ssh"])
def test_a_queue_is_meant_by_its_name(using):
    spec = deployment(using, {"cores": 4}, n_workers=3, memory_limit="auto")
    assert spec.cluster_class == CLASSES[using.lower()]
    assert (dict(spec.options), spec.n_workers) == ({"cores": 4}, 3)


def test_an_unknown_queue_is_answered_with_those_there_are():
    with pytest.raises(InputError, match="'condor'") as caught:
        deployment("condor", {})
    assert "htcondor" in caught.value.remedy


def test_any_cluster_class_can_be_named():
    assert deployment("package.module.OtherCluster", {}).kind == "OtherCluster"


def test_what_is_for_local_clusters_only_is_refused_elsewhere():
    with pytest.raises(InputError, match="threads_per_worker"):
        deployment("sge", {}, threads_per_worker=2)


@pytest.mark.parametrize("setting", ["moorage.cluster.factory", "labextension.factory"])
def test_a_factory_in_the_configuration_is_used(setting):
    factory = {"module": "dask_jobqueue", "class": "SGECluster", "args": [1], "kwargs": {"cores": 4, "n_workers": 2}}
    with dask.config.set({setting: factory}):
        spec = deployment(None, {"cores": 8})
        assert (spec.cluster_class, spec.args, spec.n_workers) == ("dask_jobqueue.SGECluster", (1,), 2)
        assert dict(spec.options) == {"cores": 8}
        assert deployment("local", {}).is_local


def test_our_factory_goes_before_that_of_the_other_extension():
    with dask.config.set(
        {
            "moorage.cluster.factory": {"module": "a", "class": "B"},
            "labextension.factory": {"module": "c", "class": "D"},
        }
    ):
        assert deployment(None, {}).cluster_class == "a.B"


@pytest.mark.parametrize("factory", ["SGECluster", {"module": "dask_jobqueue"}, 3])
def test_a_factory_that_names_no_class_is_refused(factory):
    with dask.config.set({"moorage.cluster.factory": factory}), pytest.raises(InputError, match="does not name"):
        deployment(None, {})


def test_a_local_factory_says_how_many_workers_and_another_port_is_told_of():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        kwargs = {"n_workers": 1, "memory_limit": "1GB", "dashboard_address": f"127.0.0.1:{port}"}
        factory = {"module": "dask.distributed", "class": "LocalCluster", "kwargs": kwargs}
        told = pytest.warns(UserWarning, match=f"dashboard on port .*: another process has port {port}")
        with dask.config.set({"moorage.cluster.factory": factory}), told:
            cluster = moorage.start()
    with cluster:
        (worker,) = cluster.workers()
        assert (worker.memory_limit, cluster.kind) == (10**9, "local")


def test_without_tls_only_when_asked_for():
    with pytest.warns(UserWarning, match="has no TLS"):
        cluster = moorage.start(n_workers=1, insecure=True)
    with cluster:
        assert cluster.address.startswith("tcp://127.0.0.1:")
        assert not cluster.secure
        assert cluster.client.submit(sum, [1, 2]).result() == 3
