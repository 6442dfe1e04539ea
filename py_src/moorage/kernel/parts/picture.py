"""A picture of where the parts of a collection are: a square for each, coloured by worker.

An array of two axes is drawn as it lies; of more axes, the first ones go down the page, block after block. What has one
axis goes on line by line. Plain SVG, shown by a notebook; in a terminal it is the words.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

PALETTE = (
    "#4c78a8", "#f58518", "#54a24b", "#b279a2", "#eeca3b", "#72b7b2", "#e45756", "#9d755d", "#ff9da6", "#79706e",
)  # fmt: skip
"""Colours of workers, in the order of their names; they begin again when there are more workers."""
_NOWHERE = "none"
_LINE = 40  # squares
_WIDTH = 480.0  # of the squares together, at most
_LARGEST = 24.0  # side of a square
_TEXT = 16  # height of a line of the legend
_MOST = 20_000  # squares


class Picture:
    """What ``cluster["x"].plot()`` returns.

    Parameters
    ----------
    words : str
        The same in words.
    shape : tuple of int
        Number of blocks by axis.
    squares : sequence of tuple
        Of each part, its position and the workers that have it.
    """

    def __init__(
        self, words: str, shape: tuple[int, ...], squares: Sequence[tuple[tuple[int, ...], tuple[str, ...]]]
    ) -> None:
        self.words = words
        self.shape = shape
        self.squares = squares

    def __repr__(self) -> str:
        return self.words

    def _repr_svg_(self) -> str | None:
        if not self.squares or len(self.squares) > _MOST:
            return None  # the words are shown
        return self.svg()

    def svg(self) -> str:
        """Return the picture as SVG."""
        colours = self.colours
        columns = self.columns
        side = min(_LARGEST, _WIDTH / columns)
        rows, drawn = 0, []
        for block, has in self.squares:
            row, column = divmod(self.cell(block), columns)
            rows = max(rows, row + 1)
            title = f"{', '.join(map(str, block))}: {', '.join(has) or 'on no worker'}"
            drawn.append(_square(column * side, row * side, side, [colours[worker] for worker in has], title))
        bottom = rows * side + 4
        legend = [
            f'<rect x="0" y="{bottom + i * _TEXT + 3:g}" width="10" height="10" fill="{colours[worker]}"/>'
            f'<text x="16" y="{bottom + i * _TEXT + 12:g}" fill="currentColor">{escape(worker)}</text>'
            for i, worker in enumerate(colours)
        ]
        width, height = max(columns * side, 200), bottom + len(colours) * _TEXT + 4
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" font-size="12" '
            f'font-family="sans-serif" role="img"><title>{escape(self.words)}</title>{"".join(drawn + legend)}</svg>'
        )

    @property
    def columns(self) -> int:
        """Number of squares in a line."""
        return self.shape[-1] if len(self.shape) > 1 else min(_LINE, max(1, self.shape[0]))

    @property
    def colours(self) -> dict[str, str]:
        """Colours of the workers that have some, in the order of their names."""
        workers = sorted({worker for _, has in self.squares for worker in has})
        return {worker: PALETTE[i % len(PALETTE)] for i, worker in enumerate(workers)}

    def cell(self, block: tuple[int, ...]) -> int:
        """Return which square of the page a block is, line by line."""
        cell = 0
        for size, at in zip(self.shape, block, strict=True):
            cell = cell * size + at
        return cell


def _square(x: float, y: float, side: float, colours: Sequence[str], title: str) -> str:
    """Return a square that shares its width among `colours`."""
    inner = max(0.5, side - 1)
    each = inner / max(1, len(colours))
    rects = "".join(
        f'<rect x="{x + i * each:g}" y="{y:g}" width="{each:g}" height="{inner:g}" fill="{colour}"'
        f"{' stroke=' + chr(34) + 'currentColor' + chr(34) if colour == _NOWHERE else ''}/>"
        for i, colour in enumerate(colours or [_NOWHERE])
    )
    return f"<g><title>{escape(title)}</title>{rects}</g>"
