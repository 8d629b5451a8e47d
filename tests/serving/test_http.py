"""What callers send and get, over a real socket; the registry has tests of its own."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from tiny import CATEGORIES, catalogue_of, make_model, running
from walks import EVENTS, ITEMS

from solid.registry.asking import Question, answer
from solid.registry.catalogue import Catalogue
from solid.registry.loading import Loaded
from solid.serving.app import build
from solid.serving.command import read_token
from solid.serving.forms import RecommendAnswer, SimilarAnswer
from solid.serving.limits import Limits
from solid.serving.metrics import Metrics
from solid.serving.users import Users

HISTORY = ["i1", "i2", "i3"]


def still(catalogue: Catalogue) -> Any:
    """What follows nothing: one version, for good."""
    return SimpleNamespace(current=Loaded("tiny", "7", catalogue, True), stop=lambda: None)


@pytest.fixture(scope="module")
def catalogue(prepared: Path) -> Catalogue:
    return catalogue_of(make_model(), prepared)


@pytest.fixture(scope="module")
def address(catalogue: Catalogue, prepared: Path) -> Iterator[str]:
    with running(build(still(catalogue), Metrics(), Limits(), Users.of(prepared))) as address:
        yield address


def post(address: str, body: Any, path: str = "/recommend", **more: Any) -> Any:
    return requests.post(f"{address}{path}", json=body, timeout=20, **more)


def asked(address: str, **body: Any) -> dict[str, Any]:
    """A good answer, of the form that the page promises."""
    done = post(address, body)
    assert done.status_code == 200, done.text
    RecommendAnswer.model_validate_json(done.text, extra="forbid", strict=True)
    return dict(done.json())


def items_of(answer: dict[str, Any]) -> list[str]:
    return [one["item"] for one in answer["items"]]


def test_a_history_gets_what_the_model_says(address: str, catalogue: Catalogue) -> None:
    [expected] = answer(catalogue, [Question(HISTORY, 4)])
    found = asked(address, history=["i1", "who", "i2", "i3"], k=4)
    assert (found["model"], found["version"], found["cold"], found["unknown"]) == ("tiny", "7", False, ["who"])
    assert items_of(found) == expected.items
    assert [one["score"] for one in found["items"]] == pytest.approx(expected.scores)
    assert [one["title"] for one in found["items"]] == [f"Item {item}" for item in expected.items]
    assert not set(HISTORY) & set(expected.items)
    assert "because" not in found["items"][0]


@pytest.mark.parametrize("history", [[], ["who", "knows"]])
def test_nothing_known_gets_what_is_popular_and_says_so(address: str, catalogue: Catalogue, history: Any) -> None:
    found = asked(address, history=history, k=ITEMS)
    assert (found["cold"], found["unknown"]) == (True, history)
    counts = dict(zip(catalogue.ids, catalogue.popularity, strict=True))
    given = [counts[item] for item in items_of(found)]
    assert given == sorted(counts.values(), reverse=True)
    total = sum(counts.values())
    assert [one["score"] for one in found["items"]] == pytest.approx(np.log(np.array(given) / total))


def test_items_can_be_left_out_and_kept_to_a_category(address: str, catalogue: Catalogue) -> None:
    whole = items_of(asked(address, history=HISTORY, k=ITEMS))
    assert len(whole) == ITEMS - len(HISTORY)
    assert set(items_of(asked(address, history=HISTORY, k=ITEMS, exclude_seen=False))) == set(catalogue.ids)
    without = items_of(asked(address, history=HISTORY, k=ITEMS, exclude=[whole[0], whole[5], "who"]))
    assert without == [item for item in whole if item not in (whole[0], whole[5])]
    odd = items_of(asked(address, history=HISTORY, k=ITEMS, category="odd"))
    assert odd == [item for item in whole if int(item[1:]) % 2]
    both = items_of(asked(address, history=HISTORY, k=ITEMS, category=list(CATEGORIES)))
    assert both == [item for item in whole if item != "i24"]  # which has none
    popular = asked(address, history=[], k=ITEMS, category="odd", exclude=["i1"])
    assert set(items_of(popular)) == {f"i{number}" for number in range(3, ITEMS, 2)}


def test_a_user_of_the_data_stands_for_a_history(address: str, catalogue: Catalogue) -> None:
    walked = [f"i{number}" for number in range(3, 3 + EVENTS)]
    assert asked(address, user="u2") == asked(address, history=walked)
    refused = post(address, {"user": "u99"})
    assert (refused.status_code, refused.json()["fields"][0]["field"]) == (400, "user")
    with running(build(still(catalogue), Metrics(), Limits())) as alone:
        refused = post(alone, {"user": "u2"})
    assert refused.status_code == 400
    assert refused.json()["error"] == (
        "user: this server knows no users, for a registered model keeps nobody's events; send a history, or start it "
        "with --prepared"
    )


def test_numbers_are_taken_for_ids(address: str) -> None:
    assert asked(address, history=[1, 2, "i3"])["unknown"] == ["1", "2"]


@pytest.mark.parametrize(
    ("body", "field", "problem"),
    [
        ({}, "body", "give either history or user"),
        ({"history": [], "user": "u1"}, "body", "give either history or user"),
        ({"history": ["i1", None]}, "history[1]", "valid string"),
        ({"history": "i1"}, "history", "valid list"),
        ({"history": ["x" * 513]}, "history[0]", "at most 512 characters"),
        ({"history": ["i1"] * 1001}, "history", "at most 1000 items"),
        ({"history": [], "k": 0}, "k", "greater than or equal to 1"),
        ({"history": [], "k": 101}, "k", "less than or equal to 100"),
        ({"history": [], "exclude": [{}]}, "exclude[0]", "valid string"),
        ({"history": [], "count": 3}, "count", "Extra inputs are not permitted"),
        ({"history": [], "category": "none"}, "category", "no item is of this category"),
        ({"history": [], "category": ["odd", "none"]}, "category[1]", "no item is of this category"),
        ([], "body", "valid dictionary"),
    ],
)
def test_what_does_not_fit_is_named(address: str, body: Any, field: str, problem: str) -> None:
    refused = post(address, body)
    assert refused.status_code == 400
    told = refused.json()
    assert (told["fields"][0]["field"], problem in told["fields"][0]["problem"]) == (field, True), told
    assert told["error"] == f"{field}: {told['fields'][0]['problem']}"


def test_other_mistakes_are_told_in_the_same_form(address: str) -> None:
    json_said = {"content-type": "application/json"}
    broken = requests.post(f"{address}/recommend", data=b'{"history": [', headers=json_said, timeout=20)
    assert (broken.status_code, broken.json()["error"].startswith("not JSON, at character 13")) == (400, True)
    text = b'{"history": ["\xff"]}'
    assert requests.post(f"{address}/recommend", data=text, headers=json_said, timeout=20).status_code == 400
    unsaid = requests.post(f"{address}/recommend", data={"history": "i1"}, timeout=20)
    assert (unsaid.status_code, "application/json" in unsaid.json()["error"]) == (415, True)
    assert requests.get(f"{address}/nothing", timeout=20).json() == {"error": "Not Found"}
    assert requests.get(f"{address}/recommend", timeout=20).status_code == 405


def test_similar_items(address: str, catalogue: Catalogue) -> None:
    done = post(address, {"items": ["i5", "who", "i9"], "k": 3}, "/similar")
    assert done.status_code == 200
    SimilarAnswer.model_validate_json(done.text, extra="forbid", strict=True)
    found = done.json()
    assert found["unknown"] == ["who"]
    assert [one["item"] for one in found["answers"]] == ["i5", "i9"]
    top = catalogue.similar(np.array([5, 9]), 3)
    for one, rows, scores in zip(found["answers"], top.rows, top.scores, strict=True):
        assert [like["item"] for like in one["similar"]] == catalogue.ids[rows].tolist()
        assert [like["score"] for like in one["similar"]] == pytest.approx(scores.tolist())
        assert one["similar"][0]["title"] == f"Item {one['similar'][0]['item']}"
    assert post(address, {"items": ["who"]}, "/similar").json()["answers"] == []
    assert post(address, {"items": []}, "/similar").status_code == 400


def test_an_explanation_is_what_leaving_out_changes(address: str) -> None:
    """Asked about again without an item, or without a class, the score differs by what was told."""
    history = ["i9", "i1", "i2", "i6", "i3", "i2"]  # the model reads five; i9 is too old, until one of them is gone

    def scores(of: list[str]) -> dict[str, float]:
        answered = asked(address, history=of, k=ITEMS, exclude_seen=False)
        return {one["item"]: one["score"] for one in answered["items"]}

    whole = scores(history)
    found = asked(address, history=history, k=3, explain=True)
    assert items_of(found) == items_of(asked(address, history=history, k=3))
    without = {item: scores([one for one in history if one != item]) for item in ("i1", "i2", "i6", "i3")}
    classes = {1: ["i1", "i9"], 2: ["i2", "i6"], 3: ["i3"]}  # (item - 1) % 4 + 1
    without_class = {number: scores([one for one in history if one not in of]) for number, of in classes.items()}
    for one in found["items"]:
        single = [reason for reason in one["because"] if reason["of_class"] is None]
        ofs = [reason for reason in one["because"] if reason["of_class"] is not None]
        changes = {item: whole[one["item"]] - gone[one["item"]] for item, gone in without.items()}
        largest = sorted(changes, key=lambda item: -abs(changes[item]))[:3]
        assert [reason["items"] for reason in single] == [[item] for item in largest]
        assert [reason["change"] for reason in single] == pytest.approx([changes[item] for item in largest], abs=1e-5)
        assert {reason["of_class"]: sorted(reason["items"]) for reason in ofs} == classes
        for reason in ofs:
            change = whole[one["item"]] - without_class[reason["of_class"]][one["item"]]
            assert reason["change"] == pytest.approx(change, abs=1e-5)
    assert all(one["because"] == [] for one in asked(address, history=["who"], explain=True)["items"])


# the Open Inference Protocol


def infer(address: str, path: str = "/v2/models/tiny/infer", **body: Any) -> Any:
    return post(address, body, path)


def tensor(data: Any, *shape: int) -> dict[str, Any]:
    return {"name": "history", "datatype": "BYTES", "shape": list(shape), "data": data}


def test_the_protocol_says_who_is_there(address: str) -> None:
    def get(path: str) -> Any:
        return requests.get(f"{address}/v2{path}", timeout=20)

    assert get("").json()["name"] == "solid"
    assert get("/health/live").json() == {"live": True}
    assert get("/health/ready").json() == {"ready": True}
    assert get("/models/tiny/ready").json() == {"name": "tiny", "ready": True}
    about = get("/models/tiny").json()
    assert (about["name"], about["versions"], about["platform"]) == ("tiny", ["7"], "solid")
    assert about["inputs"] == [{"name": "history", "datatype": "BYTES", "shape": [-1, -1]}]
    assert get("/models/tiny/versions/7").json() == about
    for path in ("/models/other", "/models/tiny/versions/8", "/models/other/ready"):
        assert (get(path).status_code, list(get(path).json())) == (404, ["error"])


@pytest.mark.parametrize("nested", [False, True])
def test_the_protocol_answers_as_the_plain_endpoint_does(address: str, nested: bool) -> None:
    rows = [["i1", "i2", "who", "i4"], ["i7", "", "", ""], ["", "", "", ""]]
    data = rows if nested else [item for row in rows for item in row]
    done = infer(address, id="a1", inputs=[tensor(data, 3, 4)], parameters={"k": 22, "content_type": "str"})
    assert done.status_code == 200, done.text
    told = done.json()
    assert (told["id"], told["model_name"], told["model_version"]) == ("a1", "tiny", "7")
    outputs = {one["name"]: one for one in told["outputs"]}
    arrays = {name: np.reshape(one["data"], one["shape"]) for name, one in outputs.items()}
    assert [outputs[name]["datatype"] for name in ("items", "scores", "left", "cold")] == [
        "BYTES",
        "FP32",
        "INT64",
        "BOOL",
    ]
    for row, given in enumerate(rows):
        plain = asked(address, history=[item for item in given if item], k=22)
        left = arrays["left"][row]
        assert arrays["items"][row, :left].tolist() == items_of(plain)
        assert arrays["titles"][row, :left].tolist() == [one["title"] for one in plain["items"]]
        assert arrays["scores"][row, :left] == pytest.approx([one["score"] for one in plain["items"]], abs=1e-5)
        assert (arrays["items"][row, left:] == "").all()
        assert arrays["cold"][row] == plain["cold"]
        assert [one for one in arrays["unknown"][row] if one] == plain["unknown"]
    assert arrays["left"].tolist() == [21, 22, 22]  # of 24, without what was seen


def test_the_protocol_gives_what_is_asked_for(address: str) -> None:
    done = infer(address, "/v2/models/tiny/versions/7/infer", inputs=[tensor(["i1"], 1, 1)], outputs=[{"name": "cold"}])
    assert done.json()["outputs"] == [{"name": "cold", "datatype": "BOOL", "shape": [1], "data": [False]}]
    seen = infer(address, inputs=[tensor([["i1"]], 1, 1)], parameters={"exclude_seen": False, "k": ITEMS}).json()
    assert "i1" in seen["outputs"][0]["data"]
    nobody = infer(address, inputs=[tensor([], 0, 3)]).json()["outputs"]
    assert [one["shape"] for one in nobody] == [[0, 0], [0, 0], [0, 0], [0], [0], [0, 0]]
    nothing = infer(address, inputs=[tensor([], 2, 0)]).json()["outputs"]
    assert nothing[4]["data"] == [True, True]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"inputs": []}, "inputs"),
        ({"inputs": [tensor(["i1", "i2"], 1, 1)]}, "inputs[0].data"),
        ({"inputs": [tensor([["i1"], []], 2, 1)]}, "inputs[0].data"),
        ({"inputs": [tensor(["i1"], 1)]}, "inputs[0].shape"),
        ({"inputs": [tensor([], 1001, 0)]}, "inputs[0].shape"),
        ({"inputs": [tensor(["i1"], 1, 1) | {"datatype": "FP32"}]}, "inputs[0].datatype"),
        ({"inputs": [tensor(["i1"], 1, 1) | {"name": "x"}]}, "inputs[0].name"),
        ({"inputs": [tensor(["i1"], 1, 1)], "parameters": {"k": 0}}, "parameters.k"),
        ({"inputs": [tensor(["i1"], 1, 1)], "outputs": [{"name": "x"}]}, "outputs[0].name"),
    ],
)
def test_the_protocol_refuses_what_does_not_fit(address: str, body: Any, field: str) -> None:
    refused = post(address, body, "/v2/models/tiny/infer")
    assert (refused.status_code, refused.json()["fields"][0]["field"]) == (400, field)
    assert refused.json()["error"].startswith(f"{field}: ")


def test_binary_tensors_are_refused_in_words(address: str) -> None:
    body = {"inputs": [tensor(["i1"], 1, 1)]}
    refused = post(address, body, "/v2/models/tiny/infer", headers={"inference-header-content-length": "9"})
    assert (refused.status_code, "as JSON" in refused.json()["error"]) == (400, True)


# limits


def test_too_much_is_refused_before_it_is_read(catalogue: Catalogue) -> None:
    with running(build(still(catalogue), Metrics(), Limits(body=200))) as address:
        assert post(address, {"history": []}).status_code == 200
        large = {"history": ["i1"] * 100}
        refused = post(address, large)
        assert (refused.status_code, "200 are allowed" in refused.json()["error"]) == (413, True)
        parts = (b"x" * 50 for _ in range(10))  # sent in chunks, without saying how much
        json_said = {"content-type": "application/json"}
        assert requests.post(f"{address}/recommend", data=parts, headers=json_said, timeout=20).status_code == 413


def test_a_request_that_trickles_in_is_given_up(catalogue: Catalogue) -> None:
    with running(build(still(catalogue), Metrics(), Limits(seconds=0.2))) as address:
        place = urlsplit(address)
        with socket.create_connection((place.hostname, place.port or 0), 20) as line:
            head = "POST /recommend HTTP/1.1", "host: x", "content-type: application/json", "content-length: 50"
            line.sendall("\r\n".join([*head, "", '{"his']).encode())
            assert b"408 Request Timeout" in line.recv(1000)


class Held:
    """A model that answers when it is let go."""

    def __init__(self) -> None:
        self.model, self.go = make_model(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def score_all(self, user: Any) -> Any:
        self.go.wait(20)
        return self.model.score_all(user)


def test_when_too_many_wait_one_more_is_told_to_come_again(prepared: Path) -> None:
    model: Any = Held()
    app = build(still(catalogue_of(model, prepared)), metrics := Metrics(), Limits(waiting=3, seconds=20))
    with running(app) as address, ThreadPoolExecutor(12) as callers:
        first = callers.submit(post, address, {"history": HISTORY})
        time.sleep(0.2)  # with the model
        others = [callers.submit(post, address, {"history": HISTORY}) for _ in range(8)]
        while sum(other.done() for other in others) < 5:  # three may wait
            time.sleep(0.01)
        refused = [other.result() for other in others if other.done()]
        assert {one.status_code for one in refused} == {429}
        assert {one.headers["retry-after"] for one in refused} == {"1"}
        assert requests.get(f"{address}/readyz", timeout=20).status_code == 200  # not the model's
        model.go.set()
        served = [one.result() for one in [first, *others]]
    assert sorted(one.status_code for one in served) == [200] * 4 + [429] * 5
    assert metrics.registry.get_sample_value("solid_requests_total", {"endpoint": "/recommend", "status": "429"}) == 5


def test_an_answer_that_takes_too_long_is_given_up(prepared: Path) -> None:
    model: Any = Held()
    with running(build(still(catalogue_of(model, prepared)), Metrics(), Limits(seconds=0.2))) as address:
        late = post(address, {"history": HISTORY})
        assert (late.status_code, late.headers["retry-after"]) == (503, "1")
        model.go.set()
        assert asked(address, history=HISTORY)


def test_a_fault_of_ours_is_no_answer_but_the_next_one_is(prepared: Path, caplog: pytest.LogCaptureFixture) -> None:
    model: Any = Held()
    model.go.set()
    with running(build(still(catalogue_of(model, prepared)), Metrics(), Limits())) as address:
        scoring, model.model = model.model, None
        broken = post(address, {"history": HISTORY})
        assert (broken.status_code, "something went wrong" in broken.json()["error"]) == (500, True)
        model.model = scoring
        assert asked(address, history=HISTORY)
    assert "a request failed" in caplog.text


def test_a_token_opens_all_but_what_probes_ask_for(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    token = read_token(tmp_path / "token")
    with running(build(still(catalogue), Metrics(), Limits(), token=token)) as address:
        for headers in ({}, {"authorization": "Bearer other"}, {"authorization": "s3cret"}):
            refused = post(address, {"history": []}, headers=headers)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert requests.get(f"{address}/openapi.json", headers=headers, timeout=20).status_code == 401
        assert post(address, {"history": []}, headers={"authorization": "Bearer s3cret"}).status_code == 200
        for path in ("/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"):
            assert requests.get(f"{address}{path}", timeout=20).status_code == 200


# what operators see


def test_metrics_count_what_was_asked(catalogue: Catalogue) -> None:
    with running(build(still(catalogue), metrics := Metrics(), Limits())) as address:
        metrics.model.labels("tiny", "7").set(1)
        for history in (["i1"], ["i1", "who"], ["who"], []):
            asked(address, history=history)
        infer(address, inputs=[tensor(["i1", "who"], 2, 1)])
        post(address, {"k": 3})
        text = requests.get(f"{address}/metrics", timeout=20).text
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["solid_histories_total",] == 6
    assert samples["solid_histories_with_unknown_items_total",] == 3
    assert samples["solid_cold_answers_total",] == 3
    assert samples["solid_requests_total", "/recommend", "200"] == 4
    assert samples["solid_requests_total", "/recommend", "400"] == 1
    assert samples["solid_requests_total", "/v2/models/infer", "200"] == 1
    assert samples["solid_request_seconds_count", "/recommend"] == 5
    assert 0 < samples["solid_request_seconds_sum", "/recommend"] < 5
    assert samples["solid_model_info", "tiny", "7"] == 1
    assert samples["process_resident_memory_bytes",] > 1e7


def test_logs_hold_no_ids(address: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        asked(address, history=["somebody", "i1"])
        post(address, {"history": ["somebody"], "k": "somebody"})
        post(address, {"user": "somebody"})
    assert "somebody" not in caplog.text
    assert "somebody" not in json.dumps(post(address, {"history": ["somebody"], "k": "somebody"}).json())


def test_the_page_shows_every_endpoint_and_its_refusals(address: str) -> None:
    page = requests.get(f"{address}/openapi.json", timeout=20).json()
    assert {"/recommend", "/similar", "/v2", "/v2/models/{name}/infer", "/metrics", "/readyz"} <= set(page["paths"])
    told = page["paths"]["/recommend"]["post"]
    assert {"200", "400", "401", "413", "429", "503"} <= set(told["responses"])
    assert "422" not in told["responses"]
    assert requests.get(f"{address}/docs", timeout=20).status_code == 200
