/** What lies under the pointer: the sample's tip while it hovers, its card when it is clicked. */

import { tipOf } from "./side.js";

const REACH = 9; // pixels
const DELAY = 60; // ms

export class Pointer {
  /**
   * @param {HTMLElement} stage
   * @param {HTMLElement} tip
   * @param {object} on  ready(), map() → {grid, xy, view, allowed(i), verdicts}, card(i) → promise, over(i)
   */
  constructor(stage, tip, on) {
    Object.assign(this, { stage, tip, on });
    this.point = -1;
  }

  /** The number of the nearest point that is drawn and matches, −1 = none. */
  at([px, py]) {
    const { grid, view, allowed } = this.on.map();
    if (!view) return -1;
    const [x, y] = view.toMap(px, py);
    return grid.nearest(x, y, REACH * view.ux, REACH * view.uy, allowed);
  }

  hover(place) {
    if (!this.on.ready()) return;
    const i = this.at(place);
    if (i === this.point) return;
    this.point = i;
    this.on.over(i);
    clearTimeout(this.timer);
    if (i < 0) {
      this.hide();
      return;
    }
    this.timer = setTimeout(async () => {
      try {
        const card = await this.on.card(i);
        if (this.point === i) this.#show(card, i);
      } catch {
        /* the pointer moves on; there is nothing to say here */
      }
    }, DELAY);
  }

  #show(card, i) {
    const { xy, view, verdicts } = this.on.map();
    const [px, py] = view.toPixel(xy[2 * i], xy[2 * i + 1]);
    this.tip.replaceChildren(...tipOf(card, verdicts));
    this.tip.hidden = false;
    const { offsetWidth: wide, offsetHeight: high } = this.tip;
    this.tip.style.left = `${px + 14 + wide > this.stage.clientWidth ? px - 14 - wide : px + 14}px`;
    this.tip.style.top = `${Math.max(4, Math.min(this.stage.clientHeight - high - 4, py - high / 2))}px`;
  }

  hide() {
    this.point = -1;
    clearTimeout(this.timer);
    this.tip.hidden = true;
  }
}
