/** How the points look: their size and how far one sees through them, kept in this browser. */

import { h, icon } from "../lib/dom.js";

const KEY = "winnow:points";
const USUAL = { size: 1, opacity: 0.75 };

export class Look {
  /** @param {(look: {size: number, opacity: number}) => void} onChange */
  constructor(onChange) {
    try {
      this.value = { ...USUAL, ...JSON.parse(localStorage.getItem(KEY) || "{}") };
    } catch {
      this.value = { ...USUAL };
    }
    const slider = (name, words, symbol, min, max, step) =>
      h(
        "label",
        { title: words },
        icon(symbol, "muted"),
        h("input", {
          type: "range",
          min,
          max,
          step,
          value: this.value[name],
          "aria-label": words,
          oninput: (event) => {
            this.value = { ...this.value, [name]: Number(event.target.value) };
            localStorage.setItem(KEY, JSON.stringify(this.value));
            onChange(this.value);
          },
        }),
      );
    this.node = h(
      "div.look",
      { role: "group", "aria-label": "Points" },
      slider("size", "Size of the points", "scatter_plot", 0.5, 3, 0.25),
      slider("opacity", "Opacity of the points", "opacity", 0.15, 1, 0.05),
    );
  }
}
