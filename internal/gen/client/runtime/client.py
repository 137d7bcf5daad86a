ID = str  # such as 0192f0c1-7c2e-7d3a-9b1e-0242ac120002
Timestamp = str  # as in RFC 3339, with up to nine digits behind the second, which a datetime would round
Base64 = str  # bytes as text (RFC 4648 section 4)

T = TypeVar("T")
K = TypeVar("K")
I = TypeVar("I")
P = TypeVar("P")
W = TypeVar("W")


def to_datetime(text: Timestamp) -> datetime.datetime:
    """Reads a timestamp. What is beyond microseconds is cut off."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", text)
    if match is None:
        raise ValueError(f"{text!r} is no timestamp")
    day, clock, fraction, zone = match.groups()
    micros = ((fraction or "") + "000000")[:6]
    return datetime.datetime.fromisoformat(f"{day}T{clock}.{micros}{'+00:00' if zone in 'Zz' else zone}")


def from_datetime(value: datetime.datetime) -> Timestamp:
    """Writes a time, which must know its time zone."""
    if value.tzinfo is None:
        raise ValueError("the datetime has no time zone")
    return value.isoformat().replace("+00:00", "Z")


class FieldError(TypedDict):
    """What is wrong with one value that was sent: a JSON Pointer, the rule, words for people."""

    pointer: str
    code: str
    message: str


class Failure(Exception):
    """What a call can fail with: a Problem, or an Unanswered. Other errors are mistakes of the caller."""


class Problem(Failure):
    """The server refused, and says why (RFC 9457). There is a class for each code: except NotFound."""

    status: int
    code: str  # one of the registry, or the application's own
    title: str
    detail: str
    request_id: str
    errors: List[FieldError]
    details: Dict[str, str]  # messages by field, for forms
    oldest_index: Optional[int]  # with 410: the oldest index that can be read
    outcome: Optional[str]  # with 503: "none" when no attempt of the call carried anything out, "unknown" when nobody knows
    etag: Optional[str]  # with 412: the version there is
    retry_after: float  # seconds to wait before another attempt

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        super().__init__(body.get("detail") or body.get("title") or f"the server answered {status}")
        self.status = status
        self.code = str(body.get("code", ""))
        self.title = str(body.get("title", ""))
        self.detail = str(body.get("detail", ""))
        self.request_id = str(body.get("request_id") or headers.get("x-request-id", ""))
        self.errors = body.get("errors") or []
        self.details = body.get("details") or {}
        self.oldest_index = body.get("oldest_index")
        outcome = headers.get("lithair-outcome")
        self.outcome = outcome if outcome in ("none", "unknown") else None
        self.etag = headers.get("etag")
        after = headers.get("retry-after", "")
        self.retry_after = float(after) if after.isdigit() else 0.0


class Unanswered(Failure):
    """There was no answer, or none that can be read: a write may have been carried out.

    kind is "network", "timeout" or "protocol".
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclasses.dataclass(frozen=True)
class Answer(Generic[T]):
    """What was answered."""

    value: T
    status: int
    etag: Optional[str]  # the version of the record, for if_match
    index: Optional[int]  # of the state that was read or written, for min_index and at
    replayed: bool  # the answer is that of an earlier call with the same idempotency key


@dataclasses.dataclass(frozen=True)
class Page(Generic[T]):
    """A page of records."""

    data: List[T]
    total: int
    skip: int
    take: int
    has_more: bool
    index: Optional[int]  # of the state that was read


@dataclasses.dataclass(frozen=True)
class Version(Generic[T]):
    """A version of a record, and who made it; record is None where it was deleted."""

    index: int
    time: Timestamp
    kind: str
    record: Optional[T]
    actor: str = ""
    command: str = ""
    request_id: str = ""
    changed: Sequence[str] = ()
    events: Sequence[Mapping[str, Any]] = ()  # name and payload of what the application calls it, where it does


@dataclasses.dataclass(frozen=True)
class History(Generic[T]):
    """Versions, newest first; complete is false when the log before is gone."""

    data: List[Version[T]]
    has_more: bool
    complete: bool


class Result(TypedDict, total=False):
    """What became of one change among others."""

    status: int
    id: str
    etag: str
    data: Any


class CallOptions(TypedDict, total=False):
    """timeout: seconds of one attempt; deadline: of all; retries: attempts after the first."""

    timeout: float
    deadline: float
    retries: int
    headers: Mapping[str, str]


class WriteOptions(CallOptions, total=False):
    """idempotency_key: 1 to 255 visible ASCII characters; a call with the same key gets the first
    answer; default: one of its own. if_match: only this version, as etag of an answer says."""

    idempotency_key: str
    if_match: str


class ReadOptions(CallOptions, total=False):
    """level: none, weak, linearizable or strong. min_index: wait for this index. freshness: how old the
    state may be, such as "1s". at: the state at this index or time."""

    level: str
    min_index: int
    freshness: str
    at: Union[int, Timestamp]


_OPERATORS = {"eq": "=", "ne": "!", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "contains": "~"}
_Pairs = List[Tuple[str, str]]


def _text(v: Any) -> str:
    if v is None:
        return "null"
    if isinstance(v, bool):
        return "true" if v else "false"
    return str(v)


def _quoted(v: Any) -> str:
    if isinstance(v, str):
        return '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return _text(v)


def _condition(name: str, op: str, v: Any, listed: bool) -> Tuple[str, str]:
    if listed:
        return name, ("" if op == "=" else op) + _quoted(v)
    if isinstance(v, str) and op not in "=~" and (v == "null" or v.startswith("=") and not op.endswith("=")):
        return "or", f"({name}={op}{_quoted(v)})"  # as it stands it would mean something else
    return name, ("" if op == "=" and not isinstance(v, str) else op) + _text(v)


def _conditions(where: Mapping[str, Any], listed: bool) -> _Pairs:
    """The conditions as pairs of a query; listed is how they stand in or=(...)."""
    pairs: _Pairs = []
    for name, condition in where.items():
        if not isinstance(condition, Mapping):
            pairs.append(_condition(name, "=", condition, listed))
            continue
        for op, v in condition.items():
            if op == "in_":
                pairs.append((name, "in(" + ",".join(map(_quoted, v)) + ")"))
            elif op in _OPERATORS:
                pairs.append(_condition(name, _OPERATORS[op], v, listed))
            else:
                raise TypeError(f"{name}: {op} is no comparison")
    return pairs


def _query(where: Any, any_of: Any, sort: Sequence[str], skip: Optional[int], take: Optional[int]) -> _Pairs:
    pairs = _conditions(where or {}, False)
    either = _conditions(any_of or {}, True)
    if either:
        pairs.append(("or", "(" + ",".join(f"{n}={v}" for n, v in either) + ")"))
    if sort:
        pairs.append(("sort", ",".join(sort)))
    if skip is not None:
        pairs.append(("skip", str(skip)))
    if take is not None:
        pairs.append(("take", str(take)))
    return pairs


def _pairs(given: Mapping[str, Any]) -> _Pairs:
    """Input that is not in the body: lists several times, and nothing of what is not there."""
    pairs: _Pairs = []
    for name, v in given.items():
        if isinstance(v, (list, tuple)):
            pairs.extend((name, _text(one)) for one in v)
        elif v is not None:
            pairs.append((name, _text(v)))
    return pairs


@dataclasses.dataclass
class _Call:
    """One request, with all its attempts."""

    method: str
    target: str
    payload: Optional[bytes]
    headers: Mapping[str, str]
    repeatable: bool  # it can be sent again whatever became of it
    doubt: bool = False  # whether a sending carried the write out is not known


class _Base:
    """One base URL, and its connections that are idle."""

    def __init__(self, url: str, context: Optional[ssl.SSLContext]) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"base_url: {url!r} is no http or https URL")
        self.url = url
        self.path = parts.path.rstrip("/")
        self.host, self.port, self.tls = parts.hostname, parts.port, parts.scheme == "https"
        self.context = context
        self.idle: List[http.client.HTTPConnection] = []

    def connect(self, timeout: float) -> http.client.HTTPConnection:
        if self.tls:
            return http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=self.context)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)


class Transport:
    """What sends requests: deadlines, attempts, errors. Safe for concurrent use.

    base_url: where the application answers; several are nodes of one cluster.
    headers: of all requests, such as Authorization; a function is asked before each attempt.
    timeout: seconds that an attempt waits for the network; deadline: of a call with all its attempts.
    retries: attempts after the first. backoff: seconds of the first wait between them, at most, and of any.
    read_your_writes: reads see at least what this client has written and read before, on any node.
    """

    def __init__(
        self,
        base_url: Union[str, Sequence[str]],
        *,
        headers: Union[Mapping[str, str], Callable[[], Mapping[str, str]], None] = None,
        timeout: float = 10.0,
        deadline: float = 60.0,
        retries: int = 4,
        backoff: Tuple[float, float] = (0.1, 5.0),
        read_your_writes: bool = False,
        max_answer_bytes: int = 64 << 20,
        ssl_context: Optional[ssl.SSLContext] = None,
    ) -> None:
        urls = [base_url] if isinstance(base_url, str) else list(base_url)
        if not urls:
            raise ValueError("base_url: there is none")
        self.index = 0  # the newest that was seen; with read_your_writes, reads ask for it
        self._bases = [_Base(u, ssl_context) for u in urls]
        self._current = 0
        self._headers, self._timeout, self._deadline, self._retries = headers, timeout, deadline, retries
        self._backoff, self._reads_writes, self._most = backoff, read_your_writes, max_answer_bytes
        self._lock = threading.Lock()

    def close(self) -> None:
        """Closes the connections that are idle."""
        with self._lock:
            idle = [c for b in self._bases for c in b.idle]
            for b in self._bases:
                b.idle = []
        for c in idle:
            c.close()

    def read(self, path: str, query: _Pairs, options: Any, headers: Optional[Mapping[str, str]] = None) -> Answer[Any]:
        """A read; its query gets what the options say of the state."""
        pairs = list(query)
        least = options.get("min_index") or 0
        if self._reads_writes and "at" not in options:
            least = max(least, self.index)
        if least:
            pairs.append(("min_index", str(least)))
        pairs.extend((name, str(options[name])) for name in ("level", "freshness", "at") if options.get(name) is not None)
        return self._send("GET", path, pairs, None, dict(headers or {}), True, options)

    def write(
        self,
        method: str,
        path: str,
        body: Any,
        options: Any,
        *,
        query: Optional[_Pairs] = None,
        headers: Optional[Mapping[str, str]] = None,
        keyed: bool = True,
    ) -> Answer[Any]:
        """A write, with a key by which it is known when it comes again; keyed is false where the server takes none."""
        fields = dict(headers or {})
        if keyed:
            fields["Idempotency-Key"] = options.get("idempotency_key") or str(uuid.uuid4())
        if options.get("if_match") is not None:
            fields["If-Match"] = options["if_match"]
        return self._send(method, path, query or [], body, fields, keyed, options)

    def _send(self, method: str, path: str, query: _Pairs, body: Any, headers: Dict[str, str], repeatable: bool, options: Any) -> Answer[Any]:
        payload = None
        if body is not None:
            payload = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
            headers.setdefault("Content-Type", "application/json")
        headers.update(options.get("headers") or {})
        end = time.monotonic() + options.get("deadline", self._deadline)
        timeout, retries = options.get("timeout", self._timeout), options.get("retries", self._retries)
        first, most = self._backoff
        target = path + ("?" + urllib.parse.urlencode(query) if query else "")
        call = _Call(method, target, payload, headers, repeatable)
        for attempt in itertools.count():
            current = self._current
            try:
                left = max(0.001, min(timeout, end - time.monotonic()))
                return self._attempt(self._bases[current], call, left)
            except Failure as failure:
                last = attempt >= retries or not _may_repeat(failure, repeatable)
                if not _nothing_done(failure):
                    call.doubt = True
                elif call.doubt and method != "GET" and isinstance(failure, Problem) and failure.outcome == "none":
                    failure.outcome = "unknown"  # none is of one attempt
                if last:
                    raise
                if self._current == current:
                    self._current = (current + 1) % len(self._bases)
                wait = random.random() * min(most, first * 2**attempt)
                if isinstance(failure, Problem):
                    wait = max(wait, failure.retry_after)
                if time.monotonic() + wait >= end:
                    raise
                time.sleep(wait)
        raise AssertionError("unreachable")

    def _attempt(self, base: _Base, call: _Call, timeout: float) -> Answer[Any]:
        common = self._headers() if callable(self._headers) else self._headers
        fields = {"Accept": "application/json", **(common or {}), **call.headers}
        connection: Optional[http.client.HTTPConnection] = None
        if call.repeatable:  # what is idle may have been closed, so that nobody knows whether the request came there
            with self._lock:
                connection = base.idle.pop() if base.idle else None
        fresh = connection is None
        try:
            if connection is None:
                connection = base.connect(timeout)
            connection.timeout = timeout
            if connection.sock is not None:
                connection.sock.settimeout(timeout)
            try:
                connection.request(call.method, base.path + call.target, call.payload, fields)
                response = connection.getresponse()
            except (http.client.RemoteDisconnected, ConnectionError):
                if fresh:
                    raise
                call.doubt = True
                connection.close()
                connection = base.connect(timeout)
                connection.request(call.method, base.path + call.target, call.payload, fields)
                response = connection.getresponse()
            body = bytearray()
            while part := response.read(1 << 16):
                body += part
                if len(body) > self._most:
                    raise Unanswered("protocol", f"the answer has more than {self._most} bytes")
            if response.isclosed() and connection.sock is not None:
                with self._lock:
                    base.idle.append(connection)
                connection = None
        except socket.timeout as e:
            raise Unanswered("timeout", f"{base.url}: no answer within {timeout:.3f} s") from e
        except http.client.HTTPException as e:
            raise Unanswered("network", f"{base.url}: {e!r}") from e
        except OSError as e:
            raise Unanswered("network", f"{base.url}: {e}") from e
        finally:
            if connection is not None:
                connection.close()
        return self._answer(response.status, {k.lower(): v for k, v in response.getheaders()}, bytes(body))

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer[Any]:
        index = int(headers.get("lithair-index", "0"))
        with self._lock:
            self.index = max(self.index, index)
        good = 200 <= status < 300 or status == 304
        try:
            value = json.loads(body) if body else None
        except ValueError as e:
            if good:
                raise Unanswered("protocol", f"the answer is not as it should be: {e}") from e
            value = {"detail": body[:200].decode("utf-8", "replace")}
        if not good:
            problem = value if isinstance(value, dict) else {}
            raise _PROBLEMS.get(problem.get("code", ""), Problem)(status, problem, headers)
        return Answer(value, status, headers.get("etag"), index or None, headers.get("idempotency-replayed") == "true")


def _nothing_done(failure: Failure) -> bool:
    """The attempt that failed carried nothing out, as the server says; of those before it that says nothing."""
    return isinstance(failure, Problem) and (failure.status == 429 or failure.outcome == "none")


def _may_repeat(failure: Failure, repeatable: bool) -> bool:
    if isinstance(failure, Unanswered):
        return repeatable and failure.kind in ("network", "timeout")
    if not isinstance(failure, Problem):
        return False
    if _nothing_done(failure):
        return True
    return repeatable and (failure.status in (502, 503, 504) or failure.code == "LTH1018")


class Collection(Generic[T, K, I, P, W]):
    """The records of a model. Options are keywords: those of WriteOptions and ReadOptions.

    where: conditions that all hold: {"views": {"gt": 10}, "kind": {"in_": ["a", "b"]}, "title": "x", "note": None};
    comparisons are eq, ne, gt, gte, lt, lte, in_ and, of text, contains. any_of: one of these holds.
    sort: names of fields in order, with - in front downwards; by key where there are none.
    """

    def __init__(self, transport: Transport, name: str, path: str, key: str, past: bool) -> None:
        self._t, self._name, self._path, self._key, self._past = transport, name, path, key, past

    def _at(self, id: K, more: str = "") -> str:
        text = _text(id)
        if not text:
            raise ValueError("an id is empty")
        return self._path + "/" + urllib.parse.quote(text, safe="") + more

    def list(self, where: Optional[W] = None, *, any_of: Optional[W] = None, sort: Sequence[str] = (), skip: Optional[int] = None, take: Optional[int] = None, **options: Any) -> Page[T]:
        """A page of records; at most 1000, 50 by default."""
        a = self._t.read(self._path, _query(where, any_of, sort, skip, take), options)
        v = a.value
        return Page(v["data"], v["total"], v["skip"], v["take"], v["has_more"], a.index)

    def iterate(self, where: Optional[W] = None, *, any_of: Optional[W] = None, sort: Sequence[str] = (), take: int = 200, **options: Any) -> Iterator[T]:
        """All records, a page of take at a time: behind the last key, or, where sort is given, of the
        state that the first page is of."""
        if sort:
            yield from self._sorted(where, any_of, sort, take, options)
            return
        last: Any = None
        while True:
            pairs = _query(where, any_of, (), None, take if last is None else take + 1)
            if last is not None:
                pairs.append((self._key, ">=" + _text(last)))
            page = self._t.read(self._path, pairs, options).value
            for record in page["data"]:
                if record[self._key] == last:
                    continue
                yield record
                last = record[self._key]
            if not page["has_more"] or not page["data"]:
                return

    def _sorted(self, where: Optional[W], any_of: Optional[W], sort: Sequence[str], take: int, options: Dict[str, Any]) -> Iterator[T]:
        skip, pinned = 0, options
        while True:
            page = self.list(where, any_of=any_of, sort=sort, skip=skip, take=take, **pinned)
            yield from page.data
            if not page.has_more:
                return
            skip += len(page.data)
            if self._past and "at" not in options and page.index is not None:
                pinned = {k: v for k, v in options.items() if k not in ("level", "freshness", "min_index")}
                pinned["at"] = page.index

    def count(self, where: Optional[W] = None, *, any_of: Optional[W] = None, **options: Any) -> int:
        """How many there are."""
        n: int = self._t.read(self._path + "/count", _query(where, any_of, (), None, None), options).value["count"]
        return n

    def get(self, id: K, **options: Any) -> Answer[T]:
        return self._t.read(self._at(id), [], options)

    def get_if_changed(self, id: K, etag: str, **options: Any) -> Optional[Answer[T]]:
        """The record, or None while it is still that version."""
        a = self._t.read(self._at(id), [], options, {"If-None-Match": etag})
        return None if a.status == 304 else a

    def create(self, record: I, **options: Any) -> Answer[T]:
        return self._t.write("POST", self._path, record, options)

    def put(self, id: K, record: I, **options: Any) -> Answer[T]:
        """Replaces a record; what is left out becomes zero."""
        return self._t.write("PUT", self._at(id), record, options)

    def put_new(self, id: K, record: I, **options: Any) -> Answer[T]:
        """Creates a record under an id, and fails with 412 where there is one."""
        return self._t.write("PUT", self._at(id), record, options, headers={"If-None-Match": "*"})

    def patch(self, id: K, changes: P, **options: Any) -> Answer[T]:
        """Changes the members that are given (RFC 7396): None is none."""
        return self._t.write("PATCH", self._at(id), changes, options, headers={"Content-Type": "application/merge-patch+json"})

    def delete(self, id: K, **options: Any) -> Answer[None]:
        return self._t.write("DELETE", self._at(id), None, options)

    def bulk(self, operations: Sequence[Mapping[str, Any]], **options: Any) -> Answer[List[Result]]:
        """Carries out many changes, all or none: {"op": "create", "data": ...}, {"op": "patch", "id": ...,
        "data": ...}; op is create, put, patch, delete or check, with if_match and, for check, expect."""
        return _results(self._t.write("POST", "/api/_tx", [{"model": self._name, **o} for o in operations], options))

    def history(self, id: K, *, take: Optional[int] = None, before: Optional[int] = None, **options: Any) -> History[T]:
        """The versions of a record, newest first."""
        v = self._t._send("GET", self._at(id, "/history"), _pairs({"take": take, "before": before}), None, {}, True, options).value
        names = {f.name for f in dataclasses.fields(Version)}
        return History([Version(**{k: x for k, x in one.items() if k in names}) for one in v["data"]], v["has_more"], v["complete"])


def _results(a: Answer[Any]) -> Answer[List[Result]]:
    return dataclasses.replace(a, value=a.value["results"])
