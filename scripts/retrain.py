"""Retrain on Kubeflow: bring the data of this commit where the cluster can read it, compile, submit, wait.

Runs anywhere with a checkout, a DVC remote with the data, and these variables: KFP_ENDPOINT and KFP_EXISTING_TOKEN for
Kubeflow, the usual AWS ones for the object store; SOLID_DEPLOYMENT names a deployment file, if the cluster needs one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from solid.config import load_settings
from solid.errors import SolidError
from solid.s3 import Prefix

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
GIT = shutil.which("git") or "git"
PACKAGE = ROOT / "work" / "retraining.yaml"


def main() -> None:
    """Parse, publish the data, compile, submit; end as the run ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", required=True, help="image of every step, by digest")
    parser.add_argument("--data", required=True, metavar="s3://BUCKET/PREFIX",
                        help="where data goes, each version in a folder of its own")  # fmt: skip
    parser.add_argument("--before", default="", metavar="COMMIT",
                        help="the commit before; if params.yaml differs from it, its settings are used")  # fmt: skip
    parser.add_argument("--settings-of", choices=["champion", "params"], default="champion",
                        help="whose settings to train with otherwise")  # fmt: skip
    parser.add_argument("--changes", default="{}", help="settings to change, such as {training: {seed: 1}}")
    parser.add_argument("--timeout", default="5.5", metavar="HOURS", help="to wait for the run")
    parser.add_argument("--out", required=True, help="JSON file for the run's id, link and state")
    arguments = parser.parse_args()
    try:
        load_settings(ROOT / "params.yaml")  # a fault in it is said here, before anything is moved
        address, version = publish(arguments.data)
    except SolidError as error:
        sys.exit(f"Error: {error}")
    settings_of = "params" if changed("params.yaml", arguments.before) else arguments.settings_of
    print(f"retraining on {address} with the settings of {settings_of}", flush=True)
    PACKAGE.parent.mkdir(exist_ok=True)
    pipeline("compile", "retraining", "--image", arguments.image, "--out", str(PACKAGE))
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


def changed(file: str, before: str) -> bool:
    """Whether a file differs from the commit ``before``; not, where there is no such commit."""
    known = subprocess.run([GIT, "cat-file", "-e", f"{before}^{{commit}}"],
                           cwd=ROOT, check=False, stderr=subprocess.DEVNULL)  # fmt: skip
    if not before or known.returncode:
        return False
    return subprocess.run([GIT, "diff", "--quiet", before, "HEAD", "--", file], cwd=ROOT, check=False).returncode == 1


def pipeline(*arguments: str) -> None:
    """Call solid-pipeline; end here as it ends if it fails."""
    code = subprocess.run([sys.executable, "-m", "pipelines.cli", *arguments], cwd=ROOT, check=False).returncode
    if code:
        sys.exit(code)


if __name__ == "__main__":
    main()
