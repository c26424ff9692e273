/** The note that is kept with the next decision: a button that shows it, and a box to write it in. */

import { h, icon, setText } from "../lib/dom.js";

export class Note {
  /** @param {() => void} onClosed  called when the box closes, to take the focus back */
  constructor(onClosed) {
    this.onClosed = onClosed;
    this.text = "";
    this.label = h("span.ellipsis", { textContent: "Note" });
    this.button = h(
      "button.note",
      { type: "button", onclick: () => this.open(), title: "A note that is kept with the decision" },
      h("kbd", { textContent: "N" }),
      this.label,
    );
    this.input = h("input", {
      type: "text",
      maxLength: 500,
      placeholder: "Why? Kept with the decision. Enter closes.",
      "aria-label": "Note for this decision",
      onkeydown: (e) => this.#key(e),
    });
    this.box = h("div.notebox", { hidden: true }, icon("edit_note"), this.input);
  }

  open() {
    this.box.hidden = false;
    this.input.value = this.text;
    this.input.focus();
  }

  set(text) {
    if (this.text === text && this.label.textContent) return;
    this.text = text;
    setText(this.label, text || "Note");
    this.button.setAttribute("aria-pressed", String(Boolean(text)));
  }

  #key(event) {
    event.stopPropagation();
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    if (event.key === "Enter") this.set(this.input.value.trim());
    this.box.hidden = true;
    this.onClosed();
  }
}
