"""What a run on Kubeflow is doing, step by step, from what its API tells of Argo's nodes.

The API lists nodes and not steps: for a step ``X`` these are ``X-driver``, ``X-driver(0)``, ``X``, ``X(0)``,
``executor`` and ``executor(0)``, besides nodes of sub-pipelines, and rows without name and state. The compiled pipeline
knows which names are steps. A node is told from others of its name by its id, which is a hash of its place in the
workflow; rows carry the ids of their children alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pipelines.package import Package

# The wait of kfp's own client does not know CANCELED, and would go on to its timeout.
ENDED = {"SUCCEEDED", "FAILED", "ERROR", "CANCELED", "SKIPPED"}
FAILED = {"FAILED", "ERROR"}
_EXECUTOR = "executor"
Step = dict[str, Any]


def steps(run: Any, package: Package) -> list[Step]:
    """The steps of a run that have begun, in that order.

    Args:
        run: as the API tells it.
        package: what it runs.

    Returns:
        For each step ``id``, ``name`` (for people), ``task`` (Kubeflow's), ``state``, ``seconds`` (None until it has
        ended), ``cached`` (taken from the cache, whole), and ``node``, the id of the node whose pod does the work, once
        there is one.
    """
    rows = [row for row in _rows(run) if row.display_name]
    began = {row.task_id: row.start_time or datetime.max.replace(tzinfo=UTC) for row in rows}
    executors = [row for row in rows if row.display_name == _EXECUTOR]
    pods = [row for row in rows if row.display_name.startswith(f"{_EXECUTOR}(")]
    found = []
    for row, name in sorted(_named(rows, package), key=lambda pair: (began[pair[0].task_id], pair[1])):
        seconds = (row.end_time - row.start_time).total_seconds() if row.start_time and row.end_time else None
        state = str(row.state or "PENDING")
        seconds = seconds if state in ENDED else None
        beside = [pod for pod in pods if pod.start_time == row.start_time]
        if state == "RUNNING" and any(pod.state == "PENDING" for pod in beside):
            state = "PENDING"
        working = [node for node in executors if node.start_time == row.start_time and node.child_tasks]
        found.append(
            {
                "id": row.task_id,
                "name": name,
                "task": row.display_name,
                "state": state,
                "seconds": seconds,
                "cached": state == "SUCCEEDED" and seconds == 0,  # no pod ends in the second in which it began
                "node": working[0].child_tasks[-1].pod_name if len(working) == 1 else None,
            }
        )
    return found


def table(rows: Iterable[Step]) -> str:
    """The steps as a Markdown table."""
    cells = [(row["name"], said(row), "" if row["seconds"] is None else clock(row["seconds"])) for row in rows]
    width, states = (max([least, *(len(cell[at]) for cell in cells)]) for at, least in ((0, 4), (1, 10)))
    lines = [f"| {'step':{width}} | {'state':{states}} |     time |", f"| {'-' * width} | {'-' * states} | -------: |"]
    return "\n".join(lines + [f"| {name:{width}} | {state:{states}} | {spent:>8} |" for name, state, spent in cells])


def said(step: Step) -> str:
    """The state of a step in words."""
    return "from the cache" if step.get("cached") else str(step["state"]).lower()


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    return f"{seconds // 3600:.0f}:{seconds // 60 % 60:02.0f}:{int(seconds % 60):02d}"


def _rows(run: Any) -> list[Any]:
    return (run.run_details.task_details or []) if run.run_details else []


def _named(rows: list[Any], package: Package) -> Iterable[tuple[Any, str]]:
    """The rows that are steps, each with its name for people."""
    keys = Counter(path[-1] for path in package.steps)
    ids = [child.pod_name for row in rows for child in row.child_tasks or []]
    workflow = ids[0].rpartition("-")[0] if ids else ""
    places = {
        node_id(workflow, "".join(f".{key}(0)" for key in ("root", *path))): name
        for path, name in package.steps.items()
    }
    only = {path[-1]: name for path, name in package.steps.items() if keys[path[-1]] == 1}
    for row in rows:
        if row.display_name in keys:
            children = [child.pod_name for child in row.child_tasks or []]
            placed = next((places[child] for child in children if child in places), only.get(row.display_name))
            if placed:  # else it begins just now: its place is known with its first child
                yield row, placed


def node_id(workflow: str, place: str) -> str:
    """Argo's id of a node: the workflow's name and the FNV-1a hash, of 32 bits, of the node's name.

    Args:
        workflow: its name.
        place: of the node below the workflow, such as ``.root(0).ingest(0)``.
    """
    digest = 0x811C9DC5
    for byte in f"{workflow}(0){place}".encode():
        digest = (digest ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"{workflow}-{digest}"
