"""Leaving a cluster that goes on: nothing of this notebook is left on it but what is placed."""

import builtins
import gc
import sys
import threading

import pytest
from distributed import Client, Event

import moorage
from moorage.scheduler.plugin import NAME
from tests.helpers import eventually
from tests.workers import Workers


@pytest.fixture(scope="module")
def workers():
    with Workers("alice", "bob", nthreads=2) as workers:
        yield workers


def patches():
    """What of this process is not as Python has it."""
    return type(sys.stdout).__name__, hasattr(builtins, "display"), threading.Thread.start.__module__


def test_workers_are_as_before_as_soon_as_no_task_runs(workers):
    before = workers.client.run(patches)
    with moorage.attach(workers.address) as controller:
        here = controller.submit(patches, pure=False).result(30)
        assert here not in before.values()
        controller.map(lambda i: print(i), range(4)).wait(30)
        eventually(lambda: workers.client.run(patches) == before)


def test_tasks_that_overlap_are_all_heard(workers, capsys):
    def task(mine, other):
        Event(mine).set()
        assert Event(other).wait(30)
        print("task of", mine)
        threading.Thread(target=print, args=("thread of", mine)).start()

    with moorage.attach(workers.address) as controller:
        both = [controller.submit(task, *names, workers="alice", pure=False) for names in ("ab", "ba")]
        controller.client.gather(both)
        shown = []
        eventually(lambda: shown.append(capsys.readouterr().out) or "".join(shown).count("of") == 4)


def test_a_client_of_the_user_is_as_before(workers):
    with Client(workers.address, set_as_default=False) as client:
        controller = moorage.attach(client)
        each = controller.submitter.each(lambda: 1)
        assert each.gather() == {"alice": 1, "bob": 1}
        controller.scatter([1, 2], "x", whole=True)
        topics = [topic for topic in client._event_handlers if "moorage" in topic]
        assert topics
        controller.close()
        eventually(lambda: not workers.look(lambda s: subscribed(s, client, topics)))
        assert client.submit(sum, [1, 2]).result(30) == 3
        del each
        gc.collect()
        eventually(lambda: not [key for key in client.futures if "on-each" in str(key)])
        with moorage.attach(client) as again:
            assert again.gather("x") == [1, 2]


def subscribed(scheduler, client, topics):
    """Return the topics that are sent to a client, and the journal if that is."""
    journals = scheduler.plugins[NAME].journal.subscribers & {client.id}
    return [topic for topic in topics if client.id in scheduler._broker._topics[topic].subscribers] + list(journals)
