"""The experiment that runs belong to: found by its name, or made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from solid.errors import SettingsError
from solid.tracking.server import SQLITE

_KIND = {"mlflow.experimentKind": "custom_model_development"}  # else its page opens on traces of language models


def experiment_id(client: Any) -> str:
    """The id of the experiment that MLFLOW_EXPERIMENT_ID or MLFLOW_EXPERIMENT_NAME names, which is made when it is new.

    Raises:
        SettingsError: MLflow refuses the name, or somebody has deleted the experiment.
    """
    if given := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return given
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "solid"
    found = client.get_experiment_by_name(name) or _made(client, name)
    if found.lifecycle_stage != "active":
        raise SettingsError(
            f"MLflow: the experiment {name} was deleted; restore it (mlflow experiments restore --experiment-id "
            f"{found.experiment_id}), or name another one with MLFLOW_EXPERIMENT_NAME"
        )
    return str(found.experiment_id)


def _made(client: Any, name: str) -> Any:
    from mlflow.exceptions import MlflowException

    artifacts = None  # where the server keeps them
    if client.tracking_uri.startswith(SQLITE):
        artifacts = (Path(client.tracking_uri.removeprefix(SQLITE)).resolve().parent / "mlartifacts").as_uri()
    try:
        client.create_experiment(name, artifact_location=artifacts, tags=_KIND)
    except MlflowException as error:
        if error.error_code == "INVALID_PARAMETER_VALUE":
            raise SettingsError(f"MLFLOW_EXPERIMENT_NAME={name[:80]}: MLflow refuses the name: {error}") from None
        if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another step has made it just now
            raise
    return client.get_experiment_by_name(name)
