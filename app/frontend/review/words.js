/**
 * What words make of a sample: which of its words carry a belief, what it is by class names alone, captions of
 * look-alikes.
 */

import { h, score, setText, show } from "../lib/dom.js";

const SETTLE = 120; // ms that a card stands before its words are asked for: a person at ten keys a second asks for none
const KEPT = 200;

export class InWords {
  /** @param {(id: string) => void} arrived  the answer for a sample has come */
  constructor(api, arrived) {
    Object.assign(this, { api, arrived, on: false });
    this.known = new Map();
    this.line = h("p.inwords", { hidden: true, "aria-live": "polite" });
    this.offers = h("div.proposals", { hidden: true, role: "group", "aria-label": "Captions of look-alikes" });
    this.label = h("b.ellipsis", {});
    this.key = h(
      "span.marks",
      {
        hidden: true,
        title:
          "How much the belief falls when a word is left out; and how often it survives leaving out one word, or exchanging two letters",
      },
      h("span", {}, h("mark.lean", { textContent: "words", vars: { a: 1 } }), " carry the belief in ", this.label),
      h("span", {}, h("mark.oppose", { textContent: "words", vars: { a: 1 } }), " oppose it"),
    );
  }

  /** The answer for a card if it is there; asked for otherwise, where it is wanted. */
  of(card) {
    clearTimeout(this.timer);
    if (!card?.kinds || !(this.on || misfit(card))) return null;
    const found = this.known.get(this.#key(card));
    if (found === undefined) this.timer = setTimeout(() => this.#ask(card), SETTLE);
    return found || null;
  }

  #key(card) {
    return `${card.id}\n${this.on}`;
  }

  async #ask(card) {
    const key = this.#key(card);
    this.known.set(key, null);
    while (this.known.size > KEPT) this.known.delete(this.known.keys().next().value);
    const about = card.suggestions?.[0]?.[0];
    const asked = {
      id: card.id,
      ...(this.on ? { words: 1 } : {}),
      ...(about && card.kinds.noisy_label?.flag ? { label: about } : {}),
    };
    try {
      this.known.set(key, await this.api.get("meaning", asked, { timeout: 60000 })); // the first one loads the encoder
    } catch (error) {
      this.known.set(key, { id: card.id, proposals: [], why: error.message });
    }
    this.arrived(card.id);
  }

  /** Fill the line below the reason and the captions that are offered. `take(caption)` is what a click on one does. */
  draw(card, take) {
    const found = this.of(card);
    show(this.line, this.on);
    if (this.on) {
      const said = found?.by_words;
      const parts = !found
        ? ["Reading the words…"]
        : said
          ? [
              "By class names alone: ",
              said.classes
                .slice(0, 2)
                .flatMap(([name, p], i) => [i ? ", " : "", h("b", { textContent: name }), ` ${score(p)}`]),
              said.between && said.between !== said.classes[0][0]
                ? [" · nearest in meaning to all that is believed: ", h("b", { textContent: said.between })]
                : [],
              found.influence
                ? ` · its own words: belief ${score(found.influence.belief)}, survives ${Math.round(100 * found.influence.stability)}% of small changes`
                : "",
              said.negative ? ` · fits “${said.negative}” better than any class` : "",
            ]
          : [
              found.influence
                ? `Belief ${score(found.influence.belief)}, survives ${Math.round(100 * found.influence.stability)}% of small changes.`
                : found.why || "This sample has no words.",
            ];
      this.line.replaceChildren(...parts.flat(Infinity).filter((p) => p !== ""));
      this.line.title = this.line.textContent;
    }
    const pair = card.modality === "pair";
    show(this.offers, pair);
    if (!pair) return;
    const offers = (misfit(card) && found?.proposals) || [];
    this.offers.replaceChildren(
      h("small", {
        textContent: !misfit(card)
          ? "The caption fits its image."
          : offers.length
            ? "Captions of look-alikes that fit better: a click notes one"
            : found
              ? "No look-alike has a caption that fits better."
              : "Looking at the captions of look-alikes…",
      }),
      ...offers.map((o) =>
        h(
          "button.proposal",
          {
            type: "button",
            title: `${o.caption}\nof ${o.sample_id}; ${o.support} look-alikes say the like`,
            onclick: () => take(o.caption),
          },
          h("span.ellipsis", { textContent: o.caption }),
          h("span.muted", { textContent: score(o.match) }),
        ),
      ),
    );
  }

  /** A text as nodes with its words shaded by what they carry; null where nothing is known. Fills the legend. */
  shaded(card) {
    const found = this.on ? this.of(card)?.influence : null;
    show(this.key, Boolean(found));
    if (!found) return null;
    setText(this.label, found.label);
    return shadedText(card.text, found.words);
  }
}

/** A pair whose caption may be another image's. */
const misfit = (card) => card.modality === "pair" && card.kinds?.noisy_label?.p >= 0.2;

/**
 * Plain text, and <mark> around the words that carry (or oppose) a belief, the stronger the deeper. Never markup
 * from the text.
 */
export function shadedText(text, words) {
  const characters = Array.from(text); // the server counts code points
  const most = Math.max(0.02, ...words.map((w) => Math.abs(w.influence)));
  const out = [];
  let at = 0;
  for (const { start, end, influence } of words) {
    const strength = Math.abs(influence) / most;
    if (strength < 0.12) continue;
    out.push(
      characters.slice(at, start).join(""),
      h(`mark.${influence > 0 ? "lean" : "oppose"}`, {
        textContent: characters.slice(start, end).join(""),
        vars: { a: strength.toFixed(2) },
        title: `${influence > 0 ? "+" : "−"}${Math.abs(influence).toFixed(2)} belief`,
      }),
    );
    at = end;
  }
  return [...out, characters.slice(at).join("")];
}
