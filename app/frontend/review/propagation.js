/**
 * A row of the Label page: how far labelling has come, and a slider to accept the most probable labels of all samples
 * that are sure enough, with the estimated share of wrong ones beside it. It has the height of the row it stands for.
 */

import { count, h, icon, plural, setText } from "../lib/dom.js";
import { newId } from "../lib/saver.js";

const WAIT = 150; // ms after the last move of the slider

const percent = (x) => `${(x * 100).toFixed(x < 0.1 ? 1 : 0)}%`;

/** What a press on the button would do, in words. */
export function acceptWords({ count: n }) {
  return n ? `Accept ${plural(n, "propagated label")}` : "No label is that sure yet";
}

export class Propagation {
  /**
   * @param {import("../lib/api.js").Api} api
   * @param {() => string} queue  the queue as a URL query string
   * @param {object} on  before(): saves what is pending; accepted({count, batch_id}); failed(message)
   */
  constructor(api, queue, on) {
    Object.assign(this, { api, queue, on, estimate: null, busy: false });
    this.words = h("span.ellipsis.words", { role: "status", "aria-live": "polite" });
    this.slider = h("input", { type: "range", min: "0.5", max: "0.99", step: "0.01", value: "0.9" });
    this.slider.setAttribute("aria-label", "Least probability of the labels to accept");
    this.slider.addEventListener("input", () => this.#moved());
    this.least = h("span.right", {});
    this.error = h("span.ahead", {});
    this.button = h("button.offer.accept-all", { type: "button", onclick: () => this.accept() });
    this.row = h(
      "div.learnt.propagation",
      { role: "group", "aria-label": "Accept propagated labels" },
      icon("hub"),
      this.words,
      this.slider,
      this.least,
      this.error,
      this.button,
    );
    this.#draw();
  }

  get threshold() {
    return Number(this.slider.value);
  }

  #moved() {
    setText(this.least, `p ≥ ${this.threshold.toFixed(2)}`);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), WAIT);
  }

  /** Ask what accepting would do now. */
  async refresh() {
    const query = new URLSearchParams(this.queue());
    query.set("threshold", String(this.threshold));
    try {
      this.update(await this.api.get("labelling", query));
    } catch (error) {
      this.on.failed(error.message);
    }
  }

  /** @param {{report: object, estimate: object}} now */
  update({ report, estimate }) {
    if (estimate.threshold !== this.threshold) return; // the slider has moved on
    this.report = report;
    this.estimate = estimate;
    this.#draw();
  }

  #draw() {
    const { report, estimate } = this;
    setText(this.least, `p ≥ ${this.threshold.toFixed(2)}`);
    const note = report?.notes?.[0];
    setText(
      this.words,
      report
        ? note ||
            `${count(report.by_people)} labelled by people, ${count(report.propagated)} propagated, ${count(report.to_label)} to label.`
        : "After every ten labels the rest is put into a better order.",
    );
    this.words.title = this.words.textContent;
    setText(this.error, estimate?.count ? `about ${percent(estimate.error)} wrong` : "");
    setText(this.button, estimate ? acceptWords(estimate) : "");
    this.button.disabled = !estimate?.count || !this.api.decides;
    this.button.hidden = !estimate;
  }

  async accept() {
    if (this.busy || !this.estimate?.count) return;
    this.busy = true;
    try {
      await this.on.before();
      const done = await this.api.post("propagate", {
        threshold: this.threshold,
        expect: this.estimate.count,
        batch_id: `propagated-${newId()}`,
        filter: this.queue(),
      });
      this.on.accepted(done);
    } catch (error) {
      this.on.failed(error.message);
    } finally {
      this.busy = false;
    }
    await this.refresh();
  }
}
