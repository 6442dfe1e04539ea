"""A Sphinx directive that writes what a magic takes, from the parser that reads it and prints its ``-h``.

```{magic} pin
```

stands for the usage, the description and the options of ``%pin``; with an action, as in ``{magic} cluster start``, for
those of the action.
"""

from __future__ import annotations

import argparse
import re
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from moorage.jupyter import magics
from moorage.jupyter.magics.parser import Parser, Reader

READERS: dict[str, Reader[Any]] = {
    name: reader
    for module in walk_packages(magics.__path__, f"{magics.__name__}.")
    for name, reader in vars(import_module(module.name)).items()
    if isinstance(reader, Reader)
}


class Magic(Directive):
    """The reference of one magic, or of one action of one."""

    required_arguments = 1
    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return usage, description and options."""
        name, action = (*self.arguments, "")[:2]
        return self.described(READERS[name].parser_of(action))

    def described(self, parser: Parser) -> list[nodes.Node]:
        """Return what there is to say of a parser."""
        usage = parser.format_usage().removeprefix("usage: ")
        usage = re.sub(r"^ {7}", "", usage, flags=re.MULTILINE).strip()
        block = nodes.literal_block(usage, usage, language="text")
        return [block, *self.paragraphs(parser.description or ""), *self.listed(parser)]

    def paragraphs(self, text: str) -> list[nodes.Node]:
        """Return a paragraph for each that is set as one, and what is set in as it is."""
        made: list[nodes.Node] = []
        for piece in re.split(r"\n\s*\n", text.strip("\n")):
            if piece.startswith("  "):
                made.append(nodes.literal_block(piece, piece, language="text"))
            elif piece.strip():
                made += self.sentence(" ".join(piece.split()))
        return made

    def listed(self, parser: Parser) -> list[nodes.Node]:
        """Return a list of the arguments and options of each group."""
        made: list[nodes.Node] = []
        for group in parser._action_groups:
            rows = [action for action in group._group_actions if "--help" not in action.option_strings]
            if not rows:
                continue
            if group.title not in ("options", "positional arguments"):
                made.append(nodes.paragraph("", "", nodes.strong("", f"{group.title}:".capitalize())))
            table = nodes.definition_list()
            for action in rows:
                term = nodes.term("", "", nodes.literal("", self.written(action)))
                said = nodes.definition("", *self.sentence(action.help or ""))
                table += nodes.definition_list_item("", term, said)
            made.append(table)
        return made

    def sentence(self, text: str) -> list[nodes.Node]:
        """Return text with its words in backquotes, and what begins as an option or a magic, as code."""
        text = re.sub(r"`([^`]+)`|((?<![\w-])(?:--[a-z]|%%?[a-z])[\w-]*)", r"`\1\2`", text)
        made = nodes.container()
        self.state.nested_parse(StringList([text]), self.content_offset, made)
        return list(made.children)

    @staticmethod
    def written(action: argparse.Action) -> str:
        """Return an argument as a line has it."""
        if not action.option_strings:
            return str(action.metavar or action.dest)
        value = ""
        if action.nargs != 0:
            one = action.metavar or (",".join(action.choices) if action.choices else action.dest.upper())
            value = {"+": f" {one}...", "*": f" [{one}...]", "?": f" [{one}]"}.get(str(action.nargs), f" {one}")
        return ", ".join(action.option_strings) + value


def setup(app: Any) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("magic", Magic)
    return {"parallel_read_safe": True}
