"""Install the build of PyTorch that fits, before the other packages; standard library alone.

TORCH_BUILD says which: ``auto`` (default) takes the one for CPU where it can be had, from PyTorch's own index or from
where pip is told to look, else what pip finds on PyPI, which carries CUDA and is seven times as large. ``+cpu``,
``+cu130`` ... insist on that build; an empty value leaves it to pip.

`make setup` and the Dockerfile call it. ``--say SIZE`` prints the one line that tells what was taken.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

INDEX = "https://download.pytorch.org/whl"
TIMEOUT = 5  # seconds; a firewall that drops packets shall cost no more


def main() -> None:
    """Install, or say what is installed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter to install into  [default: this one]")
    parser.add_argument("--lock", type=Path, default=Path("requirements.lock"))
    parser.add_argument("--say", metavar="SIZE", help="install nothing; tell the build, and this size")
    parser.add_argument("--target", default="setup", help="of make, for the hint how to get the other build")
    arguments = parser.parse_args()
    if arguments.say:
        print(told(installed(arguments.python), arguments.say, arguments.target))
        return
    pinned = re.search(r"^torch==(\S+)$", arguments.lock.read_text(encoding="utf-8"), re.MULTILINE)
    assert pinned, f"{arguments.lock} pins no torch"
    install(arguments.python, pinned[1], os.environ.get("TORCH_BUILD", "auto"))


def install(python: str, version: str, build: str) -> None:
    """Install the wanted build alone; what it depends on comes with the other packages."""
    if not build:
        return
    local = "+cpu" if build == "auto" else build
    page = f"{INDEX}/{local.removeprefix('+')}"
    places = [["--index-url", page]] if reachable(f"{page}/torch/") else []
    places.append([])  # where pip looks by itself
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"]
    for place in places:
        if subprocess.run([*pip, *place, f"torch=={version}{local}"], capture_output=True, check=False).returncode == 0:
            return
    if build != "auto":
        seen = "does not have it" if len(places) > 1 else "cannot be reached"
        sys.exit(f"Error: TORCH_BUILD={build}: pip finds no torch {version}{build}, and {page} {seen}")


def reachable(address: str) -> bool:
    """Whether the page answers soon."""
    try:
        urllib.request.urlopen(address, timeout=TIMEOUT).close()  # noqa: S310
    except OSError:
        return False
    return True


def installed(python: str) -> str:
    """Version of the installed PyTorch."""
    code = "from importlib.metadata import version; print(version('torch'))"
    return subprocess.run([python, "-c", code], capture_output=True, check=True, text=True).stdout.strip()


def told(version: str, size: str, target: str) -> str:
    """Which build it is, how large all is with it, and how to get the other."""
    again = f"make {target}" if target != "setup" else "rm -r .venv; make setup"
    if version.endswith("+cpu"):
        return f"PyTorch {version}, for CPU: {size}. With CUDA it takes 4 GB more: {again} TORCH_BUILD="
    if "+" in version:
        return f"PyTorch {version}: {size}. For CPU alone: {again} TORCH_BUILD=+cpu"
    return (
        f"PyTorch {version} as PyPI has it, with CUDA: {size}. For CPU alone it takes 4 GB less, where "
        f"{INDEX}/cpu can be reached: {again} TORCH_BUILD=+cpu"
    )


if __name__ == "__main__":
    main()
