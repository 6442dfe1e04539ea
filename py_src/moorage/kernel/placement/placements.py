"""Where variables stand, all together: what ``cluster.placement()`` returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dask.utils import format_bytes

from moorage.model import PlacementState, describe


class Placements(Mapping[str, PlacementState]):
    """Name -> `PlacementState`, with the workers there were at that moment.

    Attributes
    ----------
    workers : list of str
        Names of the workers.
    """

    def __init__(self, states: Mapping[str, PlacementState], workers: list[str]) -> None:
        self._states = dict(states)
        self.workers = workers

    def __getitem__(self, name: str) -> PlacementState:
        return self._states[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)

    def __repr__(self) -> str:
        lines = [
            f"{name}: {format_bytes(state.nbytes)} {describe(state.placement)}, "
            f"{'held by' if state.state == 'held' else f'{state.state}; on'} {', '.join(state.holders) or 'no worker'}"
            + (f" ({state.reason})" if state.reason else "")
            for name, state in self._states.items()
        ]
        return "\n".join(lines) or "nothing is placed"
