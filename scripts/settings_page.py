"""Write docs/settings.md from the schema of the settings and dvc.yaml; with --check only say whether it is stale."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from solid.settings.fields import Section
from solid.settings.schema import Settings

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "settings.md"
HEAD = """<!-- Written by `make docs` from solid/settings and dvc.yaml; edit those. -->

# Settings

Every setting of the chain has a default. To change one, edit `params.yaml`, or name it for one call: `solid train ...
--set training.seed=1` (values are YAML; `--set` may be repeated), `make run SET='training.seed=1
semantics.modalities=[id,text]'`, `solid-pipeline compile training --set training.seed=1`. `--params FILE` takes another
file. A file need not name everything: what it leaves out takes its default. A key that does not exist, stands twice, or
has a value that does not fit is an error before any work begins.

After a change, `dvc repro` runs the stages again that read the setting, and those that read what they wrote where it
came out differently. These stages are named below each section.
"""


def main() -> None:
    """Write the page, or say that it is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is stale")
    page = settings_page(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
    if not parser.parse_args().check:
        PAGE.write_text(page, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page:
        sys.exit(f"{PAGE.relative_to(ROOT)} is stale: run make docs, and commit it")


def settings_page(stages: dict[str, Any]) -> str:
    """The page in Markdown.

    Args:
        stages: of dvc.yaml.
    """
    parts = [HEAD]
    for name, field in Settings.model_fields.items():
        section = field.annotation
        assert isinstance(section, type)
        assert issubclass(section, Section)
        properties = section.model_json_schema()["properties"]
        parts.append(
            f"## {name}\n\n{section.__doc__}\n\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n"
        )
        for key, about in properties.items():
            meaning = about["description"].replace(" | ", ", ")
            parts.append(f"| `{key}` | {_values(about)} | `{_written(about['default'])}` | {meaning} |\n")
        parts += _reruns(name, list(properties), stages)
    return "\n".join([parts[0], "".join(parts[1:])]).rstrip() + "\n"


def _values(about: dict[str, Any]) -> str:
    """What may be given, in words, from a JSON schema."""
    if "anyOf" in about:
        return ", or ".join(_values(one) for one in about["anyOf"])
    if "enum" in about or "const" in about:
        return ", ".join(f"`{value}`" for value in about.get("enum", [about.get("const")]))
    if about["type"] == "array":
        return f"list of {_values(about['items'])}"
    limits = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    said = [f"{words} {about[limit]:.12g}" for limit, words in limits.items() if limit in about]
    kind = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true` or `false`"}
    return ", ".join([kind[about["type"]], *said])


def _written(value: Any) -> str:
    """A default as it is written in YAML."""
    return value if isinstance(value, str) else json.dumps(value).replace('"', "")


def _reruns(section: str, keys: list[str], stages: dict[str, Any]) -> Iterator[str]:
    """Which stages a change runs again: a sentence for all keys, or one for each group that is read alike."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for key in keys:
        groups.setdefault(tuple(_affected(section, key, stages)), []).append(f"`{key}`")
    for affected, alike in groups.items():
        of = "" if len(groups) == 1 else f" of {', '.join(alike)}"
        what = f"{', '.join(affected)}." if affected else "no stage: [retraining](retraining.md) reads these settings."
        yield f"\nA change{of} reruns {what}\n"
    yield "\n"


def _affected(section: str, key: str, stages: dict[str, Any]) -> Iterator[str]:
    """The stages that read a setting, or what such stages write; dvc.yaml has each after those it reads from."""
    written: list[str] = []
    for name, stage in stages.items():
        body = stage.get("do", stage)
        reads = {section, f"{section}.{key}"} & set(body.get("params", []))
        named = f"${{{section}.{key}}}" in json.dumps(stage)
        # A stage may read the folder in which others write one each.
        follows = any(out == dep or out.startswith(f"{dep}/") for dep in body["deps"] for out in written)
        if reads or named or follows:
            yield name
            written += [out if isinstance(out, str) else next(iter(out)) for out in body["outs"]]


if __name__ == "__main__":
    main()
