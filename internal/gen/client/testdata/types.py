"""Checked by mypy --strict, never run."""

from typing import Optional

import press


def story(api: press.Client) -> Optional[str]:
    made = api.articles.create({"slug": "a", "title": "A", "note": None})
    record: press.Article = made.value
    views: int = record["views"]
    for one in api.articles.iterate({"views": {"gte": 7}}, sort=["-views"]):
        views += one["views"]
    api.articles.patch(record["id"], {"views": views})
    page = api.articles.list({"title": "x"}, take=5)
    first: str = page.data[0]["title"]
    try:
        out = api.publish(record["id"], {"by": "me"}, tag=["x"])
    except press.NotFoundError as e:
        return e.code + first
    return out.value["editor"] or record["note"]
