"""Objects in S3 below one address, through boto3: listed, moved in parallel, every error with a remedy.

Endpoint, region, credentials and retries come from the usual AWS variables and files (AWS_ENDPOINT_URL_S3,
AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_MAX_ATTEMPTS ...); there is nothing to configure here.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import ProgressCallbackInvoker, TransferConfig, create_transfer_manager
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from solid.console import byte_progress
from solid.errors import DataError, UnavailableError
from solid.storage.names import unknown_name
from solid.storage.patience import WaitForS3, patience

_CONNECTIONS = 16  # a transfer manager works in 10 threads, and looks at what comes next in 5 more
_REMOVED_AT_ONCE = 1000  # S3's limit
ERRORS: tuple[type[Exception], ...] = (Boto3Error, BotoCoreError, ClientError)  # all that boto3 raises of a server
_MISSING = ("NoSuchKey", "404")
_REMEDIES = {
    "NoSuchBucket": "there is no such bucket; check its name and AWS_ENDPOINT_URL_S3, or create it",
    "InvalidAccessKeyId": "the server does not know these credentials; check AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL_S3",
    "SignatureDoesNotMatch": "the secret does not belong to this key; check AWS_SECRET_ACCESS_KEY",
    "AccessDenied": "these credentials may not do that; a step lists, reads, writes and removes objects",
    "ExpiredToken": "the credentials are too old; renew them",
}


class StoreError(DataError, UnavailableError):
    """S3 refuses or does not answer."""


class MissingObjectError(DataError):
    """An object is not there (any more)."""


@functools.cache
def client() -> Any:
    """The client of this process; making one takes longer than most requests."""
    seconds = patience()
    retries = {"retries": {"max_attempts": 0}} if seconds else {}  # ours, in place of boto3's own
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None  # empty means unset
    try:
        made = boto3.Session(region_name=region).client(
            "s3", config=Config(max_pool_connections=_CONNECTIONS, **retries)
        )
    except ValueError as error:  # botocore's, for an address without http://
        raise StoreError(
            f"S3: {error}; write AWS_ENDPOINT_URL_S3 with http:// or https://, and check AWS_DEFAULT_REGION"
        ) from None
    if seconds:
        made.meta.events.register("needs-retry.s3", WaitForS3(seconds), unique_id="solid-patience")
    if host := unknown_name(made.meta.endpoint_url):
        raise StoreError(f"S3: the name {host} cannot be resolved; check AWS_ENDPOINT_URL_S3")
    return made


class Prefix:
    """The objects below ``s3://bucket/prefix``, by names relative to it; "" names an object at the address itself.

    Its methods raise DataError, which names the address, where the server refuses or does not answer.
    """

    def __init__(self, address: str) -> None:
        self._bucket, _, key = address.removeprefix("s3://").partition("/")
        if not address.startswith("s3://") or not re.fullmatch(r"[\w.-]+", self._bucket):
            # What stands before an @ may be a secret.
            raise DataError(
                f"{address.rpartition('@')[2]}: not an address of S3; write it as s3://bucket/prefix, and give "
                "credentials by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        self._prefix = key.strip("/")
        self.address = f"s3://{self._bucket}/{self._prefix}".rstrip("/")
        with self._clear_errors():
            self._client = client()

    def objects(self) -> dict[str, int]:
        """Size in bytes of every object, placeholders of folders left out."""
        below = f"{self._prefix}/" if self._prefix else ""
        with self._clear_errors():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            entries = [entry for page in pages for entry in page.get("Contents", [])]
        return {
            entry["Key"].removeprefix(self._prefix).removeprefix("/"): entry["Size"]
            for entry in entries
            if (entry["Key"] == self._prefix or entry["Key"].startswith(below)) and not entry["Key"].endswith("/")
        }

    def read(self, name: str) -> bytes | None:
        """The content of a small object; None if there is none."""
        try:
            with self._clear_errors(name):
                content: bytes = self._client.get_object(Bucket=self._bucket, Key=self._key(name))["Body"].read()
        except MissingObjectError:
            return None
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a small object; it is replaced whole or not at all."""
        with self._clear_errors(name):
            self._client.put_object(Bucket=self._bucket, Key=self._key(name), Body=content)

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; those that are not there do not matter."""
        keys = [{"Key": self._key(name)} for name in names]
        for start in range(0, len(keys), _REMOVED_AT_ONCE):
            some = {"Objects": keys[start : start + _REMOVED_AT_ONCE], "Quiet": True}
            with self._clear_errors():
                refused = self._client.delete_objects(Bucket=self._bucket, Delete=some).get("Errors", [])
            if refused:
                raise StoreError(f"{self.address}: {refused[0]['Key']} is not removed: {refused[0]['Message']}")

    def download(self, files: Mapping[str, Path], size: int) -> None:
        """Copy objects to local files, several at a time, large ones in parts.

        Args:
            files: where each object goes.
            size: of all together, in bytes, for the progress bar.

        Raises:
            MissingObjectError: one of the objects is not there.
        """
        for path in files.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        self._transfer(
            f"download {self.address}",
            size,
            lambda manager, **shown: {
                name: manager.download(self._bucket, self._key(name), str(path), **shown)
                for name, path in files.items()
            },
        )

    def upload(self, files: Mapping[str, Path]) -> None:
        """Copy local files to objects, several at a time, large ones in parts."""
        self._transfer(
            f"upload {self.address}",
            sum(path.stat().st_size for path in files.values()),
            lambda manager, **shown: {
                name: manager.upload(str(path), self._bucket, self._key(name), **shown) for name, path in files.items()
            },
        )

    def _transfer(self, what: str, size: int, start: Callable[..., dict[str, Any]]) -> None:
        with (
            byte_progress(what, size) as done,
            create_transfer_manager(self._client, TransferConfig()) as manager,
        ):
            for name, transfer in start(manager, subscribers=[ProgressCallbackInvoker(done)]).items():
                with self._clear_errors(name):
                    transfer.result()

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}".strip("/")

    @contextmanager
    def _clear_errors(self, name: str = "") -> Iterator[None]:
        shown = f"{self.address}/{name}".rstrip("/")
        try:
            yield
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _MISSING:
                raise MissingObjectError(f"{shown}: no such object") from None
            if code in _REMEDIES:
                kind = DataError if code == "NoSuchBucket" else StoreError
                raise kind(f"{shown}: {code}: {_REMEDIES[code]}") from None
            raise StoreError(f"{shown}: {error}; check the address and AWS_ENDPOINT_URL_S3") from None
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise StoreError(f"{shown}: {error}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") from None
        except (BotoCoreError, Boto3Error) as error:
            raise StoreError(f"{shown}: {error}; check AWS_ENDPOINT_URL_S3 and the network, try again") from None
