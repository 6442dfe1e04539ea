"""What can be asked of a new cluster, and what is said about the rest."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.deploy.spec import HostSpec
from moorage.errors import InputError

names = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20).filter(
    lambda n: "://" not in n
)


@given(
    names=st.lists(names, unique=True, max_size=5),
    more=st.none() | st.integers(0, 5),
    threads=st.none() | st.integers(1, 64),
    memory=st.sampled_from([None, "auto", 0, 0.5, 1.0, "2GB", 300_000_000, "1 GiB"]),
    keep=st.booleans(),
)
def test_a_spec_comes_over_the_wire_as_it_was(names, more, threads, memory, keep):
    n_workers = None if more is None else len(names) + more
    spec = HostSpec(
        n_workers=n_workers, names=names, threads_per_worker=threads, memory_limit=memory, keep=keep, options={"a": [1]}
    )
    assert HostSpec.from_wire(json.loads(json.dumps(spec.to_wire()))) == spec


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n_workers": -1}, "n_workers=-1"),
        ({"n_workers": 1.5}, "n_workers=1.5"),
        ({"n_workers": True}, "n_workers=True"),
        ({"n_workers": 10**6}, "do not fit on this machine"),
        ({"threads_per_worker": 0}, "threads_per_worker=0"),
        ({"threads_per_worker": 10**6}, "more than a worker can use"),
        ({"memory_limit": "plenty"}, "memory_limit='plenty'"),
        ({"memory_limit": "2 apples"}, "memory_limit='2 apples'"),
        ({"memory_limit": -1}, "memory_limit=-1"),
        ({"memory_limit": "10MB"}, "too little"),
        ({"memory_limit": math.nan}, "memory_limit=nan"),
        ({"memory_limit": math.inf}, "memory_limit=inf"),
        ({"memory_limit": True}, "memory_limit=True"),
        ({"memory_limit": [1]}, r"memory_limit=\[1\]"),
        ({"names": ["alice", "alice"]}, "'alice' is given twice"),
        ({"names": ["alice", ""]}, "''"),
        ({"names": ["a\nb"]}, "cannot name a worker"),
        ({"names": ["tls://127.0.0.1:1"]}, "cannot name a worker"),
        ({"names": [1]}, "1 cannot name"),
        ({"names": "alice,bob"}, "is a single string"),
        ({"names": ["alice", "bob"], "n_workers": 1}, "2 names were given for 1 workers"),
        ({"names": ["alice"], "cluster_class": "somewhere.Cluster"}, "names its workers itself"),
        ({"idle_timeout": 0}, "idle_timeout=0"),
        ({"idle_timeout": "long"}, "idle_timeout='long'"),
        ({"start_method": "fork"}, "start_method='fork'"),
        ({"options": {"security": True}}, "'security' is set by moorage"),
        ({"options": {"f": print}}, "cannot be sent"),
    ],
)
def test_what_makes_no_sense_is_refused_and_says_what(options, says):
    with pytest.raises(InputError, match=says):
        HostSpec(**options)
