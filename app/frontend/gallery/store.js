/** Pages of tiles, fetched when they scroll into view and forgotten when there are too many. */

const PAGE = 200;
const KEEP = 60;

export class Rows {
  /** @param {(first: number, last: number) => void} onPage  called when rows [first, last) have arrived */
  constructor(api, query, onPage, onError) {
    Object.assign(this, { api, query, onPage, onError });
    this.pages = new Map();
    this.asked = new Map();
    this.total = null;
    this.closed = false;
  }

  /** The row at an index, or undefined while it is on its way. */
  at(index) {
    return this.pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  /** Make sure that rows [first, last) are there or asked for. Resolves when they are. */
  need(first, last) {
    const waits = [];
    for (let page = Math.floor(first / PAGE); page * PAGE < last; page += 1) {
      if (this.pages.has(page)) {
        this.#touch(page);
        continue;
      }
      if (this.total !== null && page * PAGE >= this.total && page > 0) continue;
      if (!this.asked.has(page)) this.asked.set(page, this.#fetch(page));
      waits.push(this.asked.get(page));
    }
    return Promise.all(waits);
  }

  /** Fetch the pages again that hold any of these samples; what is shown stays until the answer is here. */
  refresh(ids) {
    for (const [page, rows] of this.pages) {
      if (!this.asked.has(page) && rows.some((row) => ids.has(row.id))) this.asked.set(page, this.#fetch(page));
    }
  }

  #touch(page) {
    const rows = this.pages.get(page);
    this.pages.delete(page);
    this.pages.set(page, rows);
  }

  async #fetch(page) {
    const query = new URLSearchParams(this.query);
    query.set("offset", page * PAGE);
    query.set("limit", PAGE);
    try {
      const answer = await this.api.get("rows", query);
      if (this.closed) return;
      this.total = answer.total;
      this.pages.set(page, answer.rows);
      if (this.pages.size > KEEP) this.pages.delete(this.pages.keys().next().value);
      this.onPage(page * PAGE, page * PAGE + answer.rows.length);
    } catch (error) {
      if (this.closed) return;
      this.onError(error);
      await new Promise((resolve) => setTimeout(resolve, 1500));
    } finally {
      this.asked.delete(page);
    }
  }

  /** Every row that is held now, with its index. */
  *held() {
    for (const [page, rows] of this.pages) for (let i = 0; i < rows.length; i += 1) yield [page * PAGE + i, rows[i]];
  }

  close() {
    this.closed = true;
  }
}
