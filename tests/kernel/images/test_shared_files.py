"""Where workers cannot map memory without a name they share files: this user's only, reserved, gone in the end."""

import stat

import numpy as np
import pytest

from tests.helpers import eventually
from tests.kernel.images.elsewhere import Elsewhere, kill, possible

pytestmark = pytest.mark.skipif(not possible(), reason="needs to make namespaces")

N = 3_000_000  # 24 MB


@pytest.fixture
def there(tmp_path):
    there = Elsewhere(tmp_path, mib=64)
    yield there
    there.close()


@pytest.fixture
def workers(there):
    return [there.worker("alice"), there.worker("bob")]


@pytest.fixture
def notebook(there, workers):
    notebook = there.notebook()
    eventually(lambda: notebook("sum(info.status == 'running' for info in cluster.workers())") == 2)
    return notebook


def total(n=N, seed=0):
    return float(np.random.default_rng(seed).random(n).sum())


def sharing(notebook, name, words):
    eventually(lambda: words in notebook(f"cluster.sharing({name!r})")[name])


def test_files_are_shared_and_go_with_their_holders(there, workers, notebook):
    notebook(f"cluster.broadcast(random({N}), name='x', keep_origin=False)")
    assert notebook("sums('x')") == [total()] * 2
    sharing(notebook, "x", "shared by alice, bob")
    large = [file for file in there.files() if file.stat().st_size > 8 * N]
    assert len(large) == 1
    assert stat.S_IMODE(large[0].stat().st_mode) == 0o600
    assert large[0].stat().st_blocks * 512 >= 8 * N  # it was reserved in full

    workers.append(there.worker("carol"))
    eventually(lambda: len(notebook("cluster.placement()['x'].holders")) == 3)
    sharing(notebook, "x", "shared by alice, bob, carol")
    assert [file for file in there.files() if file.stat().st_size > 8 * N] == large

    # a full memory is told of, and workers have copies
    notebook(f"cluster.broadcast(random({2 * N}, 1), name='y')")
    assert notebook("sums('y')") == [total(2 * N, 1)] * 3
    sharing(notebook, "y", "No space left on device")
    assert "a copy on alice, bob, carol" in notebook("cluster.sharing('y')")["y"]

    # the notebook is killed: the workers hold it
    kill(notebook.process)
    again = there.notebook()
    assert again("sums('x')") == [total()] * 3
    again("cluster.release('x')")
    eventually(lambda: not set(large) & set(there.files()))


def test_what_is_left_of_all_that_were_killed_is_removed_by_the_next_that_comes(there, workers, notebook):
    notebook(f"cluster.broadcast(random({N}), name='x')")
    sharing(notebook, "x", "shared by alice, bob")
    for process in (notebook.process, *workers):
        kill(process)
    left = there.files()
    assert left
    there.worker("carol")
    there.notebook()
    eventually(lambda: not set(left) & set(there.files()))


def test_a_worker_of_another_user_has_a_copy_of_its_own(there, workers, notebook):
    workers.append(there.worker("nobody", of_nobody=True))
    eventually(lambda: notebook("sum(info.status == 'running' for info in cluster.workers())") == 3)
    notebook(f"cluster.broadcast(random({N}), name='x')")
    assert notebook("sums('x')") == [total()] * 3
    sharing(notebook, "x", "shared by alice, bob; a copy on nobody (")
