/**
 * Review: one card after the other, at the speed of the keys.
 *
 * A key press decides about the sample that is on the screen, shows the next card in the same task and leaves the
 * saving to `Saver`. Streamlit is not involved until the person leaves the page.
 */

import { ACTIONS, count, h, isInteractive, plural, setText, takeFocus } from "../lib/dom.js";
import { runKey, take } from "../lib/keys.js";
import { Surface, mounted } from "../lib/mount.js";
import { Pictures } from "../lib/pictures.js";
import { hearOthers, withTheirs } from "../lib/others.js";
import { LabelPicker } from "../lib/picker.js";
import { newId } from "../lib/saver.js";
import { ActionBar } from "./actions.js";
import { Banner } from "./banner.js";
import { ClassKeySheet, ClassKeys } from "./class_keys.js";
import { CardView, hasPicture, proposal } from "./card.js";
import { Decisions } from "./decisions.js";
import { endOfQueue } from "./end.js";
import { BLIND, Learnt } from "./learnt.js";
import { SessionMemory, keepable } from "./memory.js";
import { Marks } from "./marks.js";
import { Note } from "./note.js";
import { OfferSheet } from "./offer.js";
import { Progress } from "./progress.js";
import { Queue } from "./queue.js";
import { Propagation } from "./propagation.js";
import { Recent } from "./recent.js";
import { Evidence } from "./evidence.js";
import { Guide } from "./guide.js";
import { TagEditor, tagWords } from "./tags.js";
import { InWords } from "./words.js";

const AHEAD = 24; // cards whose pictures are loaded before they are needed
const MARKED = 40; // texts whose telling words are asked for at once
const TICK = 5000; // ms between looks at the pace

class Review extends Surface {
  constructor(component) {
    super(component, "Review");
    this.names = [];
    this.marks = new Marks(this.api, (id) => this.card.remark(id));
    this.evidence = new Evidence(this.api, this.data.verdicts);
    this.inWords = new InWords(this.api, (id) => this.card.reword(id));
    this.pictures = new Pictures(this.api);
    this.classKeys = new ClassKeys(this.data.class_keys, Boolean(this.data.labelling || this.data.audit));
    this.#build();
    this.memory = new SessionMemory(this.data.ws, this.data.actor);
    this.earlier = this.memory.read(); // the same tab before a reload
    this.progress.times = this.earlier?.times ?? [];
    const on = {
      say: (...banner) => this.banner.say(...banner),
      state: (state) => this.progress.drawSaved(state),
      saved: (ids) => this.queue.saved(ids),
      bring: (id) => this.#bring(id),
      open: (ids) => this.#open(ids),
      forget: (id) => this.#forget(id),
      lost: (n) => {
        if (this.earlier) this.earlier.decided = Math.max(0, this.earlier.decided - n);
      },
      changed: () => this.#later(),
      reordered: () => {
        this.queue.finished = false;
        this.queue.reorder();
        this.#later();
      },
    };
    this.decisions = new Decisions(this.api, this.data.actor, on, this.earlier?.done ?? []);
    this.recent.draw(this.decisions.done);
    this.#start();
    this.labels().then((names) => {
      this.names = names; // where there are none, the picker still offers what the cards suggest
      if (this.queue.current) this.#render();
    });
    this.card.map.load(this.api);
    this.onKey((event, key) => this.#key(event, key));
    const ticker = setInterval(() => this.#drawProgress(), TICK);
    this.ending(() => clearInterval(ticker));
    this.ending(hearOthers((decisions) => this.#heard(decisions)));
    this.ending(() => this.queue.close());
    this.ending(() => this.decisions.destroy());
    this.ending(() => this.pictures.destroy());
  }

  /** A fresh token, or another queue. */
  changed(before) {
    const keysChanged = JSON.stringify(before.class_keys) !== JSON.stringify(this.data.class_keys);
    this.classKeys.update(this.data.class_keys);
    if (before.queue !== this.data.queue || before.ws !== this.data.ws) this.#start();
    else {
      if (keysChanged && this.queue.current) this.#render();
      this.#tellCount();
      this.#openAsked();
    }
    const { saver } = this.decisions;
    if (saver.failing) saver.retryNow();
  }

  // ── frame ────────────────────────────────────────────────────────────────────────────────────────────────────

  #build() {
    this.tags = new TagEditor(() => this.#drawProposal());
    this.card = new CardView(this.data.verdicts, {
      tags: this.tags,
      relabel: (name) => this.#relabelTo(name),
      peek: (i) => this.#peek(i),
      open: (n) => this.#open([n.id]),
      zoom: () => this.#zoom(),
      similar: () => this.#similar(),
      words: this.inWords,
      classKeys: this.classKeys,
      evidence: this.evidence,
      inWords: () => this.#inWords(),
      note: (text) => this.note.set(text),
      src: (sample) => this.pictures.src(sample),
      marks: (card) => this.marks.of(card, () => this.queue.cards.slice(this.queue.cursor, this.queue.cursor + MARKED)),
    });
    this.progress = new Progress();
    this.note = new Note(() => this.root.focus({ preventScroll: true }));
    this.recent = new Recent((id) => this.#bring(id));
    this.banner = new Banner();
    this.live = h("div.sr", { "aria-live": "polite" });
    this.empty = h("div.empty", { hidden: true });
    this.learnt = new Learnt(this.data.verdicts, () => this.#showOffer());
    this.actions = new ActionBar(
      {
        decide: (action) => this.#decide(action),
        take: () => this.#take(),
        pick: () => this.#pick(),
        keys: () => this.keySheet.show(this.classKeys, this.names),
        skip: () => this.#skip(),
        undo: () => this.#undo(),
      },
      this.note.button,
      this.api.decides,
    );
    if (this.blind) this.#judging();
    if (this.data.labelling) this.#labelling();
    this.guide = this.data.guide ? new Guide(this.data.guide) : null;
    this.show(
      this.progress.node,
      ...(this.guide ? [this.guide.node] : []),
      this.propagation ? this.propagation.row : this.learnt.row,
      h("div.body", {}, this.card.stage, this.card.panel),
      this.card.strip,
      this.actions.node,
      this.recent.row,
      this.note.box,
      this.banner.node,
      this.empty,
      this.live,
    );
    this.picker = new LabelPicker(this.root);
    this.keySheet = new ClassKeySheet(this.root, (choice) =>
      this.component.setTriggerValue("go", { class_keys: choice }),
    );
    this.offer = new OfferSheet(this.root, this.api, (done) => this.#tookOffer(done));
  }

  /** The Label page: a row of its own accepts many labels at once. */
  #labelling() {
    this.propagation = new Propagation(this.api, () => this.data.queue, {
      before: () => this.decisions.saver.flush(),
      failed: (message) => this.banner.say("bad", "error", message, 5000),
      choose: (anchor, pick) => this.#choose({ anchor, likely: this.card.likely || [], pick }),
      together: (...made) => {
        this.decisions.madeByServer(...made);
        this.#start();
      },
      classes: (added) => this.#addedClasses(added),
    });
    this.propagation.refresh();
  }

  /** The Audit page shows a sample and the label to be judged: no hint, and the same keys for the same classes. */
  #judging() {
    this.root.classList.add("blind");
    this.learnt.say(BLIND);
  }

  /** Whether this is the Audit page. */
  get blind() {
    return Boolean(this.data.audit);
  }

  /** Classes were typed before any sample had one: they have keys, and perhaps suggestions by their names. */
  async #addedClasses(added) {
    this.names = await this.labels();
    for (const name of added) this.classKeys.add(name);
    this.banner.say("good", "category", `Added ${plural(added.length, "class", "classes")}.`, 4000);
    this.#start();
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

  /** The page's head says how many the queue holds. */
  #tellCount() {
    const { total } = this.queue;
    if (total === null) return;
    const text = `${count(total)} of ${count(this.data.total ?? total)}`;
    window.dispatchEvent(new CustomEvent("winnow:count", { detail: { text } }));
  }

  #arrived() {
    const { queue } = this;
    this.#tellCount();
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
    const before = this.decisions.of(card);
    // the decision's id belongs to this showing of this card: a second key press on it cannot decide twice
    this.mint = {
      id: card.id,
      decision_id: newId(),
      supersedes: before?.batch || this.blind ? undefined : (before?.decision_id ?? null),
    }; // of a batch only the server knows each row's id, and a blind card hides earlier decisions
    this.shownId = card.id;
    this.root.dataset.sample = card.id;
    this.card.fill(card, this.names, before?.mine ? before : null);
    this.guide?.card(card, this.queue.cursor);
    this.#drawProposal();
    this.root.dataset.decided = before ? before.action : "";
    this.root.dataset.decidedLabel = before ? ACTIONS[before.action].past : "";
    this.note.set("");
    if (!this.queue.loading) this.queue.fill();
  }

  /** What W would do with the card on the screen. */
  #drawProposal() {
    const card = this.queue.current;
    this.actions.propose(card && this.#proposed(card), Boolean(card?.tags));
  }

  /** Others have decided: cards that this page holds say so, the one on the screen with a line above it. */
  #heard(decisions) {
    if (this.blind) return;
    for (const theirs of decisions) {
      const card = this.queue.held(theirs.sample_id);
      if (!card) continue;
      card.decisions = withTheirs(card.decisions, theirs);
      if (card.id !== this.shownId) continue;
      const mine = this.decisions.of(card);
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
        this.recent.draw(this.decisions.done);
        this.#drawProgress();
        this.#remember();
        this.#load();
      }),
    );
  }

  /** Keep for a reload what this tab has done. */
  #remember() {
    const { queue } = this.data;
    const { times } = this.progress;
    this.memory.write({ queue, decided: this.decidedHere, times, done: keepable(this.decisions.done) });
  }

  // ── deciding ─────────────────────────────────────────────────────────────────────────────────────────────────

  #decide(action, label = null, tags = null) {
    if (!this.api.decides)
      return this.banner.say("warn", "lock", "You may look here, but not decide: your role is viewer.", 4000);
    const card = this.queue.current;
    if (!card || !this.mint || this.mint.id !== card.id) return;
    const started = performance.now();
    const { decision_id, supersedes } = this.mint;
    this.mint = null;
    const decision = { decision_id, sample_id: card.id, action, label, supersedes, reason: this.note.text || null };
    if (this.blind) decision.audit = this.data.audit;
    if (tags) decision.tags = tags;
    this.tags.done(card.id);
    if (new URLSearchParams(this.data.queue).get("state") === "disputed") decision.settles = true; // it was asked: who is right?
    const thumb = hasPicture(card) ? this.pictures.src(card) : null;
    this.decisions.make(card, decision, { thumb, link: thumb && card.thumb, text: card.text });
    this.progress.made();
    this.card.mark(ACTIONS[action].icon);
    this.#step(1);
    const edits = tags ? ` ${tagWords(tags, card.tags.given)}` : "";
    setText(this.live, `${ACTIONS[action].past}${label ? ` to ${label}` : ""}${edits}.`);
    const start = this.keyAt ?? started;
    void this.root.offsetHeight; // layout is part of showing
    performance.measure("winnow:key-to-card", { start, end: performance.now() });
    requestAnimationFrame(() =>
      setTimeout(() => performance.measure("winnow:key-to-frame", { start, end: performance.now() })),
    );
  }

  /** What W does: what the verdict proposes, and while labelling the likeliest class. */
  #proposed(card) {
    const best = this.propagation && card.suggestions?.[0];
    if (this.propagation) return best && { action: "relabel", label: best[0] };
    return this.tags.proposed(card, proposal(card));
  }

  #take() {
    const { current } = this.queue;
    const proposed = current && this.#proposed(current);
    if (proposed?.tags && !proposed.label && !proposed.edits.length) this.#decide("accept");
    else if (proposed) this.#decide(proposed.action, proposed.label, proposed.tags ?? null);
    else this.banner.say("warn", "info", "There is no suggestion for this sample. Press / for all labels.", 2500);
  }

  /** Give the sample a label; its own is kept. */
  #relabelTo(name) {
    const card = this.queue.current;
    if (!card || name === undefined || name === null) return;
    if (card.tags) this.tags.toggle(name);
    else if (name === card.label) this.#decide("accept");
    else this.#decide("relabel", name);
  }

  /** A class that was made here keeps its key when the page is drawn again. */
  async #keepClassKeys() {
    await this.decisions.saver.flush();
    const choice = { fixed: this.classKeys.chosen, keys: Object.fromEntries(this.classKeys.keys) };
    if (!this.gone) this.component.setTriggerValue("go", { class_keys: choice });
  }

  #pick() {
    const card = this.queue.current;
    if (!card) return;
    if (card.tags) return this.tags.pick(this.picker, this.actions.anyLabel, this.tagNames);
    const likely = [...(this.card.likely || []), card.label].filter(Boolean);
    this.#choose({ anchor: this.actions.anyLabel, likely, pick: (name) => this.#relabelTo(name) });
  }

  /** Let the person choose a class; a new one is a class at once. */
  #choose({ anchor, likely, pick }) {
    this.picker.show({
      ...{ anchor, likely, labels: this.names },
      pick: (name, fresh) => {
        if (fresh) {
          this.picker.labels = this.names = [...this.names, { name }];
          this.classKeys.add(name);
        }
        pick(name);
        if (fresh && this.classKeys.fixed) this.#keepClassKeys();
      },
    });
  }

  #skip() {
    const card = this.queue.current;
    if (!card) return;
    this.decisions.skip(card);
    this.#step(1);
  }

  async #undo() {
    if (!this.api.decides || !(await this.decisions.undo())) return;
    this.progress.unmade();
    this.#later();
    setText(this.live, "Undone.");
  }

  #forget(id) {
    const card = this.queue.byId.get(id);
    if (card) card.decisions = (card.decisions || []).filter((d) => d.actor !== this.data.actor);
  }

  // ── the same for others like these ───────────────────────────────────────────────────────────────────────────

  /** A new order has come: the cards next in line stay, those after them may be others. */
  #learned(round) {
    if (this.propagation) this.propagation.refresh();
    else this.learnt.update(round);
    this.#later();
  }

  #showOffer() {
    this.offer.ask(this.learnt, this.decisions.saver, this.banner);
  }

  /** The person has decided the same for others: they leave what lies ahead. */
  #tookOffer(done) {
    this.decisions.madeTogether(done);
    this.queue.drop(done.ids);
    this.learnt.set(null);
    this.#render();
    this.#later();
    this.queue.fill();
    this.queue.reorder();
  }

  // ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** A picture in the viewer, beside the neighbour that is looked at; a text over the whole page. */
  #zoom() {
    const card = this.queue.current;
    if (card && hasPicture(card)) this.lookAt(card.id, this.card.peeking ? this.card.shown : null);
    else this.root.classList.toggle("zoomed");
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

  /** Everything like this sample, in the Gallery. */
  #similar() {
    if (this.shownId) this.go("gallery", { like: this.shownId });
  }

  /** Show what words make of the samples, or no longer. */
  #inWords() {
    this.inWords.on = !this.inWords.on;
    if (this.shownId) this.card.reword(this.shownId);
  }

  #escape() {
    if (this.evidence.open) this.evidence.close();
    else if (this.card.peeking) this.card.unpeek();
    else if (this.root.classList.contains("zoomed")) this.root.classList.remove("zoomed");
    else this.banner.hide();
  }

  // ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #key(event, key) {
    if (event.ctrlKey || event.metaKey) return;
    const inside = event.composedPath().includes(this.root);
    // a focused button answers to Space and Enter itself; elsewhere on the page the arrows are not ours either
    if ((key === " " || key === "Enter" || (!inside && key.startsWith("Arrow"))) && isInteractive(event)) return;
    if (this.keySheet.open) {
      if (key === "Escape") this.keySheet.close();
      return;
    }
    if (this.offer.open) {
      if (this.offer.key(event)) take(event);
      return;
    }
    const move = { j: 1, ArrowRight: 1, ArrowDown: 1, k: -1, ArrowLeft: -1, ArrowUp: -1 }[key];
    this.keyAt = event.timeStamp;
    if (move) {
      take(event);
      this.#step(move);
      return;
    }
    const label = this.card.labelOf?.get(key);
    const relabel = label === undefined ? {} : { [key]: () => this.#relabelTo(label) };
    if (this.blind && "wfies".includes(key) && !(key in relabel)) return;
    runKey(event, {
      ...relabel, // before the commands: those stay what they are
      a: () => (this.propagation ? this.#take() : this.#decide("accept")),
      w: () => this.#take(),
      x: () => this.#decide("exclude"),
      " ": () => this.#skip(),
      u: () => this.#undo(),
      r: () => this.api.decides && this.decisions.redo(),
      "/": () => this.#pick(),
      n: () => this.note.open(),
      z: () => this.#zoom(),
      f: () => this.#similar(),
      i: () => this.#inWords(),
      e: () => this.shownId && this.evidence.show(this.shownId, this.card.strongest),
      s: () => this.#showOffer(),
      Escape: () => this.#escape(),
    });
  }

  // ── what surrounds the card ──────────────────────────────────────────────────────────────────────────────────

  #drawProgress() {
    const { queue } = this;
    const decided = this.decisions.count((id) => queue.owns(id));
    const earlier = (this.earlier?.queue === this.data.queue && this.earlier.decided) || 0;
    this.decidedHere = decided + earlier;
    this.progress.draw(this.decidedHere, queue.total === null ? null : queue.total + earlier, this.data.holds);
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
    this.guide?.end();
    this.root.dataset.sample = "";
    const held = { cards: queue.cards.length, decided: this.decisions.count(() => true) };
    const parts = endOfQueue(
      { ...held, skipped: [...this.decisions.skipped], blind: this.blind },
      { go: (page) => this.go(page), again: (ids) => this.#again(ids), undo: () => this.#undo() },
    );
    this.message(this.empty, ...parts);
    this.empty.lastChild.before(...this.learnt.lines.map((line) => h("p", { textContent: line })));
    this.#later();
  }

  #again(ids) {
    this.queue.again(ids);
    this.decisions.skipped.clear();
    this.#render();
    this.#load();
  }

  #showError(error) {
    this.root.dataset.state = "error";
    const again = () => {
      this.queue.error = null;
      this.queue.fill();
    };
    const button = h("button.primary", { type: "button", onclick: again }, "Try again");
    this.message(this.empty, "cloud_off", "The queue could not be loaded", error.message, button);
  }
}

export default mounted(Review);
