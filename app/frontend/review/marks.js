/**
 * What to mark in a text: words that tell the suggested class from the given one, and words that differ from its
 * original.
 */

import { h } from "../lib/dom.js";

const WORD = /[\p{L}\p{N}_]+/gu; // as the server counts words: WORD in core/explore/word_evidence.py
const AT_ONCE = 40;

/** Marks of texts, asked for many at a time; `of` answers at once with what is there. */
export class Marks {
  /** @param {(id: string) => void} arrived  the marks of a sample have come */
  constructor(api, arrived) {
    Object.assign(this, { api, arrived });
    this.known = new Map();
  }

  /**
   * {words: [[word, z], …], differs: [place, …] | null, given, toward} of a card, or null while they are on their
   * way.
   */
  of(card, ahead) {
    if (!card.text) return null;
    const found = this.known.get(card.id);
    if (found === undefined) this.#ask([card, ...ahead()]);
    return found || null;
  }

  async #ask(cards) {
    const ids = [...new Set(cards.filter((c) => c?.text && !this.known.has(c.id)).map((c) => c.id))].slice(0, AT_ONCE);
    for (const id of ids) this.known.set(id, null);
    try {
      const { marks } = await this.api.get("marks", new URLSearchParams(ids.map((id) => ["id", id])));
      for (const [id, found] of Object.entries(marks)) {
        this.known.set(id, found);
        this.arrived(id);
      }
    } catch {
      for (const id of ids) this.known.delete(id);
    } // the text reads as well without; asked for again when it is shown again
  }
}

/** A text as nodes: plain text, and <mark> around the words that tell, or that differ from its original. */
export function markedText(text, marks) {
  if (!marks || (!marks.words.length && !marks.differs)) return [text];
  const weight = new Map(marks.words);
  const apart = new Set(marks.differs);
  const out = [];
  let at = 0;
  [...text.matchAll(WORD)].forEach((match, i) => {
    const word = match[0];
    const z = weight.get(word.toLowerCase());
    if (z === undefined && !apart.has(i)) return;
    const css = apart.has(i) ? "differs" : z > 0 ? "for" : "against";
    const title = apart.has(i)
      ? "Not in the text that this one repeats"
      : `Speaks for ${z > 0 ? marks.toward : marks.given} (z ${Math.abs(z).toFixed(1)})`;
    out.push(text.slice(at, match.index), h(`mark.${css}`, { textContent: word, title }));
    at = match.index + word.length;
  });
  return [...out, text.slice(at)];
}
