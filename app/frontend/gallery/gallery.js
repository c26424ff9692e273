/**
 * Gallery: every sample that matches the filter as a grid that scrolls without end. Only the tiles in view exist;
 * pages of rows come as they are needed, and a selection of everything travels as the filter, not as ids.
 */

import {
  ACTIONS,
  count,
  fillHeight,
  h,
  helpDialog,
  icon,
  isInteractive,
  isTyping,
  keepFocus,
  plural,
  score,
  setText,
  show,
  verdictOf,
} from "../lib/dom.js";
import { nameNode, setName } from "../lib/names.js";
import { inAddress } from "../lib/address.js";
import { Api } from "../lib/api.js";
import { BulkBar } from "../lib/bulk.js";
import { hearOthers } from "../lib/others.js";
import { LabelPicker } from "../lib/picker.js";
import { Shelves } from "./shelves.js";
import { Rows } from "./store.js";

const GAP = 8;
const FOOT = 38; // two lines under the picture
const HEAD = 34; // the head of a group
const OVERSCAN = 2; // rows of tiles beyond the edges
const SMALLEST = 72;
const LARGEST = 260;
const TALLEST = 15_000_000; // browsers stop laying out far beyond this; longer lists are scaled

const KEYS = [
  [
    "Select",
    [
      ["Click", "Select one"],
      ["Shift Click", "Select a range"],
      ["Ctrl Click", "Add or remove one"],
      ["Ctrl A", "All that match the filter"],
      ["G", "The whole group"],
      ["Esc", "Select nothing"],
    ],
  ],
  [
    "Decide",
    [
      ["A", "Keep the labels of the selection"],
      ["/", "Relabel the selection"],
      ["X", "Exclude the selection"],
      ["U", "Undo the last batch"],
      ["R", "Redo it"],
    ],
  ],
  [
    "Move",
    [
      ["← → ↑ ↓", "Move"],
      ["Space", "Add or remove"],
      ["Home End", "First, last"],
      ["Enter", "Open in Review"],
      ["F", "Find similar samples"],
      ["+ −", "Larger, smaller tiles"],
    ],
  ],
];

const live = new WeakMap();

export default function mount(component) {
  const { parentElement } = component;
  const there = live.get(parentElement);
  if (there) there.update(component);
  else live.set(parentElement, new Gallery(component));
  return () => {
    live.get(parentElement)?.destroy();
    live.delete(parentElement);
  };
}

class Gallery {
  constructor(component) {
    this.component = component;
    this.data = component.data;
    this.api = new Api(this.data);
    this.size = Number(localStorage.getItem("winnow:tile") || 128);
    this.sort = this.data.sort || this.data.sorts[0][0];
    this.group = this.data.group || "";
    if (!this.data.groups.some(([name]) => name === this.group)) this.group = "";
    this.shelves = new Shelves();
    this.heads = new Map(); // section → node
    this.tiles = new Map(); // index → tile
    this.spare = [];
    this.#build(component.parentElement);
    this.#start();
    this.#loadLabels();
    this.onKey = (event) => this.#key(event);
    window.addEventListener("keydown", this.onKey, true);
    this.stopHearing = hearOthers((decisions) => this.#heard(decisions));
  }

  update(component) {
    const before = this.data;
    this.component = component;
    this.data = component.data;
    this.api.update(this.data);
    if (before.sort !== this.data.sort) {
      this.sort = this.data.sort;
      this.sorter.value = this.sort;
    }
    if (before.group !== this.data.group) {
      this.group = this.grouper.value = this.data.group;
      this.#start();
      return;
    }
    if (before.query !== this.data.query || before.ws !== this.data.ws || before.generation !== this.data.generation)
      this.#start();
  }

  destroy() {
    window.removeEventListener("keydown", this.onKey, true);
    this.stopHearing();
    this.sizes.disconnect();
    this.stopFit();
    this.rows.close();
    this.root.remove();
  }

  // ── frame ────────────────────────────────────────────────────────────────────────────────────────────────────

  #build(parent) {
    this.sorter = h(
      "select",
      { "aria-label": "Order", onchange: () => this.#reorder(this.sorter.value) },
      this.data.sorts.map(([value, text]) => h("option", { value, textContent: text, selected: value === this.sort })),
    );
    this.grouper = h(
      "select",
      { "aria-label": "Group by", onchange: () => this.#regroup(this.grouper.value) },
      this.data.groups.map(([value, text]) =>
        h("option", { value, textContent: value ? text : "No groups", selected: value === this.group }),
      ),
    );
    this.slider = h("input", {
      type: "range",
      min: SMALLEST,
      max: LARGEST,
      step: 4,
      value: this.size,
      "aria-label": "Tile size",
      oninput: () => this.#resize(Number(this.slider.value)),
    });
    this.countText = h("span.muted.count", { role: "status" });
    this.allButton = h(
      "button",
      { type: "button", onclick: () => this.#selectAll() },
      h("kbd", { textContent: "Ctrl A" }),
      h("span", { textContent: "Select all" }),
    );
    this.head = h(
      "header.head",
      {},
      h("label", {}, h("span.muted", { textContent: "Order" }), this.sorter),
      h("label", {}, h("span.muted", { textContent: "Group" }), this.grouper),
      this.countText,
      h("span.gap", {}),
      this.allButton,
      h(
        "label",
        { title: "Tile size" },
        icon("photo_size_select_small", "muted"),
        this.slider,
        icon("photo_size_select_large", "muted"),
      ),
      h(
        "button.quiet",
        {
          type: "button",
          title: "Keys of this page (?)",
          "aria-label": "Keys of this page",
          onclick: () => this.help.toggle(),
        },
        h("kbd", { textContent: "?" }),
      ),
    );
    this.canvas = h("div.canvas", {});
    this.scroller = h(
      "div.scroller",
      { tabIndex: 0, role: "listbox", "aria-label": "Samples", "aria-multiselectable": "true" },
      this.canvas,
    );
    this.scroller.addEventListener("scroll", () => this.#draw(), { passive: true });
    this.canvas.addEventListener("mousedown", (e) => {
      if (e.shiftKey) e.preventDefault();
    });
    this.canvas.addEventListener("click", (e) => this.#click(e));
    this.canvas.addEventListener("dblclick", (e) => {
      const i = this.#indexOf(e);
      if (i >= 0) this.#open(i);
    });
    this.empty = h("div.empty", { hidden: true });
    this.root = h(
      "section.wn.gallery",
      { tabIndex: -1, role: "region", "aria-label": "Gallery" },
      this.head,
      h("div.body", {}, this.scroller, this.empty),
    );
    parent.append(this.root);
    this.picker = new LabelPicker(this.root);
    this.bulk = new BulkBar(
      this.root,
      this.api,
      this.picker,
      {
        target: () => this.#target(),
        done: (a, l) => this.#decided(a, l),
        undone: () => this.#reload(),
        clear: () => this.#clear(),
        recount: (n) => {
          if (this.all) {
            this.rows.total = n;
            this.bulk.set(n);
          }
        },
      },
      "Click selects · Shift-click a range · Ctrl-A all · Enter opens in Review",
    );
    this.root.append(this.bulk.bar);
    this.help = helpDialog(this.root, "Keys of Gallery", KEYS);
    keepFocus(this.root);
    this.stopFit = fillHeight(this.root);
    this.sizes = new ResizeObserver(() => this.#layout());
    this.sizes.observe(this.scroller);
  }

  get query() {
    const query = new URLSearchParams(this.data.query);
    query.set("sort", this.sort);
    if (this.group) query.set("group", this.group);
    return query.toString();
  }

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
    if (!keepPlace) {
      this.#clear(false);
      this.focus = 0;
      this.scroller.scrollTop = 0;
    }
    this.root.dataset.state = "loading";
    for (const tile of this.tiles.values()) this.#retire(tile);
    this.tiles.clear();
    this.#loadGroups();
    this.rows.need(0, 1);
    if (keepPlace) this.#draw();
  }

  /** The sections of this order; a grid without groups is one section. */
  async #loadGroups() {
    const { rows } = this;
    for (const head of this.heads.values()) head.remove();
    this.heads.clear();
    this.sections = null;
    if (!this.group) {
      this.shelves = new Shelves();
      return;
    }
    try {
      const { groups } = await this.api.get("groups", this.query);
      if (rows !== this.rows) return;
      this.sections = groups;
      this.shelves = new Shelves(groups);
      if (rows.total !== null) this.#arrived();
    } catch (error) {
      if (rows === this.rows) this.#failed(error);
    }
  }

  #regroup(group) {
    this.group = group;
    inAddress("group", group);
    this.#start();
  }

  #reorder(sort) {
    this.sort = sort;
    inAddress("sort", sort);
    this.#start();
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

  async #loadLabels() {
    try {
      const { labels } = await this.api.get("labels");
      this.picker.labels = labels.map((l) => (typeof l === "string" ? { name: l } : l));
    } catch {
      /* typing a name still works */
    }
  }

  #arrived() {
    if (this.group && !this.sections) return; // the first page waits for its sections
    this.root.dataset.state = "ready";
    const { total } = this.rows;
    setText(
      this.countText,
      plural(total, "sample") + (this.sections ? ` in ${plural(this.sections.length, "group")}` : ""),
    );
    setText(this.allButton.lastChild, `Select all ${count(total)}`);
    this.allButton.disabled = !total;
    show(this.empty, !total);
    if (!total) {
      this.empty.replaceChildren(
        icon("filter_alt_off"),
        h("h2", { textContent: "No sample matches" }),
        h("p", { textContent: "The filters on the left leave nothing to show. Take one away, or start again." }),
        h(
          "div.row",
          {},
          h(
            "button.primary",
            { type: "button", onclick: () => this.#go("gallery", { reset: true }) },
            "Reset the filters",
          ),
        ),
      );
    }
    this.#layout();
  }

  #failed(error) {
    if (this.rows.total !== null) {
      this.bulk.say("failed", error.message);
      return;
    }
    this.root.dataset.state = "error";
    this.empty.replaceChildren(
      icon("cloud_off"),
      h("h2", { textContent: "The samples could not be loaded" }),
      h("p", { textContent: error.message }),
      h("div.row", {}, h("button.primary", { type: "button", onclick: () => this.#start() }, "Try again")),
    );
    this.empty.hidden = false;
  }

  #go(page, extra = {}) {
    this.component.setTriggerValue("go", { page, ...extra });
  }

  // ── the grid ─────────────────────────────────────────────────────────────────────────────────────────────────

  #layout() {
    const total = this.rows.total || 0;
    const width = this.scroller.clientWidth - GAP;
    if (width <= 0) return;
    const columns = Math.max(1, Math.floor(width / (this.size + GAP)));
    this.columns = columns;
    this.tileWidth = Math.floor(width / columns) - GAP;
    this.rowHeight = this.size + FOOT + GAP;
    this.shelves.set(total);
    this.shelves.lay(columns, this.rowHeight, HEAD, GAP);
    const natural = this.shelves.height;
    const height = Math.min(natural, TALLEST);
    this.scale = natural > height ? (natural - this.scroller.clientHeight) / (height - this.scroller.clientHeight) : 1;
    this.canvas.style.height = `${height}px`;
    this.root.style.setProperty("--size", `${this.size}px`);
    for (const [i, tile] of this.tiles) this.#place(tile, i);
    this.#draw();
  }

  #resize(size) {
    const first = this.#firstVisible();
    this.size = Math.max(SMALLEST, Math.min(LARGEST, size));
    this.slider.value = this.size;
    localStorage.setItem("winnow:tile", String(this.size));
    this.#layout();
    this.scroller.scrollTop = (this.shelves.place(first).y - GAP) / this.scale;
    this.#draw();
  }

  /** Where the list stands, in its natural (unscaled) pixels. */
  get offset() {
    return this.scroller.scrollTop * this.scale;
  }
  #firstVisible() {
    return this.columns ? this.shelves.firstAt(this.offset) : 0;
  }

  #draw() {
    const total = this.rows.total;
    if (!total || !this.columns || (this.group && !this.sections)) {
      if (total === 0) this.#trim(0, 0);
      return;
    }
    const view = this.scroller.clientHeight;
    const { first, last, heads } = this.shelves.window(
      this.offset - OVERSCAN * this.rowHeight,
      this.offset + view + OVERSCAN * this.rowHeight,
    );
    this.#drawHeads(heads);
    this.#trim(first, last);
    for (let i = first; i < last; i += 1) this.#tile(i);
    clearTimeout(this.needTimer);
    const ask = () => this.rows.need(first, last);
    if (this.rows.at(first) && this.rows.at(last - 1)) ask();
    else this.needTimer = setTimeout(ask, 60); // a thumb that is dragged through the list asks only where it stops
  }

  /** The heads of the groups in view. Decoration: every tile says its group itself. */
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
        node = h(
          "div.shelf",
          {
            "aria-hidden": "true",
            title: `Select these ${count(s.count)} (G)`,
            onclick: (e) => {
              e.stopPropagation();
              this.#selectGroup(s.first);
            },
          },
          h("b", {}, nameNode(s.name)),
          h("span.muted", { textContent: count(s.count) }),
        );
        this.heads.set(k, node);
        this.canvas.append(node);
      }
      node.style.transform = `translateY(${this.#shown(s.top)}px)`;
    }
  }

  /** A natural height as one of the (perhaps scaled) canvas. */
  #shown(y) {
    return this.scale === 1 ? y : y - (this.offset - this.scroller.scrollTop);
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
    const image = h("img", { alt: "", draggable: false, decoding: "async", loading: "eager" });
    const text = h("span.snippet", { hidden: true, dir: "auto" });
    const badge = h("span.badge", { hidden: true }, icon("check"));
    const parts = {
      image,
      text,
      badge,
      dot: h("span.dot", {}),
      name: nameNode("", "name"),
      to: nameNode("", "to"),
      value: h("span.value", {}),
    };
    const node = h(
      "div.tile",
      { role: "option" },
      h("span.pic", {}, image, text),
      badge,
      h("span.tick", { "aria-hidden": "true" }, icon("check")),
      h("span.alike", { title: "Similar samples (F)", "aria-hidden": "true" }, icon("image_search")),
      h("span.line", {}, parts.dot, parts.name, parts.value),
      h("span.line.second", {}, parts.to),
    );
    image.addEventListener("load", () =>
      image.classList.toggle("pixelated", Math.max(image.naturalWidth, image.naturalHeight) < this.size * 0.75),
    );
    image.addEventListener("error", () => {
      image.hidden = true;
      text.hidden = false;
      setText(text, "cannot be read");
    });
    this.canvas.append(node);
    return { node, ...parts, row: null };
  }

  #tile(i) {
    let tile = this.tiles.get(i);
    const row = this.rows.at(i);
    if (!tile) {
      tile = this.spare.pop() || this.#make();
      tile.node.hidden = false;
      tile.row = undefined;
      this.tiles.set(i, tile);
      tile.node.dataset.index = i;
      tile.node.id = `tile-${i}`;
      this.#place(tile, i);
    }
    if (this.scale !== 1) this.#place(tile, i);
    if (tile.row !== row) {
      tile.row = row;
      this.#fill(tile, row);
    }
    this.#mark(tile, i);
  }

  #place(tile, i) {
    const { column, y } = this.shelves.place(i);
    tile.node.style.transform = `translate(${GAP / 2 + column * (this.tileWidth + GAP)}px, ${this.#shown(y)}px)`;
    tile.node.style.width = `${this.tileWidth}px`;
  }

  #fill(tile, row) {
    tile.node.classList.toggle("waiting", !row);
    if (!row) {
      tile.image.removeAttribute("src");
      setName(tile.name, "");
      setText(tile.value, "");
      setName(tile.to, "");
      tile.badge.hidden = true;
      tile.text.hidden = true;
      return;
    }
    const v = verdictOf(this.data.verdicts, row.verdict);
    const picture = !["text", "vector"].includes(this.data.modality) && row.width !== 0;
    show(tile.image, picture);
    show(tile.text, !picture);
    if (!picture) {
      tile.image.removeAttribute("src");
      setText(tile.text, row.text || (this.data.modality === "vector" ? row.id : "cannot be read"));
    } else if (tile.image.getAttribute("src") !== row.thumb) tile.image.src = row.thumb;
    tile.dot.style.setProperty("--c", v.colour);
    tile.dot.title = v.name;
    setName(tile.name, row.label ?? "no label");
    setText(tile.value, this.sort === "row" ? "" : score(this.#value(row)));
    tile.value.title = this.sorter.selectedOptions[0]?.textContent || "";
    const decision = this.#decision(row);
    const suggested = row.suggested ?? row.suggested_label;
    const other = decision?.action === "relabel" ? decision.label : row.verdict === "noisy_label" ? suggested : null;
    setName(tile.to, other ? `→ ${other}` : v.name);
    show(tile.badge, Boolean(decision));
    if (decision) {
      const action = ACTIONS[decision.action] || { icon: "group", past: decision.action };
      tile.badge.dataset.action = decision.action;
      setText(tile.badge.firstChild, action.icon);
      tile.badge.title = `${action.past}${decision.label ? ` to ${decision.label}` : ""}${decision.actor ? ` by ${decision.actor}` : ""}`;
    }
    const said = decision ? `, ${(ACTIONS[decision.action]?.past || decision.action).toLowerCase()}` : "";
    const group = this.sections
      ? `, ${this.shelves.sections[this.shelves.sectionOf(Number(tile.node.dataset.index))].name}`
      : "";
    tile.node.setAttribute("aria-label", `${row.label ?? "no label"}, ${v.name}${said}${group}, sample ${row.id}`);
    tile.node.title = row.id;
  }

  #decision(row) {
    if (Array.isArray(row.decision)) return row.decision[0] || null;
    if (row.decision && typeof row.decision === "object")
      return { action: row.decision.action || row.decision.state, ...row.decision };
    return typeof row.decision === "string" && row.decision !== "undecided"
      ? { action: row.decision, label: row.decision_label }
      : null;
  }

  #value(row) {
    const name = this.sort.replace(/^-/, "");
    return row.scores?.[name] ?? (typeof row[name] === "number" ? row[name] : row.confidence);
  }

  #mark(tile, i) {
    const on = Boolean(tile.row && (this.all || this.picked.has(tile.row.id)));
    if (tile.on !== on) {
      tile.on = on;
      tile.node.setAttribute("aria-selected", String(on));
    }
    tile.node.classList.toggle("focus", i === this.focus);
  }

  #markAll() {
    for (const [i, tile] of this.tiles) this.#mark(tile, i);
    this.scroller.setAttribute("aria-activedescendant", `tile-${this.focus}`);
    this.bulk.set(this.all ? this.rows.total : this.picked.size);
  }

  // ── selecting ────────────────────────────────────────────────────────────────────────────────────────────────

  #clear(draw = true) {
    this.all = false;
    this.picked = new Set();
    this.anchor = null;
    if (draw) {
      this.bulk.message = null;
      this.bulk.draw();
    }
    if (this.rows) this.#markAll();
  }

  #target() {
    if (!this.all) return { ids: [...this.picked] };
    const selection = new URLSearchParams(this.data.query).get("selection");
    return { filter: this.data.query, ...(selection ? { selection } : {}) };
  }

  #selectAll() {
    if (!this.rows.total) return;
    this.picked.clear();
    this.all = true;
    this.#markAll();
  }

  /** Everything in the group that tile i is in. */
  #selectGroup(i) {
    if (!this.sections || !this.rows.total) return;
    const { first, count: n } = this.shelves.sections[this.shelves.sectionOf(i)];
    this.anchor = first;
    this.#range(first, first + n - 1);
    this.focus = i;
    this.#markAll();
  }

  #indexOf(event) {
    const node = event.composedPath().find((n) => n instanceof Element && n.classList?.contains("tile"));
    return node ? Number(node.dataset.index) : -1;
  }

  #click(event) {
    const i = this.#indexOf(event);
    if (i < 0) return;
    if (event.target.closest(".alike")) {
      this.#similar(i);
      return;
    }
    if (event.shiftKey) this.#range(this.anchor ?? this.focus, i, event.ctrlKey || event.metaKey);
    else if (event.ctrlKey || event.metaKey) this.#toggle(i);
    else this.#only(i);
    this.scroller.focus({ preventScroll: true });
  }

  #only(i) {
    const row = this.rows.at(i);
    if (!row) return;
    const alone = !this.all && this.picked.size === 1 && this.picked.has(row.id);
    this.all = false;
    this.picked.clear();
    if (!alone) this.picked.add(row.id);
    this.focus = this.anchor = i;
    this.#markAll();
  }

  #toggle(i) {
    const row = this.rows.at(i);
    if (!row) return;
    if (this.all) {
      this.#only(i);
      return;
    }
    if (!this.picked.delete(row.id)) this.picked.add(row.id);
    this.focus = this.anchor = i;
    this.#markAll();
  }

  /** Everything between two tiles, also where the rows in between were never looked at. */
  async #range(from, to, add = false) {
    const [first, last] = from < to ? [from, to] : [to, from];
    if (this.all || !add) {
      this.all = false;
      this.picked.clear();
    }
    this.focus = to;
    const { rows } = this;
    let missing = false;
    for (let i = first; i <= last; i += 1)
      if (!rows.at(i)) {
        missing = true;
        break;
      }
    if (missing) {
      this.bulk.set(null);
      for (let i = first; i <= last && rows === this.rows; i += 2000) {
        await rows.need(i, Math.min(i + 2000, last + 1));
        for (let j = i; j < Math.min(i + 2000, last + 1); j += 1) {
          const row = rows.at(j);
          if (row) this.picked.add(row.id);
        }
      }
      if (rows !== this.rows) return;
    }
    for (let i = first; i <= last; i += 1) {
      const row = rows.at(i);
      if (row) this.picked.add(row.id);
    }
    this.#markAll();
  }

  #moveTo(i, select) {
    const total = this.rows.total || 0;
    const next = Math.max(0, Math.min(total - 1, i));
    if (select) this.#range(this.anchor ?? this.focus, next);
    else {
      this.focus = next;
      this.anchor = next;
    }
    const section = this.shelves.sections[this.shelves.sectionOf(next)];
    const { y } = this.shelves.place(next);
    // a first line brings its head
    const top = this.sections && next - section.first < this.columns ? section.top : y - GAP;
    const view = this.scroller.clientHeight;
    if (top < this.offset) this.scroller.scrollTop = top / this.scale;
    else if (y + this.rowHeight > this.offset + view)
      this.scroller.scrollTop = (y + this.rowHeight - view) / this.scale;
    this.#draw();
    this.#markAll();
  }

  /** Everything like this sample, the nearest first. */
  #similar(i) {
    const row = this.rows.at(i);
    if (row) this.#go("gallery", { like: row.id });
  }

  #open(i) {
    const row = this.rows.at(i);
    if (row) this.#go("review", { id: row.id });
  }

  // ── after a bulk decision ────────────────────────────────────────────────────────────────────────────────────

  #decided(action, label) {
    const ids = this.all ? null : new Set(this.picked);
    const mine = { action, label, actor: this.data.actor };
    for (const [, row] of this.rows.held()) if (!ids || ids.has(row.id)) row.decision = mine;
    for (const tile of this.tiles.values()) if (tile.row) this.#fill(tile, tile.row);
    this.#clear(false);
    if (new URLSearchParams(this.data.query).has("state")) this.#start(true);
  }

  // ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #key(event) {
    if (event.isComposing || event.altKey || !this.root.isConnected || isTyping(event)) return;
    const inside = event.composedPath().includes(this.root);
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const take = () => {
      event.preventDefault();
      event.stopPropagation();
    };
    if (event.ctrlKey || event.metaKey) {
      if (key === "a" && (inside || event.composedPath()[0] === document.body)) {
        take();
        this.#selectAll();
      }
      return;
    }
    if (this.help.open) {
      if (key === "Escape" || key === "?") {
        take();
        this.help.close();
      }
      return;
    }
    const onScroller = event.composedPath()[0] === this.scroller;
    if (
      (key === " " || key === "Enter" || key.startsWith("Arrow") || key === "Home" || key === "End") &&
      !onScroller &&
      isInteractive(event)
    )
      return;
    const { columns, focus, rows } = this;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.rowHeight));
    const down = (lines) => {
      let i = focus;
      for (let k = Math.abs(lines); k; k -= 1) i = this.shelves.beside(i, Math.sign(lines));
      return i;
    };
    const move = {
      ArrowRight: () => focus + 1,
      ArrowLeft: () => focus - 1,
      ArrowDown: () => down(1),
      ArrowUp: () => down(-1),
      PageDown: () => down(page),
      PageUp: () => down(-page),
      Home: () => 0,
      End: () => rows.total - 1,
    }[key];
    if (move) {
      take();
      this.scroller.focus({ preventScroll: true });
      if (rows.total && columns) this.#moveTo(move(), event.shiftKey);
      return;
    }
    const does = {
      " ": () => this.#toggle(this.focus),
      Enter: () => this.#open(this.focus),
      Escape: () => this.#clear(),
      a: () => this.bulk.run("accept"),
      x: () => this.bulk.run("exclude"),
      "/": () => this.bulk.pick(),
      u: () => this.bulk.undo(),
      r: () => this.bulk.redo(),
      y: () => this.bulk.confirm(),
      g: () => this.#selectGroup(this.focus),
      f: () => this.#similar(this.focus),
      "?": () => this.help.toggle(),
      "+": () => this.#resize(this.size + 20),
      "=": () => this.#resize(this.size + 20),
      "-": () => this.#resize(this.size - 20),
    }[key];
    if (!does) return;
    take();
    if (!event.repeat) does();
  }
}
