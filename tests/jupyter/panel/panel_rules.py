"""How a panel applies an update, written down a second time, in the words of the protocol."""


def apply(state, changed, removed):
    """Return the panel's state after an update: first what is removed, then what has changed."""
    state = {part: dict(value) if isinstance(value, dict) else value for part, value in state.items()}
    for part, names in removed.items():
        for name in names:
            del state[part][name]
    for part, change in changed.items():
        if part in ("cluster", "read_only"):
            state[part] = change
        elif part in ("candidates", "notices"):
            state[part].update(change)
        else:
            for name, fields in change.items():
                state[part][name] = merge(state[part].get(name), fields)
    return state


def merge(entry, fields):
    """Return an entry with changed fields; of counts only those of changed workers are given, 0 for none."""
    if entry is None:
        return fields
    merged = {**entry, **fields}
    for counts in ("held", "pending"):
        if counts in fields:
            merged[counts] = {w: n for w, n in {**entry[counts], **fields[counts]}.items() if n}
    return merged
