/**
 * The reviewer's own queue: the cards that were handed out, in order, and a cursor. The server keeps the order of what
 * comes later under a handle; what is here never moves.
 */

const LOW_WATER = 80;
const PAGE = 100;
const FIRST = 20; // a small first page, so that the first card is there at once

export class Queue {
  /**
   * @param {import("../lib/api.js").Api} api
   * @param {string} filter  the queue as a URL query string, with its sort order
   * @param {() => void} onMore  called when cards, the count or an error have arrived
   */
  constructor(api, filter, onMore) {
    Object.assign(this, { api, filter, onMore });
    this.cards = [];
    this.byId = new Map();
    this.cursor = 0;
    this.handle = "";
    this.handed = 0;
    this.total = null;
    this.finished = false;
    this.loading = null;
    this.error = null;
    this.closed = false;
  }

  get current() { return this.cards[this.cursor] || null; }
  get ahead() { return this.cards.length - this.cursor; }

  /** Fetch the next cards when few lie ahead. One request at a time; a failed one is repeated. */
  fill() {
    if (this.loading || this.finished || this.closed || this.ahead > LOW_WATER) return;
    this.loading = this.#fetch().finally(() => {
      this.loading = null;
      if (!this.closed) this.onMore();
      if (!this.error) this.fill();
    });
  }

  async #fetch() {
    const query = new URLSearchParams(this.filter);
    query.set("limit", this.cards.length ? PAGE : FIRST);
    if (this.handle) { query.set("queue", this.handle); query.set("cursor", this.handed); }
    try {
      const answer = await this.api.get("cards", query);
      this.error = null;
      this.handle = answer.queue;
      this.handed = answer.cursor;
      // a server that was restarted makes the queue anew: what this page already holds is left out
      if (this.total === null) this.total = answer.total;
      const fresh = answer.cards.filter((c) => !this.byId.has(c.id));
      if (answer.restarted) this.total = this.cards.length + answer.total - (answer.cards.length - fresh.length);
      for (const card of fresh) { this.byId.set(card.id, card); this.cards.push(card); }
      this.finished = this.handed >= answer.total;
    } catch (error) {
      this.error = error;
      setTimeout(() => this.fill(), 1500);
    }
  }

  /** Bring samples by id to the cursor (opened from a neighbour, the gallery or the map). */
  async open(ids) {
    const unknown = ids.filter((id) => !this.byId.has(id));
    if (unknown.length) {
      const query = new URLSearchParams(unknown.map((id) => ["id", id]));
      const { cards } = await this.api.get("cards", query);
      for (const card of cards.reverse()) {
        this.byId.set(card.id, card);
        this.cards.splice(this.cursor, 0, card);
        card.extra = true; // not part of the queue's own count
      }
    }
    return this.goTo(ids[0]);
  }

  goTo(id) {
    const card = this.byId.get(id);
    if (!card) return false;
    this.cursor = this.cards.indexOf(card);
    return true;
  }

  close() { this.closed = true; }
}
