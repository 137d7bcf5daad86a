// Types of lithair.js.

export class LithairError extends Error {
	constructor(code: string, detail?: string);
	/** For programs, see live/SPEC.md §7. */
	readonly code: string;
	readonly detail: string;
}

export interface Options {
	/** Sent with each connection: a token, or what returns a fresh one. */
	token?: string | (() => string | Promise<string>);
	/** Of the WebSocket; default /live. */
	path?: string;
	/** Path of each model's collection, for where there is no WebSocket: { Article: '/api/articles' }. */
	paths?: Record<string, string>;
	/** Default: a WebSocket, and events where none can be had; a client that had one waits for another. */
	transport?: 'websocket' | 'events';
	/** Shortest and longest time between two tries, in ms; default 500 and 20000. */
	minDelayMs?: number;
	maxDelayMs?: number;
	/** A connection is asked after so long a silence, and given up after so long without an answer, in ms; default 25000 and 10000. */
	pingMs?: number;
	deadMs?: number;
	WebSocket?: typeof globalThis.WebSocket;
	fetch?: typeof globalThis.fetch;
}

export type Status = 'connecting' | 'connected' | 'waiting' | 'offline' | 'closed';

export interface LiveOptions {
	/** Members of the rows; default all that may be seen. */
	fields?: string[];
	/** Changes come at most so often, in ms. */
	everyMs?: number;
	/** Of the collection, for where there is no WebSocket. */
	path?: string;
}

/** The rows of a query, kept current. */
export class LiveQuery<T = Record<string, unknown>> implements AsyncIterable<readonly T[]> {
	private constructor();
	/** In the order of the query; frozen, and replaced as a whole. */
	readonly rows: readonly T[];
	/** The rows are those of this sequence. */
	readonly seq: number;
	/** Records that meet the query, of which rows may be a page. */
	readonly total: number;
	readonly status: 'pending' | 'live' | 'stale' | 'error' | 'closed';
	readonly error: LithairError | null;
	/** Times that the rows began anew. */
	readonly resyncs: number;
	readonly ready: Promise<readonly T[]>;
	readonly id: number;
	/** Bound, as useSyncExternalStore wants it. */
	subscribe(fn: (q: LiveQuery<T>) => void): () => void;
	/** Bound; the same as rows. */
	snapshot(): readonly T[];
	[Symbol.asyncIterator](): AsyncIterator<readonly T[]>;
	close(): void;
}

export interface FeedOptions {
	model?: string;
	types?: ('created' | 'updated' | 'deleted')[];
	key?: string;
	actor?: string;
	/** Behind this sequence; default: what is new. */
	from?: number;
	/** With from: behind this event of it. */
	fromN?: number;
	/** Of from; the feed ends with the error epoch where the server has other data, as after a restore. */
	epoch?: string;
}

export interface FeedEvent<T = Record<string, unknown>> {
	seq: number;
	/** Its place in the transaction. */
	n: number;
	model: string;
	type: 'created' | 'updated' | 'deleted';
	key: string;
	actor: string;
	/** RFC 3339. */
	time: string;
	data: T;
}

export class Feed<T = Record<string, unknown>> implements AsyncIterable<FeedEvent<T>> {
	private constructor();
	readonly id: number;
	/** Where a feed that goes on behind the newest event begins: options for feed. Null before anything has come. */
	readonly position: { from: number; fromN?: number; epoch?: string } | null;
	[Symbol.asyncIterator](): AsyncIterator<FeedEvent<T>>;
	close(): void;
}

export interface RoomUser {
	user: string;
	conns: { conn: string; since: number; meta?: unknown }[];
}

export type RoomEvent<T = unknown> =
	| { type: 'message'; epoch: string; n: number; from?: string; conn?: string; at: number; data: T; history?: true }
	| { type: 'direct'; from?: string; conn?: string; at: number; data: T }
	| { type: 'presence'; enter: RoomUser[]; update: RoomUser[]; leave: string[] }
	/** Messages came that the room's history does not hold any more. */
	| { type: 'gap' }
	| { type: 'status' };

/** A job that was taken of a queue. */
export interface Job<T = unknown> {
	/** The same however often it is tried. */
	readonly id: string;
	readonly value: T;
	readonly pushed: string;
	/** When others may have it. */
	readonly until: string;
	/** Before this one. */
	readonly attempts: number;
	readonly lease: number;
}

export interface Queue<T = unknown> {
	/** max: 1 by default, at most 100; leaseMs: 30 s by default, at most an hour. None where none is due. */
	take(options?: { max?: number; leaseMs?: number }): Promise<Job<T>[]>;
	/** Fails with not_leased where the job is done, or another has it by now. */
	ack(job: Job<T>): Promise<void>;
	/** Has it tried again after a pause. */
	nack(job: Job<T>, error?: unknown): Promise<void>;
}

/** Membership of a room, joined again with each connection. */
export class Room<T = unknown> {
	private constructor();
	readonly id: string;
	readonly name: string;
	readonly status: 'joining' | 'joined' | 'error' | 'left';
	readonly error: LithairError | null;
	readonly users: ReadonlyMap<string, RoomUser>;
	/** There are more users than users has; see page. */
	readonly more: boolean;
	/** This connection, as users has it. */
	readonly conn: string;
	readonly ready: Promise<Room<T>>;
	listen(fn: (e: RoomEvent<T>) => void): () => void;
	/** Fulfilled when the message has its place in the room. */
	send(data: T, to?: string): Promise<unknown>;
	setMeta(meta: unknown): Promise<unknown>;
	page(after?: string, take?: number): Promise<{ users: RoomUser[]; more: boolean; count: number }>;
	leave(): void;
	close(): void;
}

/** Events: status, lost, drain, diverged; each a CustomEvent. */
export class Client extends EventTarget {
	private constructor();
	readonly status: Status;
	readonly transport: 'websocket' | 'events';
	/** The node that is connected to. */
	readonly node: string;
	live<T = Record<string, unknown>>(model: string, query?: string | Record<string, string>, options?: LiveOptions): LiveQuery<T>;
	feed<T = Record<string, unknown>>(options?: FeedOptions): Feed<T>;
	/** Jobs of a durable queue, for this program. */
	queue<T = unknown>(name: string): Queue<T>;
	room<T = unknown>(name: string, options?: { meta?: unknown }): Room<T>;
	/** Sends a message of the protocol, and is fulfilled with its answer. */
	call(message: { op: string } & Record<string, unknown>, timeoutMs?: number): Promise<Record<string, unknown>>;
	/** Has fn called with each message of an operation that belongs to no query and no feed. */
	on(op: string, fn: (message: Record<string, unknown>) => void): () => void;
	auth(token: string): Promise<unknown>;
	close(): void;
}

export function connect(url: string | URL, options?: Options): Client;

/** JSON by RFC 8785. */
export function canonical(value: unknown): string;
/** The two halves of a row's hash. */
export function hashRow(key: string, row: unknown): [number, number];
export function eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<{ event: string; data: string }>;
