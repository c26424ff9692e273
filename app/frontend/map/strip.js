/** Beside the map: the sample that was clicked, else the selection, else how to select. */

import { count, h, icon } from "../lib/dom.js";
import { hasPicture, hint, mixOf, pinnedOf, tileOf } from "./side.js";

const TILES = 60; // of the selection

export class Strip {
  /**
   * @param {import("../lib/api.js").Api} api
   * @param {object} on  go(page, extra), look(id), save(), data() → {verdicts, modality},
   *   mix() → [name, count, colour][], colour(row)
   */
  constructor(api, on) {
    Object.assign(this, { api, on });
    this.node = h("div.strip", {});
    this.pinned = null;
  }

  /** The picture of the sample that was clicked, in the viewer. */
  look() {
    if (this.pinned && hasPicture(this.pinned)) this.on.look(this.pinned.id);
  }

  /** @param {{handle: string, count: number} | null} selection */
  draw(selection) {
    this.selection = selection;
    const { verdicts } = this.on.data();
    if (this.pinned) {
      const back = () => {
        this.pinned = null;
        this.draw(this.selection);
      };
      const open = () => this.on.go("review", { id: this.pinned.id });
      const look = hasPicture(this.pinned) ? () => this.look() : null;
      this.node.replaceChildren(pinnedOf(this.pinned, verdicts, { open, look, back: selection?.count ? back : null }));
    } else if (selection?.count) this.#selected(selection);
    else this.node.replaceChildren(hint());
  }

  async #selected(selection) {
    const { verdicts, modality } = this.on.data();
    const open = (symbol, text, does, title = "") =>
      h("button", { type: "button", title, onclick: does }, icon(symbol), text);
    const tiles = h("div.tiles", { role: "group", "aria-label": "Selected samples" });
    this.node.replaceChildren(
      mixOf(this.on.mix()),
      h(
        "div.open",
        {},
        open("grid_view", "Gallery", () => this.on.go("gallery", { selection: selection.handle })),
        open("rate_review", "Review", () => this.on.go("review", { selection: selection.handle })),
        open("bookmark_add", "Save", () => this.on.save(), "Keep this selection under a name (S)"),
      ),
      tiles,
    );
    const asked = { selection: selection.handle, limit: TILES, sort: "-confidence" };
    try {
      const { rows, total } = await this.api.get("rows", asked);
      if (this.selection !== selection) return;
      tiles.replaceChildren(
        ...rows.map((row) =>
          tileOf(row, this.on.colour(row.row), verdicts, modality, () =>
            this.on.go("review", { id: row.id, selection: selection.handle }),
          ),
        ),
        total > rows.length ? h("span.muted.more", { textContent: `and ${count(total - rows.length)} more` }) : "",
      );
    } catch (error) {
      if (this.selection === selection) tiles.replaceChildren(h("span.muted", { textContent: error.message }));
    }
  }
}
