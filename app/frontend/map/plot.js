/**
 * The points themselves: Plotly draws two layers (those that count now, and the others in grey) and moves the view.
 * Where
 * there are too many, the density of all of them lies behind a sample (see density.js).
 */

import { h } from "../lib/dom.js";
import { Density, holds, layered, sample, states, widened } from "./density.js";
import { placeNames } from "./labels.js";

const CLOSE = 1.5; // how far one zooms in before the finer clusters are named
const NAMES = 24; // cluster names in the space
const ROOM = 24_000; // square pixels for a name
const MOST = 100_000; // points drawn one by one
const FEW = 15_000; // of these, where the view holds more
const SETTLE = 120; // ms without movement before points are chosen anew

let ready = null;

/** Plotly, once for the page. */
export function loadPlotly(url) {
  ready ||= new Promise((resolve, reject) => {
    if (window.Plotly) {
      resolve(window.Plotly);
      return;
    }
    const script = document.createElement("script");
    script.src = url;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      ready = null;
      reject(new Error("plotly.js could not be loaded."));
    };
    document.head.append(script);
  });
  return ready;
}

export class Plot {
  /**
   * @param {HTMLElement} root  the surface, for its colours and fonts
   * @param {object} on  moved(): the view has changed; sampled(): other points are drawn; shown(i), lit(i): whether
   *   a point is drawn, and in colour
   */
  constructor(root, stage, on) {
    Object.assign(this, { root, stage, on });
    this.node = h("div.plot", {});
    this.density = new Density();
    this.look = { size: 1, opacity: 0.75 }; // a factor of the usual size, and 0 to 1
  }

  /** What is drawn: a grid over the places, the rank of each point (2 = a problem, 0 = fine), names in the space. */
  load({ grid, rank, clusters, fine }) {
    Object.assign(this, { xy: grid.xy, grid, rank, clusters, fine: fine || [] });
    this.dense = grid.placed > MOST;
    this.covered = null;
    this.all = !this.dense;
    this.rows = this.dense ? new Uint32Array(0) : layered(grid.order, rank);
    this.density.node.hidden = true;
  }

  destroy() {
    clearTimeout(this.settling);
    cancelAnimationFrame(this.frame);
    this.sizes?.disconnect();
    if (this.node._fullLayout) window.Plotly.purge(this.node);
  }

  get dark() {
    const [r, g, b] = (getComputedStyle(this.root).backgroundColor.match(/[\d.]+/g) || [255, 255, 255]).map(Number);
    return r * 0.3 + g * 0.6 + b * 0.1 < 128;
  }

  /** Choose what is drawn of the view, or of the whole map before there is one. */
  #choose() {
    if (!this.dense) return;
    this.state = states(this.grid.n, this.on.shown, this.on.lit);
    this.#sample();
  }

  #sample() {
    this.covered = widened(this.view ?? this.#whole());
    const { rows, all } = sample(this.grid, this.covered, this.state, this.rank, MOST, FEW);
    Object.assign(this, { rows, all });
  }

  #whole() {
    const { x, y } = this.fit();
    return { x0: x.range[0], x1: x.range[1], y0: y.range[0], y1: y.range[1] };
  }

  /** The density, where the points alone do not show all there is. */
  #cloud() {
    if (!this.dense) return;
    const { view } = this;
    const { node } = this.density;
    node.hidden = !view || (this.all && holds(this.covered, view));
    if (!node.hidden)
      this.density.draw(this.grid, view, this.state, {
        ...this.painted.tones(),
        grey: this.#grey.match(/\d+/g).map(Number),
      });
  }

  /** The view has moved: its names and its density follow at once, its points once it rests. */
  #moved() {
    this.on.moved();
    this.#rename();
    if (!this.dense) return;
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.#cloud());
    clearTimeout(this.settling);
    this.settling = setTimeout(async () => {
      if (!this.view) return;
      const fits = this.all && holds(this.covered, this.view);
      if (fits) return;
      this.#sample();
      await this.#restyle();
      this.on.sampled();
    }, SETTLE);
  }

  /** Layers are index lists, never copies. */
  #layers() {
    const lit = [];
    const grey = [];
    for (const i of this.rows) if (this.on.shown(i)) (this.on.lit(i) ? lit : grey).push(i);
    return { lit, grey };
  }

  #xy(rows) {
    const x = new Float32Array(rows.length);
    const y = new Float32Array(rows.length);
    rows.forEach((row, k) => {
      x[k] = this.xy[2 * row];
      y[k] = this.xy[2 * row + 1];
    });
    return [x, y];
  }

  get #size() {
    const usual = !this.all ? 3 : this.rows.length > 40000 ? 3 : this.rows.length > 8000 ? 4 : 5;
    return usual * this.look.size;
  }
  get #grey() {
    return this.dark ? "rgb(64,64,74)" : "rgb(206,206,214)";
  }

  async draw(painted) {
    this.painted = painted;
    this.#choose();
    const { lit, grey } = this.#layers();
    const [gx, gy] = this.#xy(grey);
    const [x, y] = this.#xy(lit);
    const size = this.#size;
    const common = { type: "scattergl", mode: "markers", hoverinfo: "skip", showlegend: false };
    const traces = [
      { ...common, x: gx, y: gy, marker: { size, color: this.#grey, opacity: 0.6 } },
      {
        ...common,
        x,
        y,
        marker: { size, opacity: this.look.opacity, color: Float32Array.from(lit, painted.value), ...painted.marker },
      },
    ];
    const axis = { visible: false, showgrid: false, zeroline: false, fixedrange: false };
    const fit = this.fit();
    const layout = {
      xaxis: { ...axis, ...fit.x },
      yaxis: { ...axis, ...fit.y, scaleanchor: "x" },
      margin: { l: 0, r: 0, t: 0, b: 0 },
      hovermode: false,
      dragmode: "pan",
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      showlegend: false,
      annotations: this.#names(),
      uirevision: "keep",
    };
    await window.Plotly.react(this.node, traces, layout, {
      displayModeBar: false,
      scrollZoom: true,
      doubleClick: false,
      responsive: false,
    });
    this.#styles();
    this.sizes ||= new ResizeObserver(() => {
      if (this.node.offsetWidth) {
        window.Plotly.Plots.resize(this.node);
        this.#moved();
      }
    });
    this.sizes.observe(this.stage);
    for (const event of ["plotly_relayout", "plotly_relayouting"]) {
      this.node.removeAllListeners?.(event);
      this.node.on(event, () => this.#moved());
    }
    this.namedAt = null;
    this.#rename();
    this.#cloud();
  }

  /** Plotly writes its few style rules into the document; inside a shadow root they have to be repeated. */
  #styles() {
    const root = this.root.getRootNode();
    if (this.styled || !(root instanceof ShadowRoot)) return;
    const rules = [...document.querySelectorAll("style[id^='plotly.js-style']")].flatMap((s) =>
      [...(s.sheet?.cssRules || [])].map((r) => r.cssText),
    );
    root.append(h("style", { textContent: rules.join("\n") }));
    this.styled = true;
  }

  /** The ranges that hold the whole map. */
  fit() {
    const { x0, x1, y0, y1 } = this.grid;
    const pad = 0.04;
    const px = (x1 - x0 || 1) * pad;
    const py = (y1 - y0 || 1) * pad;
    return { x: { range: [x0 - px, x1 + px] }, y: { range: [y0 - py, y1 + py] } };
  }

  home() {
    const { x, y } = this.fit();
    window.Plotly.relayout(this.node, { "xaxis.range": x.range, "yaxis.range": y.range });
  }

  /** Closer by a factor, or farther away, around the middle of what is shown. */
  zoom(factor) {
    const { view } = this;
    if (!view) return;
    const span = (a, b) => {
      const [middle, half] = [(a + b) / 2, (b - a) / 2 / factor];
      return [middle - half, middle + half];
    };
    window.Plotly.relayout(this.node, { "xaxis.range": span(view.x0, view.x1), "yaxis.range": span(view.y0, view.y1) });
  }

  /** Other points: larger or smaller, clearer or fainter. */
  async restyled(look) {
    this.look = look;
    if (this.node._fullLayout)
      await window.Plotly.restyle(
        this.node,
        { "marker.size": this.#size, "marker.opacity": [0.8 * look.opacity, look.opacity] },
        [0, 1],
      );
  }

  /** Close by, the finer clusters within the view are named instead of the coarse ones. */
  get #close() {
    const { view } = this;
    const { x0, x1, y0, y1 } = this.grid;
    return Boolean(
      view &&
      this.fine.length &&
      view.x1 - view.x0 < (x1 - x0) / CLOSE &&
      Math.abs(view.y1 - view.y0) < (y1 - y0) / CLOSE,
    );
  }

  /** Other names, and other places for them, once the view rests. */
  #rename() {
    clearTimeout(this.renaming);
    this.renaming = setTimeout(() => {
      const { view } = this;
      if (!view) return;
      const at = [view.x0, view.x1, view.y0, view.y1, this.node.clientWidth, this.node.clientHeight].join();
      if (at === this.namedAt) return; // writing names moves nothing
      this.namedAt = at;
      window.Plotly.relayout(this.node, { annotations: this.#names() });
    }, 120);
  }

  /** What of the map is drawn, as `view`; before the first drawing, what will be. */
  get #frame() {
    if (this.view) return { ...this.view, width: this.node.clientWidth, height: this.node.clientHeight };
    const { x0, x1, y0, y1 } = this.#whole();
    const [width, height] = [this.stage.clientWidth || 800, this.stage.clientHeight || 700];
    const unit = Math.max((x1 - x0) / width, (y1 - y0) / height); // the axes are equal
    const [mx, my] = [(x0 + x1) / 2, (y0 + y1) / 2];
    return {
      width,
      height,
      toPixel: (x, y) => [width / 2 + (x - mx) / unit, height / 2 - (y - my) / unit],
      toMap: (px, py) => [mx + (px - width / 2) * unit, my - (py - height / 2) * unit],
    };
  }

  /** Names that there is room for. */
  #most({ width, height }) {
    return Math.min(NAMES, Math.floor((width * height) / ROOM));
  }

  #names() {
    const frame = this.#frame;
    const covered = ({ left, right, top, bottom }) => {
      const [x0, y1] = frame.toMap(left, top);
      const [x1, y0] = frame.toMap(right, bottom);
      let n = 0;
      this.grid.within({ x0, x1, y0, y1 }, () => (n += 1));
      return n;
    };
    const safe = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
    const style = getComputedStyle(this.root);
    return placeNames(this.#close ? this.fine : this.clusters, frame, covered, this.#most(frame)).map(
      ({ cluster, text, dx, dy }) => ({
        x: cluster.x,
        y: cluster.y,
        ax: dx,
        ay: dy,
        text: safe(text),
        hovertext: safe(`${cluster.name}: ${cluster.size}`),
        showarrow: true,
        arrowhead: 0,
        arrowwidth: 1,
        arrowcolor: this.dark ? "rgba(165,165,176,.55)" : "rgba(93,93,104,.5)",
        standoff: 3,
        captureevents: false,
        font: { size: 12, color: style.color, family: style.fontFamily, weight: 600 },
        bgcolor: this.dark ? "rgba(19,19,22,.72)" : "rgba(255,255,255,.78)",
        borderpad: 1,
      }),
    );
  }

  /** Another colour on the same places: only the marker values of the lit layer travel to the graphics card. */
  async recolour(painted) {
    this.painted = painted;
    const { lit } = this.#layers();
    await window.Plotly.restyle(
      this.node,
      { "marker.color": [Float32Array.from(lit, painted.value)], ...this.#scale() },
      [1],
    );
    this.#cloud();
  }

  /** Which points are lit has changed: new index lists for both layers. */
  async relayer(painted = this.painted) {
    this.painted = painted;
    this.#choose();
    await this.#restyle();
  }

  async #restyle() {
    const { painted } = this;
    const { lit, grey } = this.#layers();
    const [gx, gy] = this.#xy(grey);
    const [x, y] = this.#xy(lit);
    const size = this.dense ? { "marker.size": this.#size } : {};
    this.#cloud();
    await window.Plotly.restyle(
      this.node,
      { x: [gx, x], y: [gy, y], "marker.color": [this.#grey, Float32Array.from(lit, painted.value)], ...size },
      [0, 1],
    );
    if (painted.marker.cmax !== undefined) await window.Plotly.restyle(this.node, this.#scale(), [1]);
  }

  #scale() {
    return {
      "marker.colorscale": [this.painted.marker.colorscale],
      "marker.cmin": 0,
      "marker.cmax": this.painted.marker.cmax,
    };
  }

  /**
   * Pixel in the stage ↔ map coordinates; x0 … y1: its edges; ux, uy: map units per pixel. Null before the first
   * drawing.
   */
  get view() {
    const { _fullLayout: full } = this.node;
    if (!full?.xaxis) return null;
    const { l, t, w, h: high } = full._size;
    const [x0, x1] = full.xaxis.range;
    const [y0, y1] = full.yaxis.range;
    return {
      toMap: (px, py) => [x0 + ((px - l) / w) * (x1 - x0), y1 - ((py - t) / high) * (y1 - y0)],
      toPixel: (x, y) => [l + ((x - x0) / (x1 - x0)) * w, t + ((y1 - y) / (y1 - y0)) * high],
      x0,
      x1,
      y0,
      y1,
      ux: (x1 - x0) / w,
      uy: (y1 - y0) / high,
    };
  }
}
