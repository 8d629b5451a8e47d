"""Retrain on Kubeflow: bring the data of this commit where the cluster can read it, compile, submit, wait.

Runs anywhere with a checkout, a DVC remote with the data, and these variables: KFP_ENDPOINT and KFP_EXISTING_TOKEN for
Kubeflow, the usual AWS ones for the object store; SOLID_DEPLOYMENT names a deployment file, if the cluster needs one.

Changed settings are trained with once: when params.yaml differs from that of the commit that was retrained last. In a
job of GitHub Actions (GITHUB_TOKEN) that is the commit of the last run of this workflow that succeeded, not the commit
before a push: a run that fails, or that GitHub drops from its queue for a newer one, retrained nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from github import github

from solid.commands import clear_end
from solid.errors import SolidError, UnavailableError
from solid.settings.loading import load_settings
from solid.settings.strict_yaml import parse_yaml
from solid.steps import CHAMPION
from solid.storage.s3 import Prefix

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
GIT = shutil.which("git") or "git"
[SETTINGS_OF] = [option for option in CHAMPION.options if option.name == "settings_of"]
PACKAGE = ROOT / "work" / "retraining.yaml"


def main() -> None:
    """Parse, publish the data, compile, submit; end as the run ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", required=True, help="image of every step, by digest")
    parser.add_argument("--data", required=True, metavar="s3://BUCKET/PREFIX",
                        help="where data goes, each version in a folder of its own")  # fmt: skip
    parser.add_argument("--before", default="", metavar="COMMIT",
                        help="commit retrained last; if params.yaml differs since, its settings are used")  # fmt: skip
    parser.add_argument("--settings-of", choices=SETTINGS_OF.choices, default=SETTINGS_OF.default,
                        help="whose settings to train with otherwise")  # fmt: skip
    parser.add_argument("--changes", default="{}", help="settings to change, such as {training: {seed: 1}}")
    parser.add_argument("--timeout", default="5.5", metavar="HOURS", help="to wait for the run")
    parser.add_argument("--out", required=True, help="JSON file for the run's id, link and state")
    arguments = parser.parse_args()
    with clear_end():
        load_settings(ROOT / "params.yaml")  # a fault in it is said here, before anything is moved
        settings_of, why = whose_settings(arguments.before, arguments.settings_of)
        lists = compiled_for(arguments.changes)
        address, version = publish(arguments.data)
    print(f"retraining on {address} with the settings of {settings_of}: {why}", flush=True)
    PACKAGE.parent.mkdir(exist_ok=True)
    pipeline("compile", "retraining", "--image", arguments.image, "--out", str(PACKAGE), *lists)
    values = {
        "data": json.dumps({"source": address, "format": load_settings(ROOT / "params.yaml").data.format}),
        "data_version": version,
        "settings_of": settings_of,
        "changes": arguments.changes,
    }
    given = [part for name, value in values.items() for part in ("--parameter", f"{name}={value}")]
    pipeline("submit", str(PACKAGE), *given, "--timeout", arguments.timeout, "--out", arguments.out)


def publish(base: str) -> tuple[str, str]:
    """Put the data that data.dvc names into a folder of the object store; return its address and DVC's hash.

    Raises:
        SolidError: the data is not there and cannot be pulled, or the store refuses.
    """
    version = str(yaml.safe_load((ROOT / "data.dvc").read_text(encoding="utf-8"))["outs"][0]["md5"])
    place = Prefix(f"{base.rstrip('/')}/{version.removesuffix('.dir')}")
    if subprocess.run([BIN / "dvc", "pull", "--quiet", "data.dvc"], cwd=ROOT, check=False).returncode:
        raise SolidError("data.dvc: dvc cannot pull this version; is it pushed (dvc push) to the remote?")
    data = ROOT / "data"
    files = {path.relative_to(data).as_posix(): path for path in sorted(data.rglob("*")) if path.is_file()}
    there = place.objects()
    # The folder is named after its content, so what is there whole is right.
    place.upload({name: path for name, path in files.items() if there.get(name) != path.stat().st_size})
    return place.address, version


def whose_settings(before: str, otherwise: str) -> tuple[str, str]:
    """Whose settings to train with, "champion" or "params", and why.

    Args:
        before: the commit retrained last; empty: ask GitHub in a job of it, else compare with none.
        otherwise: whose, where params.yaml is as it was.

    Raises:
        SolidError: GitHub or git refuses or does not answer.
    """
    if not before and not os.environ.get("GITHUB_TOKEN"):
        return otherwise, "no commit was given to compare params.yaml with"
    before = before or last_retrained()
    if not before:
        return "params", "no run of this workflow has succeeded yet"
    checkout = _git("rev-parse", "--verify", "HEAD")
    if checkout.returncode:  # whatever it says next would say nothing of commits or settings
        raise UnavailableError(
            f"git cannot look at this checkout, so nobody knows whether params.yaml differs since {before}: "
            f"{checkout.stderr.strip()}"
        )
    if _git("cat-file", "-e", f"{before}^{{commit}}").returncode:
        return "params", f"this checkout has no commit {before} to compare params.yaml with"
    compared = _git("diff", "--quiet", before, "HEAD", "--", "params.yaml")
    if compared.returncode not in (0, 1):
        raise UnavailableError(f"git cannot compare params.yaml with {before}: {compared.stderr.strip()}")
    if compared.returncode:
        return "params", f"params.yaml differs from that of {before}, which was retrained last"
    return otherwise, f"params.yaml is as in {before}, which was retrained last"


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GIT, *arguments], cwd=ROOT, check=False, capture_output=True, text=True)


def last_retrained() -> str:
    """The commit of this workflow's last run that succeeded, on this branch; empty where none did."""
    workflow = os.environ["GITHUB_WORKFLOW_REF"].partition("@")[0].rpartition("/")[2]
    place = f"/repos/{os.environ['GITHUB_REPOSITORY']}/actions/workflows/{workflow}/runs"
    found = github("GET", f"{place}?branch={os.environ['GITHUB_REF_NAME']}&status=success&per_page=1")
    return str(found["workflow_runs"][0]["head_sha"]) if found["workflow_runs"] else ""


def compiled_for(changes: str) -> list[str]:
    """Options of compile: a pipeline has steps for its modalities, so that who changes these changes the pipeline.

    Raises:
        SettingsError: the changes are not YAML.
    """
    parsed = parse_yaml(changes, "--changes")
    semantics = parsed.get("semantics") if isinstance(parsed, dict) else None
    wanted = semantics.get("modalities") if isinstance(semantics, dict) else None
    return ["--set", f"semantics.modalities={json.dumps(wanted)}"] if wanted else []


def pipeline(*arguments: str) -> None:
    """Call solid-pipeline; end here as it ends if it fails."""
    code = subprocess.run([sys.executable, "-m", "pipelines.cli", *arguments], cwd=ROOT, check=False).returncode
    if code:
        sys.exit(code)


if __name__ == "__main__":
    main()
