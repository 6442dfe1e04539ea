"""The tools that look.

Their names and docstrings are what an assistant sees, and what they answer is what the magics say.
"""

from __future__ import annotations

from moorage.errors import MoorageError
from moorage.mcp.kernels import Notebook, NotLoadedError, ask, notebooks


async def moorage_clusters() -> str:
    """List the notebooks that use a Dask cluster by moorage, and the state of each cluster.

    Shows the number of workers, their memory, whether it is connected, what happened last.
    """
    told = [f"{notebook.path}\n{text}" for notebook, text in await _with_cluster()]
    return "\n\n".join(told) or "No open notebook uses a cluster: one starts with %cluster start in a cell."


async def moorage_placement(names: list[str] | None = None, notebook: str = "") -> str:
    """Show which variables of a notebook are on which workers of its Dask cluster, and whether they are held there.

    Args:
        names: Of variables; by default all that are placed.
        notebook: Its path. Not needed if only one notebook uses a cluster.
    """
    return await _tell("placement", notebook, names or [])


async def moorage_memory(notebook: str = "") -> str:
    """Show what fills the memory of each worker of a notebook's Dask cluster, by name.

    Args:
        notebook: Its path. Not needed if only one notebook uses a cluster.
    """
    return await _tell("memory", notebook, [])


async def moorage_why(name: str, notebook: str = "") -> str:
    """Say why a variable, a result or a worker of a Dask cluster is as it is: one cause, and what would help.

    Args:
        name: Of a placed variable, a variable of the notebook such as futures or results, or a worker.
        notebook: Its path. Not needed if only one notebook uses a cluster.
    """
    try:
        why = await ask(await the_notebook(notebook), "why", {"kind": "name", "name": name})
    except MoorageError as error:
        return str(error)
    line = f"In a cell: {why['line']}" if why["line"] else ""
    words = [f"{why['subject']} is {why['state']}: {why['cause']}", why["remedy"], line, *why["log"], *why["others"]]
    return "\n".join(filter(None, words))


async def _tell(what: str, notebook: str, names: list[str]) -> str:
    try:
        told = await ask(await the_notebook(notebook), "tell", {"what": what, "names": names})
    except MoorageError as error:  # what an assistant can read and act upon, rather than a failure of the tool
        return str(error)
    return str(told["text"])


async def _with_cluster() -> list[tuple[Notebook, str]]:
    """Return the notebooks that use a cluster, with what there is to say of it."""
    found = []
    for notebook in await notebooks():
        try:
            told = await ask(notebook, "tell", {"what": "clusters", "names": []})
        except NotLoadedError:
            continue
        except MoorageError as error:
            found.append((notebook, str(error)))
            continue
        if told["text"]:
            found.append((notebook, told["text"]))
    return found


async def the_notebook(path: str) -> Notebook:
    """Return the notebook that is meant. Raises MoorageError."""
    there = await notebooks()
    if path:
        found = [notebook for notebook in there if notebook.path == path.lstrip("/")]
        if not found:
            raise MoorageError(
                f"No notebook {path} is open.", f"Open: {', '.join(one.path for one in there) or 'none'}."
            )
        return found[0]
    using = [notebook for notebook, _ in await _with_cluster()]
    if len(using) != 1:
        raise MoorageError(
            f"{len(using) or 'No'} notebooks use a cluster.",
            f"Say which: {', '.join(one.path for one in using)}." if using else "One starts with %cluster start.",
        )
    return using[0]
