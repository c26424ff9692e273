/**
 * Map: every sample as a point. Plotly draws the points and moves the view; selecting is done here, so that
 * outlines can
 * be added and subtracted, and the exact members are worked out by the server from the outlines alone.
 */

import {
  count,
  fillHeight,
  h,
  helpDialog,
  icon,
  isInteractive,
  isTyping,
  keepFocus,
  plural,
  setRelativeTimes,
  setText,
} from "../lib/dom.js";
import { Api } from "../lib/api.js";
import { BulkBar } from "../lib/bulk.js";
import { hearOthers } from "../lib/others.js";
import { LabelPicker } from "../lib/picker.js";
import { PointGrid } from "./geometry.js";
import { mask, narrowed, without } from "./filter.js";
import { Legend } from "./legend.js";
import { Outlines } from "./outlines.js";
import { paint } from "./palette.js";
import { Plot, loadPlotly } from "./plot.js";
import { Saved } from "./saved.js";
import { hint, mixOf, pinnedOf, tileOf, tipOf } from "./side.js";

const STRIP = 60; // tiles of the selection
const HOVER_RADIUS = 9; // pixels
const PATIENCE = 400; // ms that the picture of a selection waits for its count

const KEYS = [
  [
    "Select",
    [
      ["L", "Lasso"],
      ["B", "Box"],
      ["V", "Pan"],
      ["N", "A new selection with each outline"],
      ["+ Shift", "Outlines add"],
      ["− Alt", "Outlines subtract"],
      ["Ctrl A", "Everything that is shown"],
      ["S", "Save the selection under a name"],
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
    "Look",
    [
      ["Wheel", "Zoom"],
      ["0", "Whole map"],
      ["Enter", "Selection in the gallery"],
      ["Click", "A point: its sample. In the legend: hide; twice: only this"],
    ],
  ],
];

const MODES = [
  ["new", "crop_free", "New", "Each outline begins a new selection (N)"],
  ["add", "add", "Add", "Outlines add to the selection (+, or hold Shift)"],
  ["subtract", "remove", "Subtract", "Outlines subtract from the selection (−, or hold Alt)"],
];

const CHANGED_BY_DECISIONS = ["verdict", "label", "decision"]; // colourings
const FINE = { settled: 0, clean: 0, naive: 1, hard: 1 }; // ranks of verdicts that ask for no decision

/** How much each point matters where not all can be drawn: 2 = a problem, 1 = worth a look, 0 = fine. */
function ranks({ head, array }) {
  const names = head.names || [];
  const out = new Uint8Array(array.length);
  for (let i = 0; i < out.length; i += 1) out[i] = FINE[names[array[i]]] ?? 2;
  return out;
}

const live = new WeakMap();

export default function mount(component) {
  const { parentElement } = component;
  const there = live.get(parentElement);
  if (there) there.update(component);
  else live.set(parentElement, new AtlasMap(component));
  return () => {
    live.get(parentElement)?.destroy();
    live.delete(parentElement);
  };
}

class AtlasMap {
  constructor(component) {
    this.component = component;
    this.data = component.data;
    this.api = new Api(this.data);
    setRelativeTimes(this.data.ago);
    this.colour = this.data.colour || this.data.colours[0][0];
    this.arrays = new Map();
    this.hidden = new Set();
    this.base = null; // what the outlines begin with: {handle, mask}, a saved selection or that of the link
    this.cards = new Map();
    this.tool = "lasso";
    this.mode = "new";
    this.#build(component.parentElement);
    this.onKey = (event) => this.#key(event);
    this.onHeld = (event) => this.#held(event);
    window.addEventListener("keydown", this.onKey, true);
    for (const type of ["keydown", "keyup", "blur"]) window.addEventListener(type, this.onHeld);
    this.stopHearing = hearOthers(() => this.#heard());
    this.#start();
  }

  update(component) {
    const before = this.data;
    this.component = component;
    this.data = component.data;
    this.api.update(this.data);
    if (before.ws !== this.data.ws || before.generation !== this.data.generation) {
      this.arrays.clear();
      this.cards.clear();
      this.#start();
    } else if (before.query !== this.data.query) this.#refilter();
    if (this.dark !== this.plot.dark) this.#repaint();
  }

  destroy() {
    this.gone = true;
    window.removeEventListener("keydown", this.onKey, true);
    for (const type of ["keydown", "keyup", "blur"]) window.removeEventListener(type, this.onHeld);
    this.stopHearing();
    this.stopFit();
    this.plot.destroy();
    this.root.remove();
  }

  // ── frame ────────────────────────────────────────────────────────────────────────────────────────────────────

  #build(parent) {
    const tool = (name, symbol, text, key) =>
      h(
        "button.tool",
        {
          type: "button",
          "data-tool": name,
          title: `${text} (${key})`,
          "aria-pressed": "false",
          onclick: () => this.#setTool(name),
        },
        icon(symbol),
        text,
      );
    this.tools = h(
      "div.tools",
      { role: "group", "aria-label": "Tool" },
      tool("pan", "pan_tool", "Pan", "V"),
      tool("box", "select", "Box", "B"),
      tool("lasso", "lasso_select", "Lasso", "L"),
    );
    this.modes = h(
      "div.tools.modes",
      { role: "group", "aria-label": "What an outline does" },
      MODES.map(([name, symbol, text, title]) =>
        h(
          "button.tool",
          { type: "button", "data-mode": name, title, "aria-pressed": "false", onclick: () => this.#setMode(name) },
          icon(symbol),
          h("span", { textContent: text }),
        ),
      ),
    );
    this.picker0 = h(
      "select",
      { "aria-label": "Colour by", onchange: () => this.#recolour(this.picker0.value) },
      this.data.colours.map(([value, text]) =>
        h("option", { value, textContent: text, selected: value === this.colour }),
      ),
    );
    this.note = h("span.muted.note.ellipsis", { role: "status" });
    this.head = h(
      "header.head",
      {},
      this.tools,
      this.modes,
      h(
        "button.quiet",
        { type: "button", title: "Whole map (0)", "aria-label": "Whole map", onclick: () => this.plot.home() },
        icon("fit_screen"),
      ),
      h("label", {}, h("span.muted", { textContent: "Colour" }), this.picker0),
      this.note,
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
    this.tip = h("div.tip", { hidden: true, role: "tooltip" });
    this.stage = h("div.stage", {
      role: "application",
      "aria-label": "Map of all samples. Draw an outline to select.",
    });
    this.outlines = new Outlines(this.stage, {
      ready: () => this.root.dataset.state === "ready",
      view: () => this.plot.view,
      tool: () => this.tool,
      mode: (e) => (e.altKey ? "subtract" : e.shiftKey ? "add" : this.mode),
      hover: (at) => this.#hover(at),
      leave: () => this.#hideTip(),
      press: () => {
        this.#hideTip();
        this.root.focus({ preventScroll: true });
      },
      click: (at) => this.#click(at),
      drawn: (mode, ring) => this.#outlined(mode, ring),
    });
    this.legend = new Legend((hidden) => {
      this.hidden = hidden;
      this.#hiddenChanged();
    });
    this.strip = h("div.strip", {});
    this.saved = new Saved(this.api, {
      open: (s) => this.#openSaved(s),
      focus: () => this.root.focus({ preventScroll: true }),
      say: (tone, text) => this.bulk.say(tone, text),
      current: () =>
        this.selection?.count
          ? { handle: this.selection.handle, polygons: this.base ? [] : this.outlines.ops, filter: this.query }
          : null,
    });
    this.side = h(
      "div.side",
      { role: "group", "aria-label": "Legend and selection" },
      this.legend.node,
      this.saved.node,
      this.saved.form,
      this.strip,
    );
    this.empty = h("div.empty", { hidden: true });
    this.root = h(
      "section.wn.map",
      { tabIndex: -1, role: "region", "aria-label": "Map" },
      this.head,
      h("div.body", {}, this.stage, this.side, this.empty),
    );
    parent.append(this.root);
    this.plot = new Plot(this.root, this.stage, {
      moved: () => this.outlines.draw(),
      sampled: () => this.#say(),
      shown: (i) => this.#shown(i),
      lit: (i) => Boolean(this.matching.mask[i] && (!this.selected || this.selected[i])),
    });
    this.stage.append(this.plot.density.node, this.plot.node, this.outlines.node, this.tip);
    this.picker = new LabelPicker(this.root);
    this.bulk = new BulkBar(
      this.root,
      this.api,
      this.picker,
      {
        target: () => ({ selection: this.selection.handle }),
        done: () => this.#decided(),
        undone: () => this.#decided(),
        clear: () => this.#clear(),
        recount: () => this.#count(),
      },
      "Drag an outline to select · Shift adds · Alt subtracts · Esc clears",
    );
    this.root.append(this.bulk.bar);
    this.help = helpDialog(this.root, "Keys of Map", KEYS);
    keepFocus(this.root);
    this.stopFit = fillHeight(this.root);
    this.#setTool("lasso");
    this.#setMode("new");
    this.root.dataset.state = "loading";
  }

  /** The page's filter. A selection in it is where the outlines begin, not a filter: it can be added to. */
  get query() {
    return without(this.data.query, "selection");
  }
  get linked() {
    return new URLSearchParams(this.data.query).get("selection");
  }

  /** Whether a point is drawn at all. */
  #shown(i) {
    return !(this.painted.kind === "category" && this.hidden.has(this.painted.code(i)));
  }

  // ── data ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #colours(name) {
    if (!this.arrays.has(name)) {
      const asked = this.api.framed(`colours/${name}`);
      this.arrays.set(name, asked);
      asked.catch(() => this.arrays.delete(name));
    }
    return this.arrays.get(name);
  }

  async #start() {
    try {
      this.saved.load();
      const [, points, verdict, first] = await Promise.all([
        loadPlotly(new URL(this.data.plotly, document.baseURI).href),
        this.api.framed("points"),
        this.#colours("verdict"),
        this.#colours(this.colour),
      ]);
      if (this.gone) return;
      this.xy = points.array;
      this.generation = points.head.generation;
      this.clusters = points.head.clusters || [];
      this.fine = points.head.fine || [];
      this.grid = new PointGrid(this.xy);
      this.n = this.grid.n;
      this.rank = ranks(verdict);
      this.plot.load(this);
      this.matching = await this.#mask();
      this.#clear(false);
      this.painted = paint(this.colour, first, this.data.verdicts, (this.dark = this.plot.dark));
      await this.plot.draw(this.painted);
      this.root.dataset.state = "ready";
      if (this.linked) await this.#begin(this.linked);
      this.#legend();
      this.#say();
      this.#strip();
      this.#labels();
    } catch (error) {
      if (!this.gone) this.#failed(error);
    }
  }

  async #labels() {
    try {
      const { labels } = await this.api.get("labels");
      this.picker.labels = labels.map((l) => (typeof l === "string" ? { name: l } : l));
    } catch {
      /* typing a name still works */
    }
  }

  #failed(error) {
    this.root.dataset.state = "error";
    const none = error.status === 404;
    this.empty.replaceChildren(
      icon(none ? "explore_off" : "cloud_off"),
      h("h2", { textContent: none ? "There is no map yet" : "The map could not be loaded" }),
      h("p", { textContent: error.message }),
      h(
        "div.row",
        {},
        h(
          "button.primary",
          {
            type: "button",
            onclick: () => {
              this.empty.hidden = true;
              this.#start();
            },
          },
          "Try again",
        ),
        h("button", { type: "button", onclick: () => this.#go("gallery") }, "Use the gallery"),
      ),
    );
    this.empty.hidden = false;
  }

  #mask() {
    return mask(
      this.data.filters,
      this.query,
      this.xy,
      (name) => this.#colours(name),
      () => this.api.framed("members", this.query),
    );
  }

  #go(page, extra = {}) {
    this.component.setTriggerValue("go", { page, ...extra });
  }

  #say() {
    const parts = [];
    const { rows, all } = this.plot;
    if (!all)
      parts.push(
        `${plural(this.grid.placed, "point")} as density, ${count(rows.length)} of them drawn, problems first`,
        "zoom in to see each",
        "selections count all",
      );
    else parts.push(plural(this.grid.placed, "point"));
    if (this.grid.placed < this.n) parts.push(`${plural(this.n - this.grid.placed, "sample")} not embedded`);
    setText(this.note, parts.join(" · "));
    this.note.title = parts.join("\n");
  }

  // ── drawing ──────────────────────────────────────────────────────────────────────────────────────────────────

  async #recolour(name) {
    const before = this.colour;
    this.colour = name;
    this.picker0.value = name;
    try {
      const array = await this.#colours(name);
      if (this.colour !== name) return;
      const hadHidden = this.hidden.size > 0;
      this.hidden.clear();
      this.painted = paint(name, array, this.data.verdicts, this.dark);
      await (hadHidden ? this.plot.relayer(this.painted) : this.plot.recolour(this.painted));
      this.#legend();
      if (hadHidden && this.chosen) this.#select();
    } catch (error) {
      this.colour = before;
      this.picker0.value = before;
      this.bulk.say("failed", error.message);
    }
  }

  async #repaint() {
    if (!this.painted) return;
    this.dark = this.plot.dark;
    this.painted = paint(this.colour, await this.#colours(this.colour), this.data.verdicts, this.dark);
    await this.plot.draw(this.painted);
    this.#legend();
  }

  async #refilter() {
    try {
      this.matching = await this.#mask();
    } catch (error) {
      this.bulk.say("failed", error.message);
      return;
    }
    this.#clear(false);
    await this.plot.relayer();
    this.#legend();
    this.#say();
    if (this.linked) await this.#begin(this.linked);
    else this.#strip();
  }

  // ── legend ───────────────────────────────────────────────────────────────────────────────────────────────────

  #legend() {
    const order = this.colour === "verdict" ? Object.keys(this.data.verdicts) : null;
    this.legend.draw(this.painted, {
      order,
      hidden: this.hidden,
      mask: this.matching.mask,
      title: this.picker0.selectedOptions[0]?.textContent || "",
    });
  }

  #hiddenChanged() {
    this.legend.press(this.hidden);
    if (this.chosen) this.#select();
    else this.plot.relayer();
  }

  // ── selecting ──────────────────────────────────────────────────────────────────────────────────────────────────

  #setTool(name) {
    this.tool = name;
    this.root.dataset.tool = name;
    for (const b of this.tools.children) b.setAttribute("aria-pressed", String(b.dataset.tool === name));
  }

  #setMode(name) {
    this.mode = name;
    this.#pressMode(name);
  }

  #pressMode(name) {
    this.root.dataset.mode = name;
    for (const b of this.modes.children) b.setAttribute("aria-pressed", String(b.dataset.mode === name));
  }

  /** Shift and Alt change what the next outline does for as long as they are held; the buttons show it. */
  #held(event) {
    const held = event.type === "blur" ? "" : event.altKey ? "subtract" : event.shiftKey ? "add" : "";
    this.#pressMode(held || this.mode);
  }

  /** Whether anything is selected, by outlines or from a saved selection. */
  get chosen() {
    return this.outlines.ops.length > 0 || this.base !== null;
  }

  #outlined(mode, ring) {
    const { outlines } = this;
    if (mode === "new") {
      outlines.ops = [];
      this.base = null;
    }
    if (mode === "subtract" && !this.chosen) {
      this.bulk.say("failed", "There is nothing to subtract from: select something first.");
      return;
    }
    outlines.ops.push({ op: mode === "subtract" ? "subtract" : "add", points: ring });
    this.#select();
  }

  /** Begin with samples that the server knows by a handle. Their outlines may be drawn around them. */
  async #begin(handle, polygons = []) {
    try {
      const { array } = await this.api.framed("members", { selection: handle });
      const chosen = new Uint8Array(this.n);
      for (const row of array) chosen[row] = 1;
      this.#clear(false);
      this.base = { handle, mask: chosen };
      this.bulk.message = null;
      this.#select(polygons);
    } catch (error) {
      this.bulk.say("failed", error.message);
    }
  }

  async #openSaved(s) {
    const before = this.mode;
    await this.#begin(s.handle, s.polygons);
    this.#setMode(before);
    this.root.focus({ preventScroll: true });
  }

  #select(around = []) {
    const { outlines } = this;
    const own = outlines.ops;
    outlines.ops = [...around, ...own];
    outlines.draw();
    outlines.ops = own;
    this.selected = outlines.members(this.grid, this.base?.mask, (i) => this.matching.mask[i] && this.#shown(i));
    this.#light(this.#count());
  }

  /**
   * Draw the selection in colour: after the server has said how many it holds, unless that takes long. Many points
   * take longer to draw than to count.
   */
  async #light(counted) {
    const { ticket } = this;
    await Promise.race([
      counted,
      new Promise((resolve) => {
        setTimeout(resolve, PATIENCE);
      }),
    ]);
    if (!this.gone && this.ticket === ticket) await this.plot.relayer();
  }

  /** Everything that is shown, as one outline around the whole map: the way to a selection without a pointer. */
  #all() {
    const { x, y } = this.plot.fit();
    const [[x0, x1], [y0, y1]] = [x.range, y.range];
    this.base = null;
    this.outlines.ops = [
      {
        op: "add",
        points: [
          [x0, y0],
          [x1, y0],
          [x1, y1],
          [x0, y1],
        ],
      },
    ];
    this.#select();
  }

  async #count() {
    const ticket = (this.ticket = {});
    this.bulk.set(null);
    this.selection = null;
    try {
      const filter = narrowed(this.data.filters, this.query, this.colour, this.painted.entries, this.hidden);
      const started = performance.now();
      const answer = await this.api.post("inside", {
        polygons: this.outlines.ops,
        filter,
        ...(this.base ? { base: this.base.handle } : {}),
      });
      if (this.ticket !== ticket) return;
      performance.measure("winnow:lasso", { start: started, end: performance.now() });
      this.selection = { handle: answer.selection, count: answer.count, verdicts: answer.by_verdict || {} };
      this.bulk.set(answer.count);
      if (!answer.count) this.bulk.say("failed", "No sample lies inside this outline.");
      this.#strip();
    } catch (error) {
      if (this.ticket !== ticket) return;
      this.bulk.n = 0;
      this.bulk.say("failed", error.message);
    }
  }

  #clear(draw = true) {
    this.ticket = null;
    const had = this.chosen;
    this.base = null;
    this.selected = null;
    this.selection = null;
    this.pinned = null;
    this.saved.hide();
    this.bulk.set(0);
    this.outlines.clear();
    if (draw) {
      this.bulk.message = null;
      this.bulk.draw();
      if (had) this.plot.relayer();
      this.#strip();
    }
  }

  /** Read again what decisions change. Returns whether the points look different now. */
  async #reread() {
    for (const name of CHANGED_BY_DECISIONS) this.arrays.delete(name);
    this.cards.clear();
    this.rank = ranks(await this.#colours("verdict"));
    const params = new URLSearchParams(this.data.query);
    if (["state", "verdicts", "classes"].some((name) => params.has(name))) this.matching = await this.#mask();
    if (!CHANGED_BY_DECISIONS.includes(this.colour)) return false;
    this.painted = paint(this.colour, await this.#colours(this.colour), this.data.verdicts, this.dark);
    this.#legend();
    return true;
  }

  /** Others have decided: their decisions are coloured at once, the selection stays. */
  async #heard() {
    if (await this.#reread()) await this.plot.recolour(this.painted);
  }

  async #decided() {
    const had = this.selected;
    this.#clear(false);
    this.#strip();
    if ((await this.#reread()) || had) await this.plot.relayer(this.painted);
  }

  // ── one point ────────────────────────────────────────────────────────────────────────────────────────────────

  #pointAt([px, py]) {
    const { view } = this.plot;
    if (!view) return -1;
    const [x, y] = view.toMap(px, py);
    const allowed =
      this.painted.kind === "category" && this.hidden.size
        ? new Proxy(this.matching.mask, { get: (m, i) => m[i] && !this.hidden.has(this.painted.code(i)) })
        : this.matching.mask;
    return this.grid.nearest(x, y, HOVER_RADIUS * view.ux, HOVER_RADIUS * view.uy, allowed);
  }

  async #card(i) {
    if (!this.cards.has(i)) {
      const asked = this.api.get(`point/${i}`, { g: this.generation }).then((a) => a.card);
      this.cards.set(i, asked);
      asked.catch(() => this.cards.delete(i));
    }
    return this.cards.get(i);
  }

  #hover(at) {
    if (this.root.dataset.state !== "ready") return;
    const i = this.#pointAt(at);
    if (i === this.hovered) return;
    this.hovered = i;
    this.root.dataset.point = i;
    clearTimeout(this.hoverTimer);
    if (i < 0) {
      this.#hideTip();
      return;
    }
    this.hoverTimer = setTimeout(async () => {
      try {
        const card = await this.#card(i);
        if (this.hovered !== i) return;
        this.#showTip(card, i);
      } catch {
        /* the pointer moves on; there is nothing to say here */
      }
    }, 60);
  }

  #showTip(card, i) {
    const [px, py] = this.plot.view.toPixel(this.xy[2 * i], this.xy[2 * i + 1]);
    this.tip.replaceChildren(...tipOf(card, this.data.verdicts));
    this.tip.hidden = false;
    const { offsetWidth: w, offsetHeight: high } = this.tip;
    const room = this.stage.clientWidth;
    this.tip.style.left = `${px + 14 + w > room ? px - 14 - w : px + 14}px`;
    this.tip.style.top = `${Math.max(4, Math.min(this.stage.clientHeight - high - 4, py - high / 2))}px`;
  }

  #hideTip() {
    this.hovered = -1;
    clearTimeout(this.hoverTimer);
    this.tip.hidden = true;
  }

  async #click(at) {
    const i = this.#pointAt(at);
    if (i < 0) {
      if (this.chosen || this.pinned) this.#clear();
      return;
    }
    try {
      this.pinned = await this.#card(i);
      this.#strip();
    } catch (error) {
      this.bulk.say("failed", error.message);
    }
  }

  // ── the selection beside the map ─────────────────────────────────────────────────────────────────────────────

  async #strip() {
    const { selection, pinned } = this;
    const { verdicts, modality } = this.data;
    if (!selection && pinned) {
      this.strip.replaceChildren(pinnedOf(pinned, verdicts, () => this.#go("review", { id: pinned.id })));
      return;
    }
    if (!selection?.count) {
      this.strip.replaceChildren(hint());
      return;
    }
    const tiles = h("div.tiles", { role: "group", "aria-label": "Selected samples" });
    this.strip.replaceChildren(
      mixOf(selection.verdicts, verdicts),
      h(
        "div.open",
        {},
        h(
          "button",
          { type: "button", onclick: () => this.#go("gallery", { selection: selection.handle }) },
          icon("grid_view"),
          "Gallery",
        ),
        h(
          "button",
          { type: "button", onclick: () => this.#go("review", { selection: selection.handle }) },
          icon("rate_review"),
          "Review",
        ),
        h(
          "button",
          { type: "button", title: "Keep this selection under a name (S)", onclick: () => this.saved.ask() },
          icon("bookmark_add"),
          "Save",
        ),
      ),
      tiles,
    );
    try {
      const { rows, total } = await this.api.get("rows", {
        selection: selection.handle,
        limit: STRIP,
        sort: "-confidence",
      });
      if (this.selection !== selection) return;
      tiles.replaceChildren(
        ...rows.map((row) =>
          tileOf(row, verdicts, modality, () => this.#go("review", { id: row.id, selection: selection.handle })),
        ),
        total > rows.length ? h("span.muted.more", { textContent: `and ${count(total - rows.length)} more` }) : "",
      );
    } catch (error) {
      if (this.selection === selection) tiles.replaceChildren(h("span.muted", { textContent: error.message }));
    }
  }

  // ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #key(event) {
    if (event.isComposing || event.altKey || !this.root.isConnected || isTyping(event)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const take = () => {
      event.preventDefault();
      event.stopPropagation();
    };
    if (event.ctrlKey || event.metaKey) {
      const ours = event.composedPath().includes(this.root) || event.composedPath()[0] === document.body;
      if (key === "a" && ours && this.root.dataset.state === "ready") {
        take();
        this.#all();
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
    if (key === "Enter" && isInteractive(event)) return;
    const does = {
      v: () => this.#setTool("pan"),
      b: () => this.#setTool("box"),
      l: () => this.#setTool("lasso"),
      0: () => this.plot.home(),
      Escape: () => this.#clear(),
      n: () => this.#setMode("new"),
      "+": () => this.#setMode("add"),
      "=": () => this.#setMode("add"),
      "-": () => this.#setMode("subtract"),
      s: () => this.saved.ask(),
      a: () => this.bulk.run("accept"),
      x: () => this.bulk.run("exclude"),
      "/": () => this.bulk.pick(),
      u: () => this.bulk.undo(),
      r: () => this.bulk.redo(),
      y: () => this.bulk.confirm(),
      "?": () => this.help.toggle(),
      Enter: () => {
        if (this.selection?.count) this.#go("gallery", { selection: this.selection.handle });
      },
    }[key];
    if (!does) return;
    take();
    if (!event.repeat) does();
  }
}
