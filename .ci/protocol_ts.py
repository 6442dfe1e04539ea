"""Writes labextension/src/protocol.ts from py_src/moorage/wire/panel*.py: ``python .ci/protocol_ts.py``.

Covers what the kernel and the panel say to each other: the TypedDicts whose name begins with Panel, the placement,
and the literals that they use, each with its docstring and the comments of its fields. Reads the source rather than
importing it, so that it runs without moorage. A test fails while the file is out of date.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = [
    ROOT / f"py_src/moorage/{name}.py" for name in ("model", "wire/scheduler", "wire/panel", "wire/panel_requests")
]
TARGET = ROOT / "labextension/src/protocol.ts"
COMMAND = "python .ci/protocol_ts.py"

WORDS = {"str": "string", "int": "number", "float": "number", "bool": "boolean", "Any": "unknown", "None": "null"}
SHAPES = {"CountsChange", "CountsDict", "PlacementDict"}
LITERALS = {"MemoryKind", "State", "WorkerStatus", "PlacementKind"}
HEADER = f"""\
// GENERATED from py_src/moorage/wire/panel*.py by `{COMMAND}`; do not edit.
// What the kernel and the panel say to each other. Names are those of Python; sizes are in bytes.
"""


def typescript(node: ast.expr) -> str:
    """Return the TypeScript of a Python annotation."""
    match node:
        case ast.Name(id=name):
            return WORDS.get(name, name)
        case ast.Constant(value=None):
            return "null"
        case ast.Constant(value=str(text)):
            return f"'{text}'"
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return f"{typescript(left)} | {typescript(right)}"
        case ast.Subscript(value=ast.Name(id="Literal"), slice=ast.Tuple(elts=values)):
            return " | ".join(typescript(value) for value in values)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=value):
            return typescript(value)
        case ast.Subscript(value=ast.Name(id="list"), slice=item):
            one = typescript(item)
            return f"({one})[]" if "|" in one else f"{one}[]"
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[ast.Name(id="str"), value])):
            return f"Record<string, {typescript(value)}>"
    raise ValueError(f"no TypeScript for {ast.unparse(node)!r}")


def jsdoc(text: str, indent: str = "") -> str:
    """Return `text` as a comment that tools show."""
    lines = re.sub(r"``?", "`", text).replace("*/", "* /").splitlines()
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    body = "".join(f"{indent} * {line.strip()}".rstrip() + "\n" for line in lines)
    return f"{indent}/**\n{body}{indent} */\n"


def interface(node: ast.ClassDef, of: ast.ClassDef, source: list[str]) -> str:
    """Return the type of a TypedDict, with the fields of one, which may be what it inherits from."""
    optional = any(
        keyword.arg == "total" and isinstance(keyword.value, ast.Constant) and not keyword.value.value
        for keyword in node.keywords
    )
    fields = ""
    for field in of.body:
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        annotation = field.annotation
        absent = optional
        if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "NotRequired":
            annotation, absent = annotation.slice, True
        comment = source[field.lineno - 1][field.end_col_offset or 0 :].strip()
        if comment:
            fields += jsdoc(comment.removeprefix("#").strip(), "  ")
        fields += f"  {field.target.id}{'?' if absent else ''}: {typescript(annotation)};\n"
    body = f"{{\n{fields}}}" if fields else "Record<string, never>"
    return f"{jsdoc(ast.get_docstring(node) or '')}export type {node.name} = {body};\n"


def generate() -> str:
    """Return what TARGET should hold."""
    literals, interfaces, version = [], [], ""
    shared: dict[str, tuple[ast.ClassDef, list[str]]] = {}
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            match node:
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if name in LITERALS:
                    literals.append(f"export type {name} = {typescript(value)};\n")
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in LITERALS:
                    literals.append(f"export type {name} = {typescript(value)};\n")
                case ast.Assign(targets=[ast.Name(id="PROTOCOL_VERSION")], value=ast.Constant(value=number)):
                    version = f"export const PROTOCOL_VERSION = {number};\n"
                case ast.ClassDef(name=name) if name.startswith("Panel") or name in SHAPES:
                    interfaces.append(
                        interface(node, *shared.get(ast.unparse(node.bases[0]), (node, text.splitlines())))
                    )
                case ast.ClassDef(name=name):
                    shared[name] = node, text.splitlines()
    return "\n".join([HEADER, version, *literals, *interfaces])


if __name__ == "__main__":
    TARGET.write_text(generate(), encoding="utf-8")
