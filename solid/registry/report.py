"""What a retraining tells people, in Markdown: what became of the champion and why, the figures, the data checks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from solid.metrics.catalogue import HEADLINE


def registration_markdown(registration: dict[str, Any], checked: dict[str, Any] | None) -> str:
    """Write a registration up in Markdown.

    Args:
        registration: content of registration.json.
        checked: content of checks.json; None where data was not checked.
    """
    champion, version = registration["champion"], registration["version"]
    if champion["after"] is None:
        headline = f"Version {version} is no champion, and there is none"
    elif champion["after"] == champion["before"]:
        headline = f"Version {champion['before']} stays champion"
    else:
        headline = f"Version {version} is the new champion"
    lines = [
        f"### {registration['name']}: {headline}",
        "",
        f"Challenger: version {version} ({registration['model']}). Why: {registration['reason']}.",
        "",
        *_table(registration),
        "",
        checks_markdown(checked) if checked else "The data was not checked.\n",
    ]
    return "\n".join(lines)


def description(registration: dict[str, Any], checked: dict[str, Any] | None, evaluation: Path | None, run: str) -> str:
    """What a version's page says: the verdict, the table against the models it was compared with, where more stands.

    Args:
        registration: content of registration.json.
        checked: content of checks.json; None where data was not checked.
        evaluation: output of evaluate, if there is one.
        run: where MLflow's pages show the registration's run.
    """
    links = [f"[run and files]({run})"]
    parts = [registration_markdown(registration, checked)]
    if evaluation is not None and (evaluation / "table.md").is_file():
        parts.append((evaluation / "table.md").read_text(encoding="utf-8"))
        links.append(f"[report]({run}/artifacts/evaluation/report.html)")
    pages, pipeline_run = os.environ.get("KFP_UI_ENDPOINT"), os.environ.get("SOLID_KFP_RUN_ID")
    if pages and pipeline_run:
        links.append(f"[run on Kubeflow]({pages.rstrip('/')}/#/runs/details/{pipeline_run})")
    return "\n".join([*parts, " · ".join(links)])


def checks_markdown(report: dict[str, Any]) -> str:
    """Write data checks up: the verdict, then a row a check.

    Args:
        report: content of checks.json.
    """
    lines = [
        f"**Data checks {'passed' if report['passed'] else 'did not pass'}**, {report['reference']['is']}.",
        "",
        "| check | found | allowed | |",
        "| --- | --- | --- | --- |",
    ]
    for check in report["checks"]:
        cells = [check["name"], check["found"], check["allowed"], "ok" if check["passed"] else "**failed**"]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _table(registration: dict[str, Any]) -> list[str]:
    champion = registration["champion_test"]
    challenger = {name: registration["test"][name] for name in HEADLINE if name in registration["test"]}
    if champion is None:
        lines = ["| metric | challenger |", "| --- | ---: |"]
        return lines + [f"| {metric} | {value:.4f} |" for metric, value in challenger.items()]
    lines = ["| metric | champion | challenger | difference |", "| --- | ---: | ---: | ---: |"]
    lines += [
        f"| {name} | {champion[name]:.4f} | {new:.4f} | {new - champion[name]:+.4f} |"
        for name, new in challenger.items()
    ]
    return lines
