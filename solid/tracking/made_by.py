"""What made a run besides its data: the commit of the code, the image, the pipeline's run."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path

from solid.console import say

_PACKAGE = Path(__file__).parent.parent
# DVC writes it while a chain runs; it says what came out, not what went in.
_WRITTEN_BY_RUNS = ":(top,exclude)dvc.lock"


def git_sha() -> str | None:
    """The commit of the running code, with ``-dirty`` where files differ; SOLID_GIT_SHA names it outside a checkout.

    None where the code lies in no checkout of its own: a package that is installed inside somebody's repository is no
    part of that. Where git refuses to look, that is said, once.
    """
    return os.environ.get("SOLID_GIT_SHA") or _of_checkout()


@functools.cache
def _of_checkout() -> str | None:
    try:
        tracked = _git("ls-files", "--error-unmatch", "__init__.py")
    except OSError:
        return None  # no git
    if tracked.returncode:
        if "dubious ownership" in tracked.stderr:
            say(
                f"git refuses this checkout, which another user owns, so runs do not name their commit: git config "
                f"--global --add safe.directory {_PACKAGE.parent}, or name it with SOLID_GIT_SHA"
            )
        return None
    head = _git("rev-parse", "HEAD")
    differs = _git("diff", "--quiet", "HEAD", "--", ":(top)", _WRITTEN_BY_RUNS)
    if head.returncode or differs.returncode not in (0, 1):
        say(f"git does not say which commit this is: {(head.stderr or differs.stderr).strip()}")
        return None
    return head.stdout.strip() + "-dirty" * differs.returncode


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=_PACKAGE, capture_output=True, check=False, text=True)  # noqa: S603


def lineage() -> dict[str, str]:
    """What made a run besides its data, as tags: those of code, image and pipeline run that are known."""
    known = {
        "git_sha": git_sha(),
        "image": os.environ.get("SOLID_IMAGE"),
        "kfp_run_id": os.environ.get("SOLID_KFP_RUN_ID"),
    }
    return {tag: value for tag, value in known.items() if value}
