/**
 * The bar under a selection: what is selected, what can be done with exactly that many, and one-step undo of what was
 * done. The count on the button travels along; when it does not hold any more, the server does nothing and says so.
 */

import { ACTIONS, bulkWords, count, h, icon, plural, setText, show } from "./dom.js";
import { newId } from "./saver.js";

const CONFIRM_ABOVE = 50; // samples: more than this many are decided about only when it is confirmed

/** What taking the suggestions for a selection would do: "Relabel 120, exclude 22; 91% expected to be right." */
export function suggestedWords({ of, count: n, relabel, exclude, expected }) {
  const parts = [relabel && `relabel ${count(relabel)}`, exclude && `exclude ${count(exclude)}`].filter(Boolean);
  const rest = of - n ? ` The other ${count(of - n)} are decided, or their verdict proposes nothing.` : "";
  return `Take ${plural(n, "suggestion")}: ${parts.join(", ")}? About ${Math.round(100 * expected)}% are expected to be right.${rest}`;
}

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
    this.addTag = button(".addtag", "T", () => this.pickTag("add"));
    this.removeTag = button(".removetag", "D", () => this.pickTag("remove"));
    setText(this.addTag.lastChild, "Add tag …");
    setText(this.removeTag.lastChild, "Remove tag …");
    this.suggested = button(".suggested", "W", () => this.suggest());
    this.suggested.title = "Take what each one’s verdict proposes: its suggested label, or to exclude it";
    setText(this.suggested.lastChild, "Take suggestions");
    this.clear = h(
      "button.quiet",
      { type: "button", onclick: () => this.on.clear() },
      "Clear ",
      h("kbd", { textContent: "Esc" }),
    );
    this.confirmButton = button(".confirm", "Y", () => this.confirm());
    this.undoButton = button(".undo", "U", () => this.undo());
    setText(this.undoButton.lastChild, "Undo");
    this.redoButton = button(".undo", "R", () => this.redo());
    setText(this.redoButton.lastChild, "Redo");
    this.bar = h(
      "div.bulk",
      { role: "toolbar", "aria-label": "Decide about the selection" },
      this.what,
      this.accept,
      this.relabel,
      this.suggested,
      this.exclude,
      this.addTag,
      this.removeTag,
      this.confirmButton,
      this.undoButton,
      this.redoButton,
      this.clear,
      h("span.gap", {}),
      this.hintText,
    );
    this.n = 0;
    this.last = null; // {batch, n} that U takes back
    this.undone = null; // {undo_id, n} that R brings back
    this.pending = null; // {action, label, n} that waits to be confirmed
    this.busy = false;
    this.draw();
  }

  /** The number of selected samples; `null` while it is being counted. */
  set(n) {
    if (n === this.n) return;
    this.n = n;
    this.pending = null;
    if (n) this.message = null;
    this.draw();
  }

  draw() {
    const { n, busy, pending } = this;
    const state = this.message ? this.message.tone : n ? "selected" : "idle";
    this.bar.dataset.state = state;
    this.bar.dataset.count = n ?? "";
    if (this.message)
      this.what.replaceChildren(...(this.message.tone === "done" ? [icon("cloud_done")] : []), this.message.text);
    else setText(this.what, n === null ? "Counting…" : n ? `${count(n)} selected` : "");
    const tagging = [this.addTag, this.removeTag];
    for (const b of [this.accept, this.relabel, this.suggested, this.exclude, this.clear, ...tagging]) {
      const has = !tagging.includes(b) || Boolean(this.tagNames);
      show(b, has && (Boolean(n) || n === null) && (b === this.clear || (this.api.decides && !pending)));
      b.disabled = busy || !n;
    }
    if (this.tagNames && !this.picker.labels.length) show(this.relabel, false); // tags and no labels
    show(this.confirmButton, Boolean(pending));
    if (pending) setText(this.confirmButton.lastChild, pending.words || bulkWords(pending.action, pending.n));
    show(this.undoButton, Boolean(this.last) && !n);
    show(this.redoButton, Boolean(this.undone) && !n);
    for (const b of [this.confirmButton, this.undoButton, this.redoButton]) b.disabled = busy;
    show(this.hintText, !n && !this.message);
    setText(this.accept.lastChild, bulkWords("accept", n || 0));
    setText(this.relabel.lastChild, `Relabel ${count(n || 0)} to …`);
    setText(this.exclude.lastChild, bulkWords("exclude", n || 0));
  }

  say(tone, text) {
    this.message = { tone, text };
    this.draw();
  }

  pick() {
    if (!this.n || this.busy || !this.api.decides) return;
    this.picker.show({ anchor: this.relabel, pick: (name) => this.run("relabel", name) });
  }

  /** Samples have tags: these can be added and removed. */
  set tags(names) {
    this.tagNames = names;
    this.draw();
  }

  /** Choose a tag to add to everything that is selected, or to remove from it. */
  pickTag(way) {
    if (!this.n || this.busy || !this.api.decides || !this.tagNames) return;
    const labels = this.picker.labels;
    this.picker.show({
      anchor: way === "add" ? this.addTag : this.removeTag,
      labels: this.tagNames,
      pick: (name, fresh) => {
        if (fresh && way === "add") this.tagNames = [...this.tagNames, { name }];
        this.picker.labels = labels;
        this.run("tag", `${way === "add" ? "+" : "−"}${name}`, { [way]: [name] });
      },
    });
  }

  /**
   * Decide about everything that is selected; about many, once it is confirmed.
   * @param {string} action  accept, relabel, exclude, or tag (with `more`: {add} or {remove})
   */
  async run(action, label = null, more = null) {
    if (!this.n || this.busy || !this.api.decides) return;
    const n = this.n;
    const { pending } = this;
    if (n > CONFIRM_ABOVE && (pending?.n !== n || pending.action !== action || pending.label !== label)) {
      const words = action === "tag" ? `${label} on ${plural(n, "sample")}` : null;
      this.pending = { action, label, n, more, words };
      this.say("ask", `${words || `${bulkWords(action, n)}${label ? ` to ${label}` : ""}`}?`);
      return;
    }
    await this.#decide(action, n, label, more);
  }

  /** Ask what the verdicts propose for the selection, and take it when that is confirmed. */
  async suggest() {
    if (!this.n || this.busy || !this.api.decides) return;
    if (this.pending?.action === "suggested") {
      this.confirm();
      return;
    }
    const { n } = this;
    this.busy = true;
    this.say("busy", "Reading the suggestions…");
    try {
      const proposed = await this.api.post("suggested", { target: this.on.target() }, { timeout: 60000 });
      this.message = null;
      if (this.n !== n) return; // another selection meanwhile
      if (!proposed.count) {
        const why = "People have decided about them, or their verdicts propose nothing.";
        this.message = {
          tone: "failed",
          text: `There is no suggestion to take for these ${plural(n, "sample")}. ${why}`,
        };
        return;
      }
      this.pending = { action: "suggested", label: null, n: proposed.count };
      this.message = { tone: "ask", text: suggestedWords(proposed) };
    } catch (error) {
      this.message = { tone: "failed", text: error.message };
    } finally {
      this.busy = false;
      this.draw();
    }
  }

  /** Decide about the selection; `expect` is what the server has to count. */
  async #decide(action, expect, label, more = null) {
    this.pending = null;
    const target = this.on.target();
    const batch = newId();
    const noun = action === "suggested" ? "suggestion" : "sample";
    this.busy = true;
    this.message = {
      tone: "busy",
      text: `${action === "tag" ? "Tagging" : ACTIONS[action].doing} ${plural(expect, noun)}…`,
    };
    this.draw();
    const started = performance.now();
    try {
      const body = { action, label: more ? null : label, ...more, batch_id: batch, expect, target };
      const answer = await this.#twice(() => this.api.post("bulk", body, { timeout: 60000 }));
      this.last = answer.count ? { batch, n: answer.count } : null;
      this.undone = null;
      const did = more
        ? `${label}: ${plural(answer.count, "sample")} changed, ${count(expect - answer.count)} left as they were`
        : `${ACTIONS[action].past} ${plural(answer.count, noun)}${label ? ` to ${label}` : ""}`;
      this.message = { tone: "done", text: `${did}. Saved ✓` };
      this.on.done(action, label);
      performance.measure("winnow:bulk", { start: started, end: performance.now() });
    } catch (error) {
      this.message = { tone: "failed", text: error.message };
      const recounted = error.status === 409 && action !== "suggested" ? error.body.count : undefined;
      if (recounted !== undefined) this.on.recount?.(recounted);
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

  /** Yes to what was asked. */
  confirm() {
    const { pending } = this;
    if (pending && !this.busy) this.#decide(pending.action, pending.n, pending.label, pending.more);
  }

  async undo() {
    if (!this.last) return;
    const { batch, n } = this.last;
    await this.#inLog(`Undoing ${plural(n, "decision")}…`, async () => {
      // not sent twice: whether a lost answer had been carried out cannot be seen from here
      const undo = { undo_id: `undo-${batch}-${newId()}`, batch_id: batch };
      const answer = await this.api.post("undo", undo, { timeout: 60000 });
      this.last = null;
      this.undone = answer.count ? { undo_id: undo.undo_id } : null;
      return answer.count ? `Undone: ${plural(answer.count, "decision")}. Saved ✓` : "There was nothing left to undo.";
    });
  }

  async redo() {
    if (!this.undone) return;
    await this.#inLog("Deciding again…", async () => {
      const redo_id = `redo-${newId()}`;
      const answer = await this.api.post("redo", { redo_id, ...this.undone }, { timeout: 60000 });
      this.undone = null;
      this.last = answer.count ? { batch: redo_id, n: answer.count } : null;
      return answer.count ? `Redone: ${plural(answer.count, "decision")}. Saved ✓` : "There was nothing left to redo.";
    });
  }

  /** Change what was decided before, and say what became of it. */
  async #inLog(meanwhile, change) {
    if (this.busy) return;
    this.busy = true;
    this.say("busy", meanwhile);
    try {
      this.message = { tone: "done", text: await change() };
      this.on.undone();
    } catch (error) {
      this.message = { tone: "failed", text: error.message };
    } finally {
      this.busy = false;
      this.draw();
    }
  }
}
