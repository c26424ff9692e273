/** What the signals behind a verdict say of the sample: the strongest three on the card, all of them on a sheet. */

import { h, icon, score, setText } from "../lib/dom.js";
import { nameNode } from "../lib/names.js";

const STRONGEST = 3;
const SPEAKS = 0.5; // a signal speaks for a verdict where it is higher than for half of the samples
const SETTLED = 120; // milliseconds on a card before its signals are read: whoever leafs on needs none
const KEPT = 200;

export class Evidence {
  /** @param {Record<string, {name: string}>} verdicts  how verdicts are called */
  constructor(api, verdicts) {
    Object.assign(this, { api, verdicts });
    this.read = new Map();
    this.lines = Array.from({ length: STRONGEST }, () => {
      const parts = { title: h("b", {}), explain: h("span", {}), share: h("span.muted", {}) };
      return { row: h("li", {}, h("span.ellipsis", {}, parts.title, " ", parts.explain), parts.share), ...parts };
    });
    this.strongest = h(
      "ol.strongest",
      { "aria-label": "Signals that speak most for the verdict" },
      this.lines.map((line) => line.row),
    );
    this.title = h("b", {});
    this.list = h("ol.signals", {});
    this.node = h(
      "section.evidence",
      { hidden: true, role: "region", "aria-label": "Signals of this sample", "aria-live": "polite" },
      h(
        "header",
        {},
        this.title,
        h(
          "button.quiet",
          { type: "button", title: "Close", "aria-label": "Close", onclick: () => this.close() },
          icon("close"),
        ),
      ),
      this.list,
    );
  }

  get open() {
    return !this.node.hidden;
  }

  close() {
    this.node.hidden = true;
    this.asked = null;
  }

  /** The three signals that speak most for a card's verdict, on the card itself; none of a clean sample. */
  fill(card) {
    clearTimeout(this.waiting);
    const kind = card.kinds?.[card.verdict] ? card.verdict : null;
    const key = `${card.id}\n${kind}`;
    this.shown = key;
    this.#draw(this.read.get(key) ?? []);
    if (!kind || this.read.has(key)) return;
    this.waiting = setTimeout(async () => {
      try {
        const { signals } = await this.api.get("evidence", { id: card.id, kind });
        if (this.read.size >= KEPT) this.read.delete(this.read.keys().next().value);
        this.read.set(key, signals.filter((s) => s.percentile >= SPEAKS).slice(0, STRONGEST));
      } catch {
        return; // the sheet, opened by a click, says what is wrong
      }
      if (this.shown === key) this.#draw(this.read.get(key));
    }, SETTLED);
  }

  #draw(signals) {
    this.lines.forEach((line, i) => {
      const signal = signals[i];
      line.row.style.visibility = signal ? "" : "hidden";
      if (!signal) return;
      setText(line.title, signal.title);
      setText(line.explain, signal.explain);
      setText(line.share, percent(signal.percentile));
      line.row.title = `${signal.explain} ${percent(signal.percentile)} of the samples have a lower value.`;
    });
  }

  /** Show the signals of a kind for a sample; the same again closes it. */
  async show(id, kind) {
    const asked = `${id}\n${kind}`;
    if (this.open && this.asked === asked) {
      this.close();
      return;
    }
    this.asked = asked;
    this.title.textContent = `${this.verdicts[kind]?.name ?? kind}: signals`;
    this.list.replaceChildren(h("li.muted", { textContent: "Reading…" }));
    this.node.hidden = false;
    let rows;
    try {
      const { signals } = await this.api.get("evidence", { id, kind });
      rows = signals.length
        ? signals.map(rowOf)
        : [h("li.muted", { textContent: "No signal of this kind scored this sample." })];
    } catch (error) {
      rows = [h("li.muted", { textContent: error.message })];
    }
    if (this.asked === asked) this.list.replaceChildren(...rows);
  }
}

const percent = (share) => `${Math.floor(1000 * share) / 10}%`;

function rowOf({ title, explain, formula, value, percentile, suggestion }) {
  const share = percent(percentile);
  return h(
    "li",
    {},
    h(
      "div.line",
      {},
      h("b.ellipsis", { textContent: title, title }),
      h("span.bar", {}, h("i", { vars: { v: percentile } })),
      h("span.value", { textContent: score(value) }),
      h("span.muted", { textContent: share, title: `${share} of the samples have a lower value` }),
    ),
    h("p", {}, explain, suggestion ? h("span", {}, " Suggests ", nameNode(suggestion), ".") : ""),
    formula ? h("p.muted", { textContent: formula }) : "",
  );
}
