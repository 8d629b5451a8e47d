"""Print the secrets that an overlay refers to, for kubectl: nothing of them is ever written to a file.

    python k8s/make_secrets.py local | kubectl create -f -

``create`` leaves a secret that exists as it is, and says so; delete one first to make it anew. In ``local`` every value
is drawn at random. ``cloud`` takes the keys of the existing store and the login of the database from the environment:
SOLID_AWS_ACCESS_KEY_ID and SOLID_AWS_SECRET_ACCESS_KEY (the pipelines' bucket), MLFLOW_AWS_ACCESS_KEY_ID and
MLFLOW_AWS_SECRET_ACCESS_KEY (MLflow's), PGUSER and PGPASSWORD.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from collections.abc import Mapping
from typing import Any

SERVICES, PIPELINES = "solid", "kubeflow"  # namespaces
GIVEN = ("SOLID_AWS_ACCESS_KEY_ID", "SOLID_AWS_SECRET_ACCESS_KEY", "MLFLOW_AWS_ACCESS_KEY_ID")
GIVEN += ("MLFLOW_AWS_SECRET_ACCESS_KEY", "PGUSER", "PGPASSWORD")


def drawn() -> dict[str, str]:
    """What the environment has to give in ``cloud``, at random."""
    return {
        "SOLID_AWS_ACCESS_KEY_ID": secrets.token_hex(10),
        "SOLID_AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
        "MLFLOW_AWS_ACCESS_KEY_ID": secrets.token_hex(10),
        "MLFLOW_AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
        "PGUSER": "mlflow",
        "PGPASSWORD": secrets.token_urlsafe(30),
    }


def identities(values: Mapping[str, str]) -> str:
    """SeaweedFS's identities: a key for each bucket, good for its objects alone; nobody may make or drop a bucket."""
    users = {"solid": "SOLID", "mlflow": "MLFLOW"}
    return json.dumps(
        {
            "identities": [
                {
                    "name": bucket,
                    "credentials": [
                        {
                            "accessKey": values[f"{prefix}_AWS_ACCESS_KEY_ID"],
                            "secretKey": values[f"{prefix}_AWS_SECRET_ACCESS_KEY"],
                        }
                    ],
                    "actions": [f"{action}:{bucket}" for action in ("Read", "Write", "List", "Tagging")],
                }
                for bucket, prefix in users.items()
            ]
        }
    )


def manifests(overlay: str, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """All secrets of an overlay, as Kubernetes takes them.

    Raises:
        KeyError: ``cloud`` lacks a variable.
    """
    values = drawn() if overlay == "local" else {name: environment[name] for name in GIVEN}
    login = {"username": "pipelines", "password": secrets.token_urlsafe(30)}
    contents = {
        (PIPELINES, "solid-s3"): {
            "accesskey": values["SOLID_AWS_ACCESS_KEY_ID"],
            "secretkey": values["SOLID_AWS_SECRET_ACCESS_KEY"],
        },
        (PIPELINES, "solid-mlflow"): login,
        (SERVICES, "solid-mlflow"): login,
        (SERVICES, "mlflow-s3"): {
            "AWS_ACCESS_KEY_ID": values["MLFLOW_AWS_ACCESS_KEY_ID"],
            "AWS_SECRET_ACCESS_KEY": values["MLFLOW_AWS_SECRET_ACCESS_KEY"],
        },
        (SERVICES, "mlflow-database"): {"PGUSER": values["PGUSER"], "PGPASSWORD": values["PGPASSWORD"]},
        (SERVICES, "mlflow-server"): {
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(30),
            "MLFLOW_AUTH_ADMIN_PASSWORD": secrets.token_urlsafe(30),
        },
    }
    if overlay == "local":
        contents[SERVICES, "seaweedfs-identities"] = {"s3.json": identities(values)}
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "solid"}},
            "stringData": data,
        }
        for (namespace, name), data in contents.items()
    ]


def main() -> None:
    """Print a List, unless a screen would show it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overlay", choices=["local", "cloud"])
    overlay = parser.parse_args().overlay
    if sys.stdout.isatty():
        parser.error(f"it would show the secrets; pipe it: python k8s/make_secrets.py {overlay} | kubectl create -f -")
    missing = [name for name in GIVEN if overlay == "cloud" and not os.environ.get(name)]
    if missing:
        parser.error(f"export {', '.join(missing)}: the store and the database of a cloud overlay exist already")
    json.dump({"apiVersion": "v1", "kind": "List", "items": manifests(overlay, os.environ)}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
