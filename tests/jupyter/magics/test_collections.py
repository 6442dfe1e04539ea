"""`%compute` and `%persist` in a real shell, on a real cluster of two workers."""

from distributed import futures_of, wait

from moorage.errors import InputError, UnknownVariableError, UnknownWorkerError, WaitTimeoutError
from tests.kernel.placement.test_plain_dask import holders

MADE = """import dask
from distributed import get_worker
def f(*of):
    return [str(get_worker().name), *of]
x, y = dask.delayed(f, pure=False)(), dask.delayed(f, pure=False)()
z = dask.delayed(f, pure=False)(x, y)"""


def test_compute_runs_each_where_it_is_said_and_returns_the_value(notebook):
    notebook.run(MADE)
    assert notebook.value("%compute z --on x=alice y,z=bob") == ["bob", ["alice"], ["bob"]]
    notebook.run("found = %compute x y --on x,y=bob")
    assert notebook.names["found"] == (["bob"], ["bob"])


def test_compute_into_a_name_does_not_wait(notebook):
    notebook.run(f"{MADE}\n%compute z --on z=alice -o later --allow-other-workers z")
    assert notebook.names["later"].result(20)[0] == "alice"


def test_persist_binds_the_names_to_what_is_on_the_workers(notebook, running):
    notebook.run("import dask.array as da\nx = da.ones((8, 8), chunks=4)\ny = x + 1\n%persist x y --on x=alice y=bob")
    x, y = notebook.names["x"], notebook.names["y"]
    wait(futures_of(y), 20)
    assert all(holders(running.client, future) == ["bob"] for future in futures_of(y))
    assert all("alice" in holders(running.client, future) for future in futures_of(x))
    assert y.sum().compute(scheduler=running.client) == 128


def test_what_cannot_be_computed_is_told(notebook):
    notebook.run(f"{MADE}\nword = 'x'")
    for line, kind, says in (
        ("%compute nothing", UnknownVariableError, "nothing"),
        ("%compute word", InputError, "word is a str, which is not a Dask collection"),
        ("%compute x --on x=carol", UnknownWorkerError, "'carol'"),
        ("%compute x --on y=bob", InputError, "no part of what should be computed"),
    ):
        error, _ = notebook.fail(line)
        assert isinstance(error, kind)
        assert says in str(error)
    notebook.run("import time\nslow = dask.delayed(time.sleep)(30)")
    error, _ = notebook.fail("%compute slow --timeout 0.1")
    assert isinstance(error, WaitTimeoutError)


def test_errors_of_the_users_functions_are_the_users_own(notebook):
    notebook.run("import dask\nbroken = dask.delayed(lambda: 1 / 0)()")
    error, _ = notebook.fail("%compute broken")
    assert isinstance(error, ZeroDivisionError)
