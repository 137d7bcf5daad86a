// Lithair's client for browsers and node: live queries, event feeds, rooms. No dependency.
// The protocol is live/SPEC.md; types are in lithair.d.ts.

const SUBPROTOCOL = 'lithair.live.v1';

/** An error that the server told: its code is for programs (SPEC.md §7), its detail for people. */
export class LithairError extends Error {
	constructor(code, detail) {
		super(detail ? `${code}: ${detail}` : code);
		this.name = 'LithairError';
		this.code = code;
		this.detail = detail || '';
	}
}

// --- hash -----------------------------------------------------------------------------------

const utf8 = new TextEncoder();

/** canonical returns JSON by RFC 8785: members by name, numbers and texts as ECMAScript prints them. */
export function canonical(v) {
	if (v === null || typeof v !== 'object') return JSON.stringify(v);
	if (Array.isArray(v)) return '[' + v.map(canonical).join(',') + ']';
	return '{' + Object.keys(v).sort().map(k => JSON.stringify(k) + ':' + canonical(v[k])).join(',') + '}';
}

const mix = x => {
	x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
	x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
	return (x ^ (x >>> 16)) >>> 0;
};

/** hashRow returns the two halves of a row's hash (SPEC.md §5). */
export function hashRow(key, row) {
	let a = 0x811c9dc5, b = 0x9747b28c;
	for (const c of utf8.encode(key + '\n' + canonical(row))) {
		a = Math.imul(a ^ c, 0x01000193);
		b = Math.imul(b ^ c, 0x5bd1e995);
		b ^= b >>> 15;
	}
	return [mix(a >>> 0), mix((b ^ ((a << 16) | (a >>> 16))) >>> 0)];
}

const hex = x => (x >>> 0).toString(16).padStart(8, '0');

// --- live queries ---------------------------------------------------------------------------

/**
 * View is the answer to a query as the server told it: entries in order and the sum of their hashes. It is
 * changed by whole frames alone, so that what is shown was true at one sequence.
 */
class View {
	entries = []; // { key, row, hash }
	seq = 0;
	total = 0;
	a = 0;
	b = 0;

	add(entry, at) {
		entry.hash = hashRow(entry.key, entry.row);
		this.a = (this.a + entry.hash[0]) >>> 0;
		this.b = (this.b + entry.hash[1]) >>> 0;
		this.entries.splice(at, 0, entry);
	}

	take(key) {
		const at = this.entries.findIndex(e => e.key === key);
		if (at < 0) throw new LithairError('diverged', `a change of ${key}, which is not here`);
		const [entry] = this.entries.splice(at, 1);
		this.a = (this.a - entry.hash[0]) >>> 0;
		this.b = (this.b - entry.hash[1]) >>> 0;
		return [entry, at];
	}

	change(c) {
		switch (c.t) {
		case 'enter':
			return this.add({ key: c.key, row: c.row }, c.at);
		case 'leave':
			this.take(c.key);
			return;
		case 'update': {
			const [old, at] = this.take(c.key);
			const row = { ...old.row, ...c.set };
			for (const name of c.unset || []) delete row[name];
			return this.add({ key: c.key, row }, at);
		}
		case 'move': {
			const [entry] = this.take(c.key);
			return this.add(entry, c.at);
		}
		}
		throw new LithairError('diverged', `an unknown change ${c.t}`);
	}

	get hash() { return hex(this.a) + hex(this.b); }
}

/**
 * LiveQuery keeps the rows of a query. rows is a new frozen array after each change, as React's
 * useSyncExternalStore wants it: subscribe and snapshot are bound.
 */
export class LiveQuery {
	/** frozen; replaced as a whole */
	rows = Object.freeze([]);
	seq = 0;
	/** records that meet the query, of which rows may be a page */
	total = 0;
	/** 'pending' before the first answer, 'live', 'stale' while there is no connection, 'error', 'closed' */
	status = 'pending';
	error = null;
	/** times that the rows began anew, because changes could not be had any more */
	resyncs = 0;

	#client; #spec; #view = new View(); #epoch = ''; #incoming = null; #listeners = new Set(); #ready; #ok; #fail;

	constructor(client, spec) {
		this.#client = client;
		this.#spec = spec;
		this.#ready = new Promise((ok, fail) => { this.#ok = ok; this.#fail = fail; });
		this.#ready.catch(() => {}); // who does not ask is not troubled
		this.subscribe = this.subscribe.bind(this);
		this.snapshot = this.snapshot.bind(this);
	}

	/** ready is fulfilled with the first rows. */
	get ready() { return this.#ready; }
	get id() { return this.#spec.id; }
	get spec() { return this.#spec; }

	/** subscribe has fn called after each change; what it returns ends that. */
	subscribe(fn) {
		this.#listeners.add(fn);
		return () => this.#listeners.delete(fn);
	}

	snapshot() { return this.rows; }

	/** Each change of the rows: the newest, where several came meanwhile. */
	async *[Symbol.asyncIterator]() {
		let wake, seen = null;
		const stop = this.subscribe(() => wake?.());
		try {
			for (;;) {
				if (this.status === 'error') throw this.error;
				if (this.status === 'closed') return;
				if (this.status !== 'pending' && this.rows !== seen) yield seen = this.rows;
				else await new Promise(ok => { wake = ok; });
			}
		} finally {
			stop();
		}
	}

	close() {
		if (this.status === 'closed') return;
		this.#set('closed');
		this.#fail(new LithairError('closed', 'the query was closed'));
		this.#client._drop(this);
	}

	/** The message that asks for it, from where it stands. */
	_ask() {
		const { id, model, query, fields, everyMs } = this.#spec;
		const m = { op: 'sub', id, model, query };
		if (fields) m.fields = fields;
		if (everyMs) m.every_ms = everyMs;
		this.#incoming = null;
		if (this.#view.seq > 0) Object.assign(m, { from: this.#view.seq, hash: this.#view.hash, epoch: this.#epoch || undefined });
		return m;
	}

	get _seq() { return this.#view.seq; }
	get _position() { return this.#view.seq + (this.#epoch && '@' + this.#epoch); }
	get _hash() { return this.#view.hash; }

	/** Takes a frame of data of an epoch; a false answer says that what is here is not what the server has. */
	_take(m, epoch = '') {
		try {
			switch (m.op) {
			case 'snapshot': {
				const view = this.#incoming ??= new View();
				for (const r of m.rows) view.add({ key: r.key, row: r.row }, view.entries.length);
				if (!m.more) {
					this.#incoming = null;
					this.#show(view, m);
					this.#epoch = epoch;
				}
				break;
			}
			case 'diff': {
				const view = this.#view;
				for (const c of m.changes) view.change(c);
				this.#show(view, m);
				this.#epoch = epoch;
				break;
			}
			case 'resync':
				this.resyncs++;
				this.#incoming = null;
				break;
			case 'error':
				this.error = new LithairError(m.code, m.detail);
				this.#fail(this.error);
				this.#set('error');
			}
			return true;
		} catch (e) {
			if (!(e instanceof LithairError)) throw e;
			this.#view = new View();
			this.resyncs++;
			return false;
		}
	}

	_stale() { if (this.status === 'live') this.#set('stale'); }

	#show(view, m) {
		view.seq = m.seq;
		view.total = m.total;
		if (m.hash && m.hash !== view.hash) throw new LithairError('diverged', `hash ${view.hash}, the server has ${m.hash}`);
		this.#view = view;
		this.seq = m.seq;
		this.total = m.total;
		if (!(m.op === 'diff' && m.changes.length === 0 && this.status !== 'pending')) this.rows = Object.freeze(view.entries.map(e => e.row));
		this.#ok(this.rows);
		this.#set('live', true);
	}

	#set(status, changed = false) {
		if (this.status === status && !changed) return;
		this.status = status;
		for (const fn of [...this.#listeners]) fn(this);
	}
}

/** Feed gives committed events in order, each once: for await (const event of feed). */
export class Feed {
	#client; #spec; #queue = []; #wake = null; #last = null; #done = false; #error = null;

	constructor(client, spec) {
		this.#client = client;
		this.#spec = spec;
		if (spec.from !== undefined) this.#last = { seq: spec.from, n: spec.fromN, epoch: spec.epoch };
	}

	get id() { return this.#spec.id; }
	/** Where a feed that goes on behind the newest event begins: { from, fromN, epoch }; null before anything has come. */
	get position() { return this.#last && { from: this.#last.seq, fromN: this.#last.n, epoch: this.#last.epoch }; }

	close() {
		if (this.#done) return;
		this.#done = true;
		this.#wake?.();
		this.#client._drop(this);
	}

	async *[Symbol.asyncIterator]() {
		try {
			for (;;) {
				while (this.#queue.length) yield this.#queue.shift();
				if (this.#error) throw this.#error;
				if (this.#done) return;
				await new Promise(ok => { this.#wake = ok; });
			}
		} finally {
			this.close();
		}
	}

	_ask() {
		const { id, model, types, key, actor } = this.#spec;
		const m = { op: 'feed', id, model, types, key, actor };
		if (this.#last) Object.assign(m, { from: this.#last.seq, from_n: this.#last.n, epoch: this.#last.epoch || undefined });
		return m;
	}

	_take(m, epoch = '') {
		if (m.op === 'ok' && m.seq !== undefined) this.#last ??= { seq: m.seq, epoch };
		if (m.op === 'event') {
			this.#last = { seq: m.seq, n: m.n, epoch };
			const { op, id, ...event } = m;
			this.#queue.push(event);
		}
		if (m.op === 'error') this.#error = new LithairError(m.code, m.detail);
		this.#wake?.();
		return true;
	}

	_stale() {}
}

// --- rooms ----------------------------------------------------------------------------------

/**
 * Room is membership of a room. It is joined again with each connection; messages that came meanwhile are told from the room's history,
 * each once, and where that does not reach, 'gap' is told.
 */
export class Room {
	/** 'joining', 'joined', 'error', 'left' */
	status = 'joining';
	error = null;
	/** who is there, by user: { user, conns: [{ conn, since, meta }] } */
	users = new Map();
	/** the room has more users than it told; see page */
	more = false;
	/** this connection, as users has it */
	conn = '';

	#client; #spec; #epoch = ''; #n = 0; #listeners = new Set(); #ready; #ok; #fail;

	constructor(client, spec) {
		this.#client = client;
		this.#spec = spec;
		this.#ready = new Promise((ok, fail) => { this.#ok = ok; this.#fail = fail; });
		this.#ready.catch(() => {}); // who does not ask is not troubled
	}

	get id() { return 'room ' + this.#spec.name; }
	get name() { return this.#spec.name; }
	/** ready is fulfilled when it was joined for the first time. */
	get ready() { return this.#ready; }

	/** listen has fn called with { type: 'message' | 'direct' | 'presence' | 'status' | 'gap', ... }. */
	listen(fn) {
		this.#listeners.add(fn);
		return () => this.#listeners.delete(fn);
	}

	/** send is fulfilled when the message has its place in the room; to is one user, none: all. */
	send(data, to) { return this.#client.call({ op: 'send', room: this.name, data, to }); }

	/** setMeta changes what others see of this connection. */
	setMeta(meta) {
		this.#spec.meta = meta;
		return this.#client.call({ op: 'meta', room: this.name, meta });
	}

	/** page lists users behind one. */
	async page(after = '', take = 100) {
		const { users, more, count } = await this.#client.call({ op: 'presence', room: this.name, after, take });
		return { users, more, count };
	}

	leave() {
		if (this.status === 'left') return;
		this.#tell({ type: 'status' }, 'left');
		this.#client._leave(this);
	}

	close() { this.leave(); }

	_ask() {
		this.#client.call({ op: 'join', room: this.name, meta: this.#spec.meta }).catch(e => {
			if (this.status === 'left' || e.code === 'offline' || e.code === 'timeout') return; // joined with the next connection
			this.error = e;
			this.#fail(e);
			this.#tell({ type: 'status' }, 'error');
		});
	}

	_take(m) {
		switch (m.op) {
		case 'joined':
			this.#joined(m);
			break;
		case 'message':
			this.#message(m);
			break;
		case 'direct':
			this.#tell({ type: 'direct', from: m.from, conn: m.conn, at: m.at, data: m.data });
			break;
		case 'error': // of where there is no WebSocket
			this.error = new LithairError(m.code, m.detail);
			this.#fail(this.error);
			this.#tell({ type: 'status' }, 'error');
			break;
		case 'epoch':
			this.#epoch = m.epoch;
			this.#n = m.n;
			break;
		case 'presence':
			for (const u of [...(m.enter || []), ...(m.update || [])]) this.users.set(u.user, u);
			for (const u of m.leave || []) this.users.delete(u);
			this.#tell({ type: 'presence', enter: m.enter || [], update: m.update || [], leave: m.leave || [] });
		}
		return true;
	}

	_stale() { if (this.status === 'joined') this.#tell({ type: 'status' }, 'joining'); }

	#joined(m) {
		const again = this.#epoch !== '';
		this.conn = m.conn;
		this.more = !!m.more;
		this.users = new Map((m.users || []).map(u => [u.user, u]));
		const missed = again && m.epoch === this.#epoch ? m.n - this.#n : again ? Infinity : 0;
		const told = m.history.filter(x => !again || x.epoch !== this.#epoch || x.n > this.#n);
		if (missed > told.length) this.#tell({ type: 'gap' });
		this.#epoch = m.epoch;
		this.#n = m.n;
		for (const x of told) this.#tell({ type: 'message', history: true, ...x });
		this.#ok(this);
		this.#tell({ type: 'status' }, 'joined');
		this.#tell({ type: 'presence', enter: [...this.users.values()], update: [], leave: [] });
	}

	#message({ op, room, ...x }) {
		if (x.epoch === this.#epoch && x.n <= this.#n) return; // told already
		this.#epoch = x.epoch;
		this.#n = x.n;
		this.#tell({ type: 'message', ...x });
	}

	#tell(event, status = this.status) {
		this.status = status;
		for (const fn of [...this.#listeners]) fn(event);
	}
}

// --- connection -----------------------------------------------------------------------------

const DEFAULTS = { minDelayMs: 500, maxDelayMs: 20000, pingMs: 25000, deadMs: 10000, path: '/live' };

/** connect returns a client at once; it connects by itself, and again whenever it has to. */
export function connect(url, options = {}) { return new Client(url, options); }

/** Client is one connection with everything that goes over it. It is an EventTarget: 'status', 'drain', 'diverged'. */
export class Client extends EventTarget {
	/** 'connecting', 'connected', 'waiting' before another try, 'offline', 'closed' */
	status = 'connecting';
	/** 'websocket', or 'events' where there is none to be had */
	transport = 'websocket';
	node = '';

	#base; #o; #subs = new Map(); #next = 1; #socket = null; #epoch = ''; #tries = 0; #never = 0; #worked = false; #timer; #heard; #streams = new Map(); #calls = new Map(); #ops = new Map(); #unlisten = [];

	constructor(url, options) {
		super();
		this.#base = new URL(url, globalThis.location?.href);
		this.#o = { ...DEFAULTS, WebSocket: globalThis.WebSocket, fetch: globalThis.fetch?.bind(globalThis), paths: {}, ...options };
		if (!this.#o.WebSocket || options.transport === 'events') this.transport = 'events';
		this.#watch();
		this.#connect();
	}

	/**
	 * live keeps the answer to a query of a list. options: fields, everyMs (changes at most so often),
	 * path (of the collection, for where there is no WebSocket).
	 */
	live(model, query = '', options = {}) {
		const spec = { id: this.#next++, model, query: queryText(query), ...options };
		return this.#add(new LiveQuery(this, spec), spec);
	}

	/** feed gives events of { model, types, key, actor } behind the sequence from, or a feed's position; without it, new ones. */
	feed(options = {}) {
		const spec = { id: this.#next++, ...options };
		return this.#add(new Feed(this, spec), spec);
	}

	/** room joins a room; meta is what others see of this connection. */
	room(name, options = {}) {
		const spec = { id: 'room ' + name, name, ...options };
		if (this.#subs.has(spec.id)) throw new LithairError('duplicate_id', `the room ${name} is joined already`);
		return this.#add(new Room(this, spec), spec);
	}

	/** call sends a message and is fulfilled with the answer that has its ref. */
	call(message, timeoutMs = 5000) {
		const ref = this.#next++;
		return new Promise((ok, fail) => {
			const timer = setTimeout(() => { this.#calls.delete(ref); fail(new LithairError('timeout', 'no answer')); }, timeoutMs);
			this.#calls.set(ref, { ok, fail, timer });
			if (!this._send({ ...message, ref })) {
				clearTimeout(timer);
				this.#calls.delete(ref);
				fail(new LithairError('offline', 'there is no connection'));
			}
		});
	}

	/**
	 * queue gives jobs of a durable queue to this program: take({ max, leaseMs }) is fulfilled with jobs, ack(job) ends one and
	 * nack(job, error) has it tried again. A job that is neither within its lease is given to another.
	 */
	queue(name) {
		const settle = (op, job, more) => this.call({ op, queue: name, job: job.id, lease: job.lease, ...more }, 30000).then(() => {});
		return {
			take: async ({ max, leaseMs } = {}) => (await this.call({ op: 'take', queue: name, max, lease_ms: leaseMs }, 30000)).jobs,
			ack: job => settle('ack', job),
			nack: (job, error) => settle('nack', job, { error: String(error?.message ?? error ?? '') }),
		};
	}

	/** on has fn called with each message of an operation that belongs to no query. */
	on(op, fn) {
		if (!this.#ops.has(op)) this.#ops.set(op, new Set());
		this.#ops.get(op).add(fn);
		return () => this.#ops.get(op).delete(fn);
	}

	/** auth renews what the connection may do by a token, without a new connection. */
	async auth(token) { return this.call({ op: 'auth', token }); }

	close() {
		if (this.status === 'closed') return;
		for (const fn of this.#unlisten) fn();
		this.#set('closed');
		for (const s of [...this.#subs.values()]) s.close();
		clearTimeout(this.#timer);
		this.#hangUp(1000);
	}

	#add(sub, spec) {
		this.#subs.set(spec.id, sub);
		if (this.transport === 'events') this.#stream(sub);
		else if (this.status === 'connected') this.#ask(sub);
		return sub;
	}

	#ask(sub) {
		const message = sub._ask();
		if (message) this._send(message);
	}

	_leave(room) {
		if (this.#subs.delete(room.id)) this._send({ op: 'leave', room: room.name });
	}

	_drop(sub) {
		if (!this.#subs.delete(sub.id)) return;
		this.#streams.get(sub.id)?.abort();
		this.#streams.delete(sub.id);
		this._send({ op: 'unsub', id: sub.id });
	}

	_send(message) {
		if (this.status !== 'connected' || !this.#socket) return false;
		this.#socket.send(JSON.stringify(message));
		return true;
	}

	// Where the machine says so, a connection is not tried while there is no network, and at once when there is.
	#watch() {
		const on = (target, name, fn) => {
			target?.addEventListener?.(name, fn);
			this.#unlisten.push(() => target?.removeEventListener?.(name, fn));
		};
		on(globalThis, 'online', () => this.status === 'connected' || this.#again(0));
		on(globalThis, 'offline', () => { clearTimeout(this.#timer); this.#set('offline'); this.#hangUp(); });
		on(globalThis, 'pageshow', e => e.persisted && this.#probe());
		on(globalThis.document, 'visibilitychange', () => !globalThis.document.hidden && this.#probe());
	}

	async #token() { return typeof this.#o.token === 'function' ? this.#o.token() : this.#o.token; }

	async #connect() {
		if (this.status === 'closed') return;
		this.#set('connecting');
		if (this.transport === 'events') return this.#streamAll();
		let token;
		try {
			token = await this.#token();
		} catch (e) {
			this.#lost(e);
			return;
		}
		if (this.status === 'closed') return;
		const url = new URL(this.#o.path, this.#base);
		url.protocol = url.protocol.replace('http', 'ws');
		const protocols = [SUBPROTOCOL];
		if (token) protocols.push('lithair.token.' + base64url(token));
		const socket = this.#socket = new this.#o.WebSocket(url, protocols);
		socket.onmessage = e => this.#socket === socket && this.#message(e.data);
		socket.onclose = e => this.#socket === socket && this.#lost(e);
		socket.onerror = () => {}; // a close follows
		this.#alive();
	}

	#message(text) {
		this.#alive();
		const m = JSON.parse(text);
		switch (m.op) {
		case 'ready':
			this.node = m.node || '';
			this.#tries = 0;
			this.#worked = true;
			this.#epoch = m.epoch || '';
			this.#set('connected');
			for (const s of this.#subs.values()) this.#ask(s);
			return;
		case 'pong':
			return;
		case 'drain':
			this.dispatchEvent(new CustomEvent('drain', { detail: m }));
			setTimeout(() => { if (this.status === 'connected') { this.#hangUp(1000); this.#lostNow(); this.#again(0); } }, m.after_ms || 0);
			return;
		}
		if (m.op === 'joined') this.#subs.get('room ' + m.room)?._take(m); // at once: what follows it comes after
		const ref = m.ref ?? (m.op === 'error' ? m.id : undefined); // ids and refs are of one count
		if (this.#calls.has(ref)) return this.#answer(m, ref);
		if (m.room !== undefined && this.#subs.has('room ' + m.room)) return void this.#subs.get('room ' + m.room)._take(m);
		const sub = this.#subs.get(m.id ?? (m.op === 'ok' ? m.ref : undefined));
		if (sub) return this.#give(sub, m, this.#epoch);
		for (const fn of this.#ops.get(m.op) || []) fn(m);
	}

	#answer(m, ref) {
		const call = this.#calls.get(ref);
		this.#calls.delete(ref);
		clearTimeout(call.timer);
		if (m.op === 'error') call.fail(new LithairError(m.code, m.detail));
		else call.ok(m);
	}

	#give(sub, m, epoch) {
		if (sub._take(m, epoch)) return;
		this.dispatchEvent(new CustomEvent('diverged', { detail: { id: sub.id, seq: m.seq } }));
		if (this.transport === 'events') {
			this.#streams.get(sub.id)?.abort();
			this.#stream(sub);
			return;
		}
		this._send({ op: 'unsub', id: sub.id });
		this._send(sub._ask()); // it has forgotten what it had: from the beginning
	}

	// A connection over which nothing comes for a while is asked, and given up without an answer.
	#alive() {
		clearTimeout(this.#heard);
		if (this.transport === 'websocket') this.#heard = unref(setTimeout(() => this.#probe(), this.#o.pingMs));
	}

	#probe() {
		if (this.status === 'waiting') return this.#again(0);
		const socket = this.#socket;
		if (!this._send({ op: 'ping' }) && this.status !== 'connecting') return;
		clearTimeout(this.#heard);
		this.#heard = unref(setTimeout(() => { if (this.#socket === socket && socket) { this.#hangUp(); this.#lost({ code: 1006 }); } }, this.#o.deadMs));
	}

	#hangUp(code) {
		const socket = this.#socket;
		this.#socket = null;
		clearTimeout(this.#heard);
		if (socket) {
			socket.onmessage = socket.onclose = null;
			socket.close(code);
		}
		for (const a of this.#streams.values()) a.abort();
		this.#streams.clear();
	}

	#lostNow() {
		for (const s of this.#subs.values()) s._stale();
		for (const c of this.#calls.values()) {
			clearTimeout(c.timer);
			c.fail(new LithairError('offline', 'the connection broke; whether it was done is unknown'));
		}
		this.#calls.clear();
	}

	#lost(why) {
		if (this.status === 'closed' || this.status === 'offline') return;
		const was = this.status;
		this.#socket = null;
		clearTimeout(this.#heard);
		this.#lostNow();
		// A network that has let no WebSocket through, again and again, may let plain HTTP through. Where there was one, the
		// server is away, and comes back with it.
		if (!this.#worked && was === 'connecting' && this.transport === 'websocket' && ++this.#never >= 2 && this.#o.fetch && this.#o.transport !== 'websocket' && this.#streamable()) {
			this.transport = 'events';
			return void this.#connect();
		}
		this.dispatchEvent(new CustomEvent('lost', { detail: why }));
		this.#again(backOff(this.#tries++, this.#o));
	}

	#again(delay) {
		if (this.status === 'closed') return;
		clearTimeout(this.#timer);
		this.#set('waiting');
		this.#timer = setTimeout(() => this.#connect(), delay);
	}

	#set(status) {
		if (this.status === status) return;
		this.status = status;
		this.dispatchEvent(new CustomEvent('status', { detail: status }));
	}

	// --- server-sent events: a stream for each query --------------------------------------

	#streamable() { return [...this.#subs.values()].some(s => this.#pathOf(s)); }
	#pathOf(sub) { return sub.spec && (sub.spec.path || this.#o.paths[sub.spec.model]); }

	#streamAll() {
		this.#set('connected');
		for (const s of this.#subs.values()) this.#stream(s);
	}

	async #stream(sub, tries = 0) {
		const path = this.#pathOf(sub);
		if (!path) {
			sub._take({ op: 'error', code: 'unsupported', detail: 'without WebSocket, only live queries whose path is known can be followed' });
			return;
		}
		const abort = new AbortController();
		this.#streams.set(sub.id, abort);
		try {
			const token = await this.#token();
			const url = new URL(path + '/live', this.#base);
			url.search = sub.spec.query + (sub.spec.fields ? (sub.spec.query ? '&' : '') + 'fields=' + sub.spec.fields.map(encodeURIComponent).join(',') : '');
			const headers = { Accept: 'text/event-stream' };
			if (token) headers.Authorization = 'Bearer ' + token;
			if (sub._seq > 0) headers['Last-Event-ID'] = sub._position;
			const answer = await this.#o.fetch(url, { headers, signal: abort.signal, cache: 'no-store' });
			if (!answer.ok) {
				const problem = await answer.json().catch(() => ({}));
				if (answer.status < 500 && answer.status !== 429) {
					sub._take({ op: 'error', code: problem.code || String(answer.status), detail: problem.detail });
					return;
				}
				throw new LithairError(problem.code || String(answer.status), problem.detail);
			}
			tries = 0;
			let changes = [], epoch = '';
			for await (const e of eventsOf(answer.body)) {
				const m = JSON.parse(e.data);
				if (e.event === 'connected') epoch = m.epoch || '';
				if (e.event === 'ready' || e.event === 'connected') continue;
				if (e.event === 'drain') break;
				if (!CHANGES.has(e.event)) {
					changes = [];
					this.#give(sub, { ...m, op: e.event }, epoch);
					continue;
				}
				if (e.event !== 'current') changes.push({ ...m, t: e.event });
				if (m.hash === undefined) continue; // the last one of a transaction has it: they are shown together
				this.#give(sub, { op: 'diff', seq: m.seq, total: m.total, hash: m.hash, changes }, epoch);
				changes = [];
			}
		} catch (e) {
			if (abort.signal.aborted) return;
			this.dispatchEvent(new CustomEvent('lost', { detail: e }));
		}
		if (this.#streams.get(sub.id) !== abort || this.status === 'closed') return;
		sub._stale();
		this.#streams.delete(sub.id);
		await new Promise(ok => setTimeout(ok, backOff(tries, this.#o)));
		if (this.status === 'connected' && this.#subs.get(sub.id) === sub && !this.#streams.has(sub.id)) this.#stream(sub, tries + 1);
	}
}

const CHANGES = new Set(['enter', 'update', 'leave', 'move', 'current']);

/** eventsOf reads server-sent events (HTML §9.2) from a stream of bytes. */
export async function* eventsOf(body) {
	const decoder = new TextDecoder();
	let text = '', event = '', data = [];
	const reader = body.getReader();
	try {
		for (;;) {
			const { done, value } = await reader.read();
			if (done) return; // what has no end is not an event
			text += decoder.decode(value, { stream: true });
			let from = 0;
			for (let at; (at = text.indexOf('\n', from)) >= 0; from = at + 1) {
				const line = text.slice(from, at).replace(/\r$/, '');
				if (line === '') {
					if (data.length) yield { event: event || 'message', data: data.join('\n') };
					event = '';
					data = [];
				} else if (line.startsWith('event:')) {
					event = line.slice(6).trim();
				} else if (line.startsWith('data:')) {
					data.push(line.slice(5).replace(/^ /, ''));
				}
			}
			text = text.slice(from);
		}
	} finally {
		reader.cancel().catch(() => {}); // it may be broken already
	}
}

// backOff is a random time below a bound that doubles: clients that lost one server do not come back together.
function backOff(tries, o) {
	const bound = Math.min(o.maxDelayMs, o.minDelayMs * 2 ** Math.min(tries + 1, 20));
	return o.minDelayMs / 2 + Math.random() * (bound - o.minDelayMs / 2);
}

function queryText(q) {
	if (typeof q === 'string') return q.replace(/^\?/, '');
	return new URLSearchParams(q).toString();
}

function base64url(text) {
	return btoa(String.fromCharCode(...utf8.encode(text))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

// unref lets node end while nothing but a timer is left.
function unref(timer) {
	timer?.unref?.();
	return timer;
}
