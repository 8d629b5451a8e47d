"""The pipelines there are, by name, and how one becomes the YAML that Kubeflow takes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable
from itertools import dropwhile
from pathlib import Path
from typing import Any

from kfp.compiler import Compiler
from kfp.compiler.compiler_utils import KubernetesManifestOptions
from kfp.dsl.graph_component import GraphComponent
from kfp.pipeline_spec.pipeline_spec_pb2 import ParameterType

from pipelines.backbones import backbones
from pipelines.parameters import check, given
from pipelines.retraining import retraining
from pipelines.training import training
from solid.errors import SettingsError
from solid.storage.local import whole_file

PIPELINES: dict[str, Callable[..., GraphComponent]] = {
    "training": training, "retraining": retraining, "backbones": backbones,
}  # fmt: skip
"""Name -> what builds it, of a deployment and settings."""
_PINNED = re.compile(r".+@sha256:[0-9a-f]{64}")


def arguments(pipeline: GraphComponent, parameters: dict[str, Any], pairs: Iterable[str]) -> dict[str, Any]:
    """Those of ``parameters`` that a pipeline has, and those of ``pairs`` NAME=VALUE, which it must have.

    Raises:
        SettingsError: a pair names no parameter of the pipeline, or its value does not fit.
    """
    known = pipeline.pipeline_spec.root.input_definitions.parameters
    kinds = {name: ParameterType.ParameterTypeEnum.Name(known[name].parameter_type) for name in sorted(known)}
    values = {name: value for name, value in parameters.items() if name in known} | given(pairs, kinds, pipeline.name)
    check(values)
    return values


def check_pinned(image: str) -> None:
    """Refuse an image that is not named by its digest.

    Raises:
        SettingsError: it is not.
    """
    if not _PINNED.fullmatch(image):
        raise SettingsError(
            f"image {image}: name it by its digest (name@sha256:...); under a tag the code may change while Kubeflow's "
            "cache takes it for the same. --allow-tag compiles it all the same"
        )


def write_yaml(
    pipeline: GraphComponent, values: dict[str, Any], out: Path, manifest: KubernetesManifestOptions | None = None
) -> None:
    """Write a pipeline as the YAML that Kubeflow takes; the same pipeline gives the same bytes.

    Args:
        pipeline: built for a deployment.
        values: defaults of its parameters in place of those of params.yaml.
        out: file to write.
        manifest: write Pipeline and PipelineVersion resources with these options instead, for GitOps.
    """
    with tempfile.TemporaryDirectory() as scratch, whole_file(out) as partial:
        compiled = Path(scratch, "pipeline.yaml")  # the compiler insists on the ending
        Compiler().compile(
            pipeline,
            str(compiled),
            pipeline_parameters=values,
            kubernetes_manifest_format=manifest is not None,
            kubernetes_manifest_options=manifest,
        )
        # The compiler's comment lists defaults in the order of a hash, another one each time.
        lines = compiled.read_text(encoding="utf-8").splitlines(keepends=True)
        partial.write_text("".join(dropwhile(lambda line: line.startswith("#"), lines)), encoding="utf-8")
