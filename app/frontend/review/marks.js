/** What to mark in a text: words that tell the suggested class from the given one, and words that differ from the text it repeats. */

import { h } from "../lib/dom.js";

const WORD = /[\p{L}\p{N}_]+/gu; // as the server counts words: see core/words.py
const LONGEST = 1200; // words of a text that are compared with another one
const AT_ONCE = 40;

/** Marks of texts, asked for many at a time; `of` answers at once with what is there. */
export class Marks {
  /** @param {(id: string) => void} arrived  the marks of a sample have come */
  constructor(api, arrived) {
    Object.assign(this, { api, arrived });
    this.known = new Map();
  }

  /** {words: [[word, z], …], other: text | null, given, toward} of a card, or null while they are on their way. */
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
      for (const [id, found] of Object.entries(marks)) { this.known.set(id, found); this.arrived(id); }
    } catch { for (const id of ids) this.known.delete(id); } // the text reads as well without; asked for again when it is shown again
  }
}

const words = (text) => [...text.matchAll(WORD)].map((m) => ({ word: m[0].toLowerCase(), at: m.index, end: m.index + m[0].length }));

/** Which words of `mine` are not in a longest common subsequence with `other`: a set of places in `mine`. */
export function differing(mine, other) {
  let start = 0;
  while (start < mine.length && start < other.length && mine[start] === other[start]) start += 1;
  let [a, b] = [mine.length, other.length];
  while (a > start && b > start && mine[a - 1] === other[b - 1]) { a -= 1; b -= 1; }
  const [x, y] = [mine.slice(start, a), other.slice(start, b)];
  const out = new Set();
  if (x.length > LONGEST || y.length > LONGEST) { // too long to align: words that the other does not have at all
    const there = new Set(y);
    x.forEach((word, i) => { if (!there.has(word)) out.add(start + i); });
    return out;
  }
  const wide = y.length + 1;
  const best = new Uint16Array((x.length + 1) * wide);
  for (let i = x.length - 1; i >= 0; i -= 1) {
    for (let j = y.length - 1; j >= 0; j -= 1) {
      best[i * wide + j] = x[i] === y[j] ? best[(i + 1) * wide + j + 1] + 1 : Math.max(best[(i + 1) * wide + j], best[i * wide + j + 1]);
    }
  }
  for (let i = 0, j = 0; i < x.length; i += 1) {
    while (j < y.length && x[i] !== y[j] && best[i * wide + j + 1] > best[(i + 1) * wide + j]) j += 1;
    if (j < y.length && x[i] === y[j]) j += 1;
    else out.add(start + i);
  }
  return out;
}

/** A text as nodes: plain text, and <mark> around the words that tell. Never markup from the text itself. */
export function markedText(text, marks) {
  if (!marks || (!marks.words.length && !marks.other)) return [text];
  const weight = new Map(marks.words);
  const found = words(text);
  const apart = marks.other ? differing(found.map((w) => w.word), words(marks.other).map((w) => w.word)) : new Set();
  const out = [];
  let at = 0;
  found.forEach((w, i) => {
    const z = weight.get(w.word);
    if (z === undefined && !apart.has(i)) return;
    const css = apart.has(i) ? "differs" : z > 0 ? "for" : "against";
    const says = apart.has(i) ? "Not in the text that this one repeats" : `Speaks for ${z > 0 ? marks.toward : marks.given} (z ${Math.abs(z).toFixed(1)})`;
    out.push(text.slice(at, w.at), h(`mark.${css}`, { textContent: text.slice(w.at, w.end), title: says }));
    at = w.end;
  });
  return [...out, text.slice(at)];
}
