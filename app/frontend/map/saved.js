/** Saved selections: a list to open, share and delete, and the field that names a new one. */

import { ago, count, h, icon, plural, setText } from "../lib/dom.js";
import { nameNode } from "../lib/names.js";

export class Saved {
  /** @param {object} on  open(selection), current() → {handle, polygons, filter} | null, say(tone, text), focus() */
  constructor(api, on) {
    Object.assign(this, { api, on });
    this.items = [];
    this.title = h("span", {});
    this.list = h("ul", {});
    this.node = h("details.saved-list", { open: true }, h("summary", {}, icon("bookmarks"), this.title), this.list);
    this.input = h("input", {
      type: "text",
      maxLength: 80,
      placeholder: "Name of this selection",
      "aria-label": "Name of this selection",
      onkeydown: (e) => this.#key(e),
    });
    this.form = h(
      "div.naming",
      { hidden: true },
      this.input,
      h("button.primary", { type: "button", onclick: () => this.save() }, "Save"),
    );
    this.draw();
  }

  async load() {
    try {
      this.items = (await this.api.get("selections")).selections;
      this.draw();
    } catch (error) {
      this.on.say("failed", error.message);
    }
  }

  /** The link that opens a selection in any browser. */
  link(handle) {
    const url = new URL("../map", this.api.base);
    url.search = new URLSearchParams({ ws: this.api.ws, selection: handle });
    return url.href;
  }

  draw() {
    setText(this.title, this.items.length ? `Saved selections (${count(this.items.length)})` : "Saved selections");
    this.node.hidden = !this.items.length;
    this.list.replaceChildren(
      ...this.items.map((s) =>
        h(
          "li",
          { "data-handle": s.handle },
          h(
            "button.quiet.name",
            {
              type: "button",
              title: `${s.name}: ${plural(s.count, "sample")}, saved by ${s.actor} ${ago(s.at)} (${s.at})`,
              onclick: () => this.on.open(s),
            },
            nameNode(s.name),
            h("span.muted", { textContent: count(s.count) }),
          ),
          h(
            "button.quiet",
            {
              type: "button",
              title: "Copy a link to this selection",
              "aria-label": `Copy a link to ${s.name}`,
              onclick: () => this.#copy(s),
            },
            icon("link"),
          ),
          this.api.decides &&
            h(
              "button.quiet",
              {
                type: "button",
                title: "Delete this selection; its samples stay",
                "aria-label": `Delete ${s.name}`,
                onclick: (e) => this.#delete(s, e.currentTarget),
              },
              icon("delete"),
            ),
        ),
      ),
    );
  }

  /** Ask for a name. */
  ask() {
    if (!this.api.decides) {
      this.on.say("failed", "You may look here, but not save selections: your role is viewer.");
      return;
    }
    if (!this.on.current()) {
      this.on.say("failed", "Select something first: draw an outline, or press Ctrl A.");
      return;
    }
    this.form.hidden = false;
    this.input.value = "";
    this.input.focus();
  }

  hide() {
    this.form.hidden = true;
  }

  #key(event) {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Enter") this.save();
    else {
      this.hide();
      this.on.focus();
    }
  }

  async save() {
    const current = this.on.current();
    const name = this.input.value.trim();
    if (!current || !name) {
      this.input.focus();
      return;
    }
    try {
      const { saved } = await this.api.post("selections/save", {
        name,
        selection: current.handle,
        polygons: current.polygons,
        filter: current.filter,
      });
      this.items = [saved, ...this.items];
      this.hide();
      this.draw();
      this.on.focus();
      this.on.say("done", `Saved “${saved.name}” ✓`);
    } catch (error) {
      this.on.say("failed", error.message);
    }
  }

  async #copy(s) {
    try {
      await navigator.clipboard.writeText(this.link(s.handle));
      this.on.say("done", `Link to “${s.name}” copied.`);
    } catch {
      // no clipboard (no permission, or not a secure page): show it to be copied by hand
      window.prompt("Link to this selection", this.link(s.handle));
    }
  }

  /** The first press asks, the second deletes: this cannot be undone. */
  async #delete(s, button) {
    if (button.dataset.sure !== "yes") {
      button.dataset.sure = "yes";
      button.replaceChildren("Delete?");
      setTimeout(() => {
        button.dataset.sure = "";
        button.replaceChildren(icon("delete"));
      }, 3000);
      return;
    }
    try {
      await this.api.post("selections/delete", { handle: s.handle });
      this.items = this.items.filter((x) => x.handle !== s.handle);
      this.draw();
      this.on.say("done", `Deleted “${s.name}”.`);
      this.on.focus();
    } catch (error) {
      this.on.say("failed", error.message);
    }
  }
}
