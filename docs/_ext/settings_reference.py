"""A Sphinx directive that writes all settings: defaults from ``moorage.yaml``, types and meaning from its schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

import moorage

FOLDER = Path(moorage.__file__).parent


def settings(schema: dict[str, Any], default: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Yield the path, the schema and the default of each setting."""
    for name, about in schema["properties"].items():
        here = f"{path}.{name}" if path else name
        if "description" in about:
            yield here, about, default[name]
        else:
            yield from settings(about, default[name], here)


class Settings(Directive):
    """The reference of all settings."""

    def run(self) -> list[nodes.Node]:
        """Return a definition list."""
        schema = yaml.safe_load((FOLDER / "moorage-schema.yaml").read_text())
        defaults = yaml.safe_load((FOLDER / "moorage.yaml").read_text())
        table = nodes.definition_list()
        for path, about, default in settings(schema, defaults):
            value = default if isinstance(default, str) else json.dumps(default)
            term = nodes.term("", "", nodes.literal("", path), nodes.Text("  "), nodes.emphasis("", value))
            said = nodes.definition()
            text = " ".join(about["description"].split()).replace("``", "`")
            self.state.nested_parse(StringList([text]), self.content_offset, said)
            table += nodes.definition_list_item("", term, said)
        return [table]


def setup(app: Any) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("settings", Settings)
    return {"parallel_read_safe": True}
