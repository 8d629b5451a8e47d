"""POST /recommend and POST /similar: questions in JSON as people write it by hand."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from solid.registry.asking import Answer, Question
from solid.registry.catalogue import Catalogue
from solid.registry.loading import Loaded
from solid.serving.desk import Desk
from solid.serving.following import Follower
from solid.serving.forms import RecommendAnswer, RecommendRequest, RefusalForm, SimilarAnswer, SimilarRequest
from solid.serving.refusals import Refusal
from solid.serving.responses import as_json
from solid.serving.users import Users

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": RefusalForm, "description": "A part of the request does not fit; it is named."},
    401: {"model": RefusalForm, "description": "The bearer token is missing or wrong."},
    413: {"model": RefusalForm, "description": "The request is too large."},
    429: {"model": RefusalForm, "description": "Too many requests are waiting; try again after a second."},
    503: {"model": RefusalForm, "description": "Not answered in time."},
    "default": {"model": RefusalForm, "description": "Why there is no answer."},
}


def plain(desk: Desk, follower: Follower, users: Users | None) -> APIRouter:
    """The two endpoints.

    Args:
        desk: where questions go.
        follower: whose model says which categories there are.
        users: whom a request may name in place of a history; None: nobody.
    """
    router = APIRouter(responses=REFUSALS)

    @router.post("/recommend", response_model=RecommendAnswer, summary="Recommend items to somebody")
    async def recommend(request: RecommendRequest) -> Response:
        history = _history(request, users)
        categories = _categories(request.category, follower.current.catalogue)
        question = Question(history, request.k, request.exclude_seen, request.exclude, categories)
        if not request.explain:
            loaded, [answer] = await desk.ask([question])
            return as_json(_told(loaded, answer, [{}] * len(answer.items)))
        loaded, [answer], reasons = await desk.explain(question)
        because = [{"because": [asdict(reason) for reason in of_item]} for of_item in reasons]
        return as_json(_told(loaded, answer, because))

    @router.post("/similar", response_model=SimilarAnswer, summary="Find items that are like some")
    async def similar(request: SimilarRequest) -> Response:
        loaded, found = await desk.do(lambda loaded: _similar(loaded.catalogue, request))
        return as_json({"model": loaded.name, "version": loaded.version, **found})

    return router


def _history(request: RecommendRequest, users: Users | None) -> list[str]:
    if request.history is not None:
        return request.history
    assert request.user is not None
    if users is None:
        why = "this server knows no users, for a registered model keeps nobody's events"
        raise Refusal(400, f"{why}; send a history, or start it with --prepared", "user")
    history = users.history(request.user)
    if history is None:
        raise Refusal(400, "the data has no such user; send a history", "user")
    return history


def _categories(asked: str | list[str] | None, catalogue: Catalogue) -> list[str] | None:
    if asked is None:
        return None
    known = catalogue.rows_of
    if not known:
        raise Refusal(400, "this model's items have no categories", "category")
    several = isinstance(asked, list)
    categories = asked if isinstance(asked, list) else [asked]
    for place, category in enumerate(categories):
        if category not in known:
            raise Refusal(400, "no item is of this category", f"category[{place}]" if several else "category")
    return categories


def _told(loaded: Loaded, answer: Answer, more: list[dict[str, Any]]) -> dict[str, Any]:
    rows = zip(answer.items, answer.titles, answer.scores, more, strict=True)
    return {
        "model": loaded.name,
        "version": loaded.version,
        "items": [{"item": item, "title": title, "score": score, **further} for item, title, score, further in rows],
        "unknown": answer.unknown,
        "cold": answer.cold,
    }


def _similar(catalogue: Catalogue, request: SimilarRequest) -> dict[str, Any]:
    numbers = catalogue.numbers(request.items)
    known = [item for item, number in zip(request.items, numbers, strict=True) if number]
    top = catalogue.similar(numbers[numbers > 0], request.k)
    found = zip(known, catalogue.ids[top.rows], catalogue.titles[top.rows], top.scores, top.left, strict=True)
    answers = [
        {
            "item": item,
            "similar": [
                {"item": like, "title": title, "score": float(score)}
                for like, title, score in zip(ids[:n], titles[:n], scores[:n], strict=True)
            ],
        }
        for item, ids, titles, scores, n in found
    ]
    return {"answers": answers, "unknown": [i for i, number in zip(request.items, numbers, strict=True) if not number]}
