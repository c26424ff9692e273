/** The grid: only the tiles in view exist; heads of groups, and tiles that are used again as it scrolls. */

import { count, h } from "../lib/dom.js";
import { nameNode } from "../lib/names.js";
import { Shelves } from "./shelves.js";
import { makeTile } from "./tile.js";

const GAP = 8;
const FOOT = 38; // two lines under the picture
const HEAD = 34; // the head of a group
const OVERSCAN = 2; // rows of tiles beyond the edges
const TALLEST = 15_000_000; // browsers stop laying out far beyond this; longer lists are scaled
const REST = 60; // ms: a thumb that is dragged through the list asks only where it stops

export class Grid {
  /**
   * @param {{size: number, list: boolean}} look  list: one sample a line, its text beside its label
   * @param {object} on  rows(), fill(tile, row, group), mark(tile, i), group(first), toggleGroup(first), covers(first,
   *   last), pick(i, event), open(i)
   */
  constructor({ size, list }, on) {
    Object.assign(this, { size, list, on });
    this.shelves = new Shelves();
    this.sections = null;
    this.heads = new Map(); // section → node
    this.tiles = new Map(); // index → tile
    this.spare = [];
    this.scale = 1;
    this.canvas = h("div.canvas", {});
    this.node = h(
      "div.scroller",
      { tabIndex: 0, role: "listbox", "aria-label": "Samples", "aria-multiselectable": "true" },
      this.canvas,
    );
    this.node.addEventListener("scroll", () => this.draw(), { passive: true });
    this.canvas.addEventListener("mousedown", (e) => {
      if (e.shiftKey) e.preventDefault();
    });
    this.canvas.addEventListener("click", (e) => this.#each(e, (i) => on.pick(i, e)));
    this.canvas.addEventListener("dblclick", (e) => this.#each(e, (i) => on.open(i)));
  }

  #each(event, does) {
    const node = event.composedPath().find((n) => n instanceof Element && n.classList?.contains("tile"));
    if (node) does(Number(node.dataset.index));
  }

  /** Begin with other sections; null = none. */
  begin(sections) {
    for (const head of this.heads.values()) head.remove();
    this.heads.clear();
    this.sections = sections;
    this.shelves = new Shelves(sections);
  }

  /** Forget every tile. */
  empty() {
    for (const tile of this.tiles.values()) this.#retire(tile);
    this.tiles.clear();
  }

  top() {
    this.node.scrollTop = 0;
  }

  /** The name of the section of tile i, "" = none. */
  groupOf(i) {
    return this.sections ? this.shelves.sections[this.shelves.sectionOf(i)].name : "";
  }

  /** Lay out again: the width, the size or the number of rows has changed. */
  layout() {
    const width = this.node.clientWidth - GAP;
    if (width <= 0) return;
    this.columns = this.list ? 1 : Math.max(1, Math.floor(width / (this.size + GAP)));
    this.tileWidth = Math.floor(width / this.columns) - GAP;
    this.rowHeight = this.size + (this.list ? 0 : FOOT) + GAP;
    this.shelves.set(this.on.rows().total || 0);
    this.shelves.lay(this.columns, this.rowHeight, HEAD, GAP);
    const natural = this.shelves.height;
    const height = Math.min(natural, TALLEST);
    this.scale = natural > height ? (natural - this.node.clientHeight) / (height - this.node.clientHeight) : 1;
    this.canvas.style.height = `${height}px`;
    this.canvas.style.setProperty("--size", `${this.size}px`);
    for (const [i, tile] of this.tiles) this.#place(tile, i);
    this.draw();
  }

  resize(size) {
    const first = this.columns ? this.shelves.firstAt(this.offset) : 0;
    this.size = size;
    this.layout();
    this.node.scrollTop = (this.shelves.place(first).y - GAP) / this.scale;
    this.draw();
  }

  /** Where the list stands, in its natural (unscaled) pixels. */
  get offset() {
    return this.node.scrollTop * this.scale;
  }

  /** A natural height as one of the (perhaps scaled) canvas. */
  #shown(y) {
    return this.scale === 1 ? y : y - (this.offset - this.node.scrollTop);
  }

  draw() {
    const rows = this.on.rows();
    if (!rows.total || !this.columns || !this.on.ready()) {
      if (rows.total === 0) this.#trim(0, 0);
      return;
    }
    const { first, last, heads } = this.shelves.window(
      this.offset - OVERSCAN * this.rowHeight,
      this.offset + this.node.clientHeight + OVERSCAN * this.rowHeight,
    );
    this.#drawHeads(heads);
    this.#trim(first, last);
    for (let i = first; i < last; i += 1) this.#tile(i);
    clearTimeout(this.timer);
    const ask = () => rows.need(first, last);
    if (rows.at(first) && rows.at(last - 1)) ask();
    else this.timer = setTimeout(ask, REST);
  }

  /** The heads of the groups in view: a click selects the group. Tiles say their group themselves. */
  #drawHeads(wanted) {
    for (const [k, node] of this.heads)
      if (!wanted.includes(k)) {
        node.remove();
        this.heads.delete(k);
      }
    for (const k of wanted) {
      const s = this.shelves.sections[k];
      let node = this.heads.get(k);
      if (!node) {
        const title = `Select these ${count(s.count)} (G); the box adds them to the selection`;
        const box = h("input", { type: "checkbox", tabIndex: -1 });
        box.addEventListener("click", (e) => {
          e.stopPropagation();
          this.on.toggleGroup(s.first);
        });
        node = h("div.shelf", { "aria-hidden": "true", title }, box, h("b", {}, nameNode(s.name)));
        node.append(h("span.muted", { textContent: count(s.count) }));
        node.addEventListener("click", (e) => {
          e.stopPropagation();
          this.on.group(s.first);
        });
        this.heads.set(k, node);
        this.canvas.append(node);
      }
      node.style.transform = `translateY(${this.#shown(s.top)}px)`;
      this.#tick(node, s);
    }
  }

  #tick(head, section) {
    const selected = this.on.covers(section.first, section.first + section.count - 1);
    head.firstChild.checked = selected === "all";
    head.firstChild.indeterminate = selected === "some";
  }

  #trim(first, last) {
    for (const [i, tile] of this.tiles)
      if (i < first || i >= last) {
        this.#retire(tile);
        this.tiles.delete(i);
      }
  }

  #retire(tile) {
    tile.node.hidden = true;
    tile.node.classList.remove("focus");
    tile.node.removeAttribute("id");
    tile.row = null;
    this.spare.push(tile);
  }

  #make() {
    const tile = makeTile(() => this.size);
    this.canvas.append(tile.node);
    return tile;
  }

  #tile(i) {
    let tile = this.tiles.get(i);
    const row = this.on.rows().at(i);
    if (!tile) {
      tile = this.spare.pop() || this.#make();
      tile.node.hidden = false;
      tile.row = undefined;
      this.tiles.set(i, tile);
      tile.node.dataset.index = i;
      tile.node.id = `tile-${i}`;
      this.#place(tile, i);
      if (!row) this.on.fill(tile, row, "");
    }
    if (this.scale !== 1) this.#place(tile, i);
    if (tile.row !== row) {
      tile.row = row;
      this.on.fill(tile, row, this.groupOf(i));
    }
    this.on.mark(tile, i);
  }

  #place(tile, i) {
    const { column, y } = this.shelves.place(i);
    tile.node.style.transform = `translate(${GAP / 2 + column * (this.tileWidth + GAP)}px, ${this.#shown(y)}px)`;
    tile.node.style.width = `${this.tileWidth}px`;
  }

  /** Fill every tile again that has its row. */
  refill() {
    for (const [i, tile] of this.tiles) if (tile.row) this.on.fill(tile, tile.row, this.groupOf(i));
  }

  /** Mark every tile again: selected or not, in focus or not. */
  remark() {
    for (const [i, tile] of this.tiles) this.on.mark(tile, i);
    for (const [k, head] of this.heads) this.#tick(head, this.shelves.sections[k]);
  }

  /** Scroll as little as shows tile i; a first line brings its head. */
  reveal(i) {
    const section = this.shelves.sections[this.shelves.sectionOf(i)];
    if (!section) return; // nothing matches at the moment
    const { y } = this.shelves.place(i);
    const top = this.sections && i - section.first < this.columns ? section.top : y - GAP;
    const view = this.node.clientHeight;
    if (top < this.offset) this.node.scrollTop = top / this.scale;
    else if (y + this.rowHeight > this.offset + view) this.node.scrollTop = (y + this.rowHeight - view) / this.scale;
    this.draw();
  }

  /** The tile so many lines below (or above) tile i. */
  beside(i, lines) {
    let at = i;
    for (let k = Math.abs(lines); k; k -= 1) at = this.shelves.beside(at, Math.sign(lines));
    return at;
  }

  /** Lines in view. */
  get page() {
    return Math.max(1, Math.floor(this.node.clientHeight / this.rowHeight));
  }
}
