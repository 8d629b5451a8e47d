"""The ingest step as a Kubeflow component."""

from kfp import dsl

from components.common import step


@dsl.container_component
def ingest(data: dict, version: str, raw: dsl.Output[dsl.Dataset]):
    """Fetch the raw data, find its format and record a checksum of every file.

    Args:
        data: Section data of the settings: source (s3:// or https:// address) and format (a reader, or auto).
        version: Any text that changes when the data at the source does; the same text lets the cache answer.

    Returns:
        raw: The raw files, unchanged, and manifest.json. Metadata: format, source and digest.
    """
    return step(
        "ingest",
        "--out", raw.path,
        data=data,
    )  # fmt: skip
