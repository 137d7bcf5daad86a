"""The story of TestClientsAgainstServer."""

import datetime
import os

import press
from press import Problem, Unanswered

checks = 0


def same(what, got, want):
    global checks
    checks += 1
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def fails(what, call, kind, test=lambda e: True):
    global checks
    checks += 1
    try:
        got = call()
    except kind as e:
        if not test(e):
            raise AssertionError(what) from e
        return e
    raise AssertionError(f"{what}: no error, but {got!r}")


def fault(kind):
    return {"headers": {"X-Fault": kind}}


api = press.Client(os.environ["PRESS"], backoff=(0.01, 1))
NOWHERE = "0192f0c1-7c2e-7d3a-9b1e-0242ac120002"

# records
made = api.articles.create({"slug": "first", "title": "First", "views": 7, "tags": ["a"], "meta": {"k": "v"}, "lines": [{"text": "x", "count": 2}]})
same("create", (made.status, made.value["title"], made.value["note"], made.value["lines"][0]["count"], made.replayed), (201, "First", None, 2, False))
same("get", api.articles.get(made.value["id"]).value, made.value)
same("unchanged", api.articles.get_if_changed(made.value["id"], made.etag), None)
patched = api.articles.patch(made.value["id"], {"note": "n", "from": "here"}, if_match=made.etag)
same("patch", (patched.value["note"], patched.value["from"], patched.value["views"]), ("n", "here", 7))
late = fails("stale", lambda: api.articles.patch(made.value["id"], {"note": None}, if_match=made.etag), press.PreconditionFailedError)
same("present version", late.etag, patched.etag)
same("changed", api.articles.get_if_changed(made.value["id"], made.etag).value["note"], "n")
same("null", api.articles.patch(made.value["id"], {"note": None}, if_match=late.etag).value["note"], None)
same("past", api.articles.get(made.value["id"], at=made.index).value, made.value)
same("put", api.articles.put(made.value["id"], {"slug": "first", "title": "Put"}).value["views"], 0)
same("history", [v.kind for v in api.articles.history(made.value["id"], take=3).data], ["updated", "updated", "updated"])
at = press.to_datetime(made.value["created_at"])
same("time", abs(datetime.datetime.now(datetime.timezone.utc) - at) < datetime.timedelta(minutes=5), True)
same("time again", press.to_datetime(press.from_datetime(at)), at)

# what is refused
fails("invalid", lambda: api.articles.create({"slug": "x", "title": ""}), press.ValidationFailedError, lambda e: e.status == 422 and e.errors[0]["pointer"] == "/title" and "title" in e.details)
fails("not unique", lambda: api.articles.create({"slug": "first", "title": "x"}), press.NotUniqueError, lambda e: e.status == 409)
fails("not found", lambda: api.articles.get(NOWHERE), press.NotFoundError)
fails("html", lambda: api.articles.count(**fault("html")), Problem, lambda e: e.status == 403 and "<html>" in e.detail)

# keys and large integers
for path in ["a/b", "ü ?#%&", "..x"]:
    same("put new", api.all_pages.put_new(path, {"path": path, "hits": 1}).status, 201)
    same("get by key", api.all_pages.get(path).value["path"], path)
fails("put new again", lambda: api.all_pages.put_new("a/b", {"path": "a/b"}), press.PreconditionFailedError)
same("largest safe", api.all_pages.patch("a/b", {"hits": 9007199254740991}).value["hits"], 9007199254740991)
api.hit({"path": "a/b"})
same("not safe elsewhere", api.hit({"path": "a/b"}).value["hits"], 9007199254740993)
same("delete", api.all_pages.delete("a/b").status, 204)

# lists
texts = ["null", "=x", ">y", "!z", "~t", 'a,b"c)', "back\\slash", "in(a)", "Plain", "über"]
for i in range(40):
    title = texts[i % len(texts)]
    api.articles.create({"slug": f"s{i:02}", "title": title, "views": i * 7 % 10, "rating": i / 8, "live": i % 3 == 0, "note": None if i % 4 == 0 else title})
every = list(api.articles.iterate(take=7))
same("iterate", (len(every), len({a["id"] for a in every})), (41, 41))
same("count", api.articles.count(), 41)


def found(where=None, **more):
    return [a["slug"] for a in api.articles.list(where, take=1000, sort=["slug"], **more).data]


def local(test):
    return sorted(a["slug"] for a in every if test(a))


for x in texts:
    same("is " + x, found({"title": x}), local(lambda a: a["title"] == x))
    same("ne " + x, found({"title": {"ne": x}}), local(lambda a: a["title"] != x))
    same("gt " + x, found({"title": {"gt": x}}), local(lambda a: a["title"] > x))
    same("lte " + x, found({"title": {"lte": x}}), local(lambda a: a["title"] <= x))
    same("optional is " + x, found({"note": x}), local(lambda a: a["note"] == x))
    same("optional gte " + x, found({"note": {"gte": x}}), local(lambda a: a["note"] is not None and a["note"] >= x))
    same("contains " + x, found({"title": {"contains": x}}), local(lambda a: x.lower() in a["title"].lower()))
same("in", found({"title": {"in_": texts[2:7]}}), local(lambda a: a["title"] in texts[2:7]))
same("null", found({"note": None}), local(lambda a: a["note"] is None))
same("not null", found({"note": {"ne": None}}), local(lambda a: a["note"] is not None))
same("null in", found({"note": {"in_": [None, "null"]}}), local(lambda a: a["note"] in (None, "null")))
same("range", found({"views": {"gte": 3, "lt": 7}, "live": True}), local(lambda a: 3 <= a["views"] < 7 and a["live"]))
same("any of", found(any_of={"title": 'a,b"c)', "views": {"gt": 8}, "live": False}), local(lambda a: a["title"] == 'a,b"c)' or a["views"] > 8 or not a["live"]))
in_order = [a["slug"] for a in api.articles.iterate(sort=["-views", "slug"], take=6)]
same("sorted", in_order, [a["slug"] for a in sorted(every, key=lambda a: (-a["views"], a["slug"]))])
page = api.articles.list(skip=10, take=5)
same("page", (len(page.data), page.total, page.skip, page.take, page.has_more), (5, 41, 10, 5, True))
fails("unknown sort", lambda: api.articles.list(sort=["nothing"]), press.BadQueryError)

# retries
lost = api.articles.create({"slug": "lost", "title": "Lost"}, **fault("lose pass"))
same("lost", (lost.replayed, lost.value["slug"], api.articles.count({"slug": "lost"})), (True, "lost", 1))
once = api.articles.create({"slug": "once", "title": "Once"}, idempotency_key="my-key")
twice = api.articles.create({"slug": "once", "title": "Once"}, idempotency_key="my-key")
same("same key", (twice.value["id"], twice.replayed), (once.value["id"], True))
fails("key reused", lambda: api.articles.create({"slug": "other", "title": "Other"}, idempotency_key="my-key"), press.IdempotencyKeyReusedError)
same("busy", api.articles.create({"slug": "busy", "title": "Busy"}, **fault("busy pass")).value["slug"], "busy")
same("lost read", api.articles.list({"slug": "busy"}, **fault("lose pass")).total, 1)
fails("not repeatable", lambda: api.ring(**fault("lose")), Unanswered, lambda e: e.kind == "network")
outcomes = [
    ("a", "busy", 0, "none", 0),
    ("b", "busy", 1, "none", 0),
    ("c", "limit busy", 1, "none", 0),
    ("d", "lose busy", 1, "unknown", 1),
    ("e", "lose busy", 3, "unknown", 1),
    ("f", "gateway busy", 1, "unknown", 1),
    ("g", "busy lose limit busy", 3, "unknown", 1),
    ("h", "lose busy", 0, "unknown", 1),  # the client sends once more where a connection that was idle ends
    ("i", "lose limit busy", 1, "unknown", 1),
]
for name, kind, retries, outcome, there in outcomes:
    slug = "doubt-" + name
    with press.Client(os.environ["PRESS"], backoff=(0.01, 1)) as new:
        if name in "hi":
            new.articles.count()
        fails(slug, lambda: new.articles.create({"slug": slug, "title": "In doubt"}, retries=retries, **fault(kind)), Problem, lambda e: (e.status, e.outcome) == (503, outcome))
    same(slug + " is there", api.articles.count({"slug": slug}), there)
fails("a read", lambda: api.articles.count({"slug": "read"}, retries=1, **fault("lose busy")), Problem, lambda e: e.outcome == "none")
fails("timeout", lambda: api.articles.count(timeout=0.05, retries=1, **fault("hang")), Unanswered, lambda e: e.kind == "timeout")
with press.Client([os.environ["DEAD"], os.environ["PRESS"]], read_your_writes=True, backoff=(0.01, 1), headers=lambda: {"X-Who": "me"}) as two:
    there = two.articles.create({"slug": "there", "title": "There"})
    same("second node", (there.status, two.transport.index), (201, there.index))
    same("read your writes", two.articles.get(there.value["id"]).value["slug"], "there")
    same("linearizable", two.articles.get(there.value["id"], level="linearizable").value["slug"], "there")

# together
results = api.articles.bulk(
    [
        {"op": "create", "data": {"slug": "b1", "title": "B1"}},
        {"op": "patch", "id": once.value["id"], "data": {"views": 99}},
        {"op": "check", "id": once.value["id"], "expect": "exists"},
    ]
)
same("bulk", ([r["status"] for r in results.value], results.value[1]["data"]["views"]), ([201, 200, 200], 99))
fails("all or nothing", lambda: api.transaction([{"model": "Article", "op": "create", "data": {"slug": "b2", "title": "B2"}}, {"model": "Page", "op": "delete", "id": "nowhere"}]), press.NotFoundError)
same("nothing", api.articles.count({"slug": "b2"}), 0)
done = api.transaction([{"model": "Article", "op": "delete", "id": lost.value["id"]}, {"model": "Page", "op": "create", "data": {"path": "p"}}])
same("transaction", [r["status"] for r in done.value], [204, 201])

# operations
published = api.publish(made.value["id"], {"by": "me"}, tag=["x", "y z"], x_editor="ed")
same("operation", (published.status, published.value["editor"], published.value["article"]["tags"], published.value["article"]["live"]), (201, "ed", ["x", "y z"], True))
fails("its error", lambda: api.publish(made.value["id"], {"by": "nobody"}), Problem, lambda e: e.status == 423 and e.detail == "there is an embargo")
fails("its rules", lambda: api.publish(made.value["id"], {"by": ""}), press.ValidationFailedError)
same("a view", api.titles(least=99).value, ["Once"])
api.close()
print("checks", checks)
