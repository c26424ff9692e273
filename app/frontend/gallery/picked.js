/** What is selected of a list whose rows come page by page: single rows, ranges, or all of it. */

const AT_ONCE = 2000; // rows asked for at a time

export class Picked {
  /** @param {() => import("./store.js").Rows} rows  as they are now */
  constructor(rows) {
    this.rows = rows;
    this.focus = 0;
    this.clear();
  }

  clear() {
    this.all = false;
    this.ids = new Set();
    this.anchor = null;
  }

  has(id) {
    return this.all || this.ids.has(id);
  }

  /** How many are selected. */
  get count() {
    return this.all ? this.rows().total : this.ids.size;
  }

  everything() {
    if (!this.rows().total) return;
    this.ids.clear();
    this.all = true;
  }

  /** Only this one; it alone again selects nothing. */
  only(i) {
    const row = this.rows().at(i);
    if (!row) return;
    const alone = !this.all && this.ids.size === 1 && this.ids.has(row.id);
    this.all = false;
    this.ids.clear();
    if (!alone) this.ids.add(row.id);
    this.focus = this.anchor = i;
  }

  toggle(i) {
    const row = this.rows().at(i);
    if (!row) return;
    if (this.all) {
      this.only(i);
      return;
    }
    if (!this.ids.delete(row.id)) this.ids.add(row.id);
    this.focus = this.anchor = i;
  }

  /**
   * Everything between two rows, also where those in between were never looked at.
   * @param {() => void} waiting  called where rows have to be fetched first
   * @returns {Promise<boolean>} false where the list has changed meanwhile
   */
  async range(from, to, add, waiting) {
    const [first, last] = from < to ? [from, to] : [to, from];
    if (this.all || !add) {
      this.all = false;
      this.ids.clear();
    }
    this.focus = to;
    return this.#each(first, last, (row) => this.ids.add(row.id), waiting);
  }

  /** Leave out everything between two rows; see `range`. */
  async leave(first, last, waiting) {
    return this.#each(first, last, (row) => this.ids.delete(row.id), waiting);
  }

  /** How much of the rows from first to last is selected, as far as they are held: "all", "some" or "none". */
  covers(first, last) {
    if (this.all) return "all";
    const rows = this.rows();
    let [inside, outside] = [0, 0];
    for (let i = first; i <= last && this.ids.size; i += 1) {
      const row = rows.at(i);
      if (!row) continue;
      if (this.ids.has(row.id)) inside += 1;
      else outside += 1;
      if (inside && outside) return "some";
    }
    return !inside ? "none" : this.ids.size > last - first ? "all" : "some";
  }

  async #each(first, last, does, waiting) {
    const rows = this.rows();
    const take = (start, end) => {
      let whole = true;
      for (let i = start; i < end; i += 1) {
        const row = rows.at(i);
        if (row) does(row);
        else whole = false;
      }
      return whole;
    };
    if (take(first, last + 1)) return true;
    waiting();
    for (let i = first; i <= last && rows === this.rows(); i += AT_ONCE) {
      const end = Math.min(i + AT_ONCE, last + 1);
      await rows.need(i, end);
      take(i, end);
    }
    return rows === this.rows();
  }
}
