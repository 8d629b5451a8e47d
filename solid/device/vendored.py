"""ONNX Runtime Web, as npm has it: one version, known by its digest."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from solid.errors import SolidError, UnavailableError

PACKAGE = "onnxruntime-web@1.30.0"
INTEGRITY = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""SHA-512 of the archive, as npm gives it."""
FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
_PATIENCE = 300  # seconds


def write_runtime(folder: Path) -> None:
    """Put the files of ONNX Runtime Web into an existing folder; npm keeps what it has fetched once.

    Raises:
        SolidError: there is no npm, it cannot fetch the package, or gives another than the one that is meant.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise UnavailableError("ONNX Runtime Web comes from npm, and there is no npm on the path; install Node.js")
    with TemporaryDirectory() as scratch:
        command = [npm, "pack", PACKAGE, "--prefer-offline", "--silent", "--pack-destination", scratch]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE)  # noqa: S603
            wrong = done.stderr.strip() or f"npm ended with {done.returncode}" if done.returncode else ""
        except subprocess.TimeoutExpired:
            wrong = f"no answer within {_PATIENCE} s"
        if wrong:
            raise UnavailableError(
                f"npm cannot fetch {PACKAGE}: {wrong.splitlines()[0]}; the first call needs the network, later ones "
                "take it from npm's cache"
            )
        [archive] = Path(scratch).iterdir()
        if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != INTEGRITY:
            raise SolidError(f"npm gives another {PACKAGE} than the one that is meant: its SHA-512 is not {INTEGRITY}")
        with tarfile.open(archive) as packed:
            for name in FILES:
                content = packed.extractfile(f"package/dist/{name}")
                assert content is not None
                (folder / name).write_bytes(content.read())
