/*
 * The rows of one live view: a pinned list of ids, and blocks of 50 rows fetched as the reader
 * scrolls. Only the window is subscribed; everything else is counted.
 */
import { throttle } from "./dom.js";
import { stream } from "./stream.js";

export const BLOCK = 50;
const AHEAD = 2;
const KEEP_BLOCKS = 60;
const FETCH_MS = 40;
const RESYNC_MS = 1000;
const MAX_SUBSCRIBED = 200;

async function getJson(url) {
  const answer = await fetch(url, { headers: { Accept: "application/json" } });
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Error(problem.detail || problem.title || String(answer.status));
  }
  return answer.json();
}

export class Rows {
  /** `owner` hears loaded(), changed(ids), counts(), failed(error). */
  constructor({ topic, idsUrl, rowsUrl, owner }) {
    Object.assign(this, { topic, idsUrl, rowsUrl, owner });
    this.ids = [];
    this.index = new Map();
    this.rows = new Map();
    this.blocks = new Map();
    this.window = [0, BLOCK];
    this.direction = 1;
    this.total = 0;
    this.facets = {};
    this.pending = 0;
    this.version = 0;
    this.live = true;
    this.fetchSoon = throttle(() => this.fetchMissing(), FETCH_MS);
    this.resyncSoon = throttle(() => this.owner.resync(), RESYNC_MS);
    this.subscribeSoon = throttle(() => this.subscription?.update(), 150);
  }

  /** Reads the ordered ids; the order stays until the next call. Throws on a failed answer. */
  async load(query) {
    this.query = query;
    const version = ++this.version;
    const answer = await getJson(`${this.idsUrl}?${query}`);
    if (version !== this.version) {
      return false;
    }
    this.ids = answer.ids;
    this.index = new Map(answer.ids.map((id, at) => [id, at]));
    this.total = answer.total;
    this.token = answer.view;
    this.facets = answer.facets || {};
    this.pending = 0;
    this.blocks.clear();
    this.rows.forEach((row, id) => (this.index.has(id) ? null : this.rows.delete(id)));
    return true;
  }

  /** Hears the view just loaded from now on; the server pins its ids when the topic starts. */
  start() {
    this.stop();
    if (this.live) {
      this.subscription = stream.subscribe(this.topic, {
        params: () => ({ view: this.token, ids: this.subscribedIds() }),
        message: (message) => this.apply(message),
        resync: this.resyncSoon,
      });
    }
    this.fetchSoon();
  }

  stop() {
    this.subscription?.close();
    this.subscription = null;
  }

  subscribedIds() {
    const [first, last] = this.window;
    const from = Math.max(0, Math.floor((first + last) / 2) - MAX_SUBSCRIBED / 2);
    return this.ids.slice(from, from + MAX_SUBSCRIBED);
  }

  /** The reader looks at rows first..last of the pinned order. */
  look(first, last) {
    if (first === this.window[0] && last === this.window[1]) {
      return;
    }
    this.direction = first >= this.window[0] ? 1 : -1;
    this.window = [first, last];
    this.subscribeSoon();
    this.fetchSoon();
  }

  wantedBlocks() {
    const [first, last] = this.window;
    const from = Math.floor(first / BLOCK);
    const to = Math.floor(Math.max(first, last - 1) / BLOCK);
    const wanted = [];
    for (let block = from; block <= to; block += 1) {
      wanted.push(block);
    }
    const edge = this.direction > 0 ? to : from;
    for (let step = 1; step <= AHEAD; step += 1) {
      wanted.push(edge + step * this.direction);
    }
    const end = Math.ceil(this.ids.length / BLOCK);
    return wanted.filter((block) => block >= 0 && block < end);
  }

  async fetchMissing() {
    const wanted = this.wantedBlocks();
    const missing = wanted.filter((block) => !this.blocks.has(block));
    this.age(wanted);
    await Promise.all(missing.map((block) => this.fetchBlock(block)));
  }

  async fetchBlock(block) {
    const { version } = this;
    const ids = this.ids.slice(block * BLOCK, (block + 1) * BLOCK);
    this.blocks.set(block, true);
    try {
      const { rows } = await getJson(`${this.rowsUrl}?ids=${ids.join(",")}`);
      if (version === this.version) {
        this.take(ids, rows);
      }
    } catch (error) {
      this.blocks.delete(block);
      this.owner.failed(error);
    }
  }

  take(ids, rows) {
    const found = new Set();
    rows.forEach((row) => {
      found.add(row.id);
      this.rows.set(row.id, row);
    });
    ids.filter((id) => !found.has(id)).forEach((id) => this.markGone(id));
    this.owner.loaded();
  }

  /** A block the reader left is no longer heard; it is shown again at once but read anew. */
  age(wanted) {
    const near = new Set(wanted);
    const heard = new Set(this.subscribedIds().map((id) => Math.floor(this.index.get(id) / BLOCK)));
    [...this.blocks.keys()].forEach((block) => {
      if (!near.has(block) && !heard.has(block)) {
        this.blocks.delete(block);
        this.old = [...(this.old || []), block];
      }
    });
    while (this.old?.length > KEEP_BLOCKS) {
      const block = this.old.shift();
      if (!this.blocks.has(block)) {
        this.ids.slice(block * BLOCK, (block + 1) * BLOCK).forEach((id) => this.rows.delete(id));
      }
    }
  }

  markGone(id) {
    const row = this.rows.get(id);
    if (row && !row.deleted) {
      this.rows.set(id, { ...row, deleted: true });
    }
  }

  apply(message) {
    const changed = new Map();
    (message.up || []).forEach((row) => {
      if (this.index.has(row.id)) {
        changed.set(row.id, this.rows.get(row.id));
        this.rows.set(row.id, row);
      }
    });
    (message.gone || []).forEach((id) => {
      changed.set(id, this.rows.get(id));
      this.markGone(id);
    });
    this.pending += (message.add || 0) + (message.del || 0);
    this.total = message.total ?? this.total;
    this.facets = message.facets || this.facets;
    if (changed.size) {
      this.owner.changed(changed);
    }
    this.owner.counts(Boolean(message.facets));
  }
}
