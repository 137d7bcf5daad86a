// The chat: messages are a live query, who is there and who types is presence of the channel's room.

import { connect } from '/live/lithair.js';

const me = document.body.dataset.name;
const byId = (id) => document.getElementById(id);
const sleep = (ms) => new Promise((ok) => setTimeout(ok, ms));

const make = (name, className, text) => {
  const e = document.createElement(name);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
};

// arrange makes nodes the children of parent, and moves only those that are elsewhere.
const arrange = (parent, nodes) => {
  let at = parent.firstChild;
  for (const n of nodes) {
    if (n === at) at = at.nextSibling;
    else parent.insertBefore(n, at);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
};

const hue = (name) => {
  let h = 7;
  for (const c of name) h = (h * 31 + c.codePointAt(0)) % 360;
  return h;
};

const avatar = (name) => {
  const e = make('span', 'avatar', [...name][0].toUpperCase());
  e.ariaHidden = 'true';
  e.style.setProperty('--hue', hue(name));
  return e;
};

// --- the connection -----------------------------------------------------------------------

const client = connect(location.href, { maxDelayMs: 5000, paths: { Message: '/api/messages', Channel: '/api/channels' } });

const showStatus = () => {
  const state = byId('state');
  const connected = client.status === 'connected';
  state.classList.toggle('connected', connected);
  document.querySelector('.people').classList.toggle('unknown', !connected);
  state.textContent = { connected: 'Connected', offline: 'Offline', connecting: 'Connecting…' }[client.status] ?? 'Reconnecting…';
};
client.addEventListener('status', showStatus);

// --- sending ------------------------------------------------------------------------------

// pending are messages of ours that the query has not shown yet, by nonce. They are sent one after the other, each
// until it is answered: the server takes a nonce once, however often it comes.
const pending = new Map();
const outbox = [];
let sending = false;

const nonce = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, '0')).join('');

const say = (text) => {
  const m = { nonce: nonce(), channel: channel.name, author: me, text, created_at: new Date().toISOString() };
  pending.set(m.nonce, m);
  outbox.push(m);
  channel.show(true);
  flush();
};

const flush = async () => {
  if (sending) return;
  sending = true;
  for (let wait = 250; outbox.length > 0; ) {
    const answer = await post(outbox[0]).catch(() => null); // nobody there: again
    if (answer === null) {
      await sleep(wait);
      wait = Math.min(2 * wait, 4000);
      continue;
    }
    wait = 250;
    const m = outbox.shift();
    Object.assign(m, answer);
    channel.show();
  }
  sending = false;
};

// post returns what became of a message: where it is among the others, or why it was refused; null: it is to be sent again.
const post = async (m) => {
  const answer = await fetch(`/api/channels/${encodeURIComponent(m.channel)}/messages`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ text: m.text, nonce: m.nonce }),
  });
  if (answer.ok) return { sent: (await answer.json()).id };
  if (answer.status >= 500 || answer.status === 429) return null;
  return { failed: await reason(answer) };
};

const reason = async (answer) => {
  const problem = await answer.json().catch(() => ({}));
  return problem.errors?.[0]?.message ?? problem.detail ?? problem.error ?? answer.statusText;
};

// --- a channel ----------------------------------------------------------------------------

const pageSize = 50;
const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });

class Channel {
  known = new Map(); // messages by id, oldest first: what the query has, and what was fetched of before
  elements = new Map(); // by nonce
  days = new Map(); // separators, by their text
  more = false; // there are older messages
  loaded = false;
  seen; // what has a greater id is new to who reads
  typing = false;

  constructor(name) {
    this.name = name;
    this.query = client.live('Message', { channel: name, sort: '-id', take: pageSize });
    this.query.subscribe((q) => this.follow(q));
    this.room = client.room('channel/' + name, { meta: { typing: false } });
    this.room.listen(() => this.showPeople());
    this.showPeople();
    this.show(true);
  }

  close() {
    clearTimeout(this.still);
    this.query.close();
    this.room.leave();
    for (const m of pending.values()) if (m.channel === this.name && (m.sent || m.failed)) pending.delete(m.nonce);
  }

  // follow takes the newest messages as the query has them. Ids are ordered by time.
  follow(q) {
    if (q.status !== 'live') return;
    const rows = [...q.rows].reverse();
    const whole = q.total <= rows.length;
    const oldest = whole ? '' : rows[0].id;
    const newest = [...this.known.keys()].at(-1) ?? (this.loaded ? '' : undefined);
    // More has come than the query shows: what is between is not here, so what was before goes, to be fetched again.
    const gap = !whole && newest !== undefined && newest < oldest;
    const before = gap ? [] : [...this.known].filter(([id]) => id < oldest);
    this.known = new Map([...before, ...rows.map((m) => [m.id, m])]);
    this.more = q.total > this.known.size;
    for (const m of rows) pending.delete(m.nonce);
    for (const m of pending.values()) if (m.channel === this.name && m.sent < oldest) pending.delete(m.nonce);
    const first = !this.loaded;
    this.loaded = true;
    this.seen = newest;
    this.show(first);
  }

  // earlier fetches the messages before those that are here.
  async earlier() {
    const [oldest] = this.known.keys();
    const query = new URLSearchParams({ channel: this.name, sort: '-id', take: pageSize, id: '<' + oldest });
    const answer = await fetch('/api/messages?' + query);
    if (!answer.ok) throw new Error(await reason(answer));
    const page = await answer.json();
    if (channel !== this || this.known.keys().next().value !== oldest) return;
    this.known = new Map([...page.data.reverse().map((m) => [m.id, m]), ...this.known]);
    this.more = page.data.length < page.total;
    const scroll = byId('scroll');
    const height = scroll.scrollHeight;
    this.show();
    scroll.scrollTop += scroll.scrollHeight - height;
  }

  // show brings the list up to date. It stays at its end, where it is there or atEnd says so.
  show(atEnd = false) {
    if (channel !== this) return;
    const scroll = byId('scroll');
    const end = atEnd || ended;
    const nodes = [];
    let last = null;
    let added = false;
    for (const m of [...this.known.values(), ...[...pending.values()].filter((p) => p.channel === this.name)]) {
      const at = new Date(m.created_at);
      const today = day.format(at);
      if (!last || last.today !== today) nodes.push(this.separator(today));
      const follows = last?.today === today && last.author === m.author && at - last.at < 5 * 60_000;
      added ||= !this.elements.has(m.nonce);
      nodes.push(this.element(m, at, !follows));
      last = { today, at, author: m.author };
    }
    arrange(byId('messages'), nodes);
    byId('earlier').hidden = !this.more;
    this.showEmpty(nodes.length === 0 && this.loaded);
    if (end) scroll.scrollTop = scroll.scrollHeight;
    byId('below').hidden = end || (byId('below').hidden && !added);
  }

  separator(text) {
    if (!this.days.has(text)) this.days.set(text, make('li', 'day', text));
    return this.days.get(text);
  }

  element(m, at, first) {
    let e = this.elements.get(m.nonce);
    if (!e) {
      e = make('li', 'message');
      const who = make('div', 'who');
      who.append(make('b', '', m.author), make('time'));
      who.style.setProperty('--hue', hue(m.author));
      e.append(avatar(m.author), who, make('div', 'text', m.text), make('div', 'sign'));
      e.classList.toggle('fresh', m.id > this.seen && m.author !== me);
      this.elements.set(m.nonce, e);
    }
    e.dataset.id = m.id ?? '';
    e.classList.toggle('first', first);
    const waits = m.id === undefined && !m.sent && !m.failed;
    e.classList.toggle('waiting', waits);
    e.classList.toggle('failed', Boolean(m.failed));
    const t = e.querySelector('time');
    t.dateTime = m.created_at;
    t.textContent = time.format(at);
    e.querySelector('.sign').textContent = m.failed ? 'Not sent: ' + m.failed : waits && client.status !== 'connected' ? 'Waiting for the connection…' : '';
    return e;
  }

  showEmpty(empty) {
    const note = byId('empty');
    note.hidden = !empty;
    if (!empty) return;
    if (channels.has(this.name) || !channels.loaded) {
      note.replaceChildren('Nobody has said anything yet.');
      return;
    }
    const open = make('button', 'button', 'Open #' + this.name);
    open.addEventListener('click', () => openChannel(this.name));
    note.replaceChildren('There is no such channel.', open);
  }

  // --- who is there ---

  showPeople() {
    if (channel !== this) return;
    const users = [...this.room.users.values()].sort((a, b) => a.user.localeCompare(b.user));
    const types = (u) => u.user !== me && u.conns.some((c) => c.meta?.typing);
    byId('people').replaceChildren(...users.map((u) => {
      const item = make('li', types(u) ? 'typing-now' : '');
      item.append(avatar(u.user), make('span', '', u.user === me ? u.user + ' (you)' : u.user));
      return item;
    }));
    byId('count').textContent = users.length + (this.room.more ? '+' : '');
    const names = users.filter(types).map((u) => u.user);
    byId('typing').textContent = names.length === 0 ? '' : names.length === 1 ? names[0] + ' is typing…' : names.length < 4 ? names.join(' and ') + ' are typing…' : 'Several people are typing…';
  }

  // type tells the others, and that it has ended when nothing was typed for a while.
  type(typing) {
    clearTimeout(this.still);
    if (typing) this.still = setTimeout(() => this.type(false), 4000);
    if (typing === this.typing) return;
    this.typing = typing;
    this.room.setMeta({ typing }).catch(() => {}); // the next join says it
  }
}

let channel = null;

const go = (name, push = true) => {
  if (channel?.name === name) return;
  channel?.close();
  if (push) history.pushState(null, '', '/c/' + encodeURIComponent(name));
  byId('title').textContent = '#' + name;
  document.title = `#${name} · Chat`;
  byId('below').hidden = true;
  document.querySelector('.bar input').value = name;
  channels.unread.delete(name);
  channel = null;
  channel = new Channel(name);
  channel.show(true);
  channel.showPeople();
  showChannels();
};

// --- the list of channels -----------------------------------------------------------------

const channels = { rows: [], loaded: false, unread: new Map(), inView: '', has(name) { return this.rows.some((c) => c.name === name); } };

const showChannels = () => {
  byId('channels').replaceChildren(...channels.rows.map((c) => {
    const unread = channels.unread.get(c.name) ?? 0;
    const link = make('a', unread ? 'unread' : '', '#' + c.name);
    link.href = '/c/' + encodeURIComponent(c.name);
    if (c.name === channel?.name) link.ariaCurrent = 'page';
    link.append(make('span', '', unread ? String(unread) : ''));
    link.addEventListener('click', (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      go(c.name);
      byId('text').focus();
    });
    const item = make('li');
    item.append(link);
    return item;
  }));
  const current = document.querySelector('.channels [aria-current]');
  if (current && channels.inView !== channel.name) { // on narrow screens the list scrolls
    channels.inView = channel.name;
    current.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }
  byId('topic').textContent = channels.rows.find((c) => c.name === channel?.name)?.topic ?? '';
  channel?.show();
};

client.live('Channel', { sort: 'name', take: 200 }).subscribe((q) => {
  if (q.status !== 'live') return;
  channels.rows = q.rows;
  channels.loaded = true;
  showChannels();
});

// What is said in other channels is counted.
const count = async () => {
  for await (const event of client.feed({ model: 'Message', types: ['created'] })) {
    const name = event.data.channel;
    if (name === channel.name || event.data.author === me) continue;
    channels.unread.set(name, (channels.unread.get(name) ?? 0) + 1);
    showChannels();
  }
};

const openChannel = async (name) => {
  const problem = byId('problem');
  problem.hidden = true;
  const answer = await fetch('/api/channels', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ name, topic: '' }) });
  if (answer.ok || answer.status === 409) return go(name);
  problem.textContent = answer.status === 422 ? 'A channel’s name has small letters, digits and single hyphens.' : await reason(answer);
  problem.hidden = false;
};

// --- what people do -----------------------------------------------------------------------

const text = byId('text');

const fit = () => {
  text.style.height = 'auto';
  text.style.height = text.scrollHeight + 2 + 'px';
};

text.addEventListener('input', () => {
  fit();
  channel.type(text.value.trim() !== '');
});
text.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId('say').requestSubmit();
});
byId('say').addEventListener('submit', (event) => {
  event.preventDefault();
  const said = text.value.trim();
  if (said === '') return;
  text.value = '';
  fit();
  channel.type(false);
  say(said);
  text.focus();
});
byId('earlier').addEventListener('click', () => channel.earlier().catch((e) => console.warn('earlier messages:', e.message)));
byId('below').addEventListener('click', () => channel.show(true));
// The end of the messages stays in view where it was, also when the window or what is typed takes another size.
let ended = true;
byId('scroll').addEventListener('scroll', ({ target: s }) => {
  ended = s.scrollHeight - s.scrollTop - s.clientHeight < 60;
  if (ended) byId('below').hidden = true;
});
new ResizeObserver(([{ target: s }]) => { if (ended) s.scrollTop = s.scrollHeight; }).observe(byId('scroll'));
byId('open').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = byId('channel-name');
  openChannel(name.value.trim().toLowerCase()).then(() => { name.value = ''; });
});
addEventListener('popstate', () => go(decodeURIComponent(location.pathname.slice('/c/'.length)), false));
client.addEventListener('status', () => channel.show());

showStatus();
go(document.body.dataset.channel, false);
count().catch((e) => console.warn('what is unread is not counted:', e.message)); // without WebSocket, for one
