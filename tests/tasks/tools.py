"""What the tests of running code on a cluster share."""

import numpy as np


def sent(client):
    """Count the bytes that the client sends to the scheduler from now on."""
    total = [0]
    original = client._send_to_scheduler

    def counting(message):
        if message.get("op") == "update-graph":
            total[0] += sum(len(frame) for frame in message["expr_ser"].frames)
        original(message)

    client._send_to_scheduler = counting
    return total


def run_cell(submitter, source, namespace, **options):
    return submitter.cell(source, namespace, **options).result(30)


def notebook(source=""):
    namespace = {"__name__": "__main__", "np": np}
    exec(source, namespace)
    return namespace


def text(reports, stream="stdout"):
    parts = [part for r in reports if r["kind"] == "output" for part in r["parts"]]
    return "".join(p[2] for p in parts if p[0] == stream)


def double(i):
    return i * 2


def worker_name(_):
    from distributed import get_worker

    return str(get_worker().name)
