/**
 * Gallery: every sample that matches the filter as a grid that scrolls without end, texts as a list. Only the tiles in
 * view exist; pages of rows come as they are needed, and a selection of everything travels as the filter, not as ids.
 */

import { h, isInteractive, show } from "../lib/dom.js";
import { inAddress } from "../lib/address.js";
import { BulkBar } from "../lib/bulk.js";
import { runKey, take } from "../lib/keys.js";
import { Surface, mounted } from "../lib/mount.js";
import { hearOthers } from "../lib/others.js";
import { LabelPicker } from "../lib/picker.js";
import { Grid } from "./grid.js";
import { Picked } from "./picked.js";
import { Rows } from "./store.js";
import { fillTile, hasPicture } from "./tile.js";
import { Toolbar } from "./toolbar.js";

const LOOKS = {
  tiles: { key: "winnow:tile", sizes: [72, 260], usual: 128, step: 20 },
  list: { key: "winnow:line", sizes: [44, 220], usual: 64, step: 20 }, // pixels of a text's line
};

class Gallery extends Surface {
  constructor(component) {
    super(component, "Gallery");
    this.sort = this.data.sort || this.data.sorts[0][0];
    this.group = this.data.groups.some(([name]) => name === this.data.group) ? this.data.group : "";
    this.look = LOOKS[this.data.modality === "text" ? "list" : "tiles"];
    this.picked = new Picked(() => this.rows);
    this.#build();
    this.#start();
    this.labels().then((labels) => {
      this.picker.labels = labels;
      this.bulk.tags = this.tagNames;
    });
    this.onKey((event, key) => this.#key(event, key));
    this.ending(hearOthers((decisions) => this.#heard(decisions)));
    this.ending(() => this.rows.close());
  }

  changed(before) {
    if (before.sort !== this.data.sort) this.sort = this.toolbar.sorter.value = this.data.sort;
    const grouped = before.group !== this.data.group;
    if (grouped) this.group = this.toolbar.grouper.value = this.data.group;
    const same = ["query", "ws", "generation", "sort"].every((name) => before[name] === this.data[name]);
    if (grouped || !same) this.#start();
  }

  // ── frame ────────────────────────────────────────────────────────────────────────────────────────────────────

  #build() {
    const list = this.look === LOOKS.list;
    const size = Number(localStorage.getItem(this.look.key) || this.look.usual);
    const { sorts, groups } = this.data;
    this.toolbar = new Toolbar(
      { sorts, groups, sort: this.sort, group: this.group, size, sizes: this.look.sizes },
      {
        order: (sort) => this.#choose("sort", sort),
        group: (group) => this.#choose("group", group),
        size: (pixels) => this.#resize(pixels),
        all: () => this.#select(() => this.picked.everything()),
      },
    );
    this.grid = new Grid(
      { size, list },
      {
        rows: () => this.rows,
        ready: () => !this.group || this.grid.sections !== null,
        fill: (tile, row, group) => this.#fill(tile, row, group),
        mark: (tile, i) => this.#mark(tile, i),
        group: (i) => this.#selectGroup(i),
        toggleGroup: (i) => this.#toggleGroup(i),
        covers: (first, last) => this.picked.covers(first, last),
        pick: (i, event) => this.#click(i, event),
        open: (i) => this.#open(i),
      },
    );
    this.empty = h("div.empty", { hidden: true });
    this.picker = new LabelPicker(this.root);
    this.bulk = new BulkBar(
      this.root,
      this.api,
      this.picker,
      {
        target: () => this.#target(),
        done: (action, label) => (action === "tag" ? this.#tagged() : this.#decided(action, label)),
        undone: () => this.#reload(),
        clear: () => this.#clear(),
        recount: (n) => {
          if (this.picked.all) {
            this.rows.total = n;
            this.bulk.set(n);
          }
        },
      },
      "Click selects · Shift-click a range · Ctrl-A all · Enter opens in Review",
    );
    this.root.classList.toggle("texts", list);
    this.show(this.toolbar.node, h("div.body", {}, this.grid.node, this.empty), this.bulk.bar);
    const sizes = new ResizeObserver(() => this.grid.layout());
    sizes.observe(this.grid.node);
    this.ending(() => sizes.disconnect());
  }

  get query() {
    const query = new URLSearchParams(this.data.query);
    query.set("sort", this.sort);
    if (this.group) query.set("group", this.group);
    return query.toString();
  }

  #choose(what, value) {
    this[what] = value;
    inAddress(what, value);
    this.#start();
  }

  #resize(size) {
    const [least, most] = this.look.sizes;
    const pixels = Math.max(least, Math.min(most, size));
    this.toolbar.slider.value = pixels;
    localStorage.setItem(this.look.key, String(pixels));
    this.grid.resize(pixels);
  }

  // ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #start(keepPlace = false) {
    const before = this.rows?.total ?? null;
    this.rows?.close();
    this.rows = new Rows(
      this.api,
      this.query,
      () => this.#arrived(),
      (e) => this.#failed(e),
    );
    if (keepPlace) this.rows.total = before;
    else {
      this.#clear(false);
      this.picked.focus = 0;
      this.grid.top();
    }
    this.root.dataset.state = "loading";
    this.grid.empty();
    this.#loadGroups();
    this.rows.need(0, 1);
    if (keepPlace) this.grid.draw();
  }

  /** The sections of this order; a grid without groups is one section. */
  async #loadGroups() {
    const { rows } = this;
    this.grid.begin(null);
    if (!this.group) return;
    try {
      const { groups } = await this.api.get("groups", this.query);
      if (rows !== this.rows) return;
      this.grid.begin(groups);
      if (rows.total !== null) this.#arrived();
    } catch (error) {
      if (rows === this.rows) this.#failed(error);
    }
  }

  #arrived() {
    if (this.group && !this.grid.sections) return; // the first page waits for its sections
    this.root.dataset.state = "ready";
    const { total } = this.rows;
    this.toolbar.say(total, this.grid.sections && this.grid.sections.length);
    show(this.empty, !total);
    if (!total) {
      const reset = () => this.go("gallery", { reset: true });
      this.message(
        this.empty,
        "filter_alt_off",
        "No sample matches",
        "The filters on the left leave nothing to show. Take one away, or start again.",
        h("button.primary", { type: "button", onclick: reset }, "Reset the filters"),
      );
    }
    this.grid.layout();
  }

  #failed(error) {
    if (this.rows.total !== null) {
      this.bulk.say("failed", error.message);
      return;
    }
    this.root.dataset.state = "error";
    const again = h("button.primary", { type: "button", onclick: () => this.#start() }, "Try again");
    this.message(this.empty, "cloud_off", "The samples could not be loaded", error.message, again);
  }

  /**
   * Others have decided: the tiles that are held say so. Where the filter asks for a state, nothing moves under the
   * hand.
   */
  #heard(decisions) {
    if (!new URLSearchParams(this.data.query).has("state"))
      this.rows.refresh(new Set(decisions.map((d) => d.sample_id)));
  }

  #reload() {
    this.#clear(false);
    this.#start(true);
  }

  // ── tiles ────────────────────────────────────────────────────────────────────────────────────────────────────

  #fill(tile, row, group) {
    const { verdicts, modality } = this.data;
    fillTile(tile, row, { verdicts, modality, sort: this.sort, order: this.toolbar.orderName, group });
  }

  #mark(tile, i) {
    const on = Boolean(tile.row && this.picked.has(tile.row.id));
    if (tile.on !== on) {
      tile.on = on;
      tile.node.setAttribute("aria-selected", String(on));
    }
    tile.node.classList.toggle("focus", i === this.picked.focus);
  }

  #markAll() {
    this.grid.remark();
    this.grid.node.setAttribute("aria-activedescendant", `tile-${this.picked.focus}`);
    this.bulk.set(this.picked.count);
  }

  // ── selecting ────────────────────────────────────────────────────────────────────────────────────────────────

  #clear(draw = true) {
    this.picked.clear();
    if (draw) {
      this.bulk.message = null;
      this.bulk.draw();
    }
    if (this.rows) this.#markAll();
  }

  #select(change) {
    change();
    this.#markAll();
  }

  async #range(from, to, add = false) {
    if (await this.picked.range(from, to, add, () => this.bulk.set(null))) this.#markAll();
  }

  #target() {
    if (!this.picked.all) return { ids: [...this.picked.ids] };
    const selection = new URLSearchParams(this.data.query).get("selection");
    return { filter: this.data.query, ...(selection ? { selection } : {}) };
  }

  /** Everything in the group that tile i is in. */
  async #selectGroup(i) {
    if (!this.grid.sections || !this.rows.total) return;
    const { first, count } = this.grid.shelves.sections[this.grid.shelves.sectionOf(i)];
    this.picked.anchor = first;
    await this.#range(first, first + count - 1);
    this.#select(() => (this.picked.focus = i));
  }

  /** Add everything in the group that tile i is in to the selection, or leave it out where all of it is selected. */
  async #toggleGroup(i) {
    const { first, count } = this.grid.shelves.sections[this.grid.shelves.sectionOf(i)];
    const last = first + count - 1;
    if (this.picked.all || this.picked.covers(first, last) !== "all") await this.#range(first, last, true);
    else if (await this.picked.leave(first, last, () => this.bulk.set(null))) this.#markAll();
  }

  #click(i, event) {
    if (event.target.closest(".alike")) return this.#similar(i);
    if (event.target.closest(".closer")) return this.#look(i);
    const several = event.ctrlKey || event.metaKey;
    if (event.shiftKey) this.#range(this.picked.anchor ?? this.picked.focus, i, several);
    else this.#select(() => (several ? this.picked.toggle(i) : this.picked.only(i)));
    this.grid.node.focus({ preventScroll: true });
  }

  #moveTo(i, select) {
    const next = Math.max(0, Math.min((this.rows.total || 0) - 1, i));
    if (select) this.#range(this.picked.anchor ?? this.picked.focus, next);
    else this.picked.focus = this.picked.anchor = next;
    this.grid.reveal(next);
    this.#markAll();
  }

  /** Everything like this sample, the nearest first. */
  #similar(i) {
    const row = this.rows.at(i);
    if (row) this.go("gallery", { like: row.id });
  }

  /** The sample's picture in the viewer. */
  #look(i) {
    const row = this.rows.at(i);
    if (row && hasPicture(row, this.data.modality)) this.lookAt(row.id);
  }

  #open(i) {
    const row = this.rows.at(i);
    if (row) this.go("review", { id: row.id });
  }

  /** Tags were added or removed: which samples changed is known to the server alone. */
  #tagged() {
    this.#clear(false);
    this.bulk.n = 0;
    this.#reload();
  }

  #decided(action, label) {
    if (action === "suggested") {
      this.#reload(); // each sample has a decision of its own
      return;
    }
    const mine = { action, label, actor: this.data.actor };
    for (const [, row] of this.rows.held()) if (this.picked.has(row.id)) row.decision = mine;
    this.grid.refill();
    this.#clear(false);
    if (new URLSearchParams(this.data.query).has("state")) this.#start(true);
  }

  // ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Where a key goes from the tile in focus: its number, or undefined. */
  #goal(key) {
    const { focus } = this.picked;
    const { grid } = this;
    return {
      ArrowRight: () => focus + 1,
      ArrowLeft: () => focus - 1,
      ArrowDown: () => grid.beside(focus, 1),
      ArrowUp: () => grid.beside(focus, -1),
      PageDown: () => grid.beside(focus, grid.page),
      PageUp: () => grid.beside(focus, -grid.page),
      Home: () => 0,
      End: () => this.rows.total - 1,
    }[key];
  }

  #key(event, key) {
    if (event.ctrlKey || event.metaKey) {
      const ours = event.composedPath().includes(this.root) || event.composedPath()[0] === document.body;
      if (key === "a" && ours) {
        take(event);
        this.#select(() => this.picked.everything());
      }
      return;
    }
    const onGrid = event.composedPath()[0] === this.grid.node;
    const moves = key === " " || key === "Enter" || key.startsWith("Arrow") || key === "Home" || key === "End";
    if (moves && !onGrid && isInteractive(event)) return;
    const goal = this.#goal(key);
    if (goal) {
      take(event);
      this.grid.node.focus({ preventScroll: true });
      if (this.rows.total && this.grid.columns) this.#moveTo(goal(), event.shiftKey);
      return;
    }
    const { focus } = this.picked;
    runKey(event, {
      " ": () => this.#select(() => this.picked.toggle(focus)),
      Enter: () => this.#open(focus),
      Escape: () => this.#clear(),
      a: () => this.bulk.run("accept"),
      x: () => this.bulk.run("exclude"),
      t: () => this.bulk.pickTag("add"),
      d: () => this.bulk.pickTag("remove"),
      w: () => this.bulk.suggest(),
      "/": () => this.bulk.pick(),
      u: () => this.bulk.undo(),
      r: () => this.bulk.redo(),
      y: () => this.bulk.confirm(),
      g: () => this.#selectGroup(focus),
      f: () => this.#similar(focus),
      z: () => this.#look(focus),
      "+": () => this.#resize(this.grid.size + this.look.step),
      "=": () => this.#resize(this.grid.size + this.look.step),
      "-": () => this.#resize(this.grid.size - this.look.step),
    });
  }
}

export default mounted(Gallery);
