/** Type-ahead over all labels: a thousand classes are as easy as ten. Enter picks; unknown words offer a new label. */

import { count, h, icon, setText } from "./dom.js";

const SHOWN = 60;

/** Lower is better; null = no match. Prefix, word start, substring, then letters in order. */
export function match(name, query) {
  const text = name.toLowerCase();
  if (!query) return [3, []];
  const at = text.indexOf(query);
  if (at === 0) return [text.length === query.length ? -1 : 0, [[0, query.length]]];
  if (at > 0) return [/[^a-z0-9]/.test(text[at - 1]) ? 1 : 2, [[at, at + query.length]]];
  const spans = [];
  let from = 0;
  for (const letter of query) {
    const i = text.indexOf(letter, from);
    if (i < 0) return null;
    spans.push([i, i + 1]);
    from = i + 1;
  }
  return [4 + (from - query.length) / 100, spans];
}

/** The labels that fit, best first: [[name, spans], …]. `likely` breaks ties, then frequency, then the alphabet. */
export function rank(labels, query, likely = []) {
  const q = query.trim().toLowerCase();
  const order = new Map(likely.map((name, i) => [name, i]));
  const found = [];
  for (const label of labels) {
    const hit = match(label.name, q);
    if (hit) found.push([label, hit]);
  }
  found.sort(
    ([a, [x]], [b, [y]]) =>
      x - y ||
      (order.get(a.name) ?? 999) - (order.get(b.name) ?? 999) ||
      (b.count || 0) - (a.count || 0) ||
      a.name.localeCompare(b.name),
  );
  return found;
}

function marked(name, spans) {
  const node = h("span.ellipsis", { title: name });
  let at = 0;
  for (const [from, to] of spans) {
    if (from > at) node.append(name.slice(at, from));
    node.append(h("mark", { textContent: name.slice(from, to) }));
    at = to;
  }
  node.append(name.slice(at));
  return node;
}

export class LabelPicker {
  /** @param {HTMLElement} root  the surface that the picker lies over */
  constructor(root) {
    this.root = root;
    this.labels = [];
    const listId = "labels";
    this.input = h("input", {
      type: "text",
      placeholder: "Type a label",
      autocomplete: "off",
      spellcheck: false,
      role: "combobox",
      "aria-expanded": "true",
      "aria-controls": listId,
      "aria-label": "Label",
      oninput: () => this.#draw(0),
      onkeydown: (e) => this.#key(e),
    });
    this.list = h("ul", { id: listId, role: "listbox", "aria-label": "Labels" });
    this.foot = h("span", {});
    this.box = h(
      "div.picker",
      { hidden: true, role: "dialog", "aria-label": "Choose a label" },
      this.input,
      this.list,
      h(
        "footer",
        {},
        this.foot,
        h("span", {}, h("kbd", { textContent: "Enter" }), " picks · ", h("kbd", { textContent: "Esc" }), " closes"),
      ),
    );
    this.box.addEventListener("focusout", (e) => {
      if (!this.box.hidden && e.relatedTarget && !this.box.contains(e.relatedTarget)) this.close();
    });
    root.append(this.box);
  }

  get open() {
    return !this.box.hidden;
  }

  /** Show at (left, bottom or top) and call `pick(name, isNew)` once. */
  show({ pick, likely = [], anchor, labels }) {
    if (labels) this.labels = labels;
    this.pick = pick;
    this.likely = likely;
    this.input.value = "";
    this.box.hidden = false;
    const root = this.root.getBoundingClientRect();
    const at = anchor.getBoundingClientRect();
    const left = Math.max(8, Math.min(at.left - root.left, root.width - this.box.offsetWidth - 8));
    const below = root.bottom - at.bottom;
    this.box.style.left = `${left}px`;
    this.box.style.top =
      below > this.box.offsetHeight + 8
        ? `${at.bottom - root.top + 4}px`
        : `${Math.max(4, at.top - root.top - this.box.offsetHeight - 4)}px`;
    this.#draw(0);
    this.input.focus();
  }

  close() {
    if (this.box.hidden) return;
    this.box.hidden = true;
    this.root.focus({ preventScroll: true });
  }

  #draw(selected) {
    const query = this.input.value.trim();
    const found = rank(this.labels, query, this.likely);
    const exact = this.labels.some((l) => l.name.toLowerCase() === query.toLowerCase());
    this.options = found.slice(0, SHOWN).map(([label]) => ({ name: label.name, fresh: false }));
    const rows = found
      .slice(0, SHOWN)
      .map(([label, [, spans]], i) => this.#row(i, marked(label.name, spans), label.count));
    if (query && !exact) {
      this.options.push({ name: query, fresh: true });
      rows.push(this.#row(rows.length, h("span.ellipsis", {}, icon("add"), ` New label “${query}”`)));
    }
    this.list.replaceChildren(...rows);
    this.selected = Math.min(selected, rows.length - 1);
    this.#mark();
    setText(
      this.foot,
      found.length > SHOWN
        ? `${count(SHOWN)} of ${count(found.length)}`
        : `${count(found.length)} of ${count(this.labels.length)}`,
    );
  }

  #row(i, what, n) {
    return h(
      "li",
      {
        id: `option-${i}`,
        role: "option",
        onmousedown: (e) => e.preventDefault(),
        onclick: () => this.#take(i),
        onmousemove: () => {
          if (this.selected !== i) {
            this.selected = i;
            this.#mark();
          }
        },
      },
      what,
      n ? h("span.n", { textContent: count(n) }) : null,
    );
  }

  #mark() {
    [...this.list.children].forEach((row, i) => row.setAttribute("aria-selected", String(i === this.selected)));
    const row = this.list.children[this.selected];
    row?.scrollIntoView({ block: "nearest" });
    if (row) this.input.setAttribute("aria-activedescendant", row.id);
    else this.input.removeAttribute("aria-activedescendant");
  }

  #take(i) {
    const option = this.options[i];
    if (!option) return;
    this.close();
    if (option.fresh) this.labels = [...this.labels, { name: option.name, count: 0 }];
    this.pick(option.name, option.fresh);
  }

  #key(event) {
    const move = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
    event.stopPropagation();
    if (move) {
      event.preventDefault();
      this.selected = Math.max(0, Math.min(this.options.length - 1, this.selected + move));
      this.#mark();
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (!event.repeat) this.#take(this.selected);
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.close();
    }
  }
}
