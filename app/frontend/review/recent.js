/** The last ten decisions, below the card: what was done, and the way back to it. */

import { ACTIONS, h, icon } from "../lib/dom.js";
import { nameNode } from "../lib/names.js";

const RECENT = 10;

export class Recent {
  /** @param {(id: string) => void} onBack  called with the sample whose decision was clicked */
  constructor(onBack) {
    this.onBack = onBack;
    this.nodes = new Map();
    this.tiles = h("div.tiles", {});
    this.row = h(
      "footer.recent",
      { "aria-label": "Last ten decisions" },
      h("span.title", {}, "Last", h("br"), "decisions"),
      this.tiles,
    );
  }

  /** Show the end of the list of decisions; a node that is there stays. */
  draw(done) {
    const shown = done.slice(-RECENT).reverse();
    const before = this.nodes;
    this.nodes = new Map(shown.map((d) => [d.decision_id, before.get(d.decision_id) || this.#past(d)]));
    this.tiles.replaceChildren(...this.nodes.values());
    if (!shown.length)
      this.tiles.replaceChildren(
        h("span.muted", { textContent: "Your decisions appear here; click one to go back to it." }),
      );
  }

  #past(d) {
    return h(
      "button.past",
      {
        type: "button",
        title: `${ACTIONS[d.action].past}${d.label ? ` to ${d.label}` : ""} · ${d.sample_id} · ${new Date(d.at).toLocaleTimeString()}`,
        "aria-label": `${ACTIONS[d.action].past}${d.label ? ` to ${d.label}` : ""}: sample ${d.sample_id}. Go back to it.`,
        "data-action": d.action,
        onclick: () => this.onBack(d.sample_id),
      },
      d.thumb ? h("img", { src: d.thumb, alt: "" }) : h("span.snippet", { textContent: d.text || d.sample_id }),
      icon(ACTIONS[d.action].icon),
      d.label ? nameNode(d.label) : null,
    );
  }
}
