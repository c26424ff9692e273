/**
 * The reviewer's own queue: the cards that were handed out, in order, and a cursor. The server keeps the order of what
 * comes later under a handle. Cards up to FIXED beyond the cursor never move; the ones after them take a new order when
 * decisions have taught something.
 */

import { ApiError } from "../lib/api.js";

const LOW_WATER = 80;
const PAGE = 100;
const FIRST = 20; // a small first page, so that the first card is there at once
const FIXED = 10; // cards beyond the cursor that a new order leaves alone
const EVERY = 10; // saved decisions between two orders
const CALM = 900; // ms between two orders, however fast the keys

export class Queue {
  /**
   * @param {import("../lib/api.js").Api} api
   * @param {string} filter  the queue as a URL query string, with its sort order
   * @param {() => void} onMore  called when cards, the count or an error have arrived
   * @param {(round: object) => void} [onRound]  called with what a new order has changed
   */
  constructor(api, filter, onMore, onRound = () => {}) {
    Object.assign(this, { api, filter, onMore, onRound });
    this.cards = [];
    this.byId = new Map();
    this.dropped = new Set(); // decided together with others
    this.spare = new Map(); // cards that a new order has put back
    this.cursor = 0;
    this.handle = "";
    this.handed = 0;
    this.total = null;
    this.finished = false;
    this.loading = null;
    this.error = null;
    this.closed = false;
    this.since = 0; // decisions saved since the last order
    this.orderedAt = 0;
    this.fixedOrder = false; // true = not an order that decisions can better
    this.last = [];
  }

  get current() {
    return this.cards[this.cursor] || null;
  }
  /** The card of a sample, if this page holds it. */
  held(id) {
    return this.byId.get(id) || this.spare.get(id) || null;
  }
  get ahead() {
    return this.cards.length - this.cursor;
  }

  /** Fetch the next cards when few lie ahead. One request at a time; a failed one is repeated. */
  fill() {
    if (this.loading || this.finished || this.closed || this.ahead > LOW_WATER) return;
    this.#load(() => this.#fetch());
  }

  #load(work) {
    this.loading = work().finally(() => {
      this.loading = null;
      if (!this.closed) this.onMore();
      if (!this.error) {
        this.fill();
        this.#reorderWhenDue();
      }
    });
  }

  async #fetch() {
    const query = new URLSearchParams(this.filter);
    query.set("limit", this.cards.length ? PAGE : FIRST);
    if (this.handle) {
      query.set("queue", this.handle);
      query.set("cursor", this.handed);
    }
    try {
      const answer = await this.api.get("cards", query);
      this.error = null;
      this.handle = answer.queue;
      this.handed = answer.cursor;
      // a server that was restarted makes the queue anew: what this page already holds is left out
      if (this.total === null) this.total = answer.total;
      const fresh = answer.cards.filter((c) => !this.byId.has(c.id));
      if (answer.restarted) this.total = this.cards.length + answer.total - (answer.cards.length - fresh.length);
      answer.cards.forEach((card, i) => {
        (this.byId.get(card.id) || card).place = answer.cursor - answer.cards.length + i;
      });
      for (const card of fresh) {
        this.byId.set(card.id, card);
        this.cards.push(card);
      }
      this.finished = this.handed >= answer.total;
    } catch (error) {
      this.error = error;
      setTimeout(() => this.fill(), 1500);
    }
  }

  // ── a new order ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Decisions have been saved (ids, the latest last): ask for a new order after every batch of them. */
  saved(ids) {
    this.since += ids.length;
    this.last = [...this.last, ...ids].slice(-EVERY);
    this.#reorderWhenDue();
  }

  #reorderWhenDue() {
    if (this.since < EVERY || this.fixedOrder || this.loading || this.closed || !this.handle || this.waiting) return;
    const wait = this.orderedAt + CALM - performance.now();
    if (wait > 0) {
      this.waiting = setTimeout(() => {
        this.waiting = null;
        this.#reorderWhenDue();
      }, wait);
      return;
    }
    this.reorder();
  }

  /** Ask for a new order now. */
  reorder() {
    if (this.loading || this.closed || !this.handle) return;
    this.since = 0;
    this.orderedAt = performance.now();
    this.#load(() => this.#newOrder());
  }

  async #newOrder() {
    const fixed = this.cards.slice(0, this.cursor + FIXED);
    const first = fixed.reduce((most, c) => (c.place === undefined ? most : Math.max(most, c.place + 1)), 0);
    const query = new URLSearchParams(this.filter);
    for (const [k, v] of Object.entries({
      queue: this.handle,
      cursor: first,
      sent: this.handed,
      reorder: 1,
      limit: PAGE,
    }))
      query.set(k, v);
    for (const id of this.last) query.append("last", id);
    try {
      const answer = await this.api.get("cards", query);
      this.error = null;
      // the server has no such queue any more: the next page makes one
      if (this.closed || answer.restarted || !answer.order) return;
      this.fixedOrder = answer.round === null;
      for (const card of answer.cards) {
        const held = this.held(card.id);
        if (held) Object.assign(held, card);
        else this.spare.set(card.id, card);
      }
      await this.#fetchMissing(answer.order);
      this.#take(answer, first);
      if (answer.round) this.onRound(answer.round);
    } catch (error) {
      // a new order is a help, not a need: it is asked for again after the next batch
      if (!(error instanceof ApiError)) throw error;
    }
  }

  /** Cards that neither this page holds nor the answer brought. */
  async #fetchMissing(order) {
    const missing = order.filter((id) => !this.byId.has(id) && !this.spare.has(id));
    if (!missing.length) return;
    const { cards } = await this.api.get("cards", new URLSearchParams(missing.map((id) => ["id", id])));
    for (const card of cards) this.spare.set(card.id, card);
  }

  #take(answer, first) {
    const until = this.cursor + FIXED; // the cursor may have gone on meanwhile
    const stays = this.cards.slice(0, until);
    const tail = this.cards.slice(until);
    const kept = new Set(stays.map((c) => c.id));
    // opened or put back by the person
    const own = tail.filter((c) => c.extra || c.place === undefined || c.place < first);
    for (const card of own) kept.add(card.id);
    for (const card of tail)
      if (!kept.has(card.id)) {
        this.byId.delete(card.id);
        this.spare.set(card.id, card);
      }
    const next = [];
    answer.order.forEach((id, i) => {
      const card = this.byId.get(id) || this.spare.get(id);
      if (!card) return;
      card.place = first + i; // where it stands in the server's order
      if (kept.has(id)) return;
      this.spare.delete(id);
      this.byId.set(id, card);
      next.push(card);
    });
    this.cards = [...stays, ...own, ...next];
    this.handle = answer.queue;
    this.handed = answer.cursor;
    this.finished = this.handed >= answer.total;
    while (this.spare.size > 4 * PAGE) this.spare.delete(this.spare.keys().next().value);
  }

  /** Whether a sample is part of this queue, not only opened in it. */
  owns(id) {
    const card = this.byId.get(id);
    return card ? !card.extra : this.dropped.has(id);
  }

  /** Take samples out of what lies ahead: they were decided together. Those behind the cursor stay. */
  drop(ids) {
    const gone = new Set(ids);
    for (const id of ids) this.dropped.add(id);
    const ahead = this.cards.slice(this.cursor).filter((c) => !gone.has(c.id));
    for (const card of this.cards.slice(this.cursor)) if (gone.has(card.id)) this.byId.delete(card.id);
    this.cards = [...this.cards.slice(0, this.cursor), ...ahead];
  }

  // ── going about ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Bring samples by id to the cursor (opened from a neighbour, the gallery or the map). */
  async open(ids) {
    const unknown = ids.filter((id) => !this.byId.has(id));
    if (unknown.length) {
      const query = new URLSearchParams(unknown.map((id) => ["id", id]));
      const sort = new URLSearchParams(this.filter).get("sort");
      if (sort) query.set("sort", sort);
      const { cards } = await this.api.get("cards", query);
      for (const card of cards.reverse()) {
        this.byId.set(card.id, card);
        this.cards.splice(this.cursor, 0, card);
        card.extra = true; // not part of the queue's own count
      }
    }
    return this.goTo(ids[0]);
  }

  /** Go through samples again that this queue has been past: they come last. */
  again(ids) {
    const first = this.cards.findIndex((c) => ids.includes(c.id));
    const cards = ids.map((id) => this.byId.get(id));
    this.cards = [...this.cards.filter((c) => !ids.includes(c.id)), ...cards];
    this.cursor = first < 0 ? 0 : this.cards.length - cards.length;
  }

  goTo(id) {
    const card = this.byId.get(id);
    if (!card) return false;
    this.cursor = this.cards.indexOf(card);
    return true;
  }

  close() {
    this.closed = true;
    clearTimeout(this.waiting);
  }
}
