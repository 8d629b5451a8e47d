"""Every step, stopped while it writes and run again, ends with the bytes of an undisturbed run."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import pytest
from safetensors import safe_open

from solid.cli import main
from solid.storage.local import folder_digest, partial_of

pytestmark = pytest.mark.slow

# Each command runs in a process of its own; they fork from a server that has the heavy imports behind it.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        *["solid.data.prepare", "solid.features", "solid.semantics.assign", "solid.evaluation.evaluate"],
        *["solid.training", "torch._inductor.config"],  # the latter comes with the first optimiser that is made
    ]
)

TRAIN = ["train", "--prepared", "{}/prepared"]
STEPS = {
    "sample": ["sample"],
    "raw": ["ingest", "--set", "data.source={}/sample"],
    "prepared": ["prepare", "--raw", "{}/raw"],
    "features": ["features", "--raw", "{}/raw", "--prepared", "{}/prepared"],
    "static": [*TRAIN, "--head", "static"],
    "duet": [*TRAIN, "--head", "duet"],
    "embeddings": ["embed", "--prepared", "{}/prepared", "--model", "{}/duet"],
    "semantics": [
        *["assign", "--modality", "id_text", "--prepared", "{}/prepared"],
        *["--features", "{}/features", "--embeddings", "{}/embeddings"],
    ],
    "semantic": [*TRAIN, "--head", "duet", "--ids", "semantic", "--semantics", "{}/semantics"],
    "solid": [*TRAIN, "--head", "solid", "--semantics", "{}/semantics", "--semantic-model", "{}/semantic"],
    "evaluation": [
        *["evaluate", "--prepared", "{}/prepared", "--features", "{}/features", "--embeddings", "{}/embeddings"],
        *["--model", "static={}/static", "--model", "SOLID={}/solid"],
    ],
}
MODELS = ["static", "duet", "semantic", "solid"]
PARAMS = """
model: {dim: 8, attention_heads: 2, length: 5}
training: {epochs: 3, negatives: 1, batch_size: 8192}
evaluation: {bootstrap: 100}
"""


def step(name: str, inputs: Path, out: Path, moment: str = "", number: int = 0) -> int:
    """Run a step into ``out``; with a moment, its process gets signal ``number`` there. Returns the exit code."""
    arguments = [argument.format(inputs) for argument in STEPS[name]] + ["--out", str(out)]
    if "sample" not in arguments and name != "embeddings":
        arguments += ["--params", str(inputs / "params.yaml")]
    process = PROCESSES.Process(target=run, args=(arguments, out, moment, number))
    process.start()
    process.join(120)
    assert process.exitcode is not None
    return process.exitcode


def run(arguments: list[str], out: Path, moment: str, number: int) -> None:
    """In a new process: the command line, with an ear for the moment.

    Moments: ``writing`` (the first file is opened), ``training`` (the state of an epoch is about to replace that of
    the epoch before), ``done`` (all is written and about to be renamed).
    """
    partial, saves = str(partial_of(out)), 0

    def hear(event: str, details: tuple[object, ...]) -> None:
        nonlocal saves
        now = ""
        if event == "open" and str(details[0]).startswith(partial + os.sep):
            now = "writing"
        elif event == "os.rename" and str(details[1]).endswith("state.safetensors"):
            saves += 1
            now = "training" if saves == 2 else ""
        elif event == "os.rename" and str(details[0]) in (partial, f"{partial}/output"):
            now = "done"
        if now and now == moment:
            os.kill(os.getpid(), number)

    sys.addaudithook(hear)
    main(arguments)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of all steps, undisturbed."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "params.yaml").write_text(PARAMS)
    for name in STEPS:
        assert step(name, folder, folder / name) == 0, name
    return folder


def check_again(name: str, whole: Path, out: Path) -> None:
    """The second try ends like the undisturbed run and leaves nothing beside its output."""
    assert not out.exists()
    assert step(name, whole, out) == 0
    assert folder_digest(out) == folder_digest(whole / name)
    assert [path.name for path in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("name", [name for name in STEPS if name not in ("static", "duet", "semantic")])
def test_a_step_killed_at_the_last_moment(name: str, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert step(name, whole, out, "done", signal.SIGKILL) == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == ["out.partial"]
    check_again(name, whole, out)


@pytest.mark.parametrize("name", [name for name in STEPS if name not in MODELS])
def test_a_step_asked_to_stop_leaves_nothing(name: str, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert step(name, whole, out, "writing", signal.SIGTERM) == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
    check_again(name, whole, out)


@pytest.mark.parametrize("name", MODELS)
def test_a_training_goes_on_from_its_last_whole_epoch(name: str, whole: Path, tmp_path: Path) -> None:
    """Stopped as it saves its second epoch, and again as it saves the one after the next, which now is the third."""
    out = tmp_path / "out"
    assert step(name, whole, out, "training", signal.SIGTERM) == 128 + signal.SIGTERM
    assert epochs_in(partial_of(out)) == 1
    assert step(name, whole, out, "training", signal.SIGKILL) == -signal.SIGKILL
    assert epochs_in(partial_of(out)) == 2
    check_again(name, whole, out)


def epochs_in(partial: Path) -> int:
    with safe_open(partial / "state.safetensors", "np") as file:
        return len(json.loads(file.metadata()["state"])["history"])
