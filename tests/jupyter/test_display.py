"""What is shown, from plain values: no shell, no cluster."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.errors import InputError
from moorage.jupyter import display
from moorage.model import Anywhere, Everywhere, OnWorkers, PlacementState, WorkerInfo
from moorage.wire.panel import PanelCluster


class Reader(HTMLParser):
    """The tags and the text of some HTML."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.texts, self.attributes = set(), [], set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.texts.append(data)


def state(**changes):
    fields = {
        "name": "big",
        "placement": Everywhere(),
        "state": "held",
        "holders": ["alice", "bob"],
        "held": {"alice": 1, "bob": 1},
        "nbytes": 40 * 2**20,
        "typename": "ndarray",
        "detail": "5,242,880",
    }
    return PlacementState(**{**fields, **changes})


def cluster(**changes) -> PanelCluster:
    info = PanelCluster(
        name="local",
        kind="local",
        status="connected",
        detail="",
        secure=True,
        dashboard_link="http://127.0.0.1:8787/status",
        requested=2,
        arrived=2,
        pending=0,
        scalable=True,
        adapt=[],
        kept=False,
    )
    return PanelCluster(**{**info, **changes})


def test_each_worker_has_a_column_with_what_it_holds():
    grid = display.placement_grid({"big": state(held={"alice": 1}, pending={"bob": 1})}, ["alice", "bob", "carol"])
    assert grid.header == ["variable", "value", "size", "placement", "state", "alice", "bob", "carol"]
    assert grid.rows == [["big", "ndarray 5,242,880", "40.00 MiB", "everywhere", "● held", "40.00 MiB", "coming", "-"]]


def test_a_spread_variable_shows_keys():
    spread = state(nkeys=10, held={"alice": 6, "bob": 1}, pending={"bob": 3}, placement=Anywhere())
    (row,) = display.placement_grid({"xs": spread}, ["alice", "bob"]).rows
    assert row[-2:] == ["6 keys", "1 key, 3 coming"]


def test_many_workers_are_counted_instead_of_listed():
    workers = [f"w{number}" for number in range(200)]
    many = state(held=dict.fromkeys(workers, 1), holders=workers)
    grid = display.placement_grid({"big": many}, workers)
    assert grid.header[-1] == "held by"
    assert grid.rows[0][-1] == "200 of 200: w0, w1, w2, ..."


def test_what_is_not_held_says_why():
    waiting = state(state="waiting", reason="carol is not here yet", placement=OnWorkers(("carol",)))
    text = display.placements({"big": waiting, "x": state()}, ["alice"])["text/plain"]
    assert "○ waiting" in text
    assert "carol is not here yet" in text
    assert "on carol" in text


def test_nothing_comes_of_what_is_lost():
    lost = state(state="lost", reason="nobody has it", held={}, pending={"alice": 1, "bob": 1})
    (row,) = display.placement_grid({"big": lost}, ["alice", "bob"]).rows
    assert row[-3:] == ["-", "-", "nobody has it"]


def test_a_stale_variable_is_marked():
    text = display.placements({"big": state(stale=True)}, ["alice"])["text/plain"]
    assert "held, stale" in text
    assert "changed since it was placed" in text


def test_nothing_placed_says_how_to_place():
    assert "%scatter" in display.placements({}, ["alice"])["text/plain"]


@pytest.mark.parametrize("columns", [2, 20])
@given(text=st.text(min_size=1) | st.sampled_from(["<img src=x onerror=alert(1)>", "</td><p>", "&amp;", "\x1b[31m"]))
def test_no_name_becomes_markup(columns, text):
    hostile = state(
        name=text,
        typename=text,
        detail=text,
        state="waiting",
        reason=text,
        holders=[text],
        held={text: 1},
        placement=OnWorkers((text,)),
    )
    workers = [text, *(f"w{number}" for number in range(columns))]
    bundle = display.placements({text: hostile}, workers)
    plain = Reader(display.placements({"x": state()}, ["alice"])["text/html"])
    seen = Reader(bundle["text/html"])
    assert seen.tags <= plain.tags
    assert seen.attributes <= plain.attributes
    assert display.printable(text) in "".join(seen.texts)
    assert "\x1b" not in bundle["text/plain"]


@given(text=st.text(min_size=1) | st.sampled_from(["<b>", "javascript:alert(1)"]))
def test_no_part_of_a_cluster_becomes_markup(text):
    info = cluster(name=text, kind=text, detail=text, dashboard_link=text)
    shown = display.cluster(info, [WorkerInfo(text, text, text), WorkerInfo("b", "b", "b")])
    seen = Reader(shown["text/html"])
    assert seen.tags <= {"p", "table", "thead", "tbody", "tr", "th", "td", "a"}
    assert "a" not in seen.tags or text.startswith("http")


def test_the_cluster_says_what_is_missing():
    workers = [WorkerInfo("alice", "tls://127.0.0.1:1", "127.0.0.1", 2, 2**31, managed=100, spilled=50)]
    text = display.cluster(cluster(requested=3, arrived=1, adapt=[1, 4], kept=True), workers)["text/plain"]
    assert "1 of 3 workers, 2 threads, adapts from 1 to 4, TLS, outlives this kernel" in text
    assert "http://127.0.0.1:8787/status" in text
    assert "100 B + 50 B on disk" in text
    assert "host" not in text


def test_what_is_saved_with_a_notebook_does_not_have_the_token_of_the_dashboard():
    shown = display.cluster(cluster(dashboard_link="http://127.0.0.1:8787/status?token=secret"), [])
    assert 'href="http://127.0.0.1:8787/status"' in shown["text/html"]
    assert not [text for text in shown.values() if "secret" in text]


def test_the_cluster_says_what_happened_last():
    events = [{"id": str(n), "time": 0.0, "level": "info", "message": f"<b>w{n}</b> left"} for n in range(5)]
    shown = display.cluster(cluster(), [], events)
    assert [line.partition(" ")[2] for line in shown["text/plain"].splitlines()[-3:]] == [
        "<b>w2</b> left",
        "<b>w3</b> left",
        "<b>w4</b> left",
    ]
    assert "&lt;b&gt;w4" in shown["text/html"]


def test_workers_of_several_hosts_show_them():
    workers = [WorkerInfo("a", "tls://h1:1", "h1"), WorkerInfo("b", "tls://h2:1", "h2")]
    assert [row[1] for row in display.worker_grid(workers).rows] == ["h1", "h2"]


def test_an_error_is_its_message_and_its_remedy():
    lines = display.error_lines(InputError("No.\x1b[31m", "Say yes."))
    assert lines == ["InputError: No.\\x1b[31m", "Say yes."]
