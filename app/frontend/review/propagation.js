/**
 * A row of the Label page: how far labelling has come, a slider to accept the most probable labels of all samples that
 * are sure enough with the estimated share of wrong ones beside it, one label for a whole cluster or selection, and
 * before the first class a field to type the classes. It has the height of the row it stands for.
 */

import { count, h, icon, plural, setText, show } from "../lib/dom.js";
import { newId } from "../lib/saver.js";

const WAIT = 150; // ms after the last move of the slider

const percent = (x) => `${(x * 100).toFixed(x < 0.1 ? 1 : 0)}%`;

/** What a press on the button would do, in words. */
export function acceptWords({ count: n }) {
  return n ? `Accept ${plural(n, "propagated label")}` : "No label is that sure yet";
}

/** What the button that labels a cluster or a selection says. */
export function groupWords({ count: n, outliers }) {
  return `Label all ${count(n)} alike…${outliers ? ` (${plural(outliers, "outlier")} left out)` : ""}`;
}

/** How far labelling has come, in a sentence or two. */
export function progressWords(report) {
  if (report.notes.length) return report.notes[0];
  const { stability: last } = report;
  const counts = `${count(report.by_people)} labelled by people, ${count(report.propagated)} propagated, ${count(report.to_label)} to label.`;
  if (!last) return counts;
  return last.stop
    ? `The last ${last.labels} labels changed ${percent(last.changed)} of the suggestions: more would change little. Take the propagated labels over, or audit. ${counts}`
    : `${counts} The last ${last.labels} labels changed ${percent(last.changed)} of the suggestions.`;
}

/** The classes in a text: one a line, or separated by commas. */
export const classesIn = (text) => [
  ...new Set(
    text
      .split(/[,;\n]/)
      .map((name) => name.trim())
      .filter(Boolean),
  ),
];

export class Propagation {
  /**
   * @param {import("../lib/api.js").Api} api
   * @param {() => string} queue  the queue as a URL query string
   * @param {object} on  before(): saves what is pending; failed(message); choose(anchor, pick): lets the person
   *   choose a label; together(batch_id, label, text, said): one batch was made; classes(added)
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
    this.alike = h("button.offer.alike", {
      type: "button",
      hidden: true,
      onclick: () => this.on.choose(this.alike, (label) => this.#labelGroup(label)),
      title: "Give the samples of this filter one label; outliers are left out",
    });
    this.classes = h("input.classes", {
      type: "text",
      hidden: true,
      placeholder: "Type your classes, separated by commas, or label and name them on the way",
      "aria-label": "Classes, separated by commas",
      onkeydown: (event) => {
        if (event.key === "Enter") this.#addClasses();
      },
    });
    this.row = h(
      "div.learnt.propagation",
      { role: "group", "aria-label": "Accept propagated labels" },
      icon("hub"),
      this.classes,
      this.words,
      this.slider,
      this.least,
      this.error,
      this.alike,
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

  /** @param {{report: object, estimate: object, group: object | null}} now */
  update({ report, estimate, group }) {
    if (estimate.threshold !== this.threshold) return; // the slider has moved on
    this.report = report;
    this.estimate = estimate;
    this.group = group;
    this.#draw();
  }

  #draw() {
    const { report, estimate, group } = this;
    setText(this.least, `p ≥ ${this.threshold.toFixed(2)}`);
    setText(this.words, report ? progressWords(report) : "After every ten labels the rest is put into a better order.");
    this.words.title = this.words.textContent;
    const none = Boolean(report && !report.classes && this.api.decides);
    show(this.classes, none);
    show(this.words, !none);
    for (const part of [this.slider, this.least, this.error]) show(part, !none);
    show(this.alike, Boolean(group?.count && this.api.decides));
    if (group) setText(this.alike, groupWords(group));
    setText(this.error, estimate?.count ? `about ${percent(estimate.error)} wrong` : "");
    setText(this.button, estimate ? acceptWords(estimate) : "");
    this.button.disabled = !estimate?.count || !this.api.decides;
    this.button.hidden = !estimate || none;
  }

  async accept() {
    if (!this.estimate?.count) return;
    await this.#send(async () => {
      const done = await this.api.post("propagate", {
        threshold: this.threshold,
        expect: this.estimate.count,
        batch_id: `propagated-${newId()}`,
        filter: this.queue(),
      });
      const said = `Accepted ${plural(done.count, "propagated label")}.`;
      this.on.together(done.batch_id, null, `${count(done.count)} propagated`, said);
    });
  }

  async #labelGroup(label) {
    await this.#send(async () => {
      const body = { label, expect: this.group.count, batch_id: `alike-${newId()}`, filter: this.queue() };
      const done = await this.api.post("label-group", body);
      const left = done.outliers ? ` ${plural(done.outliers, "outlier")} left out.` : "";
      const said = `Labelled ${plural(done.count, "sample")} as ${label}.${left}`;
      this.on.together(done.batch_id, label, `${count(done.count)} alike`, said);
    });
  }

  async #addClasses() {
    const names = classesIn(this.classes.value);
    if (!names.length) return;
    await this.#send(async () => {
      const { added, refused } = await this.api.post("classes", { names });
      this.classes.value = "";
      if (refused.length) this.on.failed(refused[0]);
      if (added.length) this.on.classes(added);
    });
  }

  /** One change at a time, after everything pending is saved. */
  async #send(change) {
    if (this.busy) return;
    this.busy = true;
    try {
      await this.on.before();
      await change();
    } catch (error) {
      this.on.failed(error.message);
    } finally {
      this.busy = false;
    }
    await this.refresh();
  }
}
