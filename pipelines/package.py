"""A compiled pipeline: what its file says of it, and what a run of it is given and called."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from components.parameters import PARAMETERS
from pipelines.parameters import check, given
from solid.chain import EACH
from solid.errors import SolidError
from solid.settings.schema import Settings
from solid.steps import value_of
from solid.tracking import git_sha

_DIGEST_LENGTH = 12
_NAME_LENGTH = 100
_DEFAULTS = {one.name: one.default for one in PARAMETERS.values()}


@dataclass(frozen=True)
class Package:
    """A compiled pipeline.

    Attributes:
        path: the YAML file.
        name: of the pipeline, as its author gave it.
        inputs: parameter -> what the file says of it.
        steps: keys of its tasks, from the root inwards -> name for people, of every task that runs a container.
        image: of its steps.
        lists: setting that it has a step for each entry of -> its entries.
    """

    path: Path
    name: str
    inputs: dict[str, dict[str, Any]]
    steps: dict[tuple[str, ...], str]
    image: str
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Package:
        """Read a file that ``solid-pipeline compile`` wrote.

        Raises:
            SolidError: it is something else.
        """
        try:
            spec = next(yaml.safe_load_all(path.read_text(encoding="utf-8")))
            root, name = spec["root"], str(spec["pipelineInfo"]["name"])
            steps = _steps(spec)
            executors = spec.get("deploymentSpec", {}).get("executors", {}).values()
        except (yaml.YAMLError, UnicodeDecodeError, StopIteration, TypeError, KeyError):
            raise SolidError(f"{path}: no compiled pipeline; write one with solid-pipeline compile") from None
        containers = [executor["container"] for executor in executors if "container" in executor]
        images = sorted({container["image"] for container in containers})
        told = [text.partition("=") for container in containers for text in container.get("args", [])]
        lists = {place: tuple(json.loads(entries)) for place, _, entries in told if place in EACH}
        parameters = root.get("inputDefinitions", {}).get("parameters", {})
        return cls(path, name, parameters, steps, ", ".join(images), lists)

    @cached_property
    def digest(self) -> str:
        """Of the file, so that the same pipeline is uploaded once."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:_DIGEST_LENGTH]

    def arguments(self, pairs: Iterable[str], before: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Every argument of a run: Kubeflow shows and compares those that were sent, and no defaults.

        Args:
            pairs: texts NAME=VALUE, the values being YAML.
            before: arguments of an earlier run, which count more than the defaults; those that are gone are left out.

        Raises:
            SolidError: there is no such parameter, a value does not fit, or one without default is missing.
        """
        kinds = {name: about["parameterType"] for name, about in self.inputs.items()}
        values = {name: about["defaultValue"] for name, about in self.inputs.items() if "defaultValue" in about}
        values |= {name: value for name, value in (before or {}).items() if name in kinds}
        if asked := given(pairs, kinds, self.name):  # the file's own defaults may be of another version of the settings
            values |= asked
            check(values)
        missing = [name for name, about in self.inputs.items() if not about.get("isOptional") and name not in values]
        if missing:
            raise SolidError(
                f"pipeline {self.name}: no value for {', '.join(missing)}; give it with --parameter NAME=VALUE"
            )
        return values

    def run_name(self, arguments: Mapping[str, Any]) -> str:
        """What tells runs apart in a list: the data, and every setting that is not what it is by default."""
        special = {place: of for place, of in self.lists.items() if of != value_of(Settings(), place)}
        lists = (f"{place.partition('.')[2]}={','.join(entries)}" for place, entries in special.items())
        return " ".join([self.name, *_peculiar(arguments), *lists])[:_NAME_LENGTH]

    def description(self, arguments: Mapping[str, Any]) -> str:
        """What a run's page says: commit, image, data, and who asked for it."""
        data = arguments.get("data", {})
        person = os.environ.get("GITHUB_ACTOR")
        if not person:
            person = socket.gethostname()
            with suppress(OSError, KeyError):  # a user without a name, as in a container
                person = f"{getpass.getuser()} on {person}"
        facts = {
            "commit": git_sha() or "unknown",
            "image": self.image,
            "data": f"{data.get('source', 'unknown')} {arguments.get('data_version') or ''}".strip(),
            "asked for by": person,
        }
        return "\n".join(f"{name}: {value}" for name, value in facts.items())

    def without_cache(self, folder: Path) -> Package:
        """The same pipeline, in ``folder``, of which every step runs, whatever ran before."""
        documents = list(yaml.safe_load_all(self.path.read_text(encoding="utf-8")))
        for graph in (documents[0]["root"], *documents[0]["components"].values()):
            for task in graph.get("dag", {}).get("tasks", {}).values():
                task["cachingOptions"] = {}
        path = folder / self.path.name
        path.write_text(yaml.safe_dump_all(documents, sort_keys=True), encoding="utf-8")
        return Package.read(path)


def _peculiar(arguments: Mapping[str, Any]) -> Iterator[str]:
    for name, value in arguments.items():
        usual = _DEFAULTS.get(name)
        if name == "data":
            yield PurePosixPath(str(value.get("source", ""))).name
        elif isinstance(value, dict) and usual:
            yield from (f"{key}={one}" for key, one in value.items() if one != usual.get(key))
        elif value != usual:
            yield f"{name}={value}"


def _steps(spec: dict[str, Any]) -> dict[tuple[str, ...], str]:
    """Path and name of each task that runs a container; where names repeat, those of its sub-pipelines come before."""
    found = list(_tasks(spec["root"], spec["components"]))
    often = Counter(names[-1] for _, names in found)
    return {path: names[-1] if often[names[-1]] == 1 else ": ".join(names) for path, names in found}


def _tasks(graph: dict[str, Any], components: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    for key, task in graph["dag"]["tasks"].items():
        component, name = components[task["componentRef"]["name"]], task["taskInfo"]["name"]
        if "dag" not in component:
            yield (key,), (name,)
            continue
        for path, names in _tasks(component, components):
            yield (key, *path), (name, *names)
