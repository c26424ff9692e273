/**
 * The bar under a selection: what is selected, what can be done with exactly that many, and one-step undo of what was
 * done. The count on the button travels along; when it does not hold any more, the server does nothing and says so.
 */

import { ACTIONS, count, h, icon, plural, setText, show } from "./dom.js";
import { newId } from "./saver.js";

export class BulkBar {
  /**
   * @param {HTMLElement} root  the surface (for the label picker)
   * @param {object} on  target() → {filter|selection|ids}, done(action, label, ids|null), undone(ids), clear(), picker
   */
  constructor(root, api, picker, on, hint) {
    Object.assign(this, { root, api, picker, on, hint });
    const button = (cls, key, does) =>
      h(`button${cls}`, { type: "button", onclick: does }, h("kbd", { textContent: key }), h("span", {}));
    this.what = h("span.what", { role: "status", "aria-live": "polite" });
    this.hintText = h("span.hint", { textContent: hint });
    this.accept = button(".accept", "A", () => this.run("accept"));
    this.relabel = button(".relabel", "/", () => this.pick());
    this.exclude = button(".exclude", "X", () => this.run("exclude"));
    this.clear = h(
      "button.quiet",
      { type: "button", onclick: () => this.on.clear() },
      "Clear ",
      h("kbd", { textContent: "Esc" }),
    );
    this.undoButton = button(".undo", "U", () => this.undo());
    setText(this.undoButton.lastChild, "Undo");
    this.bar = h(
      "div.bulk",
      { role: "toolbar", "aria-label": "Decide about the selection" },
      this.what,
      this.accept,
      this.relabel,
      this.exclude,
      this.undoButton,
      this.clear,
      h("span.gap", {}),
      this.hintText,
    );
    this.n = 0;
    this.last = null;
    this.busy = false;
    this.draw();
  }

  /** The number of selected samples; `null` while it is being counted. */
  set(n) {
    if (n === this.n) return;
    this.n = n;
    if (n) this.message = null;
    this.draw();
  }

  draw() {
    const { n, busy } = this;
    const state = this.message ? this.message.tone : n ? "selected" : "idle";
    this.bar.dataset.state = state;
    this.bar.dataset.count = n ?? "";
    if (this.message)
      this.what.replaceChildren(...(this.message.tone === "done" ? [icon("cloud_done")] : []), this.message.text);
    else setText(this.what, n === null ? "Counting…" : n ? `${count(n)} selected` : "");
    for (const b of [this.accept, this.relabel, this.exclude, this.clear]) {
      show(b, (Boolean(n) || n === null) && (this.api.decides || b === this.clear));
      b.disabled = busy || !n;
    }
    show(this.undoButton, Boolean(this.last) && !n);
    this.undoButton.disabled = busy;
    show(this.hintText, !n && !this.message);
    setText(this.accept.lastChild, `Accept ${count(n || 0)}`);
    setText(this.relabel.lastChild, `Relabel ${count(n || 0)} to …`);
    setText(this.exclude.lastChild, `Exclude ${plural(n || 0, "sample")}`);
  }

  say(tone, text) {
    this.message = { tone, text };
    this.draw();
  }

  pick() {
    if (!this.n || this.busy || !this.api.decides) return;
    this.picker.show({ anchor: this.relabel, pick: (name) => this.run("relabel", name) });
  }

  /** Decide about everything that is selected. */
  async run(action, label = null) {
    if (!this.n || this.busy || !this.api.decides) return;
    const n = this.n;
    const target = this.on.target();
    const batch = newId();
    this.busy = true;
    this.message = {
      tone: "busy",
      text: `${ACTIONS[action].does === "Accept" ? "Accepting" : action === "relabel" ? "Relabelling" : "Excluding"} ${plural(n, "sample")}…`,
    };
    this.draw();
    const started = performance.now();
    try {
      const body = { action, label, batch_id: batch, expect: n, target };
      const answer = await this.#twice(() => this.api.post("bulk", body, { timeout: 60000 }));
      this.last = { batch, n: answer.count };
      this.message = {
        tone: "done",
        text: `${ACTIONS[action].past} ${plural(answer.count, "sample")}${label ? ` to ${label}` : ""}. Saved ✓`,
      };
      this.on.done(action, label);
      performance.measure("winnow:bulk", { start: started, end: performance.now() });
    } catch (error) {
      this.message = { tone: "failed", text: error.message };
      if (error.status === 409 && error.body.count !== undefined) this.on.recount?.(error.body.count);
    } finally {
      this.busy = false;
      this.draw();
    }
  }

  /** The batch has an id of its own, so a request whose answer was lost can be sent again. */
  async #twice(send) {
    try {
      return await send();
    } catch (error) {
      if (!error.temporary) throw error;
      await new Promise((resolve) => setTimeout(resolve, 600));
      return send();
    }
  }

  async undo() {
    if (!this.last || this.busy) return;
    this.busy = true;
    const { batch, n } = this.last;
    this.say("busy", `Taking back ${plural(n, "decision")}…`);
    const body = { undo_id: `undo-${batch}`, batch_id: batch };
    try {
      // not sent twice: whether a lost answer had been carried out cannot be seen from here
      const answer = await this.api.post("undo", body, { timeout: 60000 });
      this.last = null;
      this.message = {
        tone: "done",
        text: answer.count ? `Undone: ${plural(answer.count, "decision")}. Saved ✓` : "There was nothing left to undo.",
      };
      this.on.undone();
    } catch (error) {
      this.message = { tone: "failed", text: error.message };
    } finally {
      this.busy = false;
      this.draw();
    }
  }
}
