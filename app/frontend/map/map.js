/**
 * Map: every sample as a point. Plotly draws the points and moves the view; selecting is done here, so that
 * outlines can
 * be added and subtracted, and the exact members are worked out by the server from the outlines alone.
 */

import { count, h, isInteractive, plural } from "../lib/dom.js";
import { inAddress } from "../lib/address.js";
import { BulkBar } from "../lib/bulk.js";
import { runKey, take } from "../lib/keys.js";
import { Surface, mounted } from "../lib/mount.js";
import { hearOthers } from "../lib/others.js";
import { LabelPicker } from "../lib/picker.js";
import { PointGrid } from "./geometry.js";
import { mask, without } from "./filter.js";
import { Legend } from "./legend.js";
import { Look } from "./look.js";
import { Outlines } from "./outlines.js";
import { paint, spread } from "./palette.js";
import { Plot, loadPlotly } from "./plot.js";
import { Pointer } from "./pointer.js";
import { Saved } from "./saved.js";
import { Selection } from "./selection.js";
import { Strip } from "./strip.js";
import { Toolbar } from "./toolbar.js";

const PATIENCE = 400; // ms that the picture of a selection waits for its count
const CHANGED_BY_DECISIONS = ["verdict", "label", "decision", "label_source", "label_probability"]; // colourings
const FINE = { settled: 0, clean: 0, naive: 1, hard: 1 }; // ranks of verdicts that ask for no decision

/** How much each point matters where not all can be drawn: 2 = a problem, 1 = worth a look, 0 = fine. */
function ranks({ head, array }) {
  const names = head.names || [];
  const out = new Uint8Array(array.length);
  for (let i = 0; i < out.length; i += 1) out[i] = FINE[names[array[i]]] ?? 2;
  return out;
}

class MapSurface extends Surface {
  constructor(component) {
    super(component, "Map");
    this.colour = this.data.colour;
    this.arrays = new Map();
    this.hidden = new Set();
    this.cards = new Map();
    this.tool = "lasso";
    this.#build();
    this.onKey((event, key) => this.#key(event, key));
    for (const type of ["keydown", "keyup", "blur"]) this.listen(window, type, (event) => this.#held(event));
    this.ending(hearOthers(() => this.#heard()));
    this.ending(() => this.plot.destroy());
    this.#start();
  }

  changed(before) {
    if (before.ws !== this.data.ws || before.generation !== this.data.generation) {
      this.arrays.clear();
      this.cards.clear();
      this.#start();
    } else if (before.query !== this.data.query) this.#refilter();
    if (before.colour !== this.data.colour && this.data.colour !== this.colour) this.#recolour(this.data.colour);
    if (this.dark !== this.plot.dark) this.#repaint();
  }

  // ── frame ────────────────────────────────────────────────────────────────────────────────────────────────────

  #build() {
    this.toolbar = new Toolbar(
      { value: this.colour, options: this.data.colours },
      {
        tool: (name) => this.#setTool(name),
        colour: (name) => this.#recolour(name),
        zoom: (factor) => this.plot.zoom(factor),
        home: () => this.plot.home(),
        pressed: (mode) => (this.root.dataset.mode = mode),
      },
    );
    this.tip = h("div.tip", { hidden: true, role: "tooltip" });
    this.stage = h("div.stage", {
      role: "application",
      "aria-label": "Map of all samples. Draw an outline to select.",
    });
    this.pointer = new Pointer(this.stage, this.tip, {
      ready: () => this.root.dataset.state === "ready",
      map: () => this.#map,
      card: (i) => this.#card(i),
      over: (i) => (this.root.dataset.point = i),
    });
    this.outlines = new Outlines(this.stage, {
      ready: () => this.root.dataset.state === "ready",
      view: () => this.plot.view,
      tool: () => this.tool,
      mode: (e) => (e.altKey ? "subtract" : e.shiftKey ? "add" : this.toolbar.mode),
      hover: (at) => this.pointer.hover(at),
      leave: () => this.pointer.hide(),
      press: () => {
        this.pointer.hide();
        this.root.focus({ preventScroll: true });
      },
      click: (at) => this.#click(at),
      drawn: (mode, ring) => this.#outlined(mode, ring),
    });
    this.selection = new Selection(this.api, this.outlines, {
      map: () => this.#map,
      counting: () => this.bulk.set(null),
      counted: (answer) => {
        this.bulk.set(answer.count);
        if (!answer.count) this.bulk.say("failed", "No sample lies inside this outline.");
        this.strip.draw(answer);
      },
      failed: (text) => {
        this.bulk.n = 0;
        this.bulk.say("failed", text);
      },
    });
    this.legend = new Legend((hidden) => {
      this.hidden = hidden;
      this.legend.press(hidden);
      if (this.selection.chosen) this.#select();
      else this.plot.relayer();
    });
    this.look = new Look((look) => this.plot.restyled(look));
    this.strip = new Strip(this.api, {
      go: (page, extra) => this.go(page, extra),
      look: (id) => this.lookAt(id),
      save: () => this.saved.ask(),
      data: () => this.data,
      mix: () => spread(this.painted, this.selection.mask),
      colour: (row) => this.painted.colour(row),
    });
    this.saved = new Saved(this.api, {
      open: (s) => this.#openSaved(s),
      focus: () => this.root.focus({ preventScroll: true }),
      say: (tone, text) => this.bulk.say(tone, text),
      current: () => {
        const { answer, base } = this.selection;
        return answer?.count
          ? { handle: answer.handle, polygons: base ? [] : this.outlines.ops, filter: this.query }
          : null;
      },
    });
    this.picker = new LabelPicker(this.root);
    this.bulk = new BulkBar(
      this.root,
      this.api,
      this.picker,
      {
        target: () => ({ selection: this.selection.answer.handle }),
        done: () => this.#decided(),
        undone: () => this.#decided(),
        clear: () => this.#clear(),
        recount: () => this.selection.count(),
      },
      "Drag an outline to select · Shift adds · Alt subtracts · Esc clears",
    );
    this.empty = h("div.empty", { hidden: true });
    this.plot = new Plot(this.root, this.stage, {
      moved: () => this.outlines.draw(),
      sampled: () => this.#say(),
      shown: (i) => this.#shown(i),
      lit: (i) => Boolean(this.matching.mask[i] && (!this.selection.mask || this.selection.mask[i])),
    });
    this.plot.look = this.look.value;
    this.stage.append(this.plot.density.node, this.plot.node, this.outlines.node, this.tip);
    const side = h(
      "div.side",
      { role: "group", "aria-label": "Legend and selection" },
      this.legend.node,
      this.look.node,
      this.saved.node,
      this.saved.form,
      this.strip.node,
    );
    this.show(this.toolbar.node, h("div.body", {}, this.stage, side, this.empty), this.bulk.bar);
    this.#setTool("lasso");
  }

  /** What selecting and pointing need of the map as it is now. */
  get #map() {
    return {
      grid: this.grid,
      n: this.n,
      xy: this.xy,
      view: this.plot.view,
      verdicts: this.data.verdicts,
      filters: this.data.filters,
      query: this.query,
      colour: this.colour,
      painted: this.painted,
      hidden: this.hidden,
      allowed: (i) => this.matching.mask[i] && this.#shown(i),
    };
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

  #card(i) {
    if (!this.cards.has(i)) {
      const asked = this.api.get(`point/${i}`, { g: this.generation }).then((a) => a.card);
      this.cards.set(i, asked);
      asked.catch(() => this.cards.delete(i));
    }
    return this.cards.get(i);
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
      this.strip.draw(this.selection.answer);
      this.picker.labels = await this.labels();
      this.bulk.tags = this.tagNames;
    } catch (error) {
      if (!this.gone) this.#failed(error);
    }
  }

  #failed(error) {
    this.root.dataset.state = "error";
    const none = error.status === 404;
    const again = () => {
      this.empty.hidden = true;
      this.#start();
    };
    this.message(
      this.empty,
      none ? "explore_off" : "cloud_off",
      none ? "There is no map yet" : "The map could not be loaded",
      error.message,
      h("button.primary", { type: "button", onclick: again }, "Try again"),
      h("button", { type: "button", onclick: () => this.go("gallery") }, "Use the gallery"),
    );
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
    this.toolbar.say(parts);
  }

  // ── drawing ──────────────────────────────────────────────────────────────────────────────────────────────────

  async #recolour(name) {
    const before = this.colour;
    this.colour = this.toolbar.colours.value = name;
    try {
      const array = await this.#colours(name);
      if (this.colour !== name) return;
      inAddress("colour", name);
      const hadHidden = this.hidden.size > 0;
      this.hidden.clear();
      this.painted = paint(name, array, this.data.verdicts, this.dark);
      await (hadHidden ? this.plot.relayer(this.painted) : this.plot.recolour(this.painted));
      this.#legend();
      if (hadHidden && this.selection.chosen) this.#select();
      else this.strip.draw(this.selection.answer);
    } catch (error) {
      this.colour = this.toolbar.colours.value = before;
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
    else this.strip.draw(null);
  }

  #legend() {
    const order = this.colour === "verdict" ? Object.keys(this.data.verdicts) : null;
    this.legend.draw(this.painted, {
      order,
      hidden: this.hidden,
      mask: this.matching.mask,
      title: this.toolbar.colourName,
    });
  }

  #setTool(name) {
    this.tool = this.root.dataset.tool = name;
    this.toolbar.setTool(name);
  }

  /** Shift and Alt change what the next outline does for as long as they are held; the buttons show it. */
  #held(event) {
    const held = event.type === "blur" ? "" : event.altKey ? "subtract" : event.shiftKey ? "add" : "";
    this.toolbar.pressMode(held || this.toolbar.mode);
  }

  // ── selecting ──────────────────────────────────────────────────────────────────────────────────────────────────

  #outlined(mode, ring) {
    if (!this.selection.outline(mode, ring)) {
      this.bulk.say("failed", "There is nothing to subtract from: select something first.");
      return;
    }
    this.#select();
  }

  /** Begin with samples that the server knows by a handle. Their outlines may be drawn around them. */
  async #begin(handle, polygons = []) {
    try {
      const base = await this.selection.begin(handle);
      this.#clear(false);
      this.selection.base = base;
      this.bulk.message = null;
      this.#select(polygons);
    } catch (error) {
      this.bulk.say("failed", error.message);
    }
  }

  async #openSaved(s) {
    const { mode } = this.toolbar;
    await this.#begin(s.handle, s.polygons);
    this.toolbar.setMode(mode);
    this.root.focus({ preventScroll: true });
  }

  /**
   * Work the selection out, and draw it in colour: after the server has said how many it holds, unless that takes long.
   * Many points take longer to draw than to count.
   */
  async #select(around = []) {
    this.strip.pinned = null;
    const counted = this.selection.select(around);
    const { ticket } = this.selection;
    await Promise.race([
      counted,
      new Promise((resolve) => {
        setTimeout(resolve, PATIENCE);
      }),
    ]);
    if (!this.gone && this.selection.ticket === ticket) await this.plot.relayer();
  }

  #clear(draw = true) {
    const had = this.selection.chosen;
    this.selection.clear();
    this.strip.pinned = null;
    this.saved.hide();
    this.bulk.set(0);
    if (!draw) return;
    this.bulk.message = null;
    this.bulk.draw();
    if (had) this.plot.relayer();
    this.strip.draw(null);
  }

  /** A click opens the sample of a point; beside the points it clears the selection. */
  async #click(at) {
    const i = this.pointer.at(at);
    if (i < 0) {
      if (this.selection.chosen || this.strip.pinned) this.#clear();
      return;
    }
    try {
      this.strip.pinned = await this.#card(i);
      this.strip.draw(this.selection.answer);
    } catch (error) {
      this.bulk.say("failed", error.message);
    }
  }

  // ── after decisions ──────────────────────────────────────────────────────────────────────────────────────────

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
    const had = this.selection.mask;
    this.#clear(false);
    this.strip.draw(null);
    if ((await this.#reread()) || had) await this.plot.relayer(this.painted);
  }

  // ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #key(event, key) {
    if (event.ctrlKey || event.metaKey) {
      const ours = event.composedPath().includes(this.root) || event.composedPath()[0] === document.body;
      if (key === "a" && ours && this.root.dataset.state === "ready") {
        take(event);
        this.selection.everything(this.plot.fit());
        this.#select();
      }
      return;
    }
    if (key === "Enter" && isInteractive(event)) return;
    runKey(event, {
      v: () => this.#setTool("pan"),
      b: () => this.#setTool("box"),
      l: () => this.#setTool("lasso"),
      0: () => this.plot.home(),
      Escape: () => this.#clear(),
      n: () => this.toolbar.setMode("new"),
      "+": () => this.toolbar.setMode("add"),
      "=": () => this.toolbar.setMode("add"),
      "-": () => this.toolbar.setMode("subtract"),
      s: () => this.saved.ask(),
      z: () => this.strip.look(),
      a: () => this.bulk.run("accept"),
      x: () => this.bulk.run("exclude"),
      t: () => this.bulk.pickTag("add"),
      d: () => this.bulk.pickTag("remove"),
      w: () => this.bulk.suggest(),
      "/": () => this.bulk.pick(),
      u: () => this.bulk.undo(),
      r: () => this.bulk.redo(),
      y: () => this.bulk.confirm(),
      Enter: () => {
        const { answer } = this.selection;
        if (answer?.count) this.go("gallery", { selection: answer.handle });
      },
    });
  }
}

export default mounted(MapSurface);
