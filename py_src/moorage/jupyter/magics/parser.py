"""An argparse parser for magics: typed results, errors that say what would work, help without an exit.

What each magic takes is ``arguments.py``; how a line becomes words is ``line.py``.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import json
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from keyword import iskeyword
from typing import Any, ClassVar, Generic, NamedTuple, NoReturn, TypeVar

from dask.utils import parse_bytes, parse_timedelta

from moorage.errors import ArgumentError, InvalidNameError
from moorage.jupyter.magics.line import QUOTED, split
from moorage.kernel.parts.named import collection_of


class HelpRequested(Exception):
    """The line asks for help; the text is the argument."""


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises `ArgumentError` and `HelpRequested`, and neither prints nor exits."""

    def __init__(self, prog: str, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", _Help)
        super().__init__(prog=prog, add_help=False, allow_abbrev=False, **kwargs)
        self.add_argument("-h", "--help", action=_HelpAction, help="show this text")

    def say_usage(self, arguments: Iterable[str]) -> None:
        """Have the usage say that these follow the name of the magic, each as it is written."""
        first = f"usage: {self.prog} "
        whole = " ".join(argument.replace(" ", "\xa0") for argument in arguments)  # no line ends within one
        lines = textwrap.fill(first + whole, 100, subsequent_indent=" " * len(first), break_on_hyphens=False)
        self.usage = lines.removeprefix("usage: ").replace("\xa0", " ").replace("%", "%%")

    def error(self, message: str) -> NoReturn:
        """Turn argparse's complaint into one that names what would work."""
        unknown = re.fullmatch(r"unrecognized arguments: (.*)", message, re.DOTALL)
        usage = " ".join(self.format_usage().removeprefix("usage:").split())
        remedy = f"Usage: {usage}. {self.prog} -h explains."
        if unknown:
            culprit = unknown[1].replace(QUOTED, "").split(" ")[0]
            kind = "option" if culprit.startswith("-") else "argument"
            near = difflib.get_close_matches(culprit, self.options, n=1)
            hint = f"Did you mean {near[0]}? " if near else ""
            if kind == "argument" and (option := self._option_for(culprit)):
                hint = f"Did you mean {option} {culprit}? "
            raise ArgumentError(f"{self.prog} has no {kind} {culprit!r} here.", hint + remedy)
        if (refused := re.match(r"argument \w+: '(.*)' is not ", message)) and (option := self._option_for(refused[1])):
            remedy = f"Did you mean {option} {refused[1]}? {remedy}"
        raise ArgumentError(f"{self.prog}: {message.replace(QUOTED, '')}.", remedy)

    def _option_for(self, word: str) -> str:
        """Return an option that `word` would be a value of: one that takes few words, or a list of any."""
        lists = ""
        for action in self._actions:
            if not action.option_strings or action.nargs == 0 or not callable(action.type):
                continue
            if action.type is text:
                lists = lists or (action.option_strings[0] if action.nargs == "+" else "")
                continue
            with contextlib.suppress(argparse.ArgumentTypeError):
                action.type(word)
                return action.option_strings[0]
        return lists

    @property
    def options(self) -> list[str]:
        """The options of this parser."""
        return [option for action in self._actions for option in action.option_strings]

    @property
    def switches(self) -> list[str]:
        """The options that take no value."""
        return [option for action in self._actions if action.nargs == 0 for option in action.option_strings]


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100, max_help_position=32)


class _HelpAction(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, **kwargs)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> NoReturn:
        raise HelpRequested(parser.format_help())


class _Declared(NamedTuple):
    """An argument as a class of `Arguments` declares it."""

    names: list[str]  # empty if it is given by its place
    how: dict[str, Any]  # what argparse is told of it
    group: str
    usage: str  # how it is written, in brackets if it may be left out


def option(written: str, read: Callable[[str], Any] | None, help: str = "", *, group: str = "", **how: Any) -> Any:
    """Declare an argument with a value, as it is written: ``-n --n-workers N``, ``--names NAME...``, ``[NAME]``.

    `read`: turns a word into a value. `group`: heading in the help. `how`: further arguments of ``add_argument``.
    """
    *names, metavar = re.findall(r"\[.*]|\S+", written)
    usage = f"{names[0]} {metavar}" if names else metavar
    number = {"...]": "*", "...": "+", "]": "?"}
    nargs = next((n for end, n in number.items() if metavar.endswith(end)), None)
    how |= {"nargs": nargs} if nargs else {}
    how |= {"type": read} if read else {}
    usage = f"[{usage}]" if names and not how.get("required") else usage
    return [_Declared(names, {"metavar": metavar.strip("[.]"), "help": help or None, **how}, group, usage)]


def switch(written: str, help: str, *, group: str = "", action: str = "store_true", **how: Any) -> Any:
    """Declare an option without a value: ``-v --verbose``."""
    names = written.split()
    return [_Declared(names, {"action": action, "help": help, **how}, group, f"[{names[0]}]")]


class Arguments(argparse.Namespace):
    """What a line says: subclasses declare it, each field with its type and an `option` or a `switch`, or several."""

    _declared: ClassVar[dict[str, list[_Declared]]] = {}

    def __init_subclass__(cls) -> None:
        cls._declared = {name: value for name, value in vars(cls).items() if isinstance(value, list)}
        for name in cls._declared:
            delattr(cls, name)  # argparse takes what a field has already for given

    @classmethod
    def declare(cls, parser: Parser) -> None:
        """Tell a parser what there is, and how it is written: what a class adds before what it has from others."""
        written: list[str] = []
        groups: dict[str, Any] = {"": parser}
        fields: dict[str, list[_Declared]] = {}
        for base in cls.__mro__:
            for field, declared in vars(base).get("_declared", {}).items():
                fields.setdefault(field, declared)
        for field, declared in fields.items():
            for names, how, title, usage in declared:
                written.append(usage)
                if title not in groups:
                    groups[title] = parser.add_argument_group(title)
                groups[title].add_argument(*(names or [field]), **how, **({"dest": field} if names else {}))
        parser.say_usage(written)

    def check(self) -> None:
        """Check what no single option can check."""


A = TypeVar("A", bound=Arguments, covariant=True)


class Reader(Generic[A]):
    """Reads the lines of one magic into its `Arguments`. `usage`: what follows its name, if that is something else."""

    def __init__(
        self,
        kind: type[A],
        prog: str,
        description: str,
        usage: Sequence[str] = (),
        actions: Mapping[str, Reader[A]] | None = None,
    ) -> None:
        self.kind = kind
        self.parser = Parser(prog, description=description)
        self.actions = dict(actions or {})
        kind.declare(self.parser)
        if usage:
            self.parser.say_usage(usage)

    def __call__(self, line: str, namespace: Mapping[str, Any] | None = None) -> A:
        """Read `line`. Raises ArgumentError if it cannot be read. Raises HelpRequested if it asks for help."""
        argv = split(line, namespace)
        if not self.actions or not argv or argv[0] in self.parser.options:
            return self._read(argv)
        action = text(argv[0])
        if action not in self.actions:
            near = difflib.get_close_matches(action, self.actions, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            known = ", ".join(self.actions)
            raise ArgumentError(f"{self.parser.prog} has no action {action!r}.", f"{hint}It has: {known}.")
        return self.actions[action]._read(argv[1:], action=action)

    def _read(self, argv: Sequence[str], **known: str) -> A:
        read = self.parser.parse_args(argv, self.kind(**known))
        read.check()
        return read

    def whole(self, line: str, cell: str | None) -> tuple[str, str | None]:
        """Return the line with all that belongs to it, and what is left of the cell."""
        return line, cell

    @property
    def help(self) -> str:
        """The text that ``-h`` shows."""
        return self.parser.format_help()

    def parser_of(self, action: str = "") -> Parser:
        """Return the parser of the magic, or of one of its actions."""
        return self.actions.get(action, self).parser


# ---------------------------------------------------------------------------------------------------------------
# Values: readers for the `type=` of an argument


def text(word: str) -> str:
    """Read any text."""
    return word.removeprefix(QUOTED)


def _reader(read: Callable[[str], Any], wanted: str) -> Callable[[str], Any]:
    """Return a reader that says what it wanted when `read` raises ``ValueError``."""

    def reader(word: str) -> Any:
        written = text(word)
        try:
            return read(written)
        except (ValueError, KeyError, TypeError):
            raise argparse.ArgumentTypeError(f"{written!r} is not {wanted}") from None

    return reader


def _valid(valid: bool, value: Any) -> Any:
    if not valid:
        raise ValueError(value)
    return value


def _bytes(written: str) -> int:
    size = parse_bytes(written)
    return int(_valid(size > 0, size))


def _seconds(written: str) -> float:
    try:
        seconds = float(written)  # also ".5", which Dask takes for 1.5
    except ValueError:
        seconds = float(parse_timedelta(_valid(written.strip() != "", written)))
    return float(_valid(0 <= seconds < float("inf"), seconds))


def _option(written: str) -> tuple[str, Any]:
    name, equals, value = written.partition("=")
    _valid(bool(equals) and name.isidentifier(), name)
    return name, value_of(value)


def value_of(written: str) -> Any:
    """Return the value of an option: JSON, or a string as most are, such as a queue, 8GB, 1:30:00."""
    try:
        return json.loads(written)
    except ValueError:
        return written


def _amount(written: str, number: Callable[[str], float]) -> tuple[str, float]:
    name, _, value = written.rpartition("=")
    return _valid(bool(name), name), _valid(number(value) > 0, number(value))


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a reader of one of these words."""
    return _reader(lambda word: _valid(word in choices, word), f"one of {', '.join(choices)}")


positive = _reader(lambda word: _valid(int(word) >= 1, int(word)), "a whole number of at least 1")
count = _reader(lambda word: _valid(int(word) >= 0, int(word)), "a whole number of at least 0")
nbytes = _reader(_bytes, "a size such as 2GB or 500MiB")
limit = _reader(lambda word: word if word == "auto" else str(_bytes(word)), "a size such as 2GB, nor `auto`")
whole = _reader(int, "a whole number")
amount = _reader(lambda word: _amount(word, float), "of the form NAME=NUMBER")
leases = _reader(lambda word: _amount(word, int), "of the form NAME=NUMBER, a whole number of at least 1")
setting = _reader(_option, "of the form KEY=VALUE")
duration = _reader(_seconds, "a time such as 30 (seconds) or 2m")


def check_names(names: Iterable[str], *, foreign: bool = False, parts: bool = False) -> None:
    """Check that `names` can name variables.

    With `foreign`, also ``name@owner`` of another notebook; with `parts`, also some of a collection: ``ddf[3:7]``.
    """
    for name in names:
        if parts and collection_of(name) is not None:
            continue
        own = name.partition("@")[0] if foreign else name
        if not own.isidentifier() or iskeyword(own):
            raise InvalidNameError(name)
