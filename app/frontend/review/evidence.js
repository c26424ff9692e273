/** What the signals behind one verdict say of the sample: a sheet over the panel, opened by a click on its bar. */

import { h, icon, score } from "../lib/dom.js";

export class Evidence {
  /** @param {Record<string, {name: string}>} verdicts  how verdicts are called */
  constructor(api, verdicts) {
    Object.assign(this, { api, verdicts });
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

function rowOf({ title, explain, formula, value, percentile }) {
  const share = `${Math.floor(1000 * percentile) / 10}%`;
  return h(
    "li",
    {},
    h(
      "div.line",
      {},
      h("b.ellipsis", { textContent: title, title }),
      h("span.bar", {}, h("i", { vars: { v: percentile } })),
      h("span.value", { textContent: score(value) }),
      h("span.muted", { textContent: share, title: `${share} of the samples have at most this value` }),
    ),
    h("p", { textContent: explain }),
    formula ? h("p.muted", { textContent: formula }) : "",
  );
}
