/**
 * Review: one card after the other, at the speed of the keys.
 *
 * A key press decides about the sample that is on the screen, shows the next card in the same task and leaves the
 * saving to `Saver`. Streamlit is not involved until the person leaves the page.
 */

import {
  ACTIONS,
  count,
  fillHeight,
  h,
  helpDialog,
  icon,
  isInteractive,
  isTyping,
  keepFocus,
  plural,
  setRelativeTimes,
  setText,
  takeFocus,
} from "../lib/dom.js";
import { Api } from "../lib/api.js";
import { Pictures } from "../lib/pictures.js";
import { nameNode, setName } from "../lib/names.js";
import { hearOthers, withTheirs } from "../lib/others.js";
import { LabelPicker } from "../lib/picker.js";
import { Saver, newId } from "../lib/saver.js";
import { Banner } from "./banner.js";
import { CardView, hasPicture, proposal } from "./card.js";
import { Learnt } from "./learnt.js";
import { Marks } from "./marks.js";
import { Note } from "./note.js";
import { OfferSheet } from "./offer.js";
import { Queue } from "./queue.js";
import { Recent } from "./recent.js";
import { InWords } from "./words.js";

const AHEAD = 24; // cards whose pictures are loaded before they are needed
const MARKED = 40; // texts whose telling words are asked for at once
const PACE_WINDOW = 120000;

const KEYS = [
  [
    "Decide",
    [
      ["A", "Keep label: the given label is right"],
      ["W", "What the verdict proposes: the suggested label, or to exclude"],
      ["1 … 9", "Relabel to the n-th most probable label"],
      ["/", "Any label, or a new one"],
      ["X", "Exclude the sample"],
      ["S", "The same for others like these: see them first"],
      ["N", "Write a note for this decision"],
    ],
  ],
  [
    "Move",
    [
      ["Space", "Skip for now"],
      ["J →", "Next, without deciding"],
      ["K ←", "Back"],
      ["U", "Undo the last decision"],
      ["R", "Redo what was undone last"],
    ],
  ],
  [
    "Look",
    [
      ["Z", "Zoom"],
      ["F", "Find similar samples"],
      ["I", "In words: what carries the belief, by class names alone"],
      ["?", "These keys"],
      ["Esc", "Close what is open"],
    ],
  ],
];

const live = new WeakMap();

/** Streamlit calls this when the component is drawn and again whenever its data changes. */
export default function mount(component) {
  const { parentElement } = component;
  const there = live.get(parentElement);
  if (there) there.update(component);
  else live.set(parentElement, new Review(component));
  return () => {
    live.get(parentElement)?.destroy();
    live.delete(parentElement);
  };
}

class Review {
  constructor(component) {
    this.api = new Api(component.data);
    setRelativeTimes(component.data.ago);
    this.component = component;
    this.data = component.data;
    this.labels = [];
    this.marks = new Marks(this.api, (id) => this.card.remark(id));
    this.inWords = new InWords(this.api, (id) => this.card.reword(id));
    this.pictures = new Pictures(this.api);
    this.mine = new Map(); // sample id → this person's decision of this session, or null when undone
    this.done = []; // [{decision_id, id, action, label, at, previous}] in order, what U undoes
    this.skipped = new Set();
    this.stamps = [];
    this.#build(component.parentElement);
    this.saver = new Saver(
      this.api,
      this.data.actor,
      (s) => this.#drawSaved(s),
      (r, b) => this.#onSaved(r, b),
    );
    if (this.saver.adopted)
      this.banner.say(
        "good",
        "cloud_done",
        `${plural(this.saver.adopted, "decision")} from your last visit ${this.saver.adopted === 1 ? "is" : "are"} being saved.`,
        5000,
      );
    this.#start();
    this.#loadLabels();
    this.#loadMap();
    this.onKey = (event) => this.#key(event);
    window.addEventListener("keydown", this.onKey, true);
    this.ticker = setInterval(() => this.#drawProgress(), 5000);
    this.stopHearing = hearOthers((decisions) => this.#heard(decisions));
  }

  /** New data from Streamlit: a fresh token, or another queue. */
  update(component) {
    const before = this.data;
    this.component = component;
    this.data = component.data;
    this.api.update(component.data);
    if (before.queue !== this.data.queue || before.ws !== this.data.ws) this.#start();
    else this.#openAsked();
    if (this.saver.failing) this.saver.retryNow();
  }

  destroy() {
    window.removeEventListener("keydown", this.onKey, true);
    clearInterval(this.ticker);
    this.stopHearing();
    this.stopFit();
    this.queue.close();
    this.saver.destroy();
    this.pictures.destroy();
    this.root.remove();
  }

  // ── frame ────────────────────────────────────────────────────────────────────────────────────────────────────

  #build(parent) {
    const button = (cls, key, text, does, title) =>
      h(`button${cls}`, { type: "button", onclick: does, title }, h("kbd", { textContent: key }), text);
    this.card = new CardView(this.data.verdicts, {
      relabel: (i) => this.#relabelTo(i),
      peek: (i) => this.#peek(i),
      open: (n) => this.#open([n.id]),
      zoom: () => this.#zoom(),
      similar: () => this.#similar(),
      words: this.inWords,
      inWords: () => this.#inWords(),
      note: (text) => this.note.set(text),
      src: (sample) => this.pictures.src(sample),
      marks: (card) => this.marks.of(card, () => this.queue.cards.slice(this.queue.cursor, this.queue.cursor + MARKED)),
    });
    this.progressText = h("span.strong", {});
    this.paceText = h("span.muted.pace", {});
    this.meter = h("i", {});
    this.savedState = h("span.saved", { role: "status", "aria-live": "polite" });
    this.head = h(
      "header.head",
      {},
      this.progressText,
      h(
        "span.bar.meter",
        { role: "progressbar", "aria-label": "Decided in this queue", "aria-valuemin": "0", "aria-valuemax": "100" },
        this.meter,
      ),
      this.paceText,
      this.savedState,
      h(
        "button.quiet",
        {
          type: "button",
          title: "Keys of this page (?)",
          "aria-label": "Keys of this page",
          onclick: () => this.help.toggle(),
        },
        h("kbd", { textContent: "?" }),
      ),
    );
    this.takeText = nameNode();
    this.take = button(
      ".take",
      "W",
      this.takeText,
      () => this.#take(),
      "What the verdict proposes: the suggested label, or to exclude the sample",
    );
    this.note = new Note(() => this.root.focus({ preventScroll: true }));
    this.anyLabel = button(".any", "/", "Label…", () => this.#pick(), "Any label, or a new one");
    this.actions = h(
      "nav.actions",
      { "aria-label": "Decide" },
      button(".accept", "A", "Keep label", () => this.#decide("accept"), "The given label is right: keep it"),
      this.take,
      button(".exclude", "X", "Exclude", () => this.#decide("exclude"), "Leave this sample out of the dataset"),
      this.anyLabel,
      h("span.gap", {}),
      button("", "Space", "Skip", () => this.#skip(), "Decide later"),
      button("", "U", "Undo", () => this.#undo(), "Undo the last decision"),
      this.note.button,
    );
    for (const b of this.actions.querySelectorAll("button"))
      if (!this.api.decides && !/Skip/.test(b.textContent)) b.disabled = true;
    this.recent = new Recent((id) => this.#bring(id));
    this.banner = new Banner();
    this.body = h("div.body", {}, this.card.stage, this.card.panel);
    this.live = h("div.sr", { "aria-live": "polite" });
    this.empty = h("div.empty", { hidden: true });
    this.learnt = new Learnt(this.data.verdicts, () => this.#showOffer());
    this.root = h(
      "section.wn.review",
      { tabIndex: -1, role: "region", "aria-label": "Review" },
      this.head,
      this.learnt.row,
      this.body,
      this.card.strip,
      this.actions,
      this.recent.row,
      this.note.box,
      this.banner.node,
      this.empty,
      this.live,
    );
    parent.append(this.root);
    this.picker = new LabelPicker(this.root);
    this.offer = new OfferSheet(this.root, this.api, (done) => this.#tookOffer(done));
    this.help = helpDialog(this.root, "Keys of Review", KEYS);
    keepFocus(this.root);
    this.stopFit = fillHeight(this.root);
    this.root.dataset.state = "loading";
    this.recent.draw(this.done);
  }

  #start() {
    this.queue?.close();
    this.queue = new Queue(
      this.api,
      this.data.queue,
      () => this.#arrived(),
      (round) => this.#learned(round),
    );
    this.learnt.reset();
    this.counted = new Set();
    this.shownId = null;
    this.root.dataset.state = "loading";
    this.empty.hidden = true;
    this.queue.fill();
    this.#openAsked();
  }

  /** Begin with the sample that another page asked for; each wish once. */
  #openAsked() {
    const asked = this.data.open || [];
    if (!asked.length || this.openedFor === asked[0]) return;
    [this.openedFor] = asked;
    this.#open(asked);
  }

  async #loadLabels() {
    try {
      const { labels } = await this.api.get("labels");
      this.labels = labels.map((l) => (typeof l === "string" ? { name: l } : l));
      if (this.queue.current) this.#render();
    } catch {
      /* the picker still offers what the cards suggest */
    }
  }

  async #loadMap() {
    try {
      const { array } = await this.api.framed("points");
      this.xy = array;
      this.card.map.setPoints(array);
    } catch {
      /* no map in this workspace: the card shows none */
    }
  }

  #arrived() {
    const { queue } = this;
    if (queue.total !== null)
      window.dispatchEvent(
        new CustomEvent("winnow:count", {
          detail: { text: `${count(queue.total)} of ${count(this.data.total ?? queue.total)}` },
        }),
      );
    if (queue.error && !queue.cards.length) return this.#showError(queue.error);
    if (this.root.dataset.state !== "ready" && queue.current) {
      this.#render();
      takeFocus(this.root);
    } else if (!queue.current && queue.finished) this.#render();
    this.#drawProgress();
    this.#load();
  }

  // ── the card ─────────────────────────────────────────────────────────────────────────────────────────────────

  #render() {
    const card = this.queue.current;
    if (!card) {
      this.#showEnd();
      return;
    }
    this.root.dataset.state = "ready";
    this.empty.hidden = true;
    const before = this.#decisionOf(card);
    // the decision's id belongs to this showing of this card: a second key press on it cannot decide twice
    this.mint = {
      id: card.id,
      decision_id: newId(),
      supersedes: before?.batch ? undefined : (before?.decision_id ?? null),
    }; // of a batch only the server knows each row's id
    this.shownId = card.id;
    this.root.dataset.sample = card.id;
    this.card.fill(card, this.labels, before?.mine ? before : null);
    const proposed = proposal(card);
    setName(this.takeText, proposed ? (proposed.label ?? ACTIONS[proposed.action].does) : "Suggestion");
    this.take.disabled = !proposed;
    this.root.dataset.decided = before ? before.action : "";
    this.root.dataset.decidedLabel = before ? ACTIONS[before.action].past : "";
    this.note.set("");
    if (!this.queue.loading) this.queue.fill();
  }

  /** What this person decided about a card: in this session, else as the server told. */
  #decisionOf(card) {
    if (this.mine.has(card.id)) {
      const d = this.mine.get(card.id);
      return d ? { ...d, mine: true } : null;
    }
    return (card.decisions || []).find((d) => d.actor === this.data.actor) || null;
  }

  /** Others have decided: cards that this page holds say so, the one on the screen with a line above it. */
  #heard(decisions) {
    for (const theirs of decisions) {
      const card = this.queue.held(theirs.sample_id);
      if (!card) continue;
      card.decisions = withTheirs(card.decisions, theirs);
      if (card.id !== this.shownId) continue;
      const mine = this.#decisionOf(card);
      this.card.tell(mine?.mine ? mine : null);
      const said =
        theirs.action === "undo"
          ? "undid a decision"
          : `decided: ${ACTIONS[theirs.action].past}${theirs.label ? ` to ${theirs.label}` : ""}`;
      this.banner.say("warn", "group", `${theirs.actor} has just looked at this sample and ${said}.`, 6000);
    }
  }

  #load() {
    const { cards, cursor } = this.queue;
    const near = cards.slice(cursor, cursor + AHEAD);
    if (near[0]?.modality !== "text" && near[0]?.modality !== "vector")
      this.pictures.want([...near.filter(hasPicture), ...near.flatMap((c) => c.neighbors || [])]);
  }

  #step(by) {
    const next = this.queue.cursor + by;
    if (next < 0) return;
    if (by > 0 && !this.queue.current) return;
    this.queue.cursor = Math.min(next, this.queue.cards.length);
    this.#render();
    this.#later();
  }

  /** What can wait until the next card is on the screen. */
  #later() {
    if (this.laterAsked) return;
    this.laterAsked = true;
    requestAnimationFrame(() =>
      setTimeout(() => {
        this.laterAsked = false;
        this.recent.draw(this.done);
        this.#drawProgress();
        this.#load();
      }),
    );
  }

  // ── deciding ─────────────────────────────────────────────────────────────────────────────────────────────────

  #decide(action, label = null) {
    if (!this.api.decides)
      return this.banner.say("warn", "lock", "You may look here, but not decide: your role is viewer.", 4000);
    const card = this.queue.current;
    if (!card || !this.mint || this.mint.id !== card.id) return;
    const started = performance.now();
    const { decision_id, supersedes } = this.mint;
    this.mint = null;
    const at = new Date().toISOString();
    const decision = { decision_id, sample_id: card.id, action, label, supersedes, reason: this.note.text || null };
    if (new URLSearchParams(this.data.queue).get("state") === "disputed") decision.settles = true; // it was asked: who is right?
    this.done.push({
      ...decision,
      at,
      before: this.#decisionOf(card),
      thumb: hasPicture(card) ? this.pictures.src(card) : null,
      text: card.text,
    });
    this.mine.set(card.id, { decision_id, action, label, at });
    this.skipped.delete(card.id);
    this.stamps.push(Date.now());
    this.saver.push(decision);
    this.#flash(action);
    this.#step(1);
    setText(this.live, `${ACTIONS[action].past}${label ? ` to ${label}` : ""}.`);
    const start = this.keyAt ?? started;
    void this.root.offsetHeight; // layout is part of showing
    performance.measure("winnow:key-to-card", { start, end: performance.now() });
    requestAnimationFrame(() =>
      setTimeout(() => performance.measure("winnow:key-to-frame", { start, end: performance.now() })),
    );
  }

  /** A still mark for a moment: an animation would keep the compositor busy at ten cards a second. */
  #flash(action) {
    const { flash } = this.card;
    setText(flash.firstChild, ACTIONS[action].icon);
    flash.hidden = false;
    clearTimeout(this.flashTimer);
    this.flashTimer = setTimeout(() => {
      flash.hidden = true;
    }, 220);
  }

  #take() {
    const { current } = this.queue;
    const proposed = current && proposal(current);
    if (proposed) this.#decide(proposed.action, proposed.label);
    else this.banner.say("warn", "info", "There is no suggestion for this sample. Press / for all labels.", 2500);
  }

  #relabelTo(i) {
    const name = this.card.likely?.[i];
    if (name !== undefined && this.queue.current) this.#decide("relabel", name);
  }

  #pick() {
    const card = this.queue.current;
    if (!card) return;
    this.picker.show({
      anchor: this.anyLabel,
      labels: this.labels,
      likely: [...(this.card.likely || []), card.label].filter(Boolean),
      pick: (name, fresh) => {
        if (fresh) {
          this.labels = [...this.labels, { name }];
          this.picker.labels = this.labels;
        }
        if (name === card.label) this.#decide("accept");
        else this.#decide("relabel", name);
      },
    });
  }

  #skip() {
    const card = this.queue.current;
    if (!card) return;
    if (!this.#decisionOf(card)) this.skipped.add(card.id);
    this.#step(1);
  }

  async #undo() {
    if (!this.api.decides) return;
    const last = this.done.pop();
    if (!last) return this.#undoOnServer();
    if (last.batch_id) return this.#undoBatch(last);
    this.saver.push({ undo: last.decision_id, undo_id: newId(), sample_id: last.sample_id });
    this.mine.set(last.sample_id, last.before);
    this.stamps.pop();
    this.#bring(last.sample_id);
    this.#later();
    setText(this.live, "Undone.");
    return undefined;
  }

  // ── the same for others like these ───────────────────────────────────────────────────────────────────────────

  /** A new order has come: the cards next in line stay, those after them may be others. */
  #learned(round) {
    this.learnt.update(round);
    this.#later();
  }

  async #showOffer() {
    const { offer } = this.learnt;
    if (!offer || this.offering) return;
    this.offering = true;
    try {
      await this.saver.flush();
      if (!(await this.offer.show(offer.sample_id))) {
        this.learnt.set(null);
        this.banner.say("warn", "info", "No samples are like these any more.", 2500);
      }
    } catch (error) {
      this.banner.say("bad", "error", error.message, 5000);
    } finally {
      this.offering = false;
    }
  }

  /** The person has decided the same for others: they leave what lies ahead. */
  #tookOffer({ batch_id, ids, action, label, sample_id }) {
    const at = new Date().toISOString();
    for (const id of ids) {
      this.mine.set(id, { decision_id: batch_id, action, label, at, batch: true });
      this.skipped.delete(id);
    }
    this.done.push({
      decision_id: batch_id,
      batch_id,
      ids,
      sample_id,
      action,
      label,
      at,
      thumb: null,
      text: `${count(ids.length)} like these`,
    });
    this.queue.drop(ids);
    this.learnt.set(null);
    this.banner.say(
      "good",
      "done_all",
      `${ACTIONS[action].past} ${plural(ids.length, "sample")}${label ? ` to ${label}` : ""}. U undoes all of them.`,
      5000,
    );
    this.#render();
    this.#later();
    this.queue.fill();
    this.queue.reorder();
  }

  async #undoBatch(last) {
    try {
      const answer = await this.api.post("undo", { undo_id: `undo-${last.batch_id}`, batch_id: last.batch_id });
      for (const id of last.ids) {
        this.mine.delete(id);
        this.#forget(id);
      }
      this.banner.say("good", "undo", `Undone: ${plural(answer.count, "decision")} that were made together.`, 4000);
      this.queue.finished = false;
      this.queue.reorder();
      this.#later();
    } catch (error) {
      this.done.push(last);
      this.banner.say("bad", "error", error.message, 5000);
    }
  }

  /** Nothing of this session is left to undo: ask the log for this person's last decision or batch. */
  async #undoOnServer() {
    await this.#inLog(async () => {
      const { count: n, undone } = await this.api.post("undo", {});
      const says =
        n === 1
          ? "Undone: your last decision from an earlier visit."
          : `Undone: ${plural(n, "decision")} that were made together.`;
      return n ? { says, ids: undone, decided: null } : { says: "There is nothing left to undo.", ids: [] };
    });
  }

  /** Decide again what the last undo took back. */
  async #redo() {
    if (!this.api.decides) return;
    await this.#inLog(async () => {
      const { count: n, redone } = await this.api.post("redo", { redo_id: `redo-${newId()}` });
      if (!n) return { says: "There is nothing to redo: you decided something else since.", ids: [] };
      return { says: `Redone: ${plural(n, "decision")}.`, ids: redone };
    });
  }

  /** Undo or redo in the log, when everything is saved, and show the first sample that it changed. */
  async #inLog(change) {
    if (this.undoing) return;
    this.undoing = true;
    try {
      await this.saver.flush();
      const { says, ids, decided } = await change();
      for (const id of ids) {
        if (decided === null) this.mine.set(id, null);
        else this.mine.delete(id);
        this.#forget(id);
      }
      this.banner.say(ids.length ? "good" : "warn", ids.length ? "history" : "info", says, ids.length ? 4000 : 2500);
      if (ids.length) await this.#open(ids.slice(0, 1));
    } catch (error) {
      this.banner.say("bad", "error", error.message, 5000);
    } finally {
      this.undoing = false;
    }
  }

  #forget(id) {
    const card = this.queue.byId.get(id);
    if (card) card.decisions = (card.decisions || []).filter((d) => d.actor !== this.data.actor);
  }

  #onSaved(results, batch) {
    const saved = results.filter((r) => !r.error && r.sample_id).map((r) => r.sample_id);
    if (saved.length) this.queue.saved(saved);
    const refused = results.filter((r) => r.error);
    if (!refused.length) return;
    for (const r of refused) {
      const lost = batch.find((d) => d.decision_id === r.decision_id);
      if (lost) {
        this.mine.delete(lost.sample_id);
        this.done = this.done.filter((d) => d.decision_id !== r.decision_id);
      }
    }
    this.#later();
  }

  // ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────

  #zoom() {
    this.root.classList.toggle("zoomed");
  }

  #peek(i) {
    const n = this.queue.current?.neighbors?.[i];
    if (!n) return;
    if (this.card.peeking && this.card.shown === n.id) this.card.unpeek();
    else this.card.peek(n);
  }

  /** Show a sample again, also one of an earlier queue. */
  #bring(id) {
    if (this.queue.goTo(id)) this.#render();
    else this.#open([id]);
  }

  async #open(ids) {
    if (!ids.length) return;
    try {
      await this.queue.open(ids);
      this.root.classList.remove("zoomed");
      this.#render();
      this.#later();
    } catch (error) {
      this.banner.say("bad", "error", error.message, 5000);
    }
  }

  // ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !this.root.isConnected) return;
    if (isTyping(event)) return;
    const inside = event.composedPath().includes(this.root);
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    // a focused button answers to Space and Enter itself; elsewhere on the page the arrows are not ours either
    if ((key === " " || key === "Enter" || (!inside && key.startsWith("Arrow"))) && isInteractive(event)) return;
    if (this.offer.open) {
      if (this.offer.key(event)) this.#take_(event);
      return;
    }
    if (this.help.open) {
      if (key === "Escape" || key === "?") {
        this.#take_(event);
        this.help.close();
      }
      return;
    }
    const move = { j: 1, ArrowRight: 1, ArrowDown: 1, k: -1, ArrowLeft: -1, ArrowUp: -1 }[key];
    if (move) {
      this.#take_(event);
      this.keyAt = event.timeStamp;
      this.#step(move);
      return;
    }
    const does =
      {
        a: () => this.#decide("accept"),
        w: () => this.#take(),
        x: () => this.#decide("exclude"),
        " ": () => this.#skip(),
        u: () => this.#undo(),
        r: () => this.#redo(),
        "/": () => this.#pick(),
        n: () => this.note.open(),
        z: () => this.#zoom(),
        f: () => this.#similar(),
        i: () => this.#inWords(),
        s: () => this.#showOffer(),
        "?": () => this.help.toggle(),
        Escape: () => this.#escape(),
      }[key] || (/^[1-9]$/.test(key) ? () => this.#relabelTo(Number(key) - 1) : null);
    if (!does) return;
    this.#take_(event);
    if (event.repeat) return; // a held key decides once
    this.keyAt = event.timeStamp;
    does();
  }

  /** Everything like this sample, in the Gallery. */
  #similar() {
    if (this.shownId) this.#go("gallery", { like: this.shownId });
  }

  /** Show what words make of the samples, or no longer. */
  #inWords() {
    this.inWords.on = !this.inWords.on;
    if (this.shownId) this.card.reword(this.shownId);
  }

  #take_(event) {
    event.preventDefault();
    event.stopPropagation();
  }

  #escape() {
    if (this.card.peeking) this.card.unpeek();
    else if (this.root.classList.contains("zoomed")) this.root.classList.remove("zoomed");
    else this.banner.hide();
  }

  // ── what surrounds the card ──────────────────────────────────────────────────────────────────────────────────

  #drawProgress() {
    const { queue } = this;
    const decided = [...this.mine].filter(([id, d]) => d && !queue.byId.get(id)?.extra).length;
    const total = queue.total;
    const left = total === null ? null : Math.max(0, total - decided);
    setText(
      this.progressText,
      total === null
        ? ""
        : `${count(decided)} done · ${count(left)}${this.data.holds ? ` ${this.data.holds}` : ""} left`,
    );
    const share = total ? decided / total : 0;
    this.meter.style.setProperty("--v", share);
    this.meter.parentElement.setAttribute("aria-valuenow", String(Math.round(share * 100)));
    const now = Date.now();
    this.stamps = this.stamps.filter((t) => now - t < PACE_WINDOW);
    const span = this.stamps.length > 3 ? Math.max(now - this.stamps[0], 5000) : 0;
    const pace = span ? (this.stamps.length * 60000) / span : 0;
    const minutes = pace && left ? left / pace : 0;
    setText(
      this.paceText,
      pace
        ? `${Math.round(pace)} a minute${minutes ? ` · ${minutes < 1.5 ? "1 min" : minutes < 90 ? `${Math.round(minutes)} min` : `${(minutes / 60).toFixed(1)} h`} to go` : ""}`
        : "",
    );
  }

  #drawSaved({ pending, failing, since, refused, saved }) {
    const stuck = failing && since && Date.now() - since > 2500;
    const state = failing ? "failing" : pending ? "saving" : saved || this.saver?.saved ? "saved" : "idle";
    this.savedState.dataset.state = state;
    this.savedState.dataset.pending = pending;
    window.dispatchEvent(
      new CustomEvent("winnow:saved", {
        detail: {
          state: state === "failing" ? "failed" : state === "saving" ? "saving" : "saved",
          text: state === "failing" ? `${count(pending)} not saved yet` : state === "saving" ? "Saving…" : "Saved",
        },
      }),
    );
    this.savedState.replaceChildren(
      ...(state === "idle"
        ? []
        : [
            icon({ saving: "sync", saved: "cloud_done", failing: "cloud_off" }[state]),
            { saving: "Saving…", saved: "Saved ✓", failing: `${count(pending)} not saved yet` }[state],
          ]),
    );
    if (refused.length) {
      const [why] = refused.splice(0);
      this.banner.say("bad", "error", `A decision was refused: ${why}`, 9000);
    } else if (stuck && !this.warned) {
      this.warned = true;
      this.banner.say(
        "bad",
        "cloud_off",
        `${failing} ${plural(pending, "decision")} ${pending === 1 ? "is" : "are"} kept in this browser and will be sent as soon as it works. You can go on.`,
        0,
        this.saver.expired ? ["Reload", () => window.location.reload()] : ["Try now", () => this.saver.retryNow()],
      );
    } else if (!failing && this.warned) {
      this.warned = false;
      this.banner.say("good", "cloud_done", "Connected again. Everything is saved.", 3000);
    }
  }

  #go(page, extra = {}) {
    this.component.setTriggerValue("go", { page, ...extra });
  }

  #showEnd() {
    const { queue } = this;
    if (!queue.finished) {
      this.root.dataset.state = "loading";
      queue.fill();
      return;
    }
    this.mint = null;
    this.root.dataset.state = "end";
    this.root.dataset.sample = "";
    const decided = [...this.mine.values()].filter(Boolean).length;
    const skipped = [...this.skipped];
    const choice = (text, does, cls = "") => h(`button${cls}`, { type: "button", onclick: does }, text);
    const none = !queue.cards.length;
    this.empty.replaceChildren(
      icon(none ? "inbox" : "task_alt"),
      h("h2", {
        textContent: none
          ? "Nothing is waiting here"
          : skipped.length
            ? "You have seen them all"
            : "This queue is done",
      }),
      h("p", {
        textContent: none
          ? "No sample matches these filters, or all of them are decided. Choose another queue, or take a filter away."
          : `${plural(decided, "decision")} in this session${skipped.length ? `, ${count(skipped.length)} skipped` : ""}. ${skipped.length ? "Skipped samples stay undecided." : "Everything you decided is in the log and can be undone."}`,
      }),
      ...this.learnt.lines.map((line) => h("p", { textContent: line })),
      h(
        "div.row",
        {},
        skipped.length
          ? choice(`Go through ${plural(skipped.length, "skipped sample")}`, () => this.#again(skipped), ".primary")
          : null,
        choice("Choose another queue", () => this.#go("queues"), skipped.length ? "" : ".primary"),
        none ? null : choice("Export", () => this.#go("export")),
        none ? null : choice("Undo the last", () => this.#undo()),
      ),
    );
    this.empty.hidden = false;
    this.#later();
  }

  #again(ids) {
    const first = this.queue.cards.findIndex((c) => ids.includes(c.id));
    const cards = ids.map((id) => this.queue.byId.get(id));
    this.queue.cards = [...this.queue.cards.filter((c) => !ids.includes(c.id)), ...cards];
    this.skipped.clear();
    this.queue.cursor = first < 0 ? 0 : this.queue.cards.length - cards.length;
    this.#render();
    this.#load();
  }

  #showError(error) {
    this.root.dataset.state = "error";
    this.empty.replaceChildren(
      icon("cloud_off"),
      h("h2", { textContent: "The queue could not be loaded" }),
      h("p", { textContent: error.message }),
      h(
        "div.row",
        {},
        h(
          "button.primary",
          {
            type: "button",
            onclick: () => {
              this.queue.error = null;
              this.queue.fill();
            },
          },
          "Try again",
        ),
      ),
    );
    this.empty.hidden = false;
  }
}
