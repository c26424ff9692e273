/**
 * "The same for 212 like these": the samples are shown before anything is decided, each can be left out,
 * and the
 * button names the count. One batch in the log, which one undo takes back.
 */

import { bulkWords, count, h, icon, plural, setText, show } from "../lib/dom.js";
import { nameNode } from "../lib/names.js";
import { newId } from "../lib/saver.js";

const TEXT = 160;

export class OfferSheet {
  /**
   * @param {HTMLElement} root
   * @param {import("../lib/api.js").Api} api
   * @param {(done: {batch_id: string, ids: string[], action: string, label: string|null, sample_id: string}) =>
   *   void} onDone
   */
  constructor(root, api, onDone) {
    Object.assign(this, { root, api, onDone });
    this.title = h("h2", { id: "offer-title" });
    this.why = h("p.muted", {});
    this.tiles = h("div.grid", { role: "group", "aria-label": "Samples; press one to leave it out" });
    this.more = h("p.muted.more", { hidden: true });
    this.error = h("p.error", { role: "alert", hidden: true });
    this.goText = h("span", {});
    this.go = h(
      "button.primary",
      { type: "button", onclick: () => this.apply() },
      this.goText,
      h("kbd", { textContent: "Enter" }),
    );
    this.box = h(
      "div.overlay.offers",
      {
        hidden: true,
        role: "dialog",
        "aria-modal": "true",
        "aria-labelledby": "offer-title",
        onclick: (e) => {
          if (e.target === this.box) this.close();
        },
      },
      h(
        "div.sheet",
        {},
        h(
          "header",
          {},
          this.title,
          h("button.quiet", { type: "button", "aria-label": "Close", onclick: () => this.close() }, icon("close")),
        ),
        this.why,
        this.tiles,
        this.more,
        this.error,
        h(
          "footer",
          {},
          this.go,
          h("button", { type: "button", onclick: () => this.close() }, "Not now ", h("kbd", { textContent: "Esc" })),
        ),
      ),
    );
    root.append(this.box);
  }

  get open() {
    return !this.box.hidden;
  }

  close() {
    this.box.hidden = true;
    this.offer = null;
    this.root.focus({ preventScroll: true });
  }

  /** Show the offer that the last decisions led to, once they are saved. */
  async ask(learnt, saver, banner) {
    const { offer } = learnt;
    if (!offer || this.asking) return;
    this.asking = true;
    try {
      await saver.flush();
      if (!(await this.show(offer.sample_id))) {
        learnt.set(null);
        banner.say("warn", "info", "No samples are like these any more.", 2500);
      }
    } catch (error) {
      banner.say("bad", "error", error.message, 5000);
    } finally {
      this.asking = false;
    }
  }

  /** Fetch the offer for a decided sample and show it. Answers false where there is none any more. */
  async show(sample) {
    const { offer } = await this.api.get("like", { id: sample });
    if (!offer) return false;
    this.offer = offer;
    this.out = new Set();
    this.busy = false;
    show(this.error, false);
    this.tiles.replaceChildren(...offer.tiles.map((t) => this.#tile(t)));
    const rest = offer.ids.length - offer.tiles.length;
    show(this.more, rest > 0);
    setText(this.more, rest > 0 ? `and ${plural(rest, "sample")} more, less sure than these.` : "");
    setText(
      this.why,
      `You decided so for ${offer.agreeing} of ${offer.of} samples like these; about ${count(offer.expected)} of ${count(offer.ids.length)} are expected to be the same. Press one to leave it out.`,
    );
    this.#draw();
    this.box.hidden = false;
    this.go.focus();
    return true;
  }

  #tile(t) {
    const tile = h(
      "button.tile",
      {
        type: "button",
        "aria-pressed": "true",
        "aria-label": `${t.label || "no label"}: sample ${t.id}. Decide it with the others.`,
        title: t.id,
        onclick: () => {
          if (!this.out.delete(t.id)) this.out.add(t.id);
          tile.setAttribute("aria-pressed", String(!this.out.has(t.id)));
          this.#draw();
        },
      },
      t.text ? h("span.snippet", { textContent: t.text.slice(0, TEXT) }) : h("img", { src: t.thumb, alt: "" }),
      h("span.name", {}, nameNode(t.label || ""), h("span.muted", { textContent: t.p.toFixed(2) })),
    );
    return tile;
  }

  get ids() {
    return this.offer.ids.filter((id) => !this.out.has(id));
  }

  #draw() {
    const n = this.ids.length;
    const { action, label, what } = this.offer;
    const does = { accept: "Keep the labels of", relabel: "Relabel", exclude: "Exclude" }[action];
    setText(this.title, `${does} ${plural(n, "sample")} like these${action === "exclude" ? "" : `: ${what}`}?`);
    setText(this.goText, `${bulkWords(action, n)}${label ? ` to ${label}` : ""}`);
    this.go.disabled = this.busy || !n;
  }

  async apply() {
    if (this.busy || !this.offer || !this.ids.length) return;
    this.busy = true;
    this.#draw();
    const { action, label, sample_id } = this.offer;
    const done = { batch_id: newId(), ids: this.ids, action, label, sample_id };
    try {
      await this.api.post(
        "bulk",
        { action, label, batch_id: done.batch_id, expect: done.ids.length, target: { ids: done.ids } },
        { timeout: 60000 },
      );
      this.close();
      this.onDone(done);
    } catch (error) {
      setText(this.error, error.message);
      show(this.error, true);
      this.busy = false;
      this.#draw();
    }
  }

  /** Keys while the sheet is open. Answers whether the key was its own. */
  key(event) {
    if (event.key === "Escape") {
      this.close();
      return true;
    }
    const inTile = event.composedPath()[0]?.closest?.(".tile, header button, footer button");
    if (event.key === "Enter" && !inTile) {
      this.apply();
      return true;
    }
    if (event.key === "Tab") return this.#trap(event);
    return false;
  }

  /** Tab goes round within the sheet. */
  #trap(event) {
    const all = [...this.box.querySelectorAll("button:not(:disabled)")];
    const at = all.indexOf(this.root.getRootNode().activeElement);
    const next = event.shiftKey ? at - 1 : at + 1;
    if (at >= 0 && next >= 0 && next < all.length) return false;
    all.at(event.shiftKey ? -1 : 0).focus();
    return true;
  }
}
