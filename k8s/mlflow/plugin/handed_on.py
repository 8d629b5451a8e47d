"""The artifact store of an MLflow server that hands artifacts on itself.

MLflow 3.17 tells its clients, and its own pages, to fetch artifacts by presigned addresses of S3 where its store can
sign them; no setting of the server turns that off (mlflow/mlflow#24341). Its name for S3 is one that its own network
knows: a person behind a port-forward, or a step in another network, can reach the server and not the store.

On a server's path this folder is a plugin (entry point ``mlflow.artifact_repository``): the store of ``s3://``
addresses is S3 all the same, but signs nothing, so that the server streams every file.
"""

from __future__ import annotations

from typing import Any

from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository


class HandedOn(ArtifactRepository):  # type: ignore[misc]
    """S3 without what MLflow recognises a signing store by, the mixins of ``S3ArtifactRepository``."""

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._s3 = S3ArtifactRepository(artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Store a file."""
        self._s3.log_artifact(local_file, artifact_path)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Store the files of a folder."""
        self._s3.log_artifacts(local_dir, artifact_path)

    def list_artifacts(self, path: str | None = None) -> Any:
        """Files and folders directly below a path."""
        return self._s3.list_artifacts(path)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Remove what lies at a path."""
        self._s3.delete_artifacts(artifact_path)

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        self._s3._download_file(remote_file_path, local_path)
