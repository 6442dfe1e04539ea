"""Open files: the limit is raised as far as a cluster needs it, and what is beyond the machine's is refused."""

from __future__ import annotations

import resource

import psutil
import pytest

from moorage.errors import ScaleError
from tests.deploy.tools import Starter, client_to, command, scratch_root

CODE = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (280, 700))
start(n_workers=2)
sys.stdin.read()
"""


def test_the_limit_of_open_files_is_raised_as_needed_and_no_further():
    with scratch_root(), Starter(CODE) as starter:
        ready = starter.until("ready")
        limit = psutil.Process(ready["pid"]).rlimit
        assert limit(resource.RLIMIT_NOFILE) == (296, 700)
        with client_to(ready) as client:
            command(client, "scale", n=3)
            assert limit(resource.RLIMIT_NOFILE) == (316, 700)
            for name, arguments in (("scale", {"n": 30}), ("adapt", {"minimum": 1, "maximum": 30})):
                with pytest.raises(ScaleError, match=r"30 workers need about 856 open files.* more than 700") as caught:
                    command(client, name, **arguments)
                assert "at most 22 workers" in caught.value.remedy
            assert len(command(client)["requested"]) == 3
