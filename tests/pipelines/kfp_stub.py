"""A STUB of the Kubeflow Pipelines REST API (v2beta1): no Kubeflow runs here, and nothing is executed.

It keeps what it is sent, answers in the shape of the API, and notes every request that a real server would refuse in
``faults``: wrong paths and methods, a missing token, bodies without what they need, references to what is not there.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

CREATED = "2026-11-01T03:00:00Z"
TOKEN = "stub-token"
WORKFLOW = "tiny-x7k2p"


def rows(steps: dict[str, str]) -> list[dict[str, Any]]:
    """What a real backend lists of steps by their state: Argo's nodes, in no order, and one row with nothing but ids.

    A state CACHED is that of a step from the cache. See shared/cases/kubeflow for whole answers.
    """
    from pipelines.progress import node_id

    listed: list[dict[str, Any]] = [{"task_id": "0", "execution_id": "11", "start_time": CREATED}]

    def add(name: str, state: str, began: str, ended: str | None, child: str | None = None) -> None:
        row = {"task_id": f"{name}-{len(listed)}", "display_name": name, "state": state, "start_time": began}
        row |= {"end_time": ended} if ended else {}
        row |= {"child_tasks": [{"pod_name": node_id(WORKFLOW, child)}]} if child else {}
        listed.append(row)

    for order, (name, state) in enumerate(steps.items()):
        began, later, place = f"2026-11-01T03:0{order}:00Z", f"2026-11-01T03:0{order}:59Z", f".root(0).{name}"
        ended = later if state in ("SUCCEEDED", "FAILED") else began if state == "CACHED" else None
        add(f"{name}-driver", "SUCCEEDED", began, began, f".root(0).{name}-driver(0)")
        add(f"{name}-driver(0)", "SUCCEEDED", began, began)
        around = {"CACHED": "SUCCEEDED", "PENDING": "RUNNING"}.get(state, state)
        add(name, around, began, ended, f"{place}(0)")
        add(f"{name}(0)", around, began, ended, f"{place}(0).executor")
        if state == "CACHED":
            add("executor", "SKIPPED", began, began)
        else:
            add("executor", around, began, ended, f"{place}(0).executor(0)")
            add("executor(0)", state, began, ended)
    add("root", "RUNNING", CREATED, None, ".root(0)")
    add(WORKFLOW, "RUNNING", CREATED, None, "")
    return listed[::-1]


@dataclass
class KfpStub:
    """State and behaviour of the stub.

    Attributes:
        looks: answers to looks at a run, one after the other, the last again and again: (state, {step: state}), or a
            recorded answer; an integer is answered as that HTTP status.
        logs: lines by node.
        messages: why a node's pod waits, by node.
        ended: how runs of the list ended that did not succeed.
        requests: method and path of every request.
        faults: what was wrong with requests.
    """

    looks: list[tuple[str, dict[str, str]] | int | dict[str, Any]] = field(default_factory=lambda: [("SUCCEEDED", {})])
    error: str = ""
    logs: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    pipelines: list[dict[str, Any]] = field(default_factory=list)
    versions: list[dict[str, Any]] = field(default_factory=list)
    experiments: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    recurring: list[dict[str, Any]] = field(default_factory=list)
    endpoint: str = ""
    token: str = TOKEN
    _ids: int = 0

    def new_id(self, kind: str) -> str:
        self._ids += 1
        return f"{kind}-{self._ids}"

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        """Status and JSON body of the answer to one request."""
        self.requests.append(f"{method} {path}")
        route = f"{method} {path.removeprefix('/apis/v2beta1')}"
        if route == "GET /healthz":
            return 200, {"multi_user": False}
        if route == "GET /pipelines":
            return 200, {"pipelines": self.matching(self.pipelines, query)}
        if route == "POST /pipelines/upload":
            return self.upload_pipeline(query, body)
        if route == "POST /pipelines/upload_version":
            return self.upload_version(query, body)
        if found := re.fullmatch(r"GET /pipelines/([^/]+)/versions", route):
            versions = [version for version in self.versions if version["pipeline_id"] == found[1]]
            return 200, {"pipeline_versions": self.matching(versions, query)}
        if route == "GET /experiments":
            return 200, {"experiments": self.matching(self.experiments, query)}
        if route == "POST /experiments":
            return 200, self.keep(self.experiments, "experiment", body)
        if route == "POST /runs":
            if self.refers(body):
                return 400, {"error_message": self.faults[-1]}
            return 200, self.keep(self.runs, "run", body) | {"state": "PENDING"}
        if found := re.fullmatch(r"GET /runs/([^/]+)", route):
            return self.look(found[1])
        if found := re.fullmatch(r"GET /apis/v1alpha1/runs/[^/]+/nodes/([^/]+)/log", route):
            return (200, self.logs[found[1]]) if found[1] in self.logs else (500, {"error": "pods not found"})
        if re.fullmatch(r"GET /apis/v1beta1/runs/[^/]+", route):  # in Argo's form; no such answer was recorded
            nodes = {node: {"phase": "Pending", "message": message} for node, message in self.messages.items()}
            return 200, {"pipeline_runtime": {"workflow_manifest": json.dumps({"status": {"nodes": nodes}})}}
        if route == "GET /recurringruns":
            own = [run for run in self.recurring if run["experiment_id"] == query.get("experiment_id")]
            return 200, {"recurringRuns": self.matching(own, query)}
        if route == "POST /recurringruns":
            cron = body.get("trigger", {}).get("cron_schedule", {}).get("cron", "")
            if self.refers(body) or len(cron.split()) != 6:
                self.faults.append(f"recurring run with cron {cron!r}")
                return 400, {"error_message": "the job is invalid"}
            return 200, self.keep(self.recurring, "recurring_run", body)
        if found := re.fullmatch(r"POST /recurringruns/([^/]+):(enable|disable)", route):
            [run] = [run for run in self.recurring if run["recurring_run_id"] == found[1]]
            run["mode"] = found[2].upper()
            return 200, {}
        if route == "GET /runs":
            own = [run for run in self.runs if run["experiment_id"] == query.get("experiment_id")]
            return 200, {"runs": [run | {"state": self.ended.get(run["run_id"], "SUCCEEDED")} for run in own[::-1]]}
        if found := re.fullmatch(r"DELETE /recurringruns/([^/]+)", route):
            self.recurring = [run for run in self.recurring if run["recurring_run_id"] != found[1]]
            return 200, {}
        self.faults.append(f"no such method: {method} {path}")
        return 404, {"error_message": "Not Found"}

    def keep(self, where: list[dict[str, Any]], kind: str, body: dict[str, Any]) -> dict[str, Any]:
        if not body.get("display_name"):
            self.faults.append(f"{kind} without display_name")
        kept = {**body, f"{kind}_id": self.new_id(kind), "created_at": CREATED}
        where.append(kept)
        return kept

    def matching(self, listed: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]] | None:
        """The entries that the filter of a request takes; like the server, no field for an empty list."""
        for predicate in json.loads(query.get("filter", "{}")).get("predicates", []):
            if predicate["operation"] not in ("EQUALS", "IS_SUBSTRING"):  # a real server takes more; not needed here
                self.faults.append(f"filter {predicate}")
            wanted, part = predicate["stringValue"], predicate["operation"] == "IS_SUBSTRING"
            texts = [(entry, entry[predicate["key"]]) for entry in listed]
            listed = [entry for entry, text in texts if (wanted in text if part else wanted == text)]
        return listed or None

    def pipeline_name(self, body: Any) -> str | None:
        """The name in an uploaded file, if it is a compiled pipeline."""
        spec = next(yaml.safe_load_all(body)) if isinstance(body, str) else None
        if not isinstance(spec, dict) or spec.get("schemaVersion") != "2.1.0" or "root" not in spec:
            self.faults.append("upload of something that is no compiled pipeline")
            return None
        return str(spec["pipelineInfo"]["name"])

    def upload_pipeline(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        name = self.pipeline_name(body)
        if name is None or any(pipeline["display_name"] == query.get("name") for pipeline in self.pipelines):
            return 409, {"error_message": "already exists, or no pipeline"}
        kept = {"pipeline_id": self.new_id("pipeline"), "display_name": query["name"], "created_at": CREATED}
        self.pipelines.append(kept)
        return 200, kept

    def upload_version(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        known = {pipeline["pipeline_id"] for pipeline in self.pipelines}
        taken = {(version["pipeline_id"], version["display_name"]) for version in self.versions}
        if (
            self.pipeline_name(body) is None
            or query.get("pipelineid") not in known
            or (query["pipelineid"], query["name"]) in taken
        ):
            self.faults.append(f"version {query} of no pipeline, or there already")
            return 400, {"error_message": "the version is invalid"}
        kept = {
            "pipeline_id": query["pipelineid"],
            "pipeline_version_id": self.new_id("version"),
            "display_name": query["name"],
            "created_at": CREATED,
        }
        self.versions.append(kept)
        return 200, kept

    def refers(self, body: dict[str, Any]) -> bool:
        """Whether a run refers to something that is not there."""
        experiments = {experiment["experiment_id"] for experiment in self.experiments}
        versions = {(version["pipeline_id"], version["pipeline_version_id"]) for version in self.versions}
        reference = body.get("pipeline_version_reference", {})
        pair = (reference.get("pipeline_id"), reference.get("pipeline_version_id"))
        if body.get("experiment_id") in experiments and pair in versions:
            return False
        self.faults.append(f"a run of version {pair} in experiment {body.get('experiment_id')}, which are not there")
        return True

    def look(self, run_id: str) -> tuple[int, Any]:
        found = [run for run in self.runs if run["run_id"] == run_id]
        if not found:
            self.faults.append(f"no run {run_id}")
            return 404, {"error_message": f"Run {run_id} not found"}
        now = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(now, dict):  # as a real server has answered
            return 200, now | {"run_id": run_id}
        if isinstance(now, int):
            return now, {"error_message": "the server is not well"}
        state, steps = now
        tasks = [row | {"run_id": run_id} for row in rows(steps)]
        error = {"error": {"message": self.error}} if self.error else {}
        return 200, {**found[0], "state": state, "run_details": {"task_details": tasks}, **error}


@contextmanager
def serve(stub: KfpStub) -> Iterator[KfpStub]:
    """Answer on a port of the loopback interface for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            place = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(place.query).items()}
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Authorization") != f"Bearer {stub.token}":
                status, answer = 401, {"error_message": "Unauthenticated"}
            else:
                status, answer = stub.answer(self.command, place.path, query, self.body(raw))
            text = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def body(self, raw: bytes) -> Any:
            kind = self.headers.get("Content-Type", "")
            if kind.startswith("multipart/form-data"):
                message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + raw)
                [part] = [part for part in message.iter_parts() if part.get_param("name", header="content-disposition")]
                return part.get_payload(decode=True).decode()
            return json.loads(raw) if raw else {}

        do_GET = do_POST = do_DELETE = handle_any

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    stub.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
