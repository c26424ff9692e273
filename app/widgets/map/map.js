/**
 * Map: every sample as a point. Plotly draws the points and moves the view; selecting is done here, so that outlines can
 * be added and subtracted, and the exact members are worked out by the server from the outlines alone.
 */

import { count, fillHeight, h, helpDialog, icon, isInteractive, isTyping, keepFocus, plural, setText, show } from "../lib/dom.js";
import { Api } from "../lib/api.js";
import { BulkBar } from "../lib/bulk.js";
import { LabelPicker } from "../lib/picker.js";
import { PointGrid, drawn, inRing, simplify } from "./geometry.js";
import { mask, narrowed } from "./filter.js";
import { Legend } from "./legend.js";
import { paint } from "./palette.js";
import { hint, mixOf, pinnedOf, tileOf, tipOf } from "./side.js";

const MOST = 100_000; // points drawn at once
const STRIP = 60; // tiles of the selection
const NAMES = 24; // cluster names in the space
const HOVER_RADIUS = 9; // pixels
const CLICK_SLOP = 5;

const KEYS = [
  ["Select", [["L", "Lasso"], ["B", "Box"], ["V", "Pan"], ["Shift drag", "Add to the selection"], ["Alt drag", "Take out of the selection"], ["Ctrl A", "Everything that is shown"], ["Esc", "Select nothing"]]],
  ["Decide", [["A", "Accept the selection"], ["/", "Relabel the selection"], ["X", "Exclude the selection"], ["U", "Undo the last batch"]]],
  ["Look", [["Wheel", "Zoom"], ["0", "Whole map"], ["Enter", "Selection in the gallery"], ["Click", "A point: its sample. In the legend: hide; twice: only this"]]],
];

let plotlyReady = null;
function loadPlotly(url) {
  plotlyReady ||= new Promise((resolve, reject) => {
    if (window.Plotly) { resolve(window.Plotly); return; }
    const script = document.createElement("script");
    script.src = url;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => { plotlyReady = null; reject(new Error("plotly.js could not be loaded.")); };
    document.head.append(script);
  });
  return plotlyReady;
}

const live = new WeakMap();

export default function mount(component) {
  const { parentElement } = component;
  const there = live.get(parentElement);
  if (there) there.update(component);
  else live.set(parentElement, new AtlasMap(component));
  return () => { live.get(parentElement)?.destroy(); live.delete(parentElement); };
}

class AtlasMap {
  constructor(component) {
    this.component = component;
    this.data = component.data;
    this.api = new Api(this.data);
    this.colour = this.data.colour || this.data.colours[0][0];
    this.arrays = new Map();
    this.hidden = new Set();
    this.ops = []; // outlines: [{op, points}]
    this.cards = new Map();
    this.tool = "lasso";
    this.#build(component.parentElement);
    this.onKey = (event) => this.#key(event);
    window.addEventListener("keydown", this.onKey, true);
    this.#start();
  }

  update(component) {
    const before = this.data;
    this.component = component;
    this.data = component.data;
    this.api.update(this.data);
    if (before.ws !== this.data.ws || before.generation !== this.data.generation) { this.arrays.clear(); this.cards.clear(); this.#start(); }
    else if (before.query !== this.data.query) this.#refilter();
    if (this.dark !== this.#isDark()) this.#repaint(true);
  }

  destroy() {
    this.gone = true;
    window.removeEventListener("keydown", this.onKey, true);
    this.sizes.disconnect();
    this.stopFit();
    if (this.plot) window.Plotly.purge(this.plot);
    this.root.remove();
  }

  // ── frame ────────────────────────────────────────────────────────────────────────────────────────────────────

  #build(parent) {
    const tool = (name, symbol, text, key) => h("button.tool", { type: "button", "data-tool": name, title: `${text} (${key})`, "aria-pressed": "false", onclick: () => this.#setTool(name) }, icon(symbol), text);
    this.tools = h("div.tools", { role: "group", "aria-label": "Tool" },
      tool("pan", "pan_tool", "Pan", "V"), tool("box", "select", "Box", "B"), tool("lasso", "lasso_select", "Lasso", "L"));
    this.picker0 = h("select", { "aria-label": "Colour by", onchange: () => this.#recolour(this.picker0.value) },
      this.data.colours.map(([value, text]) => h("option", { value, textContent: text, selected: value === this.colour })));
    this.note = h("span.muted.note.ellipsis", { role: "status" });
    this.head = h("header.head", {}, this.tools,
      h("button.quiet", { type: "button", title: "Whole map (0)", "aria-label": "Whole map", onclick: () => this.#home() }, icon("fit_screen")),
      h("label", {}, h("span.muted", { textContent: "Colour" }), this.picker0), this.note,
      h("button.quiet", { type: "button", title: "Keys of this page (?)", "aria-label": "Keys of this page", onclick: () => this.help.toggle() }, h("kbd", { textContent: "?" })));
    this.plot = h("div.plot", {});
    this.outline = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.outline.classList.add("outline");
    this.outline.setAttribute("aria-hidden", "true");
    this.tip = h("div.tip", { hidden: true, role: "tooltip" });
    this.stage = h("div.stage", { role: "application", "aria-label": "Map of all samples. Draw an outline to select." }, this.plot, this.outline, this.tip);
    this.legend = new Legend((hidden) => { this.hidden = hidden; this.#hiddenChanged(); });
    this.strip = h("div.strip", {});
    this.side = h("div.side", { role: "group", "aria-label": "Legend and selection" }, this.legend.node, this.strip);
    this.empty = h("div.empty", { hidden: true });
    this.root = h("section.wn.map", { tabIndex: -1, role: "region", "aria-label": "Map" }, this.head, h("div.body", {}, this.stage, this.side, this.empty));
    parent.append(this.root);
    this.picker = new LabelPicker(this.root);
    this.bulk = new BulkBar(this.root, this.api, this.picker, {
      target: () => ({ selection: this.selection.handle }), done: () => this.#decided(), undone: () => this.#decided(), clear: () => this.#clear(),
      recount: () => this.#count(),
    }, "Drag an outline to select · Shift adds · Alt takes out · Esc clears");
    this.root.append(this.bulk.bar);
    this.help = helpDialog(this.root, "Keys of Map", KEYS);
    keepFocus(this.root);
    this.stopFit = fillHeight(this.root);
    this.#pointer();
    this.#setTool("lasso");
    this.root.dataset.state = "loading";
  }

  #isDark() {
    const [r, g, b] = (getComputedStyle(this.root).backgroundColor.match(/[\d.]+/g) || [255, 255, 255]).map(Number);
    return r * 0.3 + g * 0.6 + b * 0.1 < 128;
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
      const [, points, verdict, first] = await Promise.all([loadPlotly(new URL(this.data.plotly, document.baseURI).href), this.api.framed("points"), this.#colours("verdict"), this.#colours(this.colour)]);
      if (this.gone) return;
      this.xy = points.array;
      this.generation = points.head.generation;
      this.clusters = points.head.clusters || [];
      this.grid = new PointGrid(this.xy);
      this.n = this.grid.n;
      const quiet = (verdict.head.names || []).indexOf("clean");
      const flagged = Uint8Array.from({ length: this.n }, (_, i) => (verdict.array[i] !== quiet ? 1 : 0));
      this.rows = drawn(this.grid, flagged, MOST);
      this.matching = await mask(this.data.query, this.xy, (name) => this.#colours(name));
      this.#clear(false);
      this.painted = paint(this.colour, first, this.data.verdicts, this.dark = this.#isDark());
      await this.#draw();
      this.root.dataset.state = "ready";
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
    } catch { /* typing a name still works */ }
  }

  #failed(error) {
    this.root.dataset.state = "error";
    const none = error.status === 404;
    this.empty.replaceChildren(icon(none ? "explore_off" : "cloud_off"), h("h2", { textContent: none ? "There is no map yet" : "The map could not be loaded" }), h("p", { textContent: error.message }),
      h("div.row", {}, h("button.primary", { type: "button", onclick: () => { this.empty.hidden = true; this.#start(); } }, "Try again"), h("button", { type: "button", onclick: () => this.#go("gallery") }, "Use the gallery")));
    this.empty.hidden = false;
  }

  #go(page, extra = {}) { this.component.setTriggerValue("go", { page, ...extra }); }

  #say() {
    const parts = [];
    if (this.rows.length < this.grid.placed) parts.push(`${count(this.rows.length)} of ${count(this.grid.placed)} points drawn, flagged ones first; selections count all`);
    else parts.push(plural(this.grid.placed, "point"));
    if (this.grid.placed < this.n) parts.push(`${plural(this.n - this.grid.placed, "sample")} without a place`);
    if (!this.matching.whole) parts.push("some filters count in selections only");
    setText(this.note, parts.join(" · "));
    this.note.title = parts.join("\n");
  }

  // ── drawing ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** The points in three layers: those that do not count now, those that do. Layers are index lists, never copies. */
  #layers() {
    const lit = [];
    const grey = [];
    const { hidden, painted } = this;
    for (const i of this.rows) {
      if (painted.kind === "category" && hidden.has(painted.code(i))) continue;
      if (this.matching.mask[i] && (!this.selected || this.selected[i])) lit.push(i);
      else grey.push(i);
    }
    return { lit, grey };
  }

  #xy(rows) {
    const x = new Float32Array(rows.length);
    const y = new Float32Array(rows.length);
    rows.forEach((row, k) => { x[k] = this.xy[2 * row]; y[k] = this.xy[2 * row + 1]; });
    return [x, y];
  }

  get #size() { return this.rows.length > 40000 ? 3 : this.rows.length > 8000 ? 4 : 5; }
  get #greyColour() { return this.dark ? "rgb(64,64,74)" : "rgb(206,206,214)"; }

  async #draw() {
    const { lit, grey } = this.#layers();
    const [gx, gy] = this.#xy(grey);
    const [x, y] = this.#xy(lit);
    const size = this.#size;
    const common = { type: "scattergl", mode: "markers", hoverinfo: "skip", showlegend: false };
    const traces = [
      { ...common, x: gx, y: gy, marker: { size, color: this.#greyColour, opacity: 0.6 } },
      { ...common, x, y, marker: { size, opacity: 0.75, color: Float32Array.from(lit, this.painted.value), ...this.painted.marker } },
    ];
    const axis = { visible: false, showgrid: false, zeroline: false, fixedrange: false };
    const layout = {
      xaxis: { ...axis, ...this.#fit().x }, yaxis: { ...axis, ...this.#fit().y, scaleanchor: "x" }, margin: { l: 0, r: 0, t: 0, b: 0 }, hovermode: false, dragmode: "pan",
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, annotations: this.#names(), uirevision: "keep",
    };
    await window.Plotly.react(this.plot, traces, layout, { displayModeBar: false, scrollZoom: true, doubleClick: false, responsive: false });
    this.#styles();
    this.sizes ||= new ResizeObserver(() => { if (this.plot.offsetWidth) { window.Plotly.Plots.resize(this.plot); this.#drawOutlines(); } });
    this.sizes.observe(this.stage);
    this.plot.removeAllListeners?.("plotly_relayout");
    this.plot.removeAllListeners?.("plotly_relayouting");
    this.plot.on("plotly_relayout", () => this.#drawOutlines());
    this.plot.on("plotly_relayouting", () => this.#drawOutlines());
  }

  /** Plotly writes its few style rules into the document; inside a shadow root they have to be repeated. */
  #styles() {
    const root = this.root.getRootNode();
    if (this.styled || !(root instanceof ShadowRoot)) return;
    const rules = [...document.querySelectorAll("style[id^='plotly.js-style']")].flatMap((s) => [...(s.sheet?.cssRules || [])].map((r) => r.cssText));
    root.append(h("style", { textContent: rules.join("\n") }));
    this.styled = true;
  }

  #fit() {
    const { x0, x1, y0, y1 } = this.grid;
    const pad = 0.04;
    const px = (x1 - x0 || 1) * pad;
    const py = (y1 - y0 || 1) * pad;
    return { x: { range: [x0 - px, x1 + px] }, y: { range: [y0 - py, y1 + py] } };
  }

  #home() { const { x, y } = this.#fit(); window.Plotly.relayout(this.plot, { "xaxis.range": x.range, "yaxis.range": y.range }); }

  #names() {
    const safe = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
    const style = getComputedStyle(this.root);
    return [...this.clusters].sort((a, b) => b.size - a.size).slice(0, NAMES).map((c) => ({
      x: c.x, y: c.y, text: safe(String(c.name)), showarrow: false, captureevents: false,
      font: { size: 12, color: style.color, family: style.fontFamily, weight: 600 }, bgcolor: this.dark ? "rgba(19,19,22,.62)" : "rgba(255,255,255,.68)", borderpad: 2,
    }));
  }

  /** Another colour on the same places: only the marker values of the lit layer travel to the graphics card. */
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
      if (hadHidden) await this.#relayer();
      else {
        const { lit } = this.#layers();
        await window.Plotly.restyle(this.plot, { "marker.color": [Float32Array.from(lit, this.painted.value)], "marker.colorscale": [this.painted.marker.colorscale], "marker.cmin": 0, "marker.cmax": this.painted.marker.cmax }, [1]);
      }
      this.#legend();
      if (hadHidden && this.ops.length) this.#count();
    } catch (error) {
      this.colour = before;
      this.picker0.value = before;
      this.bulk.say("failed", error.message);
    }
  }

  /** Which points are lit has changed: new index lists for both layers. */
  async #relayer() {
    const { lit, grey } = this.#layers();
    const [gx, gy] = this.#xy(grey);
    const [x, y] = this.#xy(lit);
    await window.Plotly.restyle(this.plot, {
      x: [gx, x], y: [gy, y], "marker.color": [this.#greyColour, Float32Array.from(lit, this.painted.value)],
    }, [0, 1]);
    if (this.painted.marker.cmax !== undefined) await window.Plotly.restyle(this.plot, { "marker.colorscale": [this.painted.marker.colorscale], "marker.cmin": 0, "marker.cmax": this.painted.marker.cmax }, [1]);
  }

  async #repaint(theme = false) {
    if (!this.painted) return;
    if (theme) this.dark = this.#isDark();
    this.painted = paint(this.colour, await this.#colours(this.colour), this.data.verdicts, this.dark);
    await this.#draw();
    this.#legend();
  }

  async #refilter() {
    this.matching = await mask(this.data.query, this.xy, (name) => this.#colours(name));
    this.#clear(false);
    await this.#relayer();
    this.#legend();
    this.#say();
    this.#strip();
  }

  // ── legend ───────────────────────────────────────────────────────────────────────────────────────────────────

  #legend() {
    const order = this.colour === "verdict" ? Object.keys(this.data.verdicts) : null;
    this.legend.draw(this.painted, { order, hidden: this.hidden, mask: this.matching.mask, title: this.picker0.selectedOptions[0]?.textContent || "" });
  }

  #hiddenChanged() {
    this.legend.press(this.hidden);
    if (this.ops.length) this.#members();
    this.#relayer();
    if (this.ops.length) this.#count();
  }

  // ── pointer ──────────────────────────────────────────────────────────────────────────────────────────────────

  #setTool(name) {
    this.tool = name;
    this.root.dataset.tool = name;
    for (const b of this.tools.children) b.setAttribute("aria-pressed", String(b.dataset.tool === name));
  }

  /** Pixel in the stage ↔ map coordinates. */
  get #view() {
    const { _fullLayout: full } = this.plot;
    if (!full?.xaxis) return null;
    const { l, t, w, h: high } = full._size;
    const [x0, x1] = full.xaxis.range;
    const [y0, y1] = full.yaxis.range;
    return { toMap: (px, py) => [x0 + ((px - l) / w) * (x1 - x0), y1 - ((py - t) / high) * (y1 - y0)], toPixel: (x, y) => [l + ((x - x0) / (x1 - x0)) * w, t + ((y1 - y) / (y1 - y0)) * high], ux: (x1 - x0) / w, uy: (y1 - y0) / high };
  }

  #pointer() {
    const { stage } = this;
    const place = (e) => { const box = stage.getBoundingClientRect(); return [e.clientX - box.left, e.clientY - box.top]; };
    // plotly listens for mousedown; while an outline is drawn it must not hear it
    stage.addEventListener("mousedown", (e) => { if (this.tool !== "pan" && e.button === 0) { e.stopPropagation(); e.preventDefault(); } }, true);
    stage.addEventListener("pointerdown", (e) => {
      if (e.button !== 0 || this.root.dataset.state !== "ready") return;
      this.pressed = place(e);
      this.#hideTip();
      this.root.focus({ preventScroll: true });
      if (this.tool === "pan") return;
      stage.setPointerCapture(e.pointerId);
      this.drag = { op: e.altKey ? "subtract" : "add", keep: e.altKey || e.shiftKey, path: [this.pressed] };
    }, true);
    stage.addEventListener("pointermove", (e) => {
      const at = place(e);
      if (!this.drag) { if (!e.buttons) this.#hover(at); return; }
      for (const one of e.getCoalescedEvents?.() || [e]) this.drag.path.push(place(one));
      this.#drawOutlines();
    });
    const up = (e) => {
      const at = place(e);
      const start = this.pressed;
      this.pressed = null;
      const { drag } = this;
      this.drag = null;
      if (start && Math.hypot(at[0] - start[0], at[1] - start[1]) < CLICK_SLOP && (!drag || drag.path.length < 12)) { this.#drawOutlines(); this.#click(at); return; }
      if (drag) this.#outlined(drag);
    };
    stage.addEventListener("pointerup", up);
    stage.addEventListener("pointercancel", () => { this.drag = null; this.pressed = null; this.#drawOutlines(); });
    stage.addEventListener("pointerleave", () => this.#hideTip());
  }

  #shape(path) {
    if (this.tool !== "box") return path;
    const [x0, y0] = path[0];
    const [x1, y1] = path[path.length - 1];
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
  }

  #drawOutlines() {
    const view = this.#view;
    if (!view) return;
    const shapes = this.ops.map((o) => [o.op, o.points.map(([x, y]) => view.toPixel(x, y))]);
    if (this.drag) shapes.push([this.drag.op, this.#shape(this.drag.path)]);
    this.outline.replaceChildren(...shapes.map(([op, ring]) => {
      const node = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
      node.setAttribute("points", ring.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "));
      node.setAttribute("class", op);
      return node;
    }));
  }

  #outlined({ op, keep, path }) {
    const view = this.#view;
    const ring = simplify(this.#shape(path), 0.7).map(([px, py]) => view.toMap(px, py));
    if (ring.length < 3) { this.#drawOutlines(); return; }
    if (!keep) this.ops = [];
    if (op === "subtract" && !this.ops.length) { this.#drawOutlines(); return; }
    this.ops.push({ op, points: ring });
    this.#drawOutlines();
    this.#members();
    this.#relayer();
    this.#count();
  }

  /** Everything that is shown, as one outline around the whole map: the way to a selection without a pointer. */
  #all() {
    const { x, y } = this.#fit();
    const [[x0, x1], [y0, y1]] = [x.range, y.range];
    this.ops = [{ op: "add", points: [[x0, y0], [x1, y0], [x1, y1], [x0, y1]] }];
    this.#drawOutlines();
    this.#members();
    this.#relayer();
    this.#count();
  }

  /** Which points the outlines hold, for the picture. The count that is shown and acted on comes from the server. */
  #members() {
    const chosen = new Uint8Array(this.n);
    const { painted, hidden } = this;
    for (const { op, points } of this.ops) {
      let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
      for (const [x, y] of points) { if (x < x0) x0 = x; if (x > x1) x1 = x; if (y < y0) y0 = y; if (y > y1) y1 = y; }
      for (let i = 0; i < this.n; i += 1) {
        const x = this.xy[2 * i];
        const y = this.xy[2 * i + 1];
        if (x < x0 || x > x1 || y < y0 || y > y1 || !this.matching.mask[i] || (painted.kind === "category" && hidden.has(painted.code(i)))) continue;
        if (inRing(x, y, points)) chosen[i] = op === "add" ? 1 : 0;
      }
    }
    this.selected = chosen;
  }

  async #count() {
    const ticket = this.ticket = {};
    this.bulk.set(null);
    this.selection = null;
    try {
      const filter = narrowed(this.data.query, this.colour, this.painted.entries, this.hidden);
      const started = performance.now();
      const answer = await this.api.post("inside", { polygons: this.ops, filter });
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
    const had = this.ops.length > 0;
    this.ops = [];
    this.selected = null;
    this.selection = null;
    this.pinned = null;
    this.bulk.set(0);
    this.#drawOutlines();
    if (draw) { this.bulk.message = null; this.bulk.draw(); if (had) this.#relayer(); this.#strip(); }
  }

  async #decided() {
    this.arrays.delete("decision");
    this.cards.clear();
    const had = this.selected;
    this.#clear(false);
    this.#strip();
    if (this.colour === "decision") { this.painted = paint("decision", await this.#colours("decision"), this.data.verdicts, this.dark); this.#legend(); }
    if (new URLSearchParams(this.data.query).has("state")) this.matching = await mask(this.data.query, this.xy, (name) => this.#colours(name));
    if (had || this.colour === "decision") await this.#relayer();
  }

  // ── one point ────────────────────────────────────────────────────────────────────────────────────────────────

  #pointAt([px, py]) {
    const view = this.#view;
    if (!view) return -1;
    const [x, y] = view.toMap(px, py);
    const allowed = this.painted.kind === "category" && this.hidden.size
      ? new Proxy(this.matching.mask, { get: (m, i) => m[i] && !this.hidden.has(this.painted.code(i)) }) : this.matching.mask;
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
    if (i < 0) { this.#hideTip(); return; }
    this.hoverTimer = setTimeout(async () => {
      try {
        const card = await this.#card(i);
        if (this.hovered !== i) return;
        this.#showTip(card, i);
      } catch { /* the pointer moves on; there is nothing to say here */ }
    }, 60);
  }

  #showTip(card, i) {
    const [px, py] = this.#view.toPixel(this.xy[2 * i], this.xy[2 * i + 1]);
    this.tip.replaceChildren(...tipOf(card, this.data.verdicts));
    this.tip.hidden = false;
    const { offsetWidth: w, offsetHeight: high } = this.tip;
    const room = this.stage.clientWidth;
    this.tip.style.left = `${px + 14 + w > room ? px - 14 - w : px + 14}px`;
    this.tip.style.top = `${Math.max(4, Math.min(this.stage.clientHeight - high - 4, py - high / 2))}px`;
  }

  #hideTip() { this.hovered = -1; clearTimeout(this.hoverTimer); this.tip.hidden = true; }

  async #click(at) {
    const i = this.#pointAt(at);
    if (i < 0) { if (this.ops.length || this.pinned) this.#clear(); return; }
    try {
      this.pinned = await this.#card(i);
      this.#strip();
    } catch (error) { this.bulk.say("failed", error.message); }
  }

  // ── the selection beside the map ─────────────────────────────────────────────────────────────────────────────

  async #strip() {
    const { selection, pinned } = this;
    const { verdicts, modality } = this.data;
    if (!selection && pinned) { this.strip.replaceChildren(pinnedOf(pinned, verdicts, () => this.#go("review", { id: pinned.id }))); return; }
    if (!selection?.count) { this.strip.replaceChildren(hint()); return; }
    const tiles = h("div.tiles", { role: "group", "aria-label": "Selected samples" });
    this.strip.replaceChildren(mixOf(selection.verdicts, verdicts),
      h("div.open", {}, h("button", { type: "button", onclick: () => this.#go("gallery", { selection: selection.handle }) }, icon("grid_view"), "Gallery"),
        h("button", { type: "button", onclick: () => this.#go("review", { selection: selection.handle }) }, icon("rate_review"), "Review")),
      tiles);
    try {
      const { rows, total } = await this.api.get("rows", { selection: selection.handle, limit: STRIP, sort: "-confidence" });
      if (this.selection !== selection) return;
      tiles.replaceChildren(...rows.map((row) => tileOf(row, verdicts, modality, () => this.#go("review", { id: row.id, selection: selection.handle }))),
        total > rows.length ? h("span.muted.more", { textContent: `and ${count(total - rows.length)} more` }) : "");
    } catch (error) {
      if (this.selection === selection) tiles.replaceChildren(h("span.muted", { textContent: error.message }));
    }
  }

  // ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #key(event) {
    if (event.isComposing || event.altKey || !this.root.isConnected || isTyping(event)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const take = () => { event.preventDefault(); event.stopPropagation(); };
    if (event.ctrlKey || event.metaKey) {
      const ours = event.composedPath().includes(this.root) || event.composedPath()[0] === document.body;
      if (key === "a" && ours && this.root.dataset.state === "ready") { take(); this.#all(); }
      return;
    }
    if (this.help.open) { if (key === "Escape" || key === "?") { take(); this.help.close(); } return; }
    if (key === "Enter" && isInteractive(event)) return;
    const does = {
      v: () => this.#setTool("pan"), b: () => this.#setTool("box"), l: () => this.#setTool("lasso"), 0: () => this.#home(), Escape: () => this.#clear(),
      a: () => this.bulk.run("accept"), x: () => this.bulk.run("exclude"), "/": () => this.bulk.pick(), u: () => this.bulk.undo(), "?": () => this.help.toggle(),
      Enter: () => { if (this.selection?.count) this.#go("gallery", { selection: this.selection.handle }); },
    }[key];
    if (!does) return;
    take();
    if (!event.repeat) does();
  }
}
