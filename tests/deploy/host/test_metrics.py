"""What Prometheus is told of a cluster that moorage has started."""

from __future__ import annotations

import os
import signal
import urllib.request
from urllib.parse import parse_qs, urlsplit

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

import moorage
from tests.helpers import eventually
from tests.two_workers import alice_and_bob, cluster

__all__ = ["alice_and_bob", "cluster"]
MIB = 1 << 20


def scraped(cluster: moorage.ClusterController) -> dict[str, float]:
    """What a scrape gives, by name and state; of moorage's only."""
    link = urlsplit(cluster.dashboard_link)
    token = parse_qs(link.query)["token"][0]
    request = urllib.request.Request(f"http://{link.netloc}/metrics", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    assert any(family.name.startswith("dask_scheduler") for family in families)
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("moorage_")
    }


def test_what_is_placed_copied_and_shared_is_told(cluster: moorage.ClusterController):
    before = scraped(cluster)
    cluster.broadcast(np.ones(MIB // 8), name="x")
    now = eventually(lambda: (found := scraped(cluster))["moorage_copies held"] == 2 and found)
    assert now["moorage_variables held"] == 1
    assert now["moorage_copies missing"] == 0
    assert MIB <= now["moorage_placed_bytes"] < 2 * MIB
    assert now["moorage_copies_made_total"] - before["moorage_copies_made_total"] == 2
    assert now["moorage_copied_bytes_total"] - before["moorage_copied_bytes_total"] >= 2 * MIB
    eventually(lambda: MIB <= scraped(cluster)["moorage_shared_bytes"] < 2 * MIB)  # one host


def test_what_is_restored_is_counted(cluster: moorage.ClusterController):
    before = scraped(cluster)
    value = np.arange(100_000)
    cluster.pin("z", workers=["bob"], value=value)
    os.kill(cluster.submit(os.getpid, workers=["bob"], pure=False).result(), signal.SIGKILL)
    name = "moorage_restored_variables_total"
    now = eventually(lambda: (found := scraped(cluster))[name] > before[name] and found)
    assert 0 < now["moorage_restoring_seconds_total"] - before["moorage_restoring_seconds_total"] < 60
    assert now["moorage_lost_variables_total"] == before["moorage_lost_variables_total"]
