"""How a panel reads what it is told, written down a second time, in the words of the protocol."""


def state_of(snapshot):
    """Return the state that a snapshot tells: its workers travel column by column."""
    columns = snapshot["workers"]
    workers = [dict(zip(columns, fields, strict=True)) for fields in zip(*columns.values(), strict=True)]
    return snapshot["state"] | {"workers": {worker["name"]: worker for worker in workers}}


def apply(state, changed, removed):
    """Return the panel's state after an update: first what is removed, then what has changed; workers come first."""
    state = {part: dict(value) if isinstance(value, dict) else value for part, value in state.items()}
    before = set(state["workers"])
    for part, names in removed.items():
        for name in names:
            del state[part][name]
    for name, fields in changed.get("workers", {}).items():
        state["workers"][name] = state["workers"].get(name, {}) | fields
    for name, variable in state["variables"].items():
        counts = {what: at(variable[what], before, state["workers"]) for what in ("held", "pending")}
        state["variables"][name] = variable | counts
    for part, change in changed.items():
        if part in ("cluster", "undoable", "limits", "read_only"):
            state[part] = change
        elif part == "variables":
            for name, fields in change.items():
                state[part][name] = merge(state[part].get(name), fields)
        elif part == "computations":
            for name, fields in change.items():
                state[part][name] = state[part].get(name, {}) | fields
        elif part != "workers":
            state[part].update(change)
    return state


def at(counts, before, now):
    """Return counts when there are other workers than before: who has come has none of what the rest have."""
    others = {w: n for w, n in counts["others"].items() if w in now or w not in before}
    come = [w for w in now if w not in before] if counts["rest"] else []
    return {"rest": counts["rest"], "others": others | dict.fromkeys(come, 0)}


def merge(entry, fields):
    """Return an entry with changed fields; of counts only those are given that have changed, unless the rest has."""
    if entry is None:
        return fields
    merged = entry | fields
    for counts in ("held", "pending"):
        if counts in fields and "rest" not in fields[counts]:
            rest, others = entry[counts]["rest"], entry[counts]["others"] | fields[counts]["others"]
            merged[counts] = {"rest": rest, "others": {w: n for w, n in others.items() if n != rest}}
    return merged


def on_workers(counts, workers):
    """Return the counts of all workers that have any."""
    full = dict.fromkeys(workers, counts["rest"]) | counts["others"]
    return {w: n for w, n in full.items() if n}
