"""The line of `%%submit`: options, and then a loop that is Python.

Pure, as ``arguments.py`` is. The loop is taken apart into its source texts; nothing of it runs here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from moorage.errors import ArgumentError
from moorage.jupyter.arguments import add_workers
from moorage.jupyter.line import words
from moorage.jupyter.parser import Arguments, Parser, Reader, check_names, text


class Loop(NamedTuple):
    """``for TARGET in ITERABLE``, as source."""

    target: str
    iterable: str


class SubmitArguments(Arguments):
    """The line of `%%submit`."""

    output: list[str]
    workers: list[str] | None
    allow_other_workers: bool
    near: str | None
    loop: Loop | None = None

    def check(self) -> None:
        """Check names."""
        check_names([*self.output, *([self.near] if self.near else [])], foreign=True)
        check_names(self.output)


class SubmitReader(Reader[SubmitArguments]):
    """Reads the line of `%%submit`: options, then an optional ``for`` clause that is Python."""

    def __call__(self, line: str, namespace: Mapping[str, Any] | None = None) -> SubmitArguments:
        """Read `line`; see `Reader`."""
        options, clause = _split_loop(line)
        read = super().__call__(options, namespace)
        read.loop = _loop(clause) if clause else None
        if read.loop and len(read.output) > 1:
            raise ArgumentError(
                f"-o gives {len(read.output)} names, and a loop has one result, the sequence of its items' values.",
                f"Write: -o {read.output[0]}",
            )
        return read


def _split_loop(line: str) -> tuple[str, str]:
    # The clause is Python, whose quotes are not the shell's: do not lex beyond its beginning.
    for found in re.finditer(r"(?<![\w-])(async\s+)?for\s", line):
        try:
            words(line[: found.start()])
        except ArgumentError:
            continue  # inside quotes
        return line[: found.start()], line[found.start() :]
    return line, ""


def _loop(clause: str) -> Loop:
    source = f"[0 {clause}\n]"
    try:
        tree = ast.parse(source, mode="eval").body
    except SyntaxError as error:
        raise ArgumentError(
            f"{clause.strip()!r} is not a loop: {error.msg}.", "Write: %%submit for i in range(200)"
        ) from None
    match tree:
        case ast.ListComp(generators=[ast.comprehension(target=target, iter=iterable, ifs=[], is_async=0)]):
            parts = [ast.get_source_segment(source, part) or "" for part in (target, iterable)]
            return Loop(*parts)
    raise ArgumentError(
        f"{clause.strip()!r} is more than one plain loop.",
        "Put conditions and inner loops into the iterable, as in: for i in [i for i in items if i > 0]",
    )


def _submit() -> Parser:
    parser = Parser(
        "%%submit",
        usage="%(prog)s [-o NAME] [--workers W...] [--allow-other-workers] [--near NAME] [for TARGET in ITERABLE]",
        description="Run the cell on the cluster, next to the placed variables it uses: once, or once for each\n"
        "item of a loop. Its value is that of its last expression.",
    )
    parser.add_argument(
        "-o",
        "--output",
        nargs="+",
        default=[],
        type=text,
        metavar="NAME",
        help="bind the result to this name and do not wait",
    )
    add_workers(parser, "run it on these workers only (name, host, host:port or address)")
    parser.add_argument(
        "--allow-other-workers", action="store_true", help="prefer the workers, but use others when they are busy"
    )
    parser.add_argument("--near", type=text, metavar="NAME", help="run it where this placed variable is")
    return parser


submit = SubmitReader(SubmitArguments, _submit())
