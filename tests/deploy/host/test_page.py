"""The page of placed variables on Dask's dashboard: what it shows, as a browser that knows Bokeh gets it."""

from __future__ import annotations

import json
import urllib.request
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from bokeh.client import pull_session

import moorage
from moorage.deploy.host.page import MOST, NAME, cells_of, title_of
from tests.two_workers import alice_and_bob, cluster

__all__ = ["alice_and_bob", "cluster"]


def address_and_token(cluster: moorage.ClusterController) -> tuple[str, str]:
    link = urlsplit(cluster.dashboard_link)
    return f"http://{link.netloc}", parse_qs(link.query)["token"][0]


@pytest.mark.filterwarnings("ignore:There is no current event loop:DeprecationWarning")  # Bokeh's client
def test_it_shows_which_variable_is_on_which_worker(cluster: moorage.ClusterController) -> None:
    address, token = address_and_token(cluster)
    with pull_session(url=f"{address}/{NAME}", arguments={"token": token}) as session:
        (figure,) = session.document.roots
        source = figure.renderers[0].data_source

        def shows(*cells: tuple[str, str, str]) -> None:
            """Wait, taking in what the server says, until these are shown."""
            columns = ("row", "worker", "what")
            session._connection._loop_until(
                lambda: set(zip(*(source.data[name] for name in columns), strict=True)) == set(cells)
            )

        cluster.broadcast(np.ones(100_000), name="weights")
        cluster.pin("flights", workers=["bob"], value=np.ones(10))
        shows(("weights", "alice", "held"), ("weights", "bob", "held"), ("flights", "bob", "held"))
        assert list(figure.x_range.factors) == ["alice", "bob"]
        assert list(figure.y_range.factors) == ["weights", "flights"]  # from below
        assert figure.title.text == "2 placed variables on 2 workers: all are held"
        assert set(source.data["placement"]) == {"everywhere", "on bob"}
        cluster.release("weights")
        shows(("flights", "bob", "held"))


def test_it_is_among_the_plots_that_dask_lists(cluster: moorage.ClusterController) -> None:
    address, token = address_and_token(cluster)
    with urllib.request.urlopen(f"{address}/individual-plots.json?token={token}", timeout=60) as answer:
        assert json.load(answer)["Individual Placed Variables"] == f"/{NAME}"


def test_of_very_many_it_shows_the_first() -> None:
    snapshot = many(3 * MOST, 2 * MOST)
    rows, workers, table = cells_of(snapshot)
    assert (len(rows), len(workers), len(table["row"])) == (MOST, MOST, MOST * MOST)
    assert "the first ones are shown" in title_of(snapshot)


def test_of_several_keys_it_says_how_many() -> None:
    snapshot = many(1, 2)
    (record,) = snapshot["variables"].values()
    record.update(keys=["a", "b", "c"], held={"rest": 0, "others": {"0": 2}}, pending={"rest": 0, "others": {"0": 1}})
    _, _, table = cells_of(snapshot)
    assert (table["worker"], table["what"], table["text"]) == (["0"], ["on its way"], ["2 of 3"])


def many(variables: int, workers: int) -> moorage.wire.scheduler.SchedulerSnapshot:
    record = {
        "owner": "me", "keys": ["k"], "placement": {"kind": "everywhere"}, "nbytes": 8, "state": "held", "reason": "",
        "held": {"rest": 1, "others": {}}, "pending": {"rest": 0, "others": {}},
    }  # fmt: skip
    return {
        "variables": {str(n): {**record, "name": f"v{n}"} for n in range(variables)},
        "workers": {str(n): {"name": str(n)} for n in range(workers)},
    }
