"""Report a retraining: what became of the champion and why, in the job's summary and in one comment, updated in place.

The results come from the MLflow run of the pipeline's register step (MLFLOW_TRACKING_URI), found by the id of the
Kubeflow run. Without the variables of GitHub Actions the report is only printed.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from github import github

from pipelines.progress import table
from solid.commands import clear_end
from solid.errors import SolidError, UnavailableError
from solid.storage.local import read_json
from solid.tracking import clear_errors, connect

MARK = "<!-- solid: retraining report -->"


def main() -> None:
    """Compose the report, print it, put it where people look."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="JSON file that solid-pipeline submit wrote")
    parser.add_argument("--issue", default="", help="number of an issue for the comment, where no pull request is")
    arguments = parser.parse_args()
    with clear_end():
        report, unasked = compose(read_json(arguments.run) if arguments.run.exists() else None)
        print(report)
        if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(report)
        if os.environ.get("GITHUB_TOKEN"):
            comment(report, arguments.issue)
        if unasked is not None:
            raise unasked


def compose(run: dict[str, Any] | None) -> tuple[str, SolidError | None]:
    """The report in Markdown; and why MLflow could not be asked, where it could not.

    Args:
        run: what submit wrote of the Kubeflow run; None where none began.
    """
    if run is None:
        return "### Retraining did not start\n\nNo run began on Kubeflow; the log of the job says why.\n", None
    found, unasked = None, None
    try:
        found = registration(run["run_id"])
    except SolidError as error:  # the steps are worth telling all the same
        unasked = error
    if found is None:
        why = "MLflow could not be asked" if unasked else "MLflow holds no report of this run"
        found = (
            f"### Retraining ended as {run['state']}\n\n{why}, so nothing is known of a challenger; look at the run "
            "and at the registry.\n"
        )
    steps = f"<details><summary>Steps</summary>\n\n{table(run['steps'])}\n\n</details>"
    return f"{found}\n[Run {run['run_id']}]({run['link']}) on Kubeflow.\n\n{steps}\n", unasked


def registration(run_id: str) -> str | None:
    """The report of the register step of a Kubeflow run; None where MLflow has no such run.

    Raises:
        SolidError: nobody says where MLflow is, or it does not answer.
    """
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        raise UnavailableError(
            "MLFLOW_TRACKING_URI is not set, or empty: name the server that the pipeline registers in"
        )
    import mlflow

    with clear_errors():
        client = connect()
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        runs = client.search_runs(experiments, f"tags.kfp_run_id = '{run_id}'", order_by=["attributes.start_time DESC"])
        for run in runs:
            if any(file.path == "registration" for file in client.list_artifacts(run.info.run_id)):
                return str(mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/registration/registration.md"))
    return None


def comment(report: str, issue: str) -> None:
    """Write the report as a comment, over the one that an earlier retraining left there.

    It goes to the pull request that brought this commit, else to ``issue``, else nowhere.
    """
    repository, commit = os.environ["GITHUB_REPOSITORY"], os.environ["GITHUB_SHA"]
    pulls = github("GET", f"/repos/{repository}/commits/{commit}/pulls")
    number = pulls[0]["number"] if pulls else issue
    if not number:
        print("No comment: no pull request brought this commit, and --issue names none.", file=sys.stderr)
        return
    place = f"/repos/{repository}/issues/{number}/comments"
    body = {"body": f"{MARK}\n{report}"}
    page = 1
    while comments := github("GET", f"{place}?per_page=100&page={page}"):
        for older in comments:
            if older["body"].startswith(MARK):
                github("PATCH", f"/repos/{repository}/issues/comments/{older['id']}", body)
                return
        page += 1
    github("POST", place, body)


if __name__ == "__main__":
    main()
