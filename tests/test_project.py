"""What people look for in a project that they adopt: a wheel, a version, make targets, a citation, forms."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import solid

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "scripts"))

import install_torch  # noqa: E402

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = re.findall(r"3\.\d+", " ".join(PROJECT["classifiers"]))
# Every step that needs no registry, in one process and with the commands' own defaults but for size.
CHAIN = """
import sys
from solid.cli import main
import solid
print(solid.__file__)
SMALL = "--set model.dim=8 --set model.attention_heads=2 --set training.epochs=1 --set evaluation.bootstrap=100"
for line in f'''
sample --out data
ingest --out raw
prepare --raw raw --out prepared --set prepare.negatives=9
features --raw raw --prepared prepared --out features
train --head duet --prepared prepared --out duet {SMALL}
embed --prepared prepared --model duet --out embeddings
assign --modality id_text_image --prepared prepared --features features --embeddings embeddings --out classes
train --head duet --ids semantic --prepared prepared --semantics classes --out semantic {SMALL}
train --head solid --prepared prepared --semantics classes --semantic-model semantic --out solid {SMALL}
evaluate --prepared prepared --model duet=duet --model SOLID=solid --out evaluation {SMALL}
export --prepared prepared --semantics classes --out released
'''.strip().splitlines():
    main(line.split(), standalone_mode=False)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    source = folder / "source"  # setuptools leaves files beside what it builds
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and name.split("/")[0] in {
            "solid",
            "components",
            "pipelines",
            "pyproject.toml",
            "README.md",
            "LICENSE",
        }:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_runs_the_chain_outside_a_checkout(wheel: Path, programs: Path, tmp_path: Path) -> None:
    site, place = tmp_path / "site", tmp_path / "elsewhere"
    place.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(site), "SOLID_TRACKING": "off", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [programs / "python", "-c", CHAIN], cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(site)), "the checkout's code ran, not the wheel's"
    assert "| SOLID " in done.stdout
    assert (place / "evaluation" / "report.html").stat().st_size > 100_000


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        [path] = [name for name in names if name.endswith(".dist-info/METADATA")]
        metadata = archive.read(path).decode()
    assert f"Version: {solid.__version__}\n" in metadata
    assert "License-Expression: Apache-2.0\n" in metadata
    assert {"solid/py.typed", path.replace("METADATA", "licenses/LICENSE")} <= set(names)
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {"solid", "components", "pipelines"}


def test_the_version_has_one_home_and_the_changelog_tells_of_it() -> None:
    assert "version" in PROJECT["dynamic"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", changes, re.MULTILINE)
    assert [name for name, _ in headings[:2]] == ["Unreleased", solid.__version__]
    assert all(date for _, date in headings[1:])
    kinds = set(re.findall(r"^### (.+)$", changes, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    for file in ("pyproject.toml", "CITATION.cff", "Dockerfile", "Makefile"):
        assert f'"{solid.__version__}"' not in (ROOT / file).read_text(encoding="utf-8"), file


def test_ci_and_make_know_every_python_that_the_project_names() -> None:
    assert PYTHONS == ["3.11", "3.12", "3.13"]
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["pythons"]
    assert job["strategy"]["matrix"]["python"] == PYTHONS
    assert "scripts/resolve.sh python" in [step.get("run") for step in job["steps"]]
    for file in ("Makefile", "scripts/resolve.sh"):
        text = (ROOT / file).read_text(encoding="utf-8")
        assert all(f"python{version}" in text for version in PYTHONS), file


@pytest.fixture
def resolving(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Call resolve.sh; a STUB stands in for Python 3.11 and pip, the other two are broken."""
    stub = tmp_path / "python3.11"
    stub.write_text(
        """#!/bin/sh
        case "$*" in
        "-m venv --clear "*) mkdir -p "$4/bin"; cp "$0" "$4/bin/pip";;
        "--version") echo "Python 3.11.7";;
        *" .$WRONG") echo "The conflict is caused by: $PIP_FIND_LINKS$PIP_INDEX_URL"; exit 1;;
        *) echo "pip $*" >>"$SEEN";;
        esac
        """,
        encoding="utf-8",
    )
    broken = tmp_path / "python3.13"
    broken.write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    for program in (stub, broken):
        program.chmod(0o755)
    (tmp_path / "python3.12").symlink_to("python3.13")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SEEN": str(tmp_path / "seen"), "PIP_FIND_LINKS": "/nowhere"}

    def call(*pythons: str, wrong: str = "none") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOT / "scripts" / "resolve.sh", *pythons], env={**environment, "WRONG": wrong},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    return call


def test_what_set_up_and_image_install_is_resolved(
    resolving: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = resolving()
    assert done.returncode == 0, done.stderr
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    seen = (tmp_path / "seen").read_text(encoding="utf-8")
    [extras] = re.findall(r"pip install .* -e '\.(\[.+\])'", makefile)
    asked = re.findall(r"^pip install --dry-run -c requirements.lock \.(.*)$", seen, re.MULTILINE)
    assert asked == [extras, ""]
    assert done.stdout.splitlines() == [
        "python3.12 is not here, so it is left out",
        "python3.13 is not here, so it is left out",
        f"PyPI has everything of .{extras} for Python 3.11.7",
        "PyPI has everything of . for Python 3.11.7",
    ]


def test_what_does_not_resolve_is_told_with_its_cause(
    resolving: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = resolving("python3.11", wrong="")
    assert done.returncode == 1
    assert done.stdout.splitlines()[1:] == [
        "The conflict is caused by: ",
        "PyPI alone does not do for . with Python 3.11.7",
    ]
    assert resolving("python3.13").returncode != 0, "a Python that is named has to be there"


@pytest.mark.parametrize(
    ("build", "reached", "found", "asked"),
    [
        ("auto", True, "--index-url", ["--index-url +cpu"]),
        ("auto", False, "links", ["+cpu"]),  # where pip is told to look
        ("auto", True, "nothing", ["--index-url +cpu", "+cpu"]),  # the other packages bring what PyPI has
        ("auto", False, "nothing", ["+cpu"]),
        ("+cu130", True, "--index-url", ["--index-url +cu130"]),
        ("", True, "nothing", []),
    ],
)
def test_pytorch_is_taken_for_cpu_where_it_can_be_had(
    build: str, reached: bool, found: str, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = []

    def pip(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        place = "--index-url" if "--index-url" in command else "links"
        commands.append(f"{place} {command[-1]}".replace("torch==1.0", "").removeprefix("links "))
        return subprocess.CompletedProcess(command, int(place != found))

    monkeypatch.setattr(install_torch, "reachable", lambda address: reached)
    monkeypatch.setattr(subprocess, "run", pip)
    install_torch.install("python", "1.0", build)
    assert commands == asked


def test_a_build_of_pytorch_that_is_insisted_on_has_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install_torch, "reachable", lambda address: False)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1))
    with pytest.raises(
        SystemExit, match=r"TORCH_BUILD=\+cpu: pip finds no torch 1.0\+cpu, and \S+/cpu cannot be reached"
    ):
        install_torch.install("python", "1.0", "+cpu")


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("1.0+cpu", "PyTorch 1.0+cpu, for CPU: 3 GB. With CUDA it takes 4 GB more: make image TORCH_BUILD="),
        (
            "1.0",
            "PyTorch 1.0 as PyPI has it, with CUDA: 3 GB. For CPU alone it takes 4 GB less, where "
            "https://download.pytorch.org/whl/cpu can be reached: make image TORCH_BUILD=+cpu",
        ),
        ("1.0+cu130", "PyTorch 1.0+cu130: 3 GB. For CPU alone: make image TORCH_BUILD=+cpu"),
    ],
)
def test_one_line_says_which_pytorch_it_is_how_large_and_how_to_get_the_other(version: str, said: str) -> None:
    assert install_torch.told(version, "3 GB", "image") == said


def test_make_help_describes_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):(?!=)", makefile, re.MULTILINE)
    [phony] = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert sorted(targets) == sorted(phony.split())
    shown = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    described = dict(re.findall(r"^([a-z-]+) +(\S.+)$", shown, re.MULTILINE))
    assert sorted(described) == sorted(targets)


def test_the_citation_names_the_paper() -> None:
    """All of it was checked once against the schema of version 1.2.0, by cffconvert."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["license"] == PROJECT["license"]
    paper = citation["preferred-citation"]
    assert paper["doi"] == "10.1145/3664647.3680574"
    assert "2408.00123" in paper["identifiers"][0]["value"]
    assert [author["family-names"] for author in paper["authors"]][::7] == ["Lv", "Wu"]


@pytest.mark.parametrize("form", ["bug", "idea"])
def test_issue_forms_are_what_github_accepts(form: str) -> None:
    text = (ROOT / ".github" / "ISSUE_TEMPLATE" / f"{form}.yml").read_text(encoding="utf-8")
    parsed: dict[str, Any] = yaml.safe_load(text)
    assert set(parsed) == {"name", "description", "labels", "body"}
    ids = []
    for part in parsed["body"]:
        assert part["type"] in {"markdown", "textarea", "input", "dropdown", "checkboxes"}
        if part["type"] == "markdown":
            assert list(part["attributes"]) == ["value"]
            continue
        ids.append(part["id"])
        assert part["attributes"]["label"]
        assert set(part) <= {"type", "id", "attributes", "validations"}
    assert ids
    assert len(set(ids)) == len(ids)
