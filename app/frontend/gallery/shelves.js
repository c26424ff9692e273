/** Where every tile lies: sections with a head each (or one without), lines of tiles below. All in natural pixels. */

export class Shelves {
  /** @param {{name: string, count: number}[] | null} groups  sections in order; null = one section without a head */
  constructor(groups = null) {
    this.headed = groups !== null;
    this.sections = (groups || [{ name: "", count: 0 }]).map(({ name, count }) => ({ name, count }));
    this.total = 0;
    this.#number();
  }

  /** How many there are when there are no groups. */
  set(total) {
    if (this.headed) return;
    this.sections[0].count = total;
    this.#number();
  }

  #number() {
    let first = 0;
    for (const s of this.sections) {
      s.first = first;
      first += s.count;
    }
    this.total = first;
  }

  /** Lay out for this many columns, lines of this height, heads of this height, and a gap at both ends. */
  lay(columns, line, head, gap) {
    Object.assign(this, { columns, line, head: this.headed ? head : 0 });
    let y = gap;
    for (const s of this.sections) {
      s.top = y;
      s.lines = Math.ceil(s.count / columns);
      y += this.head + s.lines * line;
    }
    this.height = y;
  }

  /** The last section whose `field` is at most `value`. */
  #last(field, value) {
    let [low, high] = [0, this.sections.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.sections[middle][field] <= value) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The number of the section that tile i is in. */
  sectionOf(i) {
    return this.#last("first", i);
  }

  /** {column, y} of tile i. */
  place(i) {
    const s = this.sections[this.sectionOf(i)];
    const k = i - s.first;
    return { column: k % this.columns, y: s.top + this.head + Math.floor(k / this.columns) * this.line };
  }

  /** The first tile whose line ends below y. */
  firstAt(y) {
    const s = this.sections[this.#last("top", y)];
    const line = Math.max(0, Math.floor((y - s.top - this.head) / this.line));
    return Math.min(this.total, s.first + Math.min(line * this.columns, s.count));
  }

  /** {first, last, heads}: tiles [first, last) and sections whose heads can be seen between two heights. */
  window(from, to) {
    if (!this.sections.length) return { first: 0, last: 0, heads: [] };
    const first = this.firstAt(Math.max(0, from));
    const lastSection = this.sections[this.#last("top", to)];
    const lines = Math.ceil((to - lastSection.top - this.head) / this.line);
    const last = Math.min(
      this.total,
      lastSection.first + Math.max(0, Math.min(lastSection.count, lines * this.columns)),
    );
    const heads = [];
    if (this.headed)
      for (let k = this.#last("top", Math.max(0, from)); k < this.sections.length && this.sections[k].top < to; k += 1)
        heads.push(k);
    return { first, last: Math.max(first, last), heads };
  }

  /** The tile one line below (1) or above (−1) tile i, in the same column where there is one. */
  beside(i, by) {
    const k = this.sectionOf(i);
    const s = this.sections[k];
    const at = i - s.first;
    const column = at % this.columns;
    const line = Math.floor(at / this.columns) + by;
    if (line >= 0 && line < s.lines) return s.first + Math.min(line * this.columns + column, s.count - 1);
    const next = this.sections[k + by];
    if (!next) return i;
    const start = by > 0 ? 0 : (next.lines - 1) * this.columns;
    return next.first + Math.min(start + column, next.count - 1);
  }
}
