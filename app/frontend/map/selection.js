/**
 * What is selected: outlines on top of a base (a saved selection, or that of the link). The picture is worked out
 * here, the count that is shown and acted on by the server.
 */

import { narrowed } from "./filter.js";

export class Selection {
  /**
   * @param {import("../lib/api.js").Api} api
   * @param {import("./outlines.js").Outlines} outlines
   * @param {object} on  map() → {grid, n, filters, query, colour, painted, hidden, allowed(i)}, counted(answer),
   *   counting(), failed(text)
   */
  constructor(api, outlines, on) {
    Object.assign(this, { api, outlines, on });
    this.base = null; // {handle, mask}
    this.mask = null; // of the points that are selected
    this.answer = null; // {handle, count, verdicts} of the server
    this.ticket = null;
  }

  /** Whether anything is selected, by outlines or from a saved selection. */
  get chosen() {
    return this.outlines.ops.length > 0 || this.base !== null;
  }

  clear() {
    this.ticket = null;
    this.base = null;
    this.mask = null;
    this.answer = null;
    this.outlines.clear();
  }

  /** Add an outline. Answers false where there is nothing that it could subtract from. */
  outline(mode, ring) {
    if (mode === "subtract" && !this.chosen) return false;
    if (mode === "new") {
      this.outlines.ops = [];
      this.base = null;
    }
    this.outlines.ops.push({ op: mode === "subtract" ? "subtract" : "add", points: ring });
    return true;
  }

  /** Everything that is shown, as one outline around the whole map: the way to a selection without a pointer. */
  everything({ x, y }) {
    const [[x0, x1], [y0, y1]] = [x.range, y.range];
    this.base = null;
    this.outlines.ops = [];
    this.outline("add", [
      [x0, y0],
      [x1, y0],
      [x1, y1],
      [x0, y1],
    ]);
  }

  /** Begin with samples that the server knows by a handle. */
  async begin(handle) {
    const { array } = await this.api.framed("members", { selection: handle });
    const mask = new Uint8Array(this.on.map().n);
    for (const row of array) mask[row] = 1;
    return { handle, mask };
  }

  /** Work out which points are selected, and ask the server how many they are. `around`: outlines to draw only. */
  select(around = []) {
    const { outlines } = this;
    const { grid, allowed } = this.on.map();
    const own = outlines.ops;
    outlines.ops = [...around, ...own];
    outlines.draw();
    outlines.ops = own;
    this.mask = outlines.members(grid, this.base?.mask, allowed);
    return this.count();
  }

  async count() {
    const ticket = (this.ticket = {});
    this.answer = null;
    this.on.counting();
    const { filters, query, colour, painted, hidden } = this.on.map();
    try {
      const started = performance.now();
      const answer = await this.api.post("inside", {
        polygons: this.outlines.ops,
        filter: narrowed(filters, query, colour, painted.entries, hidden),
        ...(this.base ? { base: this.base.handle } : {}),
      });
      if (this.ticket !== ticket) return;
      performance.measure("winnow:lasso", { start: started, end: performance.now() });
      this.answer = { handle: answer.selection, count: answer.count, verdicts: answer.by_verdict || {} };
      this.on.counted(this.answer);
    } catch (error) {
      if (this.ticket === ticket) this.on.failed(error.message);
    }
  }
}
