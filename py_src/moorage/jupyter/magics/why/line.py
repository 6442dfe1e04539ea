"""The line of `%why`."""

from __future__ import annotations

from moorage.jupyter.magics.parser import Arguments, Parser, Reader, text


class WhyArguments(Arguments):
    """The line of `%why`."""

    what: str


def _parser() -> Parser:
    parser = Parser(
        "%why",
        usage="%(prog)s NAME|NAME[I]|WORKER",
        description="Say why something is not as you want it, and what would help: it waits, moves, is lost, stale,\n"
        "spilled, queued or failed; a worker is gone, paused or short of memory. `cluster.why()` returns it.",
    )
    parser.add_argument(
        "what",
        type=text,
        metavar="NAME",
        help="a placed variable; a variable that holds a collection, futures or results; an element of one, as\n"
        "results[7]; or a worker",
    )
    return parser


why = Reader(WhyArguments, _parser())
