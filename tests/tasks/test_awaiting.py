"""Coroutine functions are awaited, as Dask awaits them."""

import asyncio
import functools
import gc
import threading
import types
import weakref

import pytest
from distributed import get_client, get_worker

from moorage.errors import InputError
from moorage.tasks.options import Options
from moorage.worker.tasks.awaiting import awaited
from tests.helpers import eventually
from tests.tasks.tools import run_cell, text


async def add(x, shift=1):
    await asyncio.sleep(0.001)
    return x + shift


def test_what_coroutine_functions_return_is_awaited(cluster):
    assert cluster.submit(add, 1).result(30) == 2
    assert cluster.submit(functools.partial(add, shift=5), 1).result(30) == 6
    assert cluster.map(add, range(6), shift=10).gather() == list(range(10, 16))
    assert cluster.map(add, [1, 2], [3, 4]).gather() == [4, 6]
    assert cluster.map(lambda i: add(i), range(6), batch_size=3).gather() == list(range(1, 7))


def test_coroutines_run_on_the_loop_of_the_worker_and_know_it(cluster):
    async def ask(i):
        with_client = await get_client().submit(lambda n: n + 1, i)
        return with_client, asyncio.get_running_loop() is get_worker().loop.asyncio_loop

    assert cluster.submit(ask, 1).result(30) == (2, True)
    assert cluster.map(ask, [2]).gather() == [(3, True)]


def test_what_coroutines_print_and_raise_reaches_the_notebook(cluster):
    async def prints(i):
        await asyncio.sleep(0.01)
        print("item", i)
        if i == 2:
            raise SystemExit(3)
        if i == 1:
            raise asyncio.CancelledError
        return i

    reports = []
    results = cluster.submitter.map(prints, range(3), options=Options(on_report=reports.append))
    assert results.gather(errors="skip") == [0]
    assert "SystemExit: 3" in results.errors[1].in_words
    eventually(lambda: sorted(text(reports).splitlines()) == ["item 0", "item 1", "item 2"])


def test_a_coroutine_function_in_a_cell_and_in_a_loop(submitter):
    namespace = {"__name__": "__main__", "add": add}
    assert run_cell(submitter, "await add(1)", namespace) == 2
    assert run_cell(submitter, "add(1)", namespace) == 2
    assert submitter.cell_map("await add(i)", "i", "range(3)", namespace).gather() == [1, 2, 3]
    assert submitter.cell_map("add(i)", "i", "range(3)", namespace).gather() == [1, 2, 3]


def test_coroutines_end_with_the_map_that_is_cancelled(cluster):
    async def sleeps(i):
        await asyncio.sleep(1000)

    results = cluster.map(sleeps, range(4))
    eventually(lambda: results.progress.running)
    results.cancel()
    assert cluster.submit(add, 1, pure=False).result(30) == 2
    assert cluster.map(add, range(4)).gather() == [1, 2, 3, 4]


def test_async_generators_are_refused(cluster):
    async def counts(n):
        for i in range(n):
            yield i

    with pytest.raises(InputError, match="counts is an async generator function"):
        cluster.submit(counts, 3)
    with pytest.raises(InputError, match="counts is an async generator function"):
        cluster.map(functools.partial(counts), [3])
    results = cluster.map(lambda n: counts(n), [3])
    assert results.wait(30)
    assert "async_generator, cannot be sent" in results.errors[0].in_words


class Held:
    pass


def test_an_error_keeps_what_was_awaited_no_longer_than_it_lives():
    async def fails(held):
        raise ValueError("no")

    loop, held = asyncio.new_event_loop(), Held()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    gone, worker = weakref.ref(held), types.SimpleNamespace(loop=types.SimpleNamespace(asyncio_loop=loop))
    gc.disable()
    try:
        with pytest.raises(ValueError, match="no") as raised:
            awaited(fails(held), worker, lambda: True)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        del held, raised
        assert gone() is None
    finally:
        gc.enable()
        loop.close()
