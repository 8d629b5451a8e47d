"""Give MLflow the user that the pipelines log in as; standard library alone, run by the Job mlflow-user.

Environment: MLFLOW_TRACKING_URI, MLFLOW_AUTH_ADMIN_PASSWORD, MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
import urllib.error
import urllib.request

PATIENCE = 600.0  # seconds that a server may take to come up


def server() -> str:
    """The address of the server."""
    return os.environ["MLFLOW_TRACKING_URI"].rstrip("/")


def wait() -> None:
    """Until the server is healthy."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(f"{server()}/health", timeout=5)  # noqa: S310 - the address is the cluster's own
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"{server()} did not become healthy within {PATIENCE:.0f} s: {error}")
            time.sleep(3)
        else:
            return


def call(method: str, path: str, body: dict[str, str] | None = None) -> int:
    """Call the users' API as admin and return the status; bodies and answers hold passwords, so neither is shown."""
    login = base64.b64encode(f"admin:{os.environ['MLFLOW_AUTH_ADMIN_PASSWORD']}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310
        f"{server()}/api/2.0/mlflow/users/{path}",
        data=json.dumps(body).encode() if body else None,
        method=method,
        headers={"Authorization": f"Basic {login}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def main() -> None:
    """Create the user, or set its password where it exists."""
    user = {"username": os.environ["MLFLOW_TRACKING_USERNAME"], "password": os.environ["MLFLOW_TRACKING_PASSWORD"]}
    wait()
    known = call("GET", f"get?username={user['username']}")
    if known == 200:
        status, done = call("PATCH", "update-password", user), "has the password of the secret"
    elif known == 404:
        status, done = call("POST", "create", user), "is created"
    else:
        sys.exit(f"MLflow answered {known} to its admin; is MLFLOW_AUTH_ADMIN_PASSWORD that of its first start?")
    if status != 200:
        sys.exit(f"MLflow answered {status}; is the password at least 12 characters long?")
    print(f"MLflow user {user['username']} {done}")


if __name__ == "__main__":
    main()
