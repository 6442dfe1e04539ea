"""What job queues are told: the script of a job, from the user's configuration. Nothing is submitted here."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import dask.config
import pytest
from distributed.utils import import_term
from hypothesis import given
from hypothesis import strategies as st

from moorage.deploy.clusters.jobqueue import with_defaults
from moorage.deploy.clusters.walltime import lifetime, wall_time
from moorage.deploy.factory import CLASSES
from moorage.deploy.scaling.scaler import Scaler, worker_names
from moorage.deploy.security import MemorySecurity

USER = {"cores": 8, "memory": "16GB", "queue": "long", "interface": "lo", "walltime": "01:00:00"}
MORE = {
    "lsf": {"lsf-units": "mb", "use-stdin": True},
    "htcondor": {"disk": "1GB", "walltime": None},
    "oar": {"memory-per-core-property-name": "memcore"},
}
DIRECTIVES = {
    "sge": ("#$ -q long", "#$ -l h_rt=01:00:00"),
    "slurm": ("#SBATCH -p long", "#SBATCH -t 01:00:00"),
    "pbs": ("#PBS -q long", "#PBS -l walltime=01:00:00"),
    "moab": ("#PBS -q long", "#PBS -l walltime=01:00:00"),
    "lsf": ("#BSUB -q long", "#BSUB -W 01:00:00"),
    "oar": ("#OAR -q long", "walltime=01:00:00"),
    "htcondor": ("MY.DaskWorkerCores = 8",),
}

pytestmark = pytest.mark.usefixtures("jobqueue")


def script(queue, folder, **options):
    """The script of a job, the names of its workers, and of the files with their keys."""
    cls = import_term(CLASSES[queue])

    async def make():
        given = with_defaults(cls, options, folder, dashboard=True)
        cluster = cls(asynchronous=True, security=MemorySecurity.temporary(), protocol="tls://", **given)
        Scaler(cluster, None)
        (spec,) = cluster.new_worker_spec().values()
        keys = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
        await cluster.close()
        return cluster.job_script(), worker_names("job", spec), keys

    return asyncio.run(make())


@pytest.mark.parametrize("queue", DIRECTIVES)
def test_a_job_is_what_the_configuration_says_with_credentials_and_a_deadline(queue, tmp_path):
    configured = {f"jobqueue.{queue}.{name}": value for name, value in {**USER, **MORE.get(queue, {})}.items()}
    with dask.config.set(configured):
        text, workers, keys = script(queue, tmp_path)
    for directive in DIRECTIVES[queue]:
        assert directive in text
    (command,) = (line for line in text.splitlines() if "distributed.cli.dask_worker" in line)
    options = dict(re.findall(r"--([a-z-]+) ([^-\s'][^\s']*)", command))
    assert (options["nworkers"], options["nthreads"], options["protocol"]) == ("4", "2", "tls://")
    assert workers == ["job-0", "job-1", "job-2", "job-3"]
    assert {Path(options[name]).parent for name in ("tls-ca-file", "tls-cert", "tls-key")} == {tmp_path}
    assert keys == {Path(options[name]).name: 0o600 for name in ("tls-ca-file", "tls-cert", "tls-key")}
    assert "--no-dashboard" in command
    assert ("--lifetime 2790s --lifetime-stagger 360s" in command) == (queue != "htcondor")
    assert "PRIVATE KEY" not in text


def test_the_user_s_own_options_stay(tmp_path):
    configured = {"jobqueue.slurm.worker-extra-args": ["--lifetime", "5m"], "jobqueue.slurm.cores": 1}
    with dask.config.set(configured):
        text, workers, _ = script("slurm", tmp_path, memory="4GB", job_script_prologue=["module load python"])
    assert "module load python" in text
    assert text.count("--lifetime") == 1
    assert "--lifetime 5m" in text
    assert workers == ["job"]


@pytest.mark.parametrize(
    ("queue", "text", "seconds"),
    [
        ("slurm", "30", 1800),
        ("slurm", "30:10", 1810),
        ("slurm", "1-12", 129600),
        ("slurm", "1-00:30:00", 88200),
        ("sge", "00:30:00", 1800),
        ("sge", 1800, 1800),
        ("pbs", "10:00", 600),
        ("lsf", "2:30", 9000),
        ("lsf", "90", 5400),
        ("oar", "2", 7200),
        ("sge", None, None),
        ("slurm", "UNLIMITED", None),
        ("slurm", "1:2:3:4", None),
        ("slurm", "", None),
        ("slurm", "0", None),
    ],
)
def test_wall_times_are_read_as_the_queues_read_them(queue, text, seconds):
    assert wall_time(queue, text) == seconds


@given(st.integers(60, 10**7))
def test_workers_leave_before_their_job_ends_and_not_much_before(seconds):
    _, least, _, spread = (float(word.rstrip("s")) if word[0].isdecimal() else 0 for word in lifetime(seconds))
    assert seconds / 3 < least - spread
    assert least + spread < seconds - min(seconds / 10, 60)
