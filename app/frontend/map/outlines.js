/** Outlines drawn on the map: lasso and box, added, taken out, and which points they hold. */

import { simplify } from "./geometry.js";

const CLICK_SLOP = 5; // pixels that a click may move

export class Outlines {
  /**
   * @param {HTMLElement} stage  where the pointer draws
   * @param {object} on  ready(), view(), tool(), mode(event) → "new" | "add" | "subtract"; hover(at), leave(),
   *   press(), click(at),
   *   drawn(): an outline was closed
   */
  constructor(stage, on) {
    Object.assign(this, { stage, on });
    this.ops = []; // [{op: "add" | "subtract", points}] on top of what the owner begins with
    this.node = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.node.classList.add("outline");
    this.node.setAttribute("aria-hidden", "true");
    this.#listen();
  }

  clear() {
    this.ops = [];
    this.draw();
  }

  #listen() {
    const { stage } = this;
    const place = (e) => {
      const box = stage.getBoundingClientRect();
      return [e.clientX - box.left, e.clientY - box.top];
    };
    const release = (e) => {
      const { drag, pressed } = this;
      if (!pressed) return;
      const at = place(e);
      this.#drop();
      const still = Math.hypot(at[0] - pressed[0], at[1] - pressed[1]) < CLICK_SLOP;
      if (still && (!drag || drag.path.length < 12)) this.on.click(at);
      else if (drag) this.#close(drag);
    };
    // plotly listens for mousedown; while an outline is drawn it must not hear it
    stage.addEventListener(
      "mousedown",
      (e) => {
        if (this.on.tool() !== "pan" && e.button === 0) {
          e.stopPropagation();
          e.preventDefault();
        }
      },
      true,
    );
    stage.addEventListener(
      "pointerdown",
      (e) => {
        if (e.button !== 0 || !this.on.ready()) return;
        this.pressed = place(e);
        this.on.press();
        if (this.on.tool() === "pan") {
          // plotly lays a sheet over everything while it moves the view: the stage does not hear the release
          window.addEventListener("pointerup", release, { capture: true, once: true });
          return;
        }
        stage.setPointerCapture(e.pointerId);
        this.drag = { mode: this.on.mode(e), path: [this.pressed] };
      },
      true,
    );
    stage.addEventListener("pointermove", (e) => {
      const at = place(e);
      if (!this.drag) {
        if (!e.buttons) this.on.hover(at);
        return;
      }
      for (const one of e.getCoalescedEvents?.() || [e]) this.drag.path.push(place(one));
      this.draw();
    });
    stage.addEventListener("pointerup", release);
    stage.addEventListener("pointercancel", () => this.#drop());
    stage.addEventListener("pointerleave", () => this.on.leave());
  }

  #drop() {
    this.drag = null;
    this.pressed = null;
    this.draw();
  }

  #shape(path) {
    if (this.on.tool() !== "box") return path;
    const [x0, y0] = path[0];
    const [x1, y1] = path[path.length - 1];
    return [
      [x0, y0],
      [x1, y0],
      [x1, y1],
      [x0, y1],
    ];
  }

  #close({ mode, path }) {
    const view = this.on.view();
    const ring = simplify(this.#shape(path), 0.7).map(([px, py]) => view.toMap(px, py));
    if (ring.length >= 3) this.on.drawn(mode, ring);
  }

  draw() {
    const view = this.on.view();
    if (!view) return;
    const shapes = this.ops.map((o) => [o.op, o.points.map(([x, y]) => view.toPixel(x, y))]);
    if (this.drag) shapes.push([this.drag.mode === "subtract" ? "subtract" : "add", this.#shape(this.drag.path)]);
    this.node.replaceChildren(
      ...shapes.map(([op, ring]) => {
        const node = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
        node.setAttribute("points", ring.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "));
        node.setAttribute("class", op);
        return node;
      }),
    );
  }

  /**
   * Which points the outlines hold, on top of `base` (a mask, or null), for the picture. The count that is shown and
   * acted on comes from the server.
   */
  members(grid, base, allowed) {
    const chosen = base ? base.slice() : new Uint8Array(grid.n);
    for (const { op, points } of this.ops) {
      const mark = op === "add" ? 1 : 0;
      grid.inside(points, (i) => {
        if (allowed(i)) chosen[i] = mark;
      });
    }
    return chosen;
  }
}
