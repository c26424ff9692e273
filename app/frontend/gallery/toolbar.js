/** The line above the grid: order, groups, how many, everything, and the size of a tile. */

import { count, h, icon, plural, setText } from "../lib/dom.js";

export class Toolbar {
  /**
   * @param {object} state  sorts ([value, words, group, explanation][]), groups ([value, words][]), the chosen sort and
   *   group, size in pixels and its bounds (sizes)
   * @param {object} on  order(sort), group(name), size(pixels), all()
   */
  constructor({ sorts, sort, groups, group, size, sizes }, on) {
    const named = new Map();
    for (const [value, text, heading, title] of sorts) {
      const option = h("option", { value, textContent: text, title: title || "", selected: value === sort });
      named.set(heading || "", [...(named.get(heading || "") || []), option]);
    }
    this.sorter = h(
      "select",
      { "aria-label": "Order", onchange: () => on.order(this.sorter.value) },
      [...named].map(([label, options]) => (label ? h("optgroup", { label }, options) : options)),
    );
    this.grouper = h(
      "select",
      { "aria-label": "Group by", onchange: () => on.group(this.grouper.value) },
      groups.map(([value, text]) =>
        h("option", { value, textContent: value ? text : "No groups", selected: value === group }),
      ),
    );
    this.slider = h("input", {
      type: "range",
      min: sizes[0],
      max: sizes[1],
      step: 4,
      value: size,
      "aria-label": "Tile size",
      oninput: () => on.size(Number(this.slider.value)),
    });
    this.count = h("span.muted.count", { role: "status" });
    this.all = h(
      "button",
      { type: "button", onclick: on.all },
      h("kbd", { textContent: "Ctrl A" }),
      h("span", { textContent: "Select all" }),
    );
    this.node = h(
      "header.head",
      {},
      h("label", {}, h("span.muted", { textContent: "Order" }), this.sorter),
      h("label", {}, h("span.muted", { textContent: "Group" }), this.grouper),
      this.count,
      h("span.gap", {}),
      this.all,
      h(
        "label",
        { title: "Tile size" },
        icon("photo_size_select_small", "muted"),
        this.slider,
        icon("photo_size_select_large", "muted"),
      ),
    );
  }

  /** The order that is chosen, in words. */
  get orderName() {
    return this.sorter.selectedOptions[0]?.textContent || "";
  }

  say(total, groups) {
    setText(this.count, plural(total, "sample") + (groups === null ? "" : ` in ${plural(groups, "group")}`));
    setText(this.all.lastChild, `Select all ${count(total)}`);
    this.all.disabled = !total;
  }
}
