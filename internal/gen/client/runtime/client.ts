«/** A whole number of up to 64 bits. One that a number cannot hold makes a call fail with kind "protocol". */
export type Int64 = number;
/** Text such as 0192f0c1-7c2e-7d3a-9b1e-0242ac120002. */
export type ID = string;
/** Text as in RFC 3339, with up to nine digits behind the second, which a Date would round. */
export type Timestamp = string;
/** Bytes as text (RFC 4648 §4). */
export type Base64 = string;
/** How sure a read is to be of the newest state. */
export type Level = "none" | "weak" | "linearizable" | "strong";
type Pair = [string, string];
type Scalar = string | number | boolean;

/** What is wrong with one value that was sent. */
export interface FieldError {
  /** JSON Pointer into the body. */
  pointer: string;
  /** The rule that is broken. */
  code: string;
  /** For people. */
  message: string;
}
»
/** The server refused, and says why (RFC 9457). Tell kinds apart by code: switch (problem.code) { case Code.NotFound: ... }. */
export class Problem extends Error {
  «readonly »kind = "problem"« as const»;
«  readonly status: number;
  /** One of Code, or a code of the application's own. */
  readonly code: Code | (string & {});
  readonly title: string;
  readonly detail: string;
  readonly requestId: string;
  /** What is wrong with single values. */
  readonly errors: readonly FieldError[];
  /** Messages by field, for forms. */
  readonly details: Readonly<Record<string, string>>;
  /** With 410: the oldest index that can be read. */
  readonly oldestIndex: number | undefined;
  /** With 503: "none" when no attempt of the call carried anything out, "unknown" when nobody knows. */
  readonly outcome: "none" | "unknown" | undefined;
  /** With 412: the version there is. */
  readonly etag: string | undefined;
  /** Milliseconds to wait before another attempt. */
  readonly retryAfter: number | undefined;
»
  constructor(status«: number», body«: any», headers«: Headers») {
    super(String(body.detail ?? body.title ?? `the server answered ${status}`));
    this.name = "Problem";
    this.status = status;
    this.code = String(body.code ?? "");
    this.title = String(body.title ?? "");
    this.detail = String(body.detail ?? "");
    this.requestId = String(body.request_id ?? headers.get("X-Request-Id") ?? "");
    this.errors = Array.isArray(body.errors) ? body.errors : [];
    this.details = body.details ?? {};
    this.oldestIndex = body.oldest_index;
    const outcome = headers.get("Lithair-Outcome");
    this.outcome = outcome === "none" || outcome === "unknown" ? outcome : undefined;
    this.etag = headers.get("ETag") ?? undefined;
    const seconds = Number(headers.get("Retry-After") ?? NaN);
    this.retryAfter = seconds >= 0 ? seconds * 1000 : undefined;
  }
}

/** There was no answer, or none that can be read: a write may have been carried out. */
export class Unanswered extends Error {
«  readonly kind: "network" | "timeout" | "aborted" | "protocol";
»
  constructor(kind«: Unanswered["kind"]», message«: string», cause«?: unknown») {
    super(message, { cause });
    this.name = "Unanswered";
    this.kind = kind;
  }
}

«/** What a call can fail with; tell them apart by kind. Other errors are mistakes of the caller. */
export type Failure = Problem | Unanswered;

export interface Options {
  /** Where the application answers, such as https://example.org; several are nodes of one cluster. */
  baseURL: string | readonly string[];
  /** Header fields of all requests, such as Authorization; a function is asked before each attempt. */
  headers?: Record<string, string> | (() => Record<string, string> | Promise<Record<string, string>>);
  /** Milliseconds of one attempt; default 10000. */
  timeout?: number;
  /** Milliseconds of a call with all its attempts; default 60000. */
  deadline?: number;
  /** Attempts after the first; default 4. */
  retries?: number;
  /** Milliseconds of the first wait between attempts, at most, and of any; defaults 100 and 5000. */
  backoff?: { first?: number; most?: number };
  /** Reads see at least what this client has written and read before, on any node; default false. */
  readYourWrites?: boolean;
  /** Bytes of an answer, at most; default 64 MiB. */
  maxAnswerBytes?: number;
  fetch?: typeof fetch;
}

export interface CallOptions {
  signal?: AbortSignal;
  timeout?: number;
  deadline?: number;
  retries?: number;
  headers?: Record<string, string>;
}

export interface WriteOptions extends CallOptions {
  /** Of 1 to 255 visible ASCII characters; a call with the same key gets the first answer. Default: one of its own. */
  idempotencyKey?: string;
  /** Only this version, as etag of an answer says. */
  ifMatch?: string;
}

export interface ReadOptions extends CallOptions {
  level?: Level;
  /** Wait for this index. */
  minIndex?: number;
  /** How old the state may be, such as "1s". */
  freshness?: string;
  /** The state at this index or time. */
  at?: number | Timestamp;
}

/** What was answered. */
export interface Answer<T> {
  value: T;
  status: number;
  /** The version of the record, for ifMatch. */
  etag: string | undefined;
  /** The index of the state that was read or written, for minIndex and at. */
  index: number | undefined;
  /** The answer is that of an earlier call with the same idempotency key. */
  replayed: boolean;
}

export interface Page<T> {
  data: T[];
  total: number;
  skip: number;
  take: number;
  has_more: boolean;
  /** The index of the state that was read. */
  index: number | undefined;
}

/** A value, null for none, or comparisons that must all hold. */
export type Condition<T> = T | null | { eq?: T | null; ne?: T | null; gt?: T; gte?: T; lt?: T; lte?: T; in?: readonly (T | null)[] };
/** The same for text, of which a part can be asked for. */
export type TextCondition = Condition<string> | { eq?: string | null; ne?: string | null; gt?: string; gte?: string; lt?: string; lte?: string; in?: readonly (string | null)[]; contains?: string };

export interface Query<W, S extends string> {
  /** All of these hold. */
  where?: W;
  /** One of these holds. */
  anyOf?: W;
  /** Fields, in order; - in front is downwards. Default: by key. */
  sort?: readonly (S | `-${S}`)[];
  skip?: number;
  /** Records of a page, at most 1000; default 50. */
  take?: number;
}

/** One change among others that are carried out together, or not at all. */
export type Change<K, I, P> =
  | { op: "create"; data: I }
  | { op: "put"; id: K; data: I; if_match?: string }
  | { op: "patch"; id: K; data: P; if_match?: string }
  | { op: "delete"; id: K; if_match?: string }
  | { op: "check"; id: K; if_match?: string; expect?: "exists" | "absent" };

export interface Result<T> {
  status: number;
  id: string;
  etag?: string;
  data?: T;
}

export interface Version<T> {
  index: number;
  time: Timestamp;
  actor?: string;
  command?: string;
  request_id?: string;
  kind: string;
  changed?: string[];
  /** What the application calls it, where it does. */
  events?: { name: string; payload: unknown }[];
  record: T | null;
}

export interface History<T> {
  data: Version<T>[];
  has_more: boolean;
  /** false when the log before is gone. */
  complete: boolean;
}

interface Request {
  method: string;
  path: string;
  query?: Pair[];
  headers?: Record<string, string>;
  body?: unknown;
  type?: string;
  /** It can be sent again whatever became of it. */
  repeatable: boolean;
  options: CallOptions;
}
»
const operators«: Record<string, string>» = { eq: "=", ne: "!", gt: ">", gte: ">=", lt: "<", lte: "<=", contains: "~" };

const quoted = (v«: Scalar | null») => (typeof v === "string" ? `"${v.replace(/[\\"]/g, "\\$&")}"` : String(v));

/** The conditions of an object as pairs of a query; listed is how they stand in or=(...). */
function conditions(where«: object», listed«: boolean»)«: Pair[]» {
  const pairs«: Pair[]» = [];
  const put = (name«: string», op«: string», v«: Scalar | null») => {
    if (typeof v === "object" && v !== null) throw new TypeError(`${name}: a value is text, a number, a boolean or null; a Date is sent as v.toISOString()`);
    if (listed) return pairs.push([name, (op === "=" ? "" : op) + quoted(v)]);
    if (typeof v === "string" && op !== "=" && op !== "~" && (v === "null" || (v.startsWith("=") && !op.endsWith("="))))
      return pairs.push(["or", `(${name}=${op}${quoted(v)})`]); // as it stands it would mean something else
    return pairs.push([name, (op === "=" && typeof v !== "string" ? "" : op) + String(v)]);
  };
  for (const [name, condition] of Object.entries(where)) {
    if (condition === undefined) continue;
    if (condition === null || typeof condition !== "object" || Object.keys(condition).length === 0) {
      put(name, "=", condition);
      continue;
    }
    for (const [op, v] of Object.entries(condition«  as Record<string, any>»)) {
      if (v === undefined) continue;
      if (op === "in") pairs.push([name, `in(${v.map(quoted).join(",")})`]);
      else if (op in operators) put(name, operators[op]«!», v);
      else throw new TypeError(`${name}: ${op} is no comparison`);
    }
  }
  return pairs;
}

function queryOf(q«: Query<object, string>»)«: Pair[]» {
  const pairs = conditions(q.where ?? {}, false);
  const any = conditions(q.anyOf ?? {}, true);
  if (any.length > 0) pairs.push(["or", `(${any.map(([n, v]) => `${n}=${v}`).join(",")})`]);
  if (q.sort?.length) pairs.push(["sort", q.sort.join(",")]);
  if (q.skip !== undefined) pairs.push(["skip", String(q.skip)]);
  if (q.take !== undefined) pairs.push(["take", String(q.take)]);
  return pairs;
}

/** Input that is not in the body, as pairs: lists several times, and nothing of what is not there. */
function pairs(input«: Record<string, Scalar | readonly Scalar[] | null | undefined>»)«: Pair[]» {
  return Object.entries(input).flatMap(([name, v]) => (v === undefined || v === null ? [] : [v].flat().map((one)«: Pair» => [name, String(one)])));
}

/** JSON, where a number that cannot be held as it stands is an error. */
function parse(text«: string»)«: any» {
  for (const [literal] of text.matchAll(/"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g)) {
    if (literal[0] !== '"' && String(Number(literal)) !== literal) throw new RangeError(`${literal} is no safe integer`);
  }
  return JSON.parse(text);
}

const newKey = () => globalThis.crypto?.randomUUID?.() ?? Array.from({ length: 4 }, () => Math.random().toString(36).slice(2)).join("");

function pause(ms«: number», signal«: AbortSignal | undefined»)«: Promise<void>» {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(new Unanswered("aborted", "the call was aborted", signal?.reason));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}

async function readText(res«: Response», most«: number»)«: Promise<string>» {
  if (!res.body) return "";
  const reader = res.body.getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  for (let n = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    n += value.length;
    if (n > most) {
      await reader.cancel();
      throw new RangeError(`the answer has more than ${most} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
}

/** What sends requests: deadlines, attempts, errors. Safe to share. */
export class Transport {
«  /** The newest index that was seen; with readYourWrites, reads ask for it. */
  index = 0;
  #bases: string[];
  #base = 0;
  #options: Options;
»«-  index = 0;
  #bases;
  #base = 0;
  #options;
»
  constructor(options«: Options») {
    this.#bases = [options.baseURL].flat().map((b) => b.replace(/\/+$/, ""));
    if (this.#bases.length === 0) throw new TypeError("baseURL: there is none");
    this.#options = options;
  }

  /** Sends a request until it is answered, or must not be sent again. */
  async send(r«: Request»)«: Promise<Answer<any>>» {
    const o = { timeout: 10000, deadline: 60000, retries: 4, ...this.#options, ...defined(r.options) };
    const { first = 100, most = 5000 } = this.#options.backoff ?? {};
    const end = Date.now() + o.deadline;
    let doubt = false; // whether an attempt carried the write out is not known
    for (let attempt = 0; ; attempt++) {
      const base = this.#base;
      try {
        return await this.#attempt(r, this.#bases[base]«!», Math.max(1, Math.min(o.timeout, end - Date.now())));
      } catch (failure) {
        const last = attempt >= o.retries || !mayRepeat(r, failure);
        if (!(failure instanceof Problem && nothingDone(failure))) doubt = r.method !== "GET";
        else if (doubt && failure.outcome === "none") Object.assign(failure, { outcome: "unknown" }); // none is of one attempt
        if (last) throw failure;
        if (this.#base === base) this.#base = (base + 1) % this.#bases.length;
        const jitter = Math.random() * Math.min(most, first * 2 ** attempt);
        const wait = Math.max(jitter, (failure instanceof Problem && failure.retryAfter) || 0);
        if (Date.now() + wait >= end) throw failure;
        await pause(wait, r.options.signal);
      }
    }
  }

  async #attempt(r«: Request», base«: string», timeout«: number»)«: Promise<Answer<any>>» {
    const extra = this.#options.headers;
    const headers = new Headers(typeof extra === "function" ? await extra() : extra);
    for (const [k, v] of Object.entries({ Accept: "application/json", ...r.headers, ...r.options.headers })) headers.set(k, v);
    if (r.body !== undefined) headers.set("Content-Type", r.type ?? "application/json");
    const query = r.query?.length ? "?" + new URLSearchParams(r.query) : "";
    const outer = r.options.signal;
    const abort = new AbortController();
    const pass = () => abort.abort(outer?.reason);
    if (outer?.aborted) pass();
    outer?.addEventListener("abort", pass, { once: true });
    const timer = setTimeout(() => abort.abort(), timeout);
    let res«: Response»;
    let text«: string»;
    try {
      const init«: RequestInit» = { method: r.method, headers, signal: abort.signal };
      if (r.body !== undefined) init.body = JSON.stringify(r.body);
      res = await (this.#options.fetch ?? fetch)(base + r.path + query, init);
      text = await readText(res, this.#options.maxAnswerBytes ?? 64 << 20);
    } catch (e) {
      if (outer?.aborted) throw new Unanswered("aborted", "the call was aborted", outer.reason);
      if (abort.signal.aborted) throw new Unanswered("timeout", `no answer within ${timeout} ms`, e);
      if (e instanceof RangeError) throw new Unanswered("protocol", e.message, e);
      throw new Unanswered("network", `${base}: ${e instanceof Error ? e.message : e}`, e);
    } finally {
      clearTimeout(timer);
      outer?.removeEventListener("abort", pass);
    }
    return this.#answer(res, text);
  }

  #answer(res«: Response», text«: string»)«: Answer<any>» {
    const index = Number(res.headers.get("Lithair-Index") ?? 0);
    if (index > this.index) this.index = index;
    let value«: any»;
    try {
      value = text === "" ? undefined : parse(text);
    } catch (e) {
      if (res.ok) throw new Unanswered("protocol", `the answer is not as it should be: ${e instanceof Error ? e.message : e}`, e);
      value = { detail: text.slice(0, 200) };
    }
    if (!res.ok && res.status !== 304) throw new Problem(res.status, typeof value === "object" && value !== null ? value : {}, res.headers);
    return {
      value,
      status: res.status,
      etag: res.headers.get("ETag") ?? undefined,
      index: index || undefined,
      replayed: res.headers.get("Idempotency-Replayed") === "true",
    };
  }

  /** A read; its query gets what the options say of the state. */
  read(path«: string», query«: Pair[]», options«: ReadOptions», headers«: Record<string, string>» = {})«: Promise<Answer<any>>» {
    const all = [...query];
    let least = options.minIndex;
    if (this.#options.readYourWrites && options.at === undefined) least = Math.max(this.index, least ?? 0);
    if (least) all.push(["min_index", String(least)]);
    for (const name of ["level", "freshness", "at"]« as const») {
      if (options[name] !== undefined) all.push([name, String(options[name])]);
    }
    return this.send({ method: "GET", path, query: all, headers, repeatable: true, options });
  }

  /** A write, with a key by which it is known when it comes again; keyed is false where the server takes none. */
  write(method«: string», path«: string», body«: unknown», options«: WriteOptions», more«: Partial<Request>» = {}, keyed = true)«: Promise<Answer<any>>» {
    const headers = { ...more.headers };
    if (keyed) headers["Idempotency-Key"] = options.idempotencyKey ?? newKey();
    if (options.ifMatch !== undefined) headers["If-Match"] = options.ifMatch;
    return this.send({ method, path, body, options, repeatable: keyed, ...more, headers });
  }
}

function defined(o«: CallOptions»)«: CallOptions» {
  return Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined));
}

/** The attempt that failed carried nothing out, as the server says; of those before it that says nothing. */
function nothingDone(failure«: Problem»)«: boolean» {
  return failure.status === 429 || failure.outcome === "none";
}

function mayRepeat(r«: Request», failure«: unknown»)«: boolean» {
  if (failure instanceof Unanswered) return r.repeatable && (failure.kind === "network" || failure.kind === "timeout");
  if (!(failure instanceof Problem)) return false;
  if (nothingDone(failure)) return true;
  return r.repeatable && ([502, 503, 504].includes(failure.status) || failure.code === "LTH1018");
}

/** The records of a model. */
export class Collection«<T, K extends string | number, I, P, W extends object, S extends string>» {
«  #t: Transport;
  #name: string;
  #path: string;
  #key: string;
  #past: boolean;
»«-  #t;
  #name;
  #path;
  #key;
  #past;
»
  constructor(transport«: Transport», name«: string», path«: string», key«: string», past«: boolean») {
    this.#t = transport;
    this.#name = name;
    this.#path = path;
    this.#key = key;
    this.#past = past;
  }

  #at(id«: K», more = "")«: string» {
    if (String(id) === "") throw new TypeError("an id is empty");
    return `${this.#path}/${encodeURIComponent(String(id))}${more}`;
  }

  /** A page of records. */
  async list(query«: Query<W, S>» = {}, options«: ReadOptions» = {})«: Promise<Page<T>>» {
    const a = await this.#t.read(this.#path, queryOf(query), options);
    return { ...a.value, index: a.index };
  }

  /** All records, a page of take at a time: behind the last key, or, where sort is given, of the state that the first page is of. */
  async *iterate(query«: Query<W, S>» = {}, options«: ReadOptions» = {})«: AsyncGenerator<T, void, undefined>» {
    const { take = 200, sort, skip = 0, ...chosen } = query;
    if (sort?.length || skip > 0) {
      let pinned = options;
      for (let from = skip; ; ) {
        const page = await this.list({ ...chosen, ...(sort ? { sort } : {}), skip: from, take }, pinned);
        yield* page.data;
        if (!page.has_more) return;
        from += page.data.length;
        if (this.#past && options.at === undefined && page.index !== undefined) {
          const { level, freshness, minIndex, ...rest } = options;
          pinned = { ...rest, at: page.index };
        }
      }
    }
    for (let last«: any»; ; ) {
      const pairs = queryOf({ ...chosen, take: last === undefined ? take : take + 1 });
      if (last !== undefined) pairs.push([this.#key, `>=${last}`]);
      const page = (await this.#t.read(this.#path, pairs, options)).value« as { data: T[]; has_more: boolean }»;
      for (const record of page.data) {
        const key = (record« as any»)[this.#key];
        if (key === last) continue;
        yield record;
        last = key;
      }
      if (!page.has_more || page.data.length === 0) return;
    }
  }

  /** How many there are. */
  async count(query«: Pick<Query<W, S>, "where" | "anyOf">» = {}, options«: ReadOptions» = {})«: Promise<number>» {
    return (await this.#t.read(`${this.#path}/count`, queryOf(query), options)).value.count;
  }

  get(id«: K», options«: ReadOptions» = {})«: Promise<Answer<T>>» {
    return this.#t.read(this.#at(id), [], options);
  }

  /** The record, or undefined while it is still that version. */
  async getIfChanged(id«: K», etag«: string», options«: ReadOptions» = {})«: Promise<Answer<T> | undefined>» {
    const a = await this.#t.read(this.#at(id), [], options, { "If-None-Match": etag });
    return a.status === 304 ? undefined : a;
  }

  create(record«: I», options«: WriteOptions» = {})«: Promise<Answer<T>>» {
    return this.#t.write("POST", this.#path, record, options);
  }

  /** Replaces a record; what is left out becomes zero. */
  put(id«: K», record«: I», options«: WriteOptions» = {})«: Promise<Answer<T>>» {
    return this.#t.write("PUT", this.#at(id), record, options);
  }

  /** Creates a record under an id, and fails with 412 where there is one. */
  putNew(id«: K», record«: I», options«: WriteOptions» = {})«: Promise<Answer<T>>» {
    return this.#t.write("PUT", this.#at(id), record, options, { headers: { "If-None-Match": "*" } });
  }

  /** Changes the members that are given (RFC 7396): null is none. */
  patch(id«: K», changes«: P», options«: WriteOptions» = {})«: Promise<Answer<T>>» {
    return this.#t.write("PATCH", this.#at(id), changes, options, { type: "application/merge-patch+json" });
  }

  delete(id«: K», options«: WriteOptions» = {})«: Promise<Answer<undefined>>» {
    return this.#t.write("DELETE", this.#at(id), undefined, options);
  }

  /** Carries out many changes, all or none. */
  async bulk(operations«: readonly Change<K, I, P>[]», options«: WriteOptions» = {})«: Promise<Answer<Result<T>[]>>» {
    const named = operations.map((o) => ({ model: this.#name, ...o }));
    const a = await this.#t.write("POST", "/api/_tx", named, options);
    return { ...a, value: a.value.results };
  }

  /** The versions of a record, newest first. */
  async history(id«: K», page«: { take?: number; before?: number }» = {}, options«: CallOptions» = {})«: Promise<History<T>>» {
    return (await this.#t.send({ method: "GET", path: this.#at(id, "/history"), query: pairs(page), repeatable: true, options })).value;
  }
}
