"""YAML that people write, in a file or on the command line (JSON is YAML): read strictly, faults with their place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from solid.errors import SettingsError


def parse_yaml(text: str, source: str) -> Any:
    """Parse one YAML document of plain values, in which a key stands once.

    Args:
        text: of the document.
        source: what people know it as, for the message: a file, or an option as it was given.

    Raises:
        SettingsError: it is not YAML, or a key stands twice; the message says in which line and column.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        mark, context = error.problem_mark, f" ({error.context})" if error.context else ""
        place, snippet = (f"{_place(mark)}: ", f"\n{mark.get_snippet(indent=2)}") if mark else ("", "")
        raise SettingsError(f"{source}: not valid YAML: {place}{error.problem}{context}{snippet}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SettingsError(
            f"{source}: not valid YAML: line {line}: {error.reason} (#x{error.character:04x})"
        ) from None
    except RecursionError:
        raise SettingsError(f"{source}: not valid YAML: nested too deeply") from None


def read_mapping(path: Path, expected: str) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; an empty one holds an empty mapping.

    Args:
        path: of the file.
        expected: what a reader should put into it, for the message.

    Raises:
        SettingsError: it cannot be read, is not YAML, or is something else than a mapping.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError(
            f"{path}: not valid YAML: line {line}: byte 0x{content[error.start]:02x} is not UTF-8; save it as UTF-8"
        ) from None
    values = parse_yaml(text, str(path))
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: expected {expected}, found {type(values).__name__}")
    return values


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, which YAML forbids and PyYAML takes: the last one would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[Any, yaml.Mark] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key, mark = self.construct_object(key_node), key_node.start_mark
            if key in seen:
                problem = f"the key {key!r} stands twice, first in {_place(seen[key])}; keep one"
                raise yaml.constructor.ConstructorError(None, None, problem, mark)
            seen[key] = mark
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # what looks like a date or a number, and is none: 2024-13-01
            problem = f"{node.value!r}: {error}; put it into quotes if it is a text"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


def _place(mark: yaml.Mark) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"
