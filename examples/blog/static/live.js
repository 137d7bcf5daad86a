// Shows what others write while a page is open. Without it the pages work the same, and show
// what is new when they are loaded again.

import { connect } from '/live/lithair.js';

const client = connect(location.href, { maxDelayMs: 5000, paths: { Article: '/api/articles', Comment: '/api/comments' } });
const byId = (id) => document.getElementById(id);

// --- an article: its comments -------------------------------------------------------------

const newest = 200; // comments that are followed; older ones stay as the server rendered them

const date = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' });

const paragraphs = (text) => text.replaceAll('\r\n', '\n').split('\n\n').map((p) => p.trim()).filter(Boolean);

// fill puts a comment into its element, and tells whether that had shown something else.
const fill = (element, row) => {
  const time = element.querySelector('time');
  const author = element.querySelector('b');
  const text = element.querySelector('.text');
  const now = paragraphs(row.body);
  const shown = [...text.children].map((p) => p.textContent);
  if (author.textContent === row.author_name && shown.length === now.length && shown.every((p, i) => p === now[i])) return false;
  element.dataset.key = row.id;
  author.textContent = row.author_name;
  time.dateTime = row.created_at;
  time.textContent = date.format(new Date(row.created_at));
  text.replaceChildren(...now.map((p) => Object.assign(document.createElement('p'), { textContent: p })));
  return true;
};

const fresh = (element) => {
  element.classList.remove('fresh');
  void element.offsetWidth; // so that the animation begins anew
  element.classList.add('fresh');
};

// showComments makes the thread what the query says. Ids are ordered by time.
const showComments = (thread, query) => {
  const rows = [...query.rows].reverse();
  const shown = new Map([...thread.children].map((e) => [e.dataset.key, e]));
  const oldest = query.total > rows.length ? rows[0]?.id : ''; // what is older is not in the query
  let at = [...thread.children].find((e) => e.dataset.key >= oldest) ?? null;
  for (const row of rows) {
    let element = shown.get(row.id);
    shown.delete(row.id);
    element ??= byId('comment').content.firstElementChild.cloneNode(true);
    if (element === at) at = at.nextElementSibling;
    else thread.insertBefore(element, at);
    if (fill(element, row)) fresh(element);
  }
  for (const [key, element] of shown) if (key >= oldest) element.remove();
  byId('count').textContent = query.total === 0 ? 'No comments yet' : query.total === 1 ? '1 comment' : `${query.total} comments`;
};

const followComments = (article, thread) => {
  const state = byId('live');
  client.live('Comment', { article_id: article.dataset.key, sort: '-id', take: newest }).subscribe((query) => {
    const live = query.status === 'live';
    state.hidden = query.status === 'error';
    state.classList.toggle('waiting', !live);
    state.textContent = live ? 'Live' : 'Reconnecting…';
    if (live) showComments(thread, query);
  });
};

// An article that changes is not replaced under its reader: the page says so.
const followArticle = (article) => {
  const notice = byId('changed');
  client.live('Article', { id: article.dataset.key }, { fields: ['slug', 'updated_at'] }).subscribe((query) => {
    if (query.status !== 'live') return;
    const [row] = query.rows;
    notice.hidden = row?.updated_at === article.dataset.updated;
    notice.replaceChildren(row ? 'This article was changed just now. ' : 'This article was deleted.');
    if (row) notice.append(Object.assign(document.createElement('a'), { href: '/articles/' + row.slug, textContent: 'Show it as it is now' }));
  });
};

// --- the list -----------------------------------------------------------------------------

// The server knows how a list looks, with filters, search and pages; so what changed is a reason to
// ask for it again. refresh never runs twice at once, and once more for what came meanwhile.
let refreshing = null;
let again = false;

const refresh = () => {
  if (refreshing) {
    again = true;
    return;
  }
  refreshing = fetchList()
    .catch((e) => console.warn('the list could not be loaded:', e.message)) // with the next change again
    .finally(() => {
      refreshing = null;
      if (again) {
        again = false;
        setTimeout(refresh, 250);
      }
    });
};

const fetchList = async () => {
  const answer = await fetch(location.href, { headers: { Accept: 'text/html' } });
  if (!answer.ok) throw new Error(answer.statusText);
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const list = byId('articles');
  const now = page.getElementById('articles');
  if (!now) throw new Error('it is not there');
  const known = new Set([...list.querySelectorAll('.card')].map((e) => e.dataset.key));
  const focus = list.contains(document.activeElement) && document.activeElement.getAttribute('href');
  list.replaceChildren(...now.childNodes);
  for (const card of list.querySelectorAll('.card')) if (!known.has(card.dataset.key)) fresh(card);
  if (focus) list.querySelector(`a[href="${CSS.escape(focus)}"]`)?.focus();
};

const followList = async (list) => {
  try {
    for await (const event of client.feed({ from: Number(list.dataset.seq) })) if (event) refresh();
  } catch (e) {
    if (e.code === 'gone') location.reload(); // the page is so old that the events behind it are not kept any more
    else console.warn('the list is not live:', e.message); // without WebSocket, for one
  }
};

if (byId('thread')) {
  followComments(byId('article'), byId('thread'));
  followArticle(byId('article'));
} else if (byId('articles')) {
  followList(byId('articles'));
}
