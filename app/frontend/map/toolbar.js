/** The line above the map: the tool, what an outline does, zoom, the colouring, and how much is drawn. */

import { h, icon, setText } from "../lib/dom.js";

const TOOLS = [
  ["pan", "pan_tool", "Pan", "V"],
  ["box", "select", "Box", "B"],
  ["lasso", "lasso_select", "Lasso", "L"],
];
const MODES = [
  ["new", "crop_free", "New", "Each outline begins a new selection (N)"],
  ["add", "add", "Add", "Outlines add to the selection (+, or hold Shift)"],
  ["subtract", "remove", "Subtract", "Outlines subtract from the selection (−, or hold Alt)"],
];

export class Toolbar {
  /**
   * @param {{value: string, options: [string, string, string, string][]}} colour  options: value, words, group,
   *   explanation
   * @param {object} on  tool(name), colour(name), zoom(factor), home()
   */
  constructor(colour, on) {
    this.on = on;
    this.tools = this.#group(
      "Tool",
      TOOLS.map(([name, symbol, text, key]) => ["tool", name, symbol, text, `${text} (${key})`, () => on.tool(name)]),
    );
    this.modes = this.#group(
      "What an outline does",
      MODES.map(([name, symbol, text, title]) => ["mode", name, symbol, text, title, () => this.setMode(name)]),
    );
    this.modes.classList.add("modes");
    const groups = new Map();
    for (const [value, text, group, title] of colour.options) {
      const option = h("option", { value, textContent: text, title: title || "", selected: value === colour.value });
      groups.set(group, [...(groups.get(group) || []), option]);
    }
    this.colours = h(
      "select",
      { "aria-label": "Colour by", onchange: () => on.colour(this.colours.value) },
      [...groups].map(([name, options]) => (name ? h("optgroup", { label: name }, options) : options)),
    );
    this.note = h("span.muted.note.ellipsis", { role: "status" });
    const small = (title, symbol, does) =>
      h("button.quiet", { type: "button", title, "aria-label": title, onclick: does }, icon(symbol));
    this.node = h(
      "header.head",
      {},
      this.tools,
      this.modes,
      h(
        "span.zooms",
        {},
        small("Zoom in", "zoom_in", () => on.zoom(1.5)),
        small("Zoom out", "zoom_out", () => on.zoom(1 / 1.5)),
        small("Whole map (0)", "fit_screen", () => on.home()),
      ),
      h("label", {}, h("span.muted", { textContent: "Colour" }), this.colours),
      this.note,
    );
    this.setMode("new");
  }

  #group(label, buttons) {
    return h(
      "div.tools",
      { role: "group", "aria-label": label },
      buttons.map(([kind, name, symbol, text, title, does]) =>
        h(
          "button.tool",
          { type: "button", [`data-${kind}`]: name, title, "aria-pressed": "false", onclick: does },
          icon(symbol),
          h("span", { textContent: text }),
        ),
      ),
    );
  }

  setTool(name) {
    for (const b of this.tools.children) b.setAttribute("aria-pressed", String(b.dataset.tool === name));
  }

  setMode(name) {
    this.mode = name;
    this.pressMode(name);
  }

  /** Show a mode without choosing it: while Shift or Alt is held. */
  pressMode(name) {
    for (const b of this.modes.children) b.setAttribute("aria-pressed", String(b.dataset.mode === name));
    this.on.pressed?.(name);
  }

  /** The colouring that is chosen, in words. */
  get colourName() {
    return this.colours.selectedOptions[0]?.textContent || "";
  }

  say(parts) {
    setText(this.note, parts.join(" · "));
    this.note.title = parts.join("\n");
  }
}
