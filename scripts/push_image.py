"""Build the image, push it, and print its name by digest, which is what pipelines are compiled with.

In a job of GitHub Actions the name is also the step's output ``image``. The password of the registry comes from
REGISTRY_PASSWORD, if it needs one, and goes to the engine by a pipe.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from solid.tracking import git_sha

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Log in, build, push, say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="such as ghcr.io/me/solid; the tag is the commit")
    parser.add_argument("--user", default="", help="of the registry, where it needs one")
    arguments = parser.parse_args()
    name = arguments.name.lower()  # registries take no capitals, and owners on GitHub have them
    sha = git_sha() or "unknown"
    if password := os.environ.get("REGISTRY_PASSWORD"):
        login = ["docker", "login", name.partition("/")[0], "--username", arguments.user, "--password-stdin"]
        call(login, stdin=password)
    tagged = f"{name}:{sha}"
    call(["scripts/image.sh", tagged])
    call(["docker", "push", tagged])
    digests = call(["docker", "inspect", "--format", '{{join .RepoDigests "\\n"}}', tagged], capture=True)
    pinned = [line for line in digests.splitlines() if line.startswith(f"{name}@sha256:")]
    if len(pinned) != 1:
        sys.exit(f"Error: {tagged}: the engine knows no digest of it in that registry, but {digests.split()}")
    print(pinned[0])
    if output := os.environ.get("GITHUB_OUTPUT"):
        with Path(output).open("a", encoding="utf-8") as file:
            file.write(f"image={pinned[0]}\n")


def call(command: list[str], *, stdin: str | None = None, capture: bool = False) -> str:
    """Run a command; it must succeed. What it prints goes to standard error, or is returned."""
    out = subprocess.PIPE if capture else sys.stderr
    done = subprocess.run(command, cwd=ROOT, input=stdin, stdout=out, check=False, text=True)
    if done.returncode:
        sys.exit(f"Error: {' '.join(command[:2])} failed, for the reason above")
    return done.stdout or ""


if __name__ == "__main__":
    main()
