"""What a kind of cluster can be started with is what its class takes and tells of."""

import dask.config
import pytest

from moorage.deploy.parameters import ask, kinds, parameters_of
from moorage.errors import InputError


class Told:
    """A cluster.

    Parameters
    ----------
    region, zone : str
        Where it is,
        on two lines.
    old : list
        Deprecated: use ``zone``.
    security : Security
        Of the network.

    Examples
    --------
    >>> Told()
    """

    def __init__(self, n_workers=0, zone="a", region=None, old=None, security=None, untold=1):
        pass


class Untold:
    def __init__(self, size: int = 3, job=object):
        pass


def test_parameters_are_those_that_the_docstring_tells_of_in_its_order():
    region, zone = parameters_of(f"{__name__}.Told")
    assert (region.name, region.typename, region.default) == ("region", "str", "")
    assert (zone.name, zone.default, zone.description) == ("zone", "a", "Where it is, on two lines.")


def test_without_a_docstring_they_are_those_of_the_signature():
    (size,) = parameters_of(f"{__name__}.Untold")
    assert (size.name, size.typename, size.default) == ("size", "int", "3")


@pytest.mark.usefixtures("jobqueue")
def test_a_queue_takes_what_its_jobs_take_with_the_defaults_of_the_configuration():
    with dask.config.set({"jobqueue.slurm.queue": "short", "jobqueue.slurm.job-extra-directives": ["-x"]}):
        found = {one.name: one for one in parameters_of("slurm")}
    assert found["queue"].default == "short"
    assert found["job_extra_directives"].default == '["-x"]'
    assert {"cores", "memory", "walltime"} <= found.keys()
    assert not {"n_workers", "security", "env_extra"} & found.keys()


def test_what_is_configured_comes_first_with_its_options():
    factory = {"module": __name__, "class": "Told", "kwargs": {"region": "north"}}
    with dask.config.set({"moorage.cluster.factory": factory}):
        assert kinds()[:2] == ["", "local"]
        assert parameters_of("")[0].default == "north"


@pytest.mark.parametrize("kind", ["slum", "nowhere.Cluster", "distributed.Nothing"])
def test_a_class_that_is_not_there_is_refused(kind):
    with pytest.raises(InputError, match=kind):
        parameters_of(kind)


def test_they_are_had_without_importing_the_class():
    factory = {"module": "moorage.deploy.clusters.ssh", "class": "SSHCluster", "kwargs": {"hosts": ["a", "b"]}}
    with dask.config.set({"moorage.cluster.factory": factory}):
        (hosts, *_) = ask("")
    assert (hosts.name, hosts.default) == ("hosts", '["a", "b"]')
    with pytest.raises(InputError, match="slum"):
        ask("slum")
