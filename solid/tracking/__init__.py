"""MLflow runs: what a training was given, how it went, and what it left.

MLflow's own variables say where: MLFLOW_TRACKING_URI (default: ``mlflow.db`` in the current folder, with the artifacts
in ``mlartifacts`` beside it), MLFLOW_EXPERIMENT_NAME or MLFLOW_EXPERIMENT_ID (default: "solid"), and MLFLOW_RUN_ID for
a run that somebody else began, such as Kubeflow Pipelines. ``SOLID_TRACKING=off`` goes without tracking.

Tags lead from a run back to what made it: ``git_sha`` of the code, ``dvc_hash`` of the raw data and, where a pipeline
says so in SOLID_IMAGE and SOLID_KFP_RUN_ID, the ``image`` with its digest and the ``kfp_run_id``.
"""

from __future__ import annotations

from solid.tracking.made_by import git_sha, lineage
from solid.tracking.owed import leaves_owed
from solid.tracking.runs import DatasetInfo, Run, track
from solid.tracking.server import clear_errors, connect, tracking_is_on

__all__ = [
    "DatasetInfo", "Run", "clear_errors", "connect", "git_sha", "leaves_owed", "lineage", "track", "tracking_is_on",
]  # fmt: skip
