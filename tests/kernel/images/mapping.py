"""What processes have mapped of the memory that they share, and what they get of it."""

import os

import numpy as np


def segments():
    """Return the names of the segments that this process has mapped."""
    with open("/proc/self/maps") as lines:
        return {line.split("memfd:")[1].split()[0] for line in lines if "memfd:moorage-" in line}


def all_segments():
    """Return the names of the segments that this process has mapped or open."""
    found = segments()
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue
        if target.startswith("/memfd:moorage-"):
            found.add(target.removeprefix("/memfd:").split()[0])
    return found


def mapped(cluster, look=segments):
    """Return what each worker has mapped, by name."""
    names = {info.address: info.name for info in cluster.workers()}
    return {names[address]: found for address, found in cluster.client.run(look).items()}


def on_each(cluster, function, name):
    """Return what a task gets of a variable on each worker."""
    future = cluster[name].future
    workers = [info.name for info in cluster.workers()]
    tasks = [cluster.client.submit(function, future, workers=[worker], pure=False) for worker in workers]
    return cluster.client.gather(tasks)


def allow_few_descriptors():
    import resource

    n = len(os.listdir("/proc/self/fd")) + 40
    resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))


def summed_in_a_fork(value):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, np.float64(value.sum()).tobytes())
        os._exit(0)
    os.waitpid(child, 0)
    return np.frombuffer(os.read(reading, 8))[0]
