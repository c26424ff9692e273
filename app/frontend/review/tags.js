/**
 * Several labels a sample: chips on the card. A solid chip is carried, a struck one is carried and doubted, a dashed
 * one is missing by the scan, a plain one can be added. Keys 1–9 and a click toggle; nothing is recorded until the
 * person decides about the card as a whole.
 */

import { h, score, show } from "../lib/dom.js";
import { nameNode, setName } from "../lib/names.js";

const KEYS = 9;

/** The chips of a card in order: [tag, state, probability that it is carried, reason]. */
export function chipsOf(tags) {
  const p = new Map([...Object.entries(tags.belief), ...tags.offered]);
  const doubted = new Map(tags.extra.map(([tag, , why]) => [tag, why]));
  const own = [...tags.given, ...tags.now.filter((tag) => !tags.given.includes(tag))];
  const chips = own.map((tag) => [tag, doubted.has(tag) ? "doubted" : "given", p.get(tag) ?? null, doubted.get(tag)]);
  const missing = tags.missing.filter(([tag]) => !own.includes(tag));
  chips.push(...missing.map(([tag, , why]) => [tag, "suggested", p.get(tag) ?? null, why]));
  const known = new Set(chips.map(([tag]) => tag));
  for (const [tag, belief] of tags.offered)
    if (chips.length < Math.max(KEYS, own.length + missing.length) && !known.has(tag))
      chips.push([tag, "offered", belief, ""]);
  return chips;
}

/** What the scan would make of the tags: without the doubted ones, with the missing ones. */
export function proposedTags(tags) {
  const drop = new Set(tags.extra.map(([tag]) => tag));
  const add = tags.missing.map(([tag]) => tag).filter((tag) => !tags.given.includes(tag));
  return [...tags.given.filter((tag) => !drop.has(tag)), ...add];
}

/** The difference between two lists of tags as edits: ["+joy", "−anger"]. */
export function editsBetween(before, after) {
  return [
    ...after.filter((tag) => !before.includes(tag)).map((tag) => `+${tag}`),
    ...before.filter((tag) => !after.includes(tag)).map((tag) => `−${tag}`),
  ];
}

export class TagEditor {
  /** @param {() => void} onEdit  called when a tag was toggled */
  constructor(onEdit) {
    this.onEdit = onEdit;
    this.drafts = new Map(); // sample id → tags that the person has chosen and not saved
    this.added = []; // tags that were made on this page
    this.chips = h("div.chips", {});
    this.none = h("span.muted", { textContent: "No tags" });
    this.node = h("div.tags", { role: "group", "aria-label": "Tags", hidden: true }, this.chips, this.none);
  }

  /** Draw the tags of a card; `decided`: this person's decision about it, if any. */
  fill(card, decided) {
    this.card = card.tags ? card : null;
    show(this.node, Boolean(card.tags));
    if (!card.tags) return;
    this.start = decided?.tags ?? (decided?.action === "accept" ? card.tags.given : card.tags.now);
    this.#draw();
  }

  /** The tags as they are on the screen. */
  get chosen() {
    return this.drafts.get(this.card.id) ?? this.start;
  }

  /** Whether the person has changed something that is not saved. */
  get edited() {
    return Boolean(this.card) && this.drafts.has(this.card.id);
  }

  /** What W would save: the person's own edits, else those of the scan; null = nothing to change. */
  get proposal() {
    if (!this.card) return null;
    const tags = this.edited ? this.chosen : proposedTags(this.card.tags);
    const edits = editsBetween(this.card.tags.given, tags);
    return edits.length || this.edited ? { tags, edits } : null;
  }

  /** What W does with a card: these edits, unless the verdict asks to exclude the sample and nobody has edited. */
  proposed(card, otherwise) {
    const edit = card.tags ? this.proposal : null;
    if (!edit || (otherwise?.action === "exclude" && !this.edited)) return otherwise;
    return { action: "relabel", label: (card.label && otherwise?.label) ?? null, ...edit };
  }

  /** The tag behind a digit. */
  get(key) {
    return this.keys?.get(key);
  }

  toggle(tag) {
    if (!this.card) return;
    const { chosen } = this;
    const next = chosen.includes(tag) ? chosen.filter((t) => t !== tag) : [...chosen, tag];
    const same = next.length === this.start.length && next.every((t) => this.start.includes(t));
    if (same) this.drafts.delete(this.card.id);
    else this.drafts.set(this.card.id, next);
    this.#draw();
    this.onEdit();
  }

  /** Any tag, or a new one: the card carries it then, or no longer. */
  pick(picker, anchor, names) {
    const labels = [...(names || []), ...this.added.map((name) => ({ name }))];
    picker.show({
      anchor,
      labels,
      likely: [...this.keys.values()],
      pick: (name, fresh) => {
        if (fresh) this.added.push(name);
        this.toggle(name);
      },
    });
  }

  /** Nothing of a card is unsaved any more. */
  done(id) {
    this.drafts.delete(id);
  }

  #draw() {
    const { chosen } = this;
    const chips = chipsOf(this.card.tags);
    const shown = new Set(chips.map(([tag]) => tag));
    for (const tag of chosen) if (!shown.has(tag)) chips.push([tag, "offered", null, ""]);
    this.keys = new Map(chips.slice(0, KEYS).map(([tag], i) => [String(i + 1), tag]));
    this.chips.replaceChildren(...chips.map((chip, i) => this.#chip(chip, i, chosen)));
    show(this.none, !chosen.length && !chips.length);
  }

  #chip([tag, state, p, why], i, chosen) {
    const carried = chosen.includes(tag);
    const name = nameNode();
    setName(name, tag);
    const said = { given: "given", doubted: "given, doubted", suggested: "missing by the scan", offered: "not given" };
    const chip = h(
      "button.tag",
      {
        type: "button",
        "aria-pressed": String(carried),
        "data-state": state,
        "data-tag": tag,
        title: `${tag}: ${said[state]}${why ? `. ${why}` : p === null ? "" : `. The models find it ${score(p)}`}`,
        onclick: () => this.toggle(tag),
      },
      i < KEYS ? h("kbd", { textContent: String(i + 1) }) : null,
      name,
      h("span.muted", { textContent: p === null ? "" : score(p) }),
    );
    return chip;
  }
}

/** A decision about tags in words: "+joy −anger", or all of them where nothing is known of the given ones. */
export function tagWords(tags, given) {
  if (!given) return tags.length ? tags.join(", ") : "no tags";
  return editsBetween(given, tags).join(" ") || "no change";
}
