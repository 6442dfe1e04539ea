"""`%compute` and `%persist` in a real shell, on a real cluster of two workers."""

from distributed import futures_of, wait

from moorage.errors import InputError, UnknownVariableError, UnknownWorkerError, WaitTimeoutError
from tests.helpers import eventually
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
    # others: of tasks that it still has, Dask keeps where they were to run
    notebook.run(f"{MADE}\nfound = %compute x y --on x,y=bob")
    assert notebook.names["found"] == (["bob"], ["bob"])


def test_compute_into_a_name_does_not_wait(notebook):
    notebook.run(f"{MADE}\n%compute z --on z=alice -o later --allow-other-workers z")
    assert notebook.names["later"].result(60)[0] == "alice"


def test_an_expression_is_computed_as_the_users_own_code(notebook):
    notebook.run("import dask.array as da\nx = da.ones((8, 8), chunks=4)")
    assert notebook.value("%compute x.sum(axis=0, keepdims=True).max()") == 8
    assert notebook.value("%compute x.sum(), (x + 1).sum() --on x=bob") == (64, 128)
    notebook.run("%compute x.sum() -o total")
    assert notebook.names["total"].result(60) == 64
    error, _ = notebook.fail("%compute x.nothing()")
    assert isinstance(error, AttributeError)
    error, _ = notebook.fail("%compute x.shape[0]")
    assert "x.shape[0] makes a int, which is not a Dask collection" in str(error)
    error, _ = notebook.fail("%persist x.sum()")
    assert "%persist total" in error.remedy


def test_what_is_computed_already_is_said_not_to_move(notebook, running):
    notebook.run("import dask.array as da\nx = da.ones((8, 8), chunks=4)\n%persist x --workers alice\ny = x + 1")
    wait(futures_of(notebook.names["x"]), 20)
    said = notebook.run("%persist y --on x=bob")
    assert "To move it: %scatter x --workers bob --persist" in said
    assert all(holders(running.client, future) == ["alice"] for future in futures_of(notebook.names["x"]))
    assert "computed already" in notebook.run("%persist x --workers bob")
    assert "computed already" not in notebook.run("z = x + 2\n%persist z --on z=bob")


def test_persist_binds_the_names_to_what_is_on_the_workers(notebook, running):
    notebook.run("import dask.array as da\nx = da.ones((8, 8), chunks=4)\ny = x + 1\n%persist x y --on x=alice y=bob")
    y = notebook.names["y"]
    wait(futures_of(y), 20)
    assert all(holders(running.client, future) == ["bob"] for future in futures_of(y))
    assert y.sum().compute(scheduler=running.client) == 128


def test_what_cannot_be_computed_is_told(notebook):
    notebook.run(f"{MADE}\nword = 'x'")
    for line, kind, says in (
        ("%compute nothing", UnknownVariableError, "nothing"),
        ("%compute word", InputError, "word is a str, which is not a Dask collection"),
        ("%compute x --on x=carol", UnknownWorkerError, "'carol'"),
        ("%compute x --on y=bob", InputError, "not part of what is computed"),
    ):
        error, _ = notebook.fail(line)
        assert isinstance(error, kind)
        assert says in str(error)
    notebook.run("import time\nslow = dask.delayed(time.sleep)(2)")
    error, _ = notebook.fail("%compute slow --timeout 0.1")
    assert isinstance(error, WaitTimeoutError)


def test_errors_of_the_users_functions_are_the_users_own(notebook):
    notebook.run("import dask\nbroken = dask.delayed(lambda: 1 / 0)()")
    error, _ = notebook.fail("%compute broken")
    assert isinstance(error, ZeroDivisionError)


FRAMES = """import dask.dataframe as dd
import pandas as pd
left = dd.from_pandas(pd.DataFrame({"a": range(400)}), npartitions=4)
right = left.assign(b=1)"""


def test_what_is_not_computed_is_placed_with_persist_only(notebook, running):
    error, _ = notebook.fail(f"{FRAMES}\n%scatter left --workers alice bob")
    assert "has not been computed" in str(error)
    assert "--persist" in error.remedy
    notebook.run("%scatter left --workers alice bob --persist --by blocks")
    assert notebook.names["left"].a.sum().compute(scheduler=running.client) == sum(range(400))
    eventually(lambda: {w: s.parts for w, s in running["left"].parts.by_worker.items()} == {"alice": 2, "bob": 2})
    shown = notebook.run("%placement left")
    assert "4 partitions × 1 columns" in shown


def test_parts_go_where_those_of_another_are(notebook, running):
    notebook.run(f"{FRAMES}\n%persist left right\n%scatter left --workers alice bob\n%scatter right --like left")

    def where(name):
        return [part.workers for part in running[name].parts]

    eventually(lambda: where("left") == where("right") and len(set(where("left"))) == 2)
    error, _ = notebook.fail("%scatter right --like nothing")
    assert "nothing" in str(error)
    error, _ = notebook.fail("%scatter right --like left --workers bob")
    assert "--like says where" in str(error)


def test_a_cell_s_collection_stays_in_the_notebook(notebook, running):
    notebook.run(f"{FRAMES}")
    notebook.run("%%pin both --workers bob --persist\nleft.merge(right, on='a')")
    eventually(lambda: running.placement()["both"].holders == ["bob"])
    assert len(notebook.names["both"]) == 400


def test_a_loop_over_partitions_makes_a_collection_again(notebook, running):
    notebook.run(f"{FRAMES}\n%persist left")
    before = set(running.client.futures)
    notebook.run("%%submit -o new --collection for part in left.partitions\npart.assign(double=part.a * 2)")
    new = notebook.names["new"]
    assert new.npartitions == 4
    assert new.double.sum().compute(scheduler=running.client) == 2 * sum(range(400))
    made = {future.key for future in futures_of(new)}
    eventually(lambda: set(running.client.futures) - before == made)  # nothing of the loop itself is left
    error, _ = notebook.fail("%%submit --collection for part in left.partitions\npart")
    assert "needs a name" in str(error)
    error, _ = notebook.fail("%%submit -o new --collection\n1")
    assert "for a loop" in str(error)


def test_parts_of_a_collection_are_pinned_brought_and_released_by_name(notebook, running):
    notebook.run("import dask.array as da\nx = da.arange(16, chunks=4).reshape(4, 4)\n%persist x --workers alice")
    futures = futures_of(notebook.names["x"])
    wait(futures, 60)
    assert "x[1:3,0]" in notebook.run("%pin x[1:3,0] --workers bob")
    eventually(lambda: [holders(running.client, one) for one in futures] == [["alice"], ["bob"], ["bob"], ["alice"]])
    assert [int(part.sum()) for part in notebook.value("%gather x[1:3,0]")] == [22, 38]
    assert "x[1:3,0]" not in notebook.names
    notebook.run("%release x[1:3, 0]")
    assert "x[1:3,0]" not in running
    for line, words in {
        "%pin x[4,0] --workers bob": "x has 4 x 1 blocks",
        "%pin y[0] --workers bob": "y[0]",
        "%gather x[0,0]": "x[0,0]",
        "%%pin x[0,0] --workers bob\n1": "cannot name a variable",
    }.items():
        error, _ = notebook.fail(line)
        assert isinstance(error, InputError)
        assert words in str(error)
