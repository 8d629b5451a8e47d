"""The page of `solid demo` in a real browser: clicks, PyTorch's ranking, nobody else asked, no network, 400 pixels."""

from __future__ import annotations

import functools
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from walks import ITEMS, write_walk

from solid.cli import main
from solid.errors import SolidError
from solid.models.protocols import Encoded
from solid.models.recommender import Recommender
from solid.models.storage import load_model
from solid.settings.schema import Settings
from solid.storage.local import read_json
from solid.training.step import train

pytest.importorskip("onnxruntime", reason="no ONNX Runtime; pip install 'solid-rec[device]'")
browsers = pytest.importorskip("playwright.sync_api", reason="no Playwright; pip install 'solid-rec[dev]'")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
SETTINGS = Settings.model_validate({
    "model": {"dim": 8, "length": 5, "layers": 1, "attention_heads": 2},
    "training": {"epochs": 5, "batch_size": 16, "learning_rate": 0.03},
})  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data with names and pictures, a model that generates weights and a static one."""
    folder = tmp_path_factory.mktemp("root")
    for name in ("prepared", "raw"):
        (folder / name).mkdir()
    prepared = write_walk(folder / "prepared")
    items = pd.read_parquet(prepared / "items.parquet")
    items["title"] = [f"<b>Thing</b> & {n}" for n in range(1, ITEMS + 1)]
    items["category"] = ["Tools > Saws", "Toys"] * (ITEMS // 2)
    items["image"] = ["", *(f"{n}.png" for n in range(2, ITEMS + 1))]
    items.to_parquet(prepared / "items.parquet")
    for n in range(2, ITEMS + 1):
        Image.new("RGB", (16, 16), (n * 10, 80, 200)).save(folder / "raw" / f"{n}.png")
    for head in ("duet", "static"):
        train(prepared, folder / head, head, None, None, None, SETTINGS)
    return folder


def demo(root: Path, *options: str) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        return CliRunner().invoke(main, ["demo", "--prepared", "prepared", "--raw", "raw", *options])


@pytest.fixture(scope="module")
def page_of(root: Path) -> Iterator[str]:
    """The address of the page, built and served by what Python has for it."""
    if shutil.which("npm") is None:
        pytest.skip("no npm, which has ONNX Runtime Web")
    done = demo(root, "--model", "duet", "--static", "static", "--out", "demo")
    if "npm cannot fetch" in done.output:
        pytest.skip(done.output.strip())
    assert done.exit_code == 0, done.output
    assert "python -m http.server --directory demo 8000" in done.output
    handler = functools.partial(_Silent, directory=str(root / "demo"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on the path")
    with browsers.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def opened(browser: Any, page_of: str) -> tuple[Any, list[str]]:
    """The page, ready, and what it complains of or asks of anybody else."""
    page = browser.new_page(viewport={"width": 400, "height": 800})
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    page.on("request", lambda request: None if request.url.startswith(page_of) else wrong.append(request.url))
    page.goto(page_of)
    page.wait_for_selector("html[data-ready=true]", state="attached", timeout=60_000)
    return page, wrong


@pytest.fixture
def page(opened: tuple[Any, list[str]]) -> Iterator[Any]:
    """The page as it is at first; whatever it complains of fails the test."""
    page, wrong = opened
    page.fill("#search", "")
    page.select_option("#category", "")
    page.select_option("#precision", "float32")
    page.check("input[value=start]")
    page.select_option("#visitor", "0")
    page.click("#reset")
    settle(page)
    yield page
    assert wrong == []


def settle(page: Any) -> list[int]:
    """The numbers of the items that are recommended, once the page is done."""
    page.wait_for_selector("html[data-busy=false]", state="attached")
    return [int(entry.get_attribute("data-item")) for entry in page.query_selector_all("#recommendations li")]


def look_at(page: Any, number: int) -> list[int]:
    page.click(f"#products li[data-item='{number}'] button")
    return settle(page)


@torch.inference_mode()
def ranking(folder: Path, history: list[int], then: list[int] | None = None) -> list[int]:
    """What PyTorch recommends after a history; with weights of what it was then."""
    model = load_model(folder)
    assert isinstance(model, Recommender)

    def encoded(items: list[int]) -> Encoded:
        return model.encode(torch.tensor([(items or [0])[-model.config.length :]]))

    user = encoded(history)
    if then is not None:
        user = replace(user, layers=encoded(then).layers)
    scores = model.score_all(user)[0]
    scores[torch.tensor(history, dtype=torch.long) - 1] = -torch.inf
    return (scores.topk(10).indices + 1).tolist()


def test_each_click_changes_the_ranking_to_that_of_pytorch(root: Path, page: Any) -> None:
    assert settle(page) == ranking(root / "duet", [])
    page.check("input[value=click]")
    history: list[int] = []
    for number in (3, 17, 4, 5, 6, 7):  # one more than the model reads
        history.append(number)
        assert look_at(page, number) == ranking(root / "duet", history)
    sent = [4 * n for n in range(7)]  # bytes of item numbers; nothing for the start
    assert page.inner_text("#sent") == f"{sum(sent)} B up, {7 * 576 / 1000:.1f} kB down"
    assert page.inner_text("#weights-bytes") == "576 B, fresh"
    page.check("input[value=static]")
    assert settle(page) == ranking(root / "static", history)
    assert page.inner_text("#weights-bytes") == "none"
    assert [entry.get_attribute("data-item") for entry in page.query_selector_all("#history li")] == [
        *map(str, history)
    ]


def test_weights_of_the_start_are_kept_and_grow_old(root: Path, page: Any) -> None:
    visitors = read_json(root / "demo" / "demo.json")["visitors"]
    page.select_option("#visitor", "2")
    start = visitors[2]["items"]
    assert len(start) == 5
    assert settle(page) == ranking(root / "duet", start)
    others = [n for n in range(1, ITEMS + 1) if n not in start][:2]
    stale = [look_at(page, number) for number in others]
    assert stale[-1] == ranking(root / "duet", [*start, *others], start)
    assert page.inner_text("#weights-bytes") == "576 B, 2 clicks old"
    page.check("input[value=click]")
    assert settle(page) == ranking(root / "duet", [*start, *others])
    assert page.inner_text("#weights-bytes") == "576 B, fresh"
    page.check("input[value=start]")
    assert settle(page) == stale[-1]
    page.select_option("#precision", "int8")
    settle(page)
    assert page.inner_text("#weights-bytes") == "224 B, 2 clicks old"  # 2 (8 x 8 + 8 x 4 + 8 x 2)
    page.click("#reset")
    assert settle(page) != stale[-1]
    assert page.query_selector_all("#history li.clicked") == []


def test_without_a_network_it_goes_on(root: Path, page: Any) -> None:
    page.context.set_offline(True)
    assert page.evaluate("navigator.onLine") is False
    for mode, folder in (("static", "static"), ("click", "duet")):
        page.check(f"input[value={mode}]")
        page.click("#reset")
        assert settle(page) == ranking(root / folder, [])
        assert look_at(page, 9) == ranking(root / folder, [9])
    assert page.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    assert len(page.query_selector_all("#products img")) == ITEMS - 1
    page.context.set_offline(False)


def test_a_keyboard_and_a_screen_reader_get_everywhere(page: Any) -> None:
    page.focus("#search")
    page.keyboard.type("thing 1")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    first = page.query_selector("#products li:not([hidden])").get_attribute("data-item")
    settle(page)
    assert page.query_selector("#history li").get_attribute("data-item") == first
    assert re.fullmatch(r"10 recommendations, first <b>Thing</b> & \d+", page.text_content("#announcement"))
    nameless = page.evaluate("""[...document.querySelectorAll("button, select, input")].filter((one) =>
        !(one.getAttribute("aria-label") || one.textContent.trim() || one.labels?.length)).length""")
    assert nameless == 0
    assert page.get_by_role("radio", name="From the cloud, made at the start").is_checked()
    assert page.get_by_role("button", name=f"Look at <b>Thing</b> & {first}").first.is_visible()
    assert page.get_by_role("list").count() >= 2
    page.focus("input[value=start]")
    page.keyboard.press("ArrowDown")
    settle(page)
    assert page.is_checked("input[value=click]")


def test_400_pixels_are_wide_enough(page: Any) -> None:
    look_at(page, 3)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.select_option("#category", "Toys")
    assert page.inner_text("#found") == "12 products"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "static"], "head static generates no weights; name it with --static"),
        (["--model", "duet", "--static", "duet"], "head duet generates weights"),
        (["--model", "nothing"], "--model nothing: no such folder"),
    ],
)
def test_a_model_of_the_other_kind_is_refused(root: Path, options: list[str], words: str) -> None:
    done = demo(root, *options, "--out", "refused")
    assert done.exit_code == 2
    assert words in done.output
    assert not list(root.glob("refused*"))


def test_what_npm_cannot_give_is_said(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from solid.device.vendored import write_runtime

    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error network is unreachable' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(
        SolidError, match=r"npm cannot fetch onnxruntime-web@1.30.0: npm error network is unreachable; "
    ):
        write_runtime(tmp_path)
    npm.write_text('#!/bin/sh\nwhile [ $# -gt 1 ]; do shift; done\necho other > "$1/package.tgz"\n')
    with pytest.raises(SolidError, match=r"npm gives another onnxruntime-web@1.30.0 than the one that is meant"):
        write_runtime(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(SolidError, match=r"no npm on the path; install Node.js"):
        write_runtime(tmp_path)
