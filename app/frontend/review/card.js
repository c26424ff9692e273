/** The card: one frame that is built once and filled again for every sample, so that nothing jumps. */

import { ACTIONS, ago, h, icon, score, setRich, setText, show, verdictOf } from "../lib/dom.js";
import { nameNode, setName } from "../lib/names.js";
import { seeThrough } from "../lib/see_through.js";
import { markedText } from "./marks.js";
import { MiniMap } from "./minimap.js";
import { tagWords } from "./tags.js";

const PIXELATED_BELOW = 160; // an original side below this is enlarged with hard pixels
const NEIGHBOURS = 8;
const OPTIONS = 9;
const BARS = 6;
const LONG_REASON = 110; // characters that fit the box in the usual size, also where it is narrow
const FLASH = 220; // ms

const WORTH_SAYING = 0.2; // below this a suggestion is a guess among many and is offered by its number key only

/** The label that W takes: [name, probability] or null. */
export function suggestion(card) {
  const best = card.suggestions?.[0];
  const flagged = card.kinds?.noisy_label?.flag && !card.tags; // with tags, these may be what is flagged
  return best && (best[1] >= WORTH_SAYING || flagged) ? best : null;
}

const NO_LABEL_HELPS = new Set(["ood", "broken", "duplicate"]);

/** What W does: the decision that the verdict asks for, or null where there is nothing to propose. */
export function proposal(card) {
  if (NO_LABEL_HELPS.has(card.verdict)) return { action: "exclude", label: null };
  const best = suggestion(card);
  return best ? { action: "relabel", label: best[0] } : null;
}

/** Whether a picture of a sample can be asked for: an unreadable one has no size. */
export const hasPicture = (card) =>
  Boolean(card.thumb) && card.modality !== "text" && card.modality !== "vector" && card.width !== 0;

/** The classes that have a key of their own, as [name, probability, key], in the order of the keys: digits first. */
export function keyedLabels(card, keys) {
  const p = new Map(card.suggestions || []);
  if (card.label) p.set(card.label, card.label_p);
  return [...keys].sort(([, a], [, b]) => (a < b ? -1 : 1)).map(([name, key]) => [name, p.get(name) ?? null, key]);
}

/** The labels behind the keys 1–9: suggestions by probability, then neighbours' labels by count, then the rest. */
export function likelyLabels(card, labels) {
  const seen = new Set([card.label]);
  const out = [];
  const add = (name, p) => {
    if (name !== null && name !== undefined && name !== "" && !seen.has(name)) {
      seen.add(name);
      out.push([name, p]);
    }
  };
  for (const [name, p] of card.suggestions || []) add(name, p);
  const votes = new Map();
  for (const n of card.neighbors || []) if (n.label) votes.set(n.label, (votes.get(n.label) || 0) + 1);
  for (const [name] of [...votes].sort((a, b) => b[1] - a[1])) add(name, null);
  for (const label of labels) {
    if (out.length >= OPTIONS) break;
    add(label.name, null);
  }
  return out.slice(0, OPTIONS).map(([name, p], i) => [name, p, String(i + 1)]);
}

/** A reason as a sentence: it begins with a capital letter. */
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export class CardView {
  /** @param {object} on  callbacks: relabel(i), peek(neighbour), zoom(), similar() */
  constructor(verdicts, on) {
    this.verdicts = verdicts;
    this.on = on;
    this.#stage();
    this.#panel();
    this.#strip();
  }

  #stage() {
    this.image = h("img", { alt: "", decoding: "sync", draggable: false });
    this.image.addEventListener("load", () =>
      setTimeout(() => this.image.classList.toggle("see-through", seeThrough(this.image))),
    );
    this.image.addEventListener("error", () => this.#noImage("This image cannot be read."));
    this.text = h(
      "div.text",
      { hidden: true, tabIndex: 0, role: "document", "aria-label": "The sample's text" },
      (this.words = h("p", { dir: "auto" })),
    );
    this.missing = h("div.missing", { hidden: true }, icon("broken_image"), h("p", {}));
    this.caption = h("span.ellipsis", {});
    this.keyFor = nameNode();
    this.keyAgainst = nameNode();
    this.keyDiffers = h(
      "span",
      { hidden: true },
      h("mark.differs", { textContent: "words" }),
      " differ from the one it repeats",
    );
    this.keySame = h("span", { hidden: true, textContent: "the same words as the one it repeats" });
    this.key = h(
      "span.marks",
      {
        hidden: true,
        title: "Words that are used more in one class than in the other, over the whole dataset (log-odds, |z| ≥ 1.96)",
      },
      h("span", {}, h("mark.for", { textContent: "words" }), " speak for ", this.keyFor),
      h("span", {}, h("mark.against", { textContent: "words" }), " for ", this.keyAgainst),
      this.keyDiffers,
      this.keySame,
    );
    this.peekNote = h("div.peeknote", { hidden: true });
    this.flash = h("div.flash", { "aria-hidden": "true", hidden: true }, icon("check"));
    this.stage = h(
      "figure.stage",
      {},
      h("div.picture", { onclick: () => this.on.zoom() }, this.image, this.text, this.missing),
      this.peekNote,
      this.flash,
      h(
        "figcaption",
        {},
        this.caption,
        this.key,
        this.on.words.key,
        h(
          "button.quiet.similar",
          {
            type: "button",
            title: "In words: which words carry the belief, what it is by class names alone (I)",
            onclick: () => this.on.inWords(),
          },
          icon("translate"),
          "Words",
        ),
        h(
          "button.quiet.similar",
          { type: "button", title: "Similar samples in the Gallery (F)", onclick: () => this.on.similar() },
          icon("image_search"),
          "Similar",
        ),
      ),
    );
  }

  #panel() {
    this.verdict = h(
      "span.chip.verdict",
      {},
      (this.verdictIcon = icon("help")),
      (this.verdictText = h("span.ellipsis", {})),
    );
    this.confidence = h("span.muted", {});
    this.others = h("span.others", {});
    this.given = h(
      "div.label.given",
      {},
      h("small", { textContent: "Given" }),
      h("b", {}, (this.givenName = nameNode())),
      (this.givenP = h("span.muted", {})),
    );
    this.suggested = h(
      "div.label.suggested",
      {},
      h("small", { textContent: "Suggested" }),
      h("b", {}, (this.suggestedName = nameNode())),
      (this.suggestedP = h("span.muted", {})),
    );
    this.reason = h("p.reason", { tabIndex: 0 });
    this.options = [];
    this.canvas = h("canvas.mini", { role: "img", "aria-label": "Where this sample lies on the map" });
    this.map = new MiniMap(this.canvas);
    this.bars = Array.from({ length: BARS }, () => {
      const parts = { name: h("span.ellipsis", {}), value: h("span.value", {}), bar: h("i", {}) };
      const row = h("button.score", { type: "button" }, parts.name, h("span.bar", {}, parts.bar), parts.value);
      row.onclick = () => this.on.evidence.show(this.shown, row.dataset.kind);
      return { row, ...parts };
    });
    this.history = h("div.history.ellipsis", {});
    this.facts = h("dl.facts", { "aria-label": "Columns of this sample" });
    this.panel = h(
      "div.panel",
      { role: "group", "aria-label": "What Winnow thinks" },
      h("div.row", {}, this.verdict, this.confidence, this.others),
      (this.labels = h("div.labels", {}, this.given, icon("arrow_forward", "muted"), this.suggested)),
      this.on.tags.node,
      h("div.reasonbox", {}, this.reason),
      this.on.evidence.strongest,
      this.on.words.line,
      this.on.words.offers,
      (this.choices = h("div.options", { role: "group", "aria-label": "Relabel" })),
      h(
        "div.where",
        {},
        this.canvas,
        h(
          "div.scores",
          {},
          this.bars.map((b) => b.row),
        ),
      ),
      this.history,
      this.facts,
      this.on.evidence.node,
    );
  }

  #strip() {
    this.neighbours = Array.from({ length: NEIGHBOURS }, (_, i) => {
      const image = h("img", { alt: "", draggable: false });
      const text = h("span.snippet", { hidden: true, dir: "auto" });
      const label = nameNode("", "name");
      const button = h(
        "button.neighbour",
        { type: "button", onclick: () => this.on.peek(i) },
        h("span.pic", {}, image, text),
        label,
      );
      image.addEventListener("error", () => image.removeAttribute("src"));
      return { button, image, text, label };
    });
    this.strip = h(
      "section.strip",
      { "aria-label": "Nearest neighbours" },
      h("span.title", {}, "Nearest", h("br"), "samples"),
      h(
        "div.tiles",
        {},
        this.neighbours.map((n) => n.button),
      ),
    );
  }

  #noImage(message) {
    this.image.hidden = true;
    this.missing.hidden = false;
    setText(this.missing.lastChild, message);
  }

  /** Show a sample's picture or text on the stage. */
  #show(card) {
    const picture = hasPicture(card) ? this.on.src(card) || card.image : null;
    show(this.text, Boolean(card.text) && !picture);
    if (picture || !card.text) {
      show(this.key, false);
      show(this.on.words.key, false);
    }
    show(this.missing, !card.text && !picture);
    show(this.image, Boolean(picture));
    if (picture) {
      const small = card.width > 0 && Math.max(card.width, card.height) < PIXELATED_BELOW;
      this.image.classList.toggle("pixelated", small);
      this.image.style.aspectRatio = card.width > 0 ? `${card.width} / ${card.height}` : "";
      if (this.image.getAttribute("src") !== picture) this.image.src = picture;
      this.image.alt = `Sample ${card.id}, labelled ${card.label ?? "nothing"}`;
      clearTimeout(this.sharpen);
      const full = card.image;
      if (full && full !== picture && !small) this.sharpen = setTimeout(() => this.#sharpen(card.id, full), 160);
    } else if (card.text) {
      this.#write(card);
      this.text.dataset.length = card.text.length < 90 ? "short" : card.text.length < 400 ? "medium" : "long";
      this.text.scrollTop = 0;
    } else {
      setText(
        this.missing.lastChild,
        card.verdict === "broken"
          ? (card.reason || "This sample cannot be read.").replaceAll("*", "")
          : card.modality === "vector"
            ? "Only precomputed embeddings were given: there is no image or text to show."
            : "This sample cannot be read.",
      );
    }
    this.shown = card.id;
  }

  /** A text with the words marked that tell; colour only, so that nothing moves when the marks come later. */
  #write(card) {
    const hinted = card.kinds && !card.blind; // a neighbour on the stage has no marks, a blind card no hint
    const marks = hinted ? this.on.marks(card) : null;
    const shaded = hinted ? this.on.words.shaded(card) : null;
    const nodes = shaded || markedText(card.text, marks);
    const apart = nodes.some((n) => n.className === "differs");
    this.words.replaceChildren(...nodes);
    this.written = card;
    const said = marks?.words || [];
    setName(this.keyFor, marks?.toward);
    setName(this.keyAgainst, marks?.given);
    show(
      this.keyFor.parentElement,
      said.some(([, z]) => z > 0),
    );
    show(
      this.keyAgainst.parentElement,
      said.some(([, z]) => z < 0),
    );
    show(this.keyDiffers, apart);
    show(this.keySame, Boolean(marks?.differs) && !apart);
    show(this.key, !shaded && Boolean(said.length || marks?.differs));
  }

  /** The marks of a sample have come. */
  remark(id) {
    if (this.shown === id && this.written?.id === id) this.#write(this.written);
  }

  /** What words make of a sample has come, or is wanted now. */
  reword(id) {
    if (this.card?.id !== id) return;
    this.on.words.draw(this.card, (caption) => this.on.note(`Caption: ${caption}`));
    this.remark(id);
  }

  /** Replace the thumbnail by the original once the person stays on a card. */
  #sharpen(id, url) {
    const full = new Image();
    full.src = url;
    full.decode().then(
      () => {
        if (this.shown === id) this.image.src = url;
      },
      () => {},
    );
  }

  /** @param {object} card  @param {object[]} labels  @param {object|null} decided  this person's decision so far */
  fill(card, labels, decided) {
    this.card = card;
    const v = verdictOf(this.verdicts, card.verdict);
    this.#show(card);
    show(this.peekNote, false);
    const facts = [card.width ? `${card.width} × ${card.height}` : null, card.split, card.source].filter(Boolean);
    setText(
      this.caption,
      [card.modality === "pair" && card.text ? `“${card.text}”` : null, card.id, ...facts].filter(Boolean).join(" · "),
    );
    // these are on the card already
    const known = new Set([card.id, card.label, card.split, card.source, card.text].map(String));
    this.facts.replaceChildren(
      ...Object.entries(card.meta || {})
        .filter(
          ([, x]) =>
            x !== null &&
            x !== "" &&
            !known.has(String(x)) &&
            !(card.text && card.text.startsWith(String(x).slice(0, 80))),
        )
        .slice(0, 12)
        .flatMap(([k, x]) => [
          h("dt.ellipsis", { textContent: k, title: k }),
          h("dd.ellipsis", { textContent: x, title: String(x) }),
        ]),
    );
    this.caption.title = [
      card.modality === "pair" ? card.text : null,
      card.id,
      ...Object.entries(card.meta || {}).map(([k, x]) => `${k}: ${x}`),
    ]
      .filter(Boolean)
      .join("\n");

    this.verdict.style.setProperty("--c", v.colour);
    this.verdict.title = v.means ? `${v.means} (${score(card.confidence)})` : "";
    setText(this.verdictIcon, v.icon);
    setText(this.verdictText, v.name);
    setText(this.confidence, score(card.confidence));
    this.confidence.title = "Confidence of this verdict";
    this.#otherKinds(card);

    const { classKeys } = this.on;
    const options = classKeys.fixed ? keyedLabels(card, classKeys.keys) : likelyLabels(card, labels);
    this.on.tags.fill(card, decided);
    show(this.labels, !card.tags || card.label !== null);
    this.likely = options.map(([name]) => name);
    this.labelOf = card.tags ? this.on.tags : new Map(options.map(([name, , key]) => [key, name]));
    const best = suggestion(card);
    const caption = card.modality === "pair" && !card.label ? card.text : null; // a pair without a label is about its caption
    setText(this.given.firstChild, caption ? "Caption" : card.blind ? "Label" : "Given");
    setName(this.givenName, caption ? `“${caption}”` : (card.label ?? "no label"));
    setText(this.givenP, card.label_p === undefined || card.label_p === null ? "" : score(card.label_p));
    setName(this.suggestedName, best ? best[0] : "–");
    setText(this.suggestedP, best ? score(best[1]) : "");
    this.given.title = caption ?? card.label ?? "";
    this.given.parentElement.classList.toggle("caption", Boolean(caption));
    show(this.choices, !card.tags && (options.length > 0 || card.modality !== "pair"));
    this.suggested.title = best ? best[0] : "Nothing to suggest";
    this.suggested.classList.toggle("none", !best);
    setRich(this.reason, sentence(card.reason || "Nothing speaks against this sample."), nameNode);
    this.reason.classList.toggle("long", this.reason.textContent.length > LONG_REASON);
    this.reason.title = (card.reason || "").replaceAll("*", "");
    if (!card.blind) this.on.words.draw(card, (caption) => this.on.note(`Caption: ${caption}`));

    this.#fillOptions(options, card, decided);
    this.#fillStrip(card);
    this.#fillBars(card);
    this.on.evidence.fill(card);
    this.canvas.style.visibility = card.xy ? "" : "hidden";
    if (card.xy) this.map.draw(card.xy, (card.neighbors || []).map((n) => n.xy).filter(Boolean));
    this.#fillHistory(card, decided);
  }

  #option() {
    const parts = { key: h("kbd", {}), name: nameNode(), p: h("span.muted", {}), bar: h("i", {}) };
    const button = h("button.option", { type: "button" }, parts.key, parts.name, parts.p, h("span.bar", {}, parts.bar));
    const option = { button, label: null, ...parts };
    button.addEventListener("click", () => this.on.relabel(option.label));
    this.choices.append(button);
    return option;
  }

  /** One button per key; those that this sample has no label for keep their place. */
  #fillOptions(options, card, decided) {
    const wanted = Math.max(OPTIONS, options.length);
    while (this.options.length < wanted) this.options.push(this.#option());
    this.choices.classList.toggle("many", wanted > OPTIONS);
    this.options.forEach((o, i) => {
      const [name, p, key] = options[i] || [null, null, ""];
      o.label = name;
      show(o.button, i < wanted);
      o.button.style.visibility = name === null ? "hidden" : "";
      setText(o.key, key.toUpperCase());
      setName(o.name, name ?? "");
      setText(o.p, p === null || p === undefined ? "" : score(p));
      o.bar.style.setProperty("--v", p ?? 0);
      o.button.title = name ?? "";
      const taken = decided?.action === "relabel" ? decided.label : decided?.action === "accept" ? card.label : null;
      o.button.setAttribute("aria-pressed", String(Boolean(name !== null && taken === name)));
    });
  }

  #otherKinds(card) {
    const flagged = Object.entries(card.kinds || {}).filter(([kind, k]) => k.flag && kind !== card.verdict);
    this.others.replaceChildren(
      ...flagged.map(([kind, k]) => {
        const v = verdictOf(this.verdicts, kind);
        return h(
          "span.also",
          {
            title: `Also: ${v.name} (${score(k.p)}). ${k.reason || ""}`,
            vars: { c: v.colour },
            role: "img",
            "aria-label": `Also: ${v.name}`,
          },
          icon(v.icon),
        );
      }),
    );
  }

  #fillStrip(card) {
    const near = card.neighbors || [];
    this.neighbours.forEach((tile, i) => {
      const n = near[i];
      tile.button.style.visibility = n ? "" : "hidden";
      if (!n) {
        tile.image.removeAttribute("src");
        return;
      }
      const agrees = n.agrees ?? n.label === card.label;
      tile.button.classList.toggle("disagrees", !agrees);
      const picture = n.thumb && card.modality !== "text" && card.modality !== "vector";
      show(tile.image, Boolean(picture));
      show(tile.text, !picture);
      const source = picture ? this.on.src(n) : "";
      if (picture && tile.image.getAttribute("src") !== source) tile.image.src = source;
      tile.image.classList.toggle(
        "pixelated",
        (n.width || card.width) > 0 && Math.max(n.width || card.width, n.height || card.height) < 64,
      );
      if (!picture) setText(tile.text, n.text || n.id);
      tile.image.alt = "";
      const named = n.tags ? n.tags.join(", ") || "no tags" : n.label;
      setName(tile.label, named ?? ((card.modality === "pair" && n.text) || "no label"));
      tile.button.title = `${named ?? "no label"} · distance ${score(n.distance)} · ${n.id}`;
      tile.button.setAttribute(
        "aria-label",
        `Neighbour ${i + 1}: ${named ?? "no label"}${agrees ? "" : ", disagrees"}`,
      );
    });
  }

  #fillBars(card) {
    this.shown = card.id;
    this.on.evidence.close();
    const kinds = Object.entries(card.kinds || {})
      .map(([kind, k]) => [kind, k.p])
      .sort((a, b) => b[1] - a[1])
      .slice(0, BARS);
    this.strongest = kinds[0]?.[0];
    this.bars.forEach((bar, i) => {
      const [kind, p] = kinds[i] || [null, 0];
      bar.row.style.visibility = kind ? "" : "hidden";
      if (!kind) return;
      const v = verdictOf(this.verdicts, kind);
      bar.row.dataset.kind = kind;
      setText(bar.name, v.name);
      bar.bar.style.setProperty("--v", p);
      bar.bar.style.setProperty("--c", v.colour);
      setText(bar.value, score(p));
      bar.row.title = `${card.kinds[kind].reason || v.means || ""}. Click for its signals`.replace("..", ".");
    });
  }

  #fillHistory(card, decided) {
    const past = card.decisions || [];
    const last = decided ? { ...decided, actor: "you", at: decided.at } : past[past.length - 1];
    if (!last) {
      setText(this.history, "No decision yet");
      this.history.title = "";
      return;
    }
    const tags = (d) => (d.tags ? ` ${tagWords(d.tags, card.tags?.given)}` : "");
    const say = (d) =>
      d.probability
        ? `Propagated: ${d.label} (p ${score(d.probability)}), accepted by ${d.actor}, ${ago(d.at)}`
        : `${ACTIONS[d.action]?.past ?? d.action}${d.label && d.action === "relabel" ? ` to ${d.label}` : ""}${tags(d)} by ${d.actor}, ${ago(d.at)}`;
    const others = past.length + (decided ? 1 : 0) - 1;
    setText(this.history, say(last) + (others > 0 ? ` · ${others} earlier` : ""));
    this.history.title = past.map((d) => `${say(d)} (${d.at})`).join("\n");
  }

  /** A still mark of what was done, for a moment: an animation would keep the compositor busy at ten cards a second. */
  mark(symbol) {
    setText(this.flash.firstChild, symbol);
    this.flash.hidden = false;
    clearTimeout(this.flashTimer);
    this.flashTimer = setTimeout(() => {
      this.flash.hidden = true;
    }, FLASH);
  }

  /** Somebody else has decided about the card on the screen. */
  tell(decided) {
    this.#fillHistory(this.card, decided);
  }

  /** Look at a neighbour on the stage without leaving the card. */
  peek(neighbour) {
    this.#show({
      id: neighbour.id,
      thumb: neighbour.thumb,
      image: neighbour.image,
      text: neighbour.text,
      width: neighbour.width || this.card.width,
      height: neighbour.height || this.card.height,
      label: neighbour.label,
    });
    show(this.peekNote, true);
    this.peekNote.replaceChildren(
      icon("visibility"),
      h("span.ellipsis", {
        textContent: `Neighbour: ${neighbour.label ?? "no label"} · distance ${score(neighbour.distance)}`,
      }),
      h("button.quiet", { type: "button", onclick: () => this.on.open(neighbour) }, "Open it"),
      h("button.quiet", { type: "button", onclick: () => this.unpeek() }, "Back ", h("kbd", { textContent: "Esc" })),
    );
  }

  get peeking() {
    return !this.peekNote.hidden;
  }

  unpeek() {
    if (!this.peeking) return;
    this.#show(this.card);
    show(this.peekNote, false);
  }
}
