/** What the colours mean: a click hides an entry, a double click leaves only that one. */

import { count, h, score } from "../lib/dom.js";
import { nameNode } from "../lib/names.js";

const MOST = 60; // entries shown, the largest first where there are more
const DOUBLE = 220; // ms in which a second click makes a double click

const end = (x) => (Math.abs(x) < 100 ? score(x) : count(Math.round(x)));

export class Legend {
  /** @param {(hidden: Set<number>) => void} onHide  called with the codes that are hidden now */
  constructor(onHide) {
    this.onHide = onHide;
    this.hidden = new Set();
    this.node = h("div.legend", { role: "group", "aria-label": "Legend" });
  }

  /** `order`: keys in the order to show them, or null; `mask`: which points count. */
  draw(painted, { order, hidden, mask, title }) {
    this.painted = painted;
    this.hidden = hidden;
    if (painted.kind === "score") {
      this.node.replaceChildren(
        h("div.gradient", { style: { background: `linear-gradient(90deg, ${painted.gradient})` } }),
        h(
          "div.ends",
          {},
          h("span", { textContent: end(painted.ends[0]) }),
          h("span", { textContent: title }),
          h("span", { textContent: end(painted.ends[1]) }),
        ),
      );
      return;
    }
    this.#tally(mask);
    const { entries } = painted;
    this.shown = order
      ? [...entries].sort((a, b) => order.indexOf(a.key) - order.indexOf(b.key))
      : entries.length > MOST
        ? [...entries].sort((a, b) => b.count - a.count).slice(0, MOST)
        : entries;
    this.node.replaceChildren(
      ...this.shown.map((e) =>
        h(
          "button.entry",
          {
            type: "button",
            title: `${e.name}: ${count(e.count)}. Click hides, double-click shows only this.`,
            onclick: () => this.#toggle(e.code),
            ondblclick: () => this.#isolate(e.code),
          },
          h("span.dot", { vars: { c: e.colour } }),
          nameNode(e.name),
          h("span.muted", { textContent: count(e.count) }),
        ),
      ),
      entries.length > MOST ? h("span.muted.more", { textContent: `and ${count(entries.length - MOST)} more` }) : "",
    );
    this.press(hidden);
  }

  /** Show which entries are hidden. */
  press(hidden) {
    this.hidden = hidden;
    [...this.node.querySelectorAll(".entry")].forEach((b, i) =>
      b.setAttribute("aria-pressed", String(!hidden.has(this.shown[i].code))),
    );
  }

  /** Counts of the points that match the filter, per entry. */
  #tally(mask) {
    const counts = new Uint32Array(65_536);
    for (let i = 0; i < mask.length; i += 1) if (mask[i]) counts[this.painted.code(i)] += 1;
    for (const e of this.painted.entries) e.count = counts[e.code];
  }

  #toggle(code) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      // a double click isolates instead
      if (!this.hidden.delete(code)) this.hidden.add(code);
      this.onHide(this.hidden);
    }, DOUBLE);
  }

  #isolate(code) {
    clearTimeout(this.timer);
    const others = this.painted.entries.filter((e) => e.code !== code);
    const alone = !this.hidden.has(code) && others.every((e) => this.hidden.has(e.code));
    this.onHide(new Set(alone ? [] : others.map((e) => e.code)));
  }
}
