"""What tells of an output in S3: which files it is made of, their sizes and SHA-256, and the version that counts."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from solid.errors import DataError
from solid.storage.s3 import Prefix

MANIFEST = "solid-manifest.json"
DAY = timedelta(days=1)
"""No upload takes longer, and no step comes back to an input after so long."""
_TIME = "%Y%m%dT%H%M%SZ"
_VERSION = re.compile(r"(\d{8}T\d{6}Z)-[0-9a-f]{8}")


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class File(_Closed):
    """What a file must be to be the one that was written."""

    size: int = Field(ge=0, description="in bytes")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @classmethod
    def of(cls, path: Path) -> Self:
        """What a file is."""
        with path.open("rb") as file:
            return cls(size=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())


class Manifest(_Closed):
    """Which files make up an output."""

    step: str = Field(description="the command that wrote it; no other one replaces it")
    version: Annotated[str, Field(pattern=f"^{_VERSION.pattern}$")] = Field(description="folder of the files")
    files: dict[str, File] = Field(description="by relative path")

    @field_validator("files")
    @classmethod
    def _inside(cls, files: dict[str, File]) -> dict[str, File]:
        for name in files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or str(path) != name or "\\" in name:
                raise ValueError(f"{name!r} would lie outside its folder")
        return files

    @property
    def digest(self) -> str:
        """Of names and contents, whichever version they are."""
        described = {name: file.sha256 for name, file in sorted(self.files.items())}
        return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]

    @property
    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(file.size for file in self.files.values())

    @classmethod
    def read(cls, source: Prefix) -> Self | None:
        """The manifest of the output at an address; None where no step has written one.

        Raises:
            DataError: it is something else, or S3 refuses or does not answer.
        """
        content = source.read(MANIFEST)
        if content is None:
            return None
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise DataError(
                f"{source.address}/{MANIFEST}: not a manifest ({place}: {first['msg']}); "
                "remove it and run the step again"
            ) from None

    @classmethod
    def of(cls, folder: Path, step: str) -> Self:
        """The manifest of a folder that a step has written, as a new version."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return cls(
            step=step,
            version=f"{datetime.now(UTC).strftime(_TIME)}-{token_hex(4)}",
            files={path.relative_to(folder).as_posix(): File.of(path) for path in paths},
        )

    def outlives(self, name: str, older: Manifest | None) -> bool:
        """Whether an object belongs to the version just replaced, or to one that somebody began to write long ago.

        Args:
            name: of the object, below the address of the output.
            older: the manifest of the version that this one has replaced.
        """
        version = name.partition("/")[0]
        begun = _VERSION.fullmatch(version)
        if begun is None or version == self.version:
            return False
        if older is not None and version == older.version:
            return True
        return datetime.now(UTC) - datetime.strptime(begun[1], _TIME).replace(tzinfo=UTC) > DAY

    @property
    def amount(self) -> str:
        """How much it is, for people."""
        return f"{len(self.files):,} files, {self.size / 1e6:,.1f} MB"

    def is_held_by(self, folder: Path) -> bool:
        """Whether the folder has the files, all of them and no others, in their sizes."""
        found = {p.relative_to(folder).as_posix(): p.stat().st_size for p in folder.rglob("*") if p.is_file()}
        return folder.is_dir() and found == {name: file.size for name, file in self.files.items()}
