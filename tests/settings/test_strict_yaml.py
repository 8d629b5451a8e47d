"""YAML that people write: a key stands once, and every fault is told with its source, line and column."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from yaml import safe_dump

from solid.cli import main
from solid.compare.grid import read_table
from solid.errors import SettingsError
from solid.settings.loading import load_settings
from solid.settings.strict_yaml import parse_yaml, read_mapping

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.dates()
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))


@given(VALUES)
def test_what_yaml_can_say_is_read_as_it_is(value: object) -> None:
    assert parse_yaml(safe_dump(value), "x") == value


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "training:\n  seed: 1\n  epochs: 7\n  seed: 2\n",
            "line 4, column 3: the key 'seed' stands twice, first in line 2, column 3; keep one\n    seed: 2\n    ^",
        ),
        ("a: 1\nb: 2\n'a': 3", "line 3, column 1: the key 'a' stands twice, first in line 1, column 1; keep one\n"),
        (
            "a: [{b: [{c: 1, d: 2, c: 3}]}]",
            "line 1, column 23: the key 'c' stands twice, first in line 1, column 11; keep one\n",
        ),
        ("1: a\n1: b", "line 2, column 1: the key 1 stands twice, first in line 1, column 1; keep one\n"),
        (
            "[a",
            "line 1, column 3: expected ',' or ']', but got '<stream end>' (while parsing a flow sequence)\n"
            "  [a\n    ^",
        ),
        ("a: 2024-13-45", "line 1, column 4: '2024-13-45': month must be in 1..12; put it into quotes if it is a text"),
        ("a: 0b_", "line 1, column 4: '0b_': invalid literal for int() with base 2: ''; put it into quotes"),
        ("a: !!python/object:os.system x", "line 1, column 4: could not determine a constructor for the tag"),
        ("? [a]\n: b", "line 1, column 3: found unhashable key (while constructing a mapping)\n"),
        ("a: 1\n---\nb: 2", "line 2, column 1: but found another document (expected a single document in the stream)"),
        ("a: b\nc: \x00", "line 2: special characters are not allowed (#x0000)"),
        ("[" * 5000, "nested too deeply"),
    ],
)
def test_faults_have_a_place(text: str, fault: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_yaml(text, "--set x")
    assert str(caught.value).startswith(f"--set x: not valid YAML: {fault}")


def test_a_key_may_stand_again_elsewhere_and_over_what_is_merged() -> None:
    text = "one: &one {a: 1, b: 2}\ntwo: {a: 3}\nthree:\n  <<: *one\n  a: 4\n"
    assert parse_yaml(text, "x") == {"one": {"a": 1, "b": 2}, "two": {"a": 3}, "three": {"a": 4, "b": 2}}


def test_files(tmp_path: Path) -> None:
    place = tmp_path / "p.yaml"
    place.write_text("")
    assert read_mapping(place, "sections") == {}
    place.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(SettingsError, match=f"{place}: not valid YAML: line 2: byte 0xff is not UTF-8"):
        read_mapping(place, "sections")
    with pytest.raises(SettingsError, match=f"{tmp_path}: Is a directory"):
        read_mapping(tmp_path, "sections")


TWICE = "stands twice, first in line"


def test_every_way_in_refuses_a_key_that_stands_twice(tmp_path: Path) -> None:
    place = tmp_path / "p.yaml"
    place.write_text("training: {seed: 1}\nmodel: {dim: 32}\ntraining: {epochs: 3}\n")
    for read in (load_settings, read_table):
        with pytest.raises(SettingsError, match=rf"{place}: not valid YAML: line 3, column 1: .* {TWICE} 1"):
            read(place)
    with pytest.raises(SettingsError, match=rf"--set training=\{{seed: 1, seed: 2\}}: .* {TWICE} 1"):
        load_settings(None, ["training={seed: 1, seed: 2}"])
    changes = ["champion", "--changes", "{training: {seed: 1, seed: 2}}", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, changes)
    assert (done.exit_code, TWICE in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("1: {seed: 1}", "1: Keys should be strings"),
        ("training: {on: 1}", "training.1: Keys should be strings"),
        ("~: 1", "None: Keys should be strings"),
    ],
)
def test_keys_that_are_no_text_are_told(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(SettingsError, match=f"settings do not fit:\n  {fault}"):
        load_settings(tmp_path / "p.yaml")
