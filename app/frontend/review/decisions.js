/** What this person decides in this session: kept here, on its way to the log, and undone in order. */

import { ACTIONS, count, plural } from "../lib/dom.js";
import { Saver, newId } from "../lib/saver.js";

const STUCK = 2500; // ms that saving may fail before the page speaks of it

export class Decisions {
  /**
   * @param {import("../lib/api.js").Api} api
   * @param {string} actor
   * @param {object} on  say(tone, symbol, text, ms, button), state(state), saved(ids), bring(id), open(ids),
   *   forget(id), changed(), reordered(), lost(n): n decisions from before a reload are undone
   * @param {object[]} [done]  decisions of this tab before a reload
   */
  constructor(api, actor, on, done = []) {
    Object.assign(this, { api, actor, on });
    this.mine = new Map(); // sample id → this person's decision of this session, or null when undone
    // in order, what U undoes: {decision_id, sample_id, action, label, at, before, …} or a batch
    this.done = done.map((decision) => ({ ...decision, restored: true }));
    this.skipped = new Set();
    this.busy = false;
    this.saver = new Saver(
      api,
      actor,
      (state) => this.#drawSaved(state),
      (results, batch) => this.#onSaved(results, batch),
    );
    const { adopted } = this.saver;
    if (adopted) {
      const are = adopted === 1 ? "is" : "are";
      on.say("good", "cloud_done", `${plural(adopted, "decision")} from your last visit ${are} being saved.`, 5000);
    }
  }

  /** What this person decided about a card: in this session, else as the server told. */
  of(card) {
    if (this.mine.has(card.id)) {
      const d = this.mine.get(card.id);
      return d ? { ...d, mine: true } : null;
    }
    return (card.decisions || []).find((d) => d.actor === this.actor) || null;
  }

  /** How many are in force that belong to a queue. */
  count(belongs) {
    let n = 0;
    for (const [id, decision] of this.mine) if (decision && belongs(id)) n += 1;
    return n;
  }

  /** @param {object} shown  thumb and text of the card, for the row of the last decisions */
  make(card, decision, shown) {
    const at = new Date().toISOString();
    const { decision_id, action, label, tags } = decision;
    this.done.push({ ...decision, at, before: this.of(card), ...shown });
    this.mine.set(card.id, { decision_id, action, label, tags, at });
    this.skipped.delete(card.id);
    this.saver.push(decision);
  }

  skip(card) {
    if (!this.of(card)) this.skipped.add(card.id);
  }

  /** The same was decided for others as one batch. */
  madeTogether({ batch_id, ids, action, label, sample_id }) {
    const at = new Date().toISOString();
    for (const id of ids) {
      this.mine.set(id, { decision_id: batch_id, action, label, at, batch: true });
      this.skipped.delete(id);
    }
    const text = `${count(ids.length)} like these`;
    this.done.push({ decision_id: batch_id, batch_id, ids, sample_id, action, label, at, thumb: null, text });
    const what = `${ACTIONS[action].past} ${plural(ids.length, "sample")}${label ? ` to ${label}` : ""}`;
    this.on.say("good", "done_all", `${what}. U undoes all of them.`, 5000);
  }

  /** One batch of relabels whose samples the server chose; `text` and `said` name what it did. */
  madeByServer(batch_id, label, text, said) {
    const at = new Date().toISOString();
    this.done.push({ decision_id: batch_id, batch_id, ids: [], action: "relabel", label, at, text });
    this.on.say("good", "done_all", `${said} U undoes all of them.`, 6000);
  }

  /** Undo the last decision. Answers true where it was one of this session that is undone at once. */
  async undo() {
    const last = this.done.pop();
    if (!last) await this.#undoOnServer();
    else if (last.batch_id) await this.#undoBatch(last);
    else {
      if (last.restored) this.on.lost(1);
      this.saver.push({ undo: last.decision_id, undo_id: newId(), sample_id: last.sample_id });
      this.mine.set(last.sample_id, last.before);
      this.on.bring(last.sample_id);
      return true;
    }
    return false;
  }

  async #undoBatch(last) {
    try {
      const answer = await this.api.post("undo", { undo_id: `undo-${last.batch_id}`, batch_id: last.batch_id });
      for (const id of last.ids) {
        this.mine.delete(id);
        this.on.forget(id);
      }
      if (last.restored) this.on.lost(answer.count);
      const what = `Undone: ${plural(answer.count, "decision")} that were made together.`;
      this.on.say("good", "undo", what, 4000);
      this.on.reordered();
    } catch (error) {
      this.done.push(last);
      this.on.say("bad", "error", error.message, 5000);
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

  /** Decide again what the last undo had undone. */
  async redo() {
    await this.#inLog(async () => {
      const { count: n, redone } = await this.api.post("redo", { redo_id: `redo-${newId()}` });
      if (!n) return { says: "There is nothing to redo: you decided something else since.", ids: [] };
      return { says: `Redone: ${plural(n, "decision")}.`, ids: redone };
    });
  }

  /** Undo or redo in the log, when everything is saved, and show the first sample that it changed. */
  async #inLog(change) {
    if (this.busy) return;
    this.busy = true;
    try {
      await this.saver.flush();
      const { says, ids, decided } = await change();
      for (const id of ids) {
        if (decided === null) this.mine.set(id, null);
        else this.mine.delete(id);
        this.on.forget(id);
      }
      this.on.say(ids.length ? "good" : "warn", ids.length ? "history" : "info", says, ids.length ? 4000 : 2500);
      if (ids.length) await this.on.open(ids.slice(0, 1));
    } catch (error) {
      this.on.say("bad", "error", error.message, 5000);
    } finally {
      this.busy = false;
    }
  }

  #onSaved(results, batch) {
    const saved = results.filter((r) => !r.error && r.sample_id).map((r) => r.sample_id);
    if (saved.length) this.on.saved(saved);
    const refused = results.filter((r) => r.error);
    for (const r of refused) {
      const lost = batch.find((d) => d.decision_id === r.decision_id);
      if (!lost) continue;
      this.mine.delete(lost.sample_id);
      this.done = this.done.filter((d) => d.decision_id !== r.decision_id);
    }
    if (refused.length) this.on.changed();
  }

  #drawSaved({ pending, failing, since, refused, saved }) {
    this.on.state({ pending, failing, saved: saved || this.saver?.saved });
    if (refused.length) {
      const [why] = refused.splice(0);
      this.on.say("bad", "error", `A decision was refused: ${why}`, 9000);
    } else if (failing && since && Date.now() - since > STUCK && !this.warned) {
      this.warned = true;
      const are = pending === 1 ? "is" : "are";
      this.on.say(
        "bad",
        "cloud_off",
        `${failing} ${plural(pending, "decision")} ${are} kept in this browser and will be sent as soon as it works. You can go on.`,
        0,
        this.saver.expired ? ["Reload", () => window.location.reload()] : ["Try now", () => this.saver.retryNow()],
      );
    } else if (!failing && this.warned) {
      this.warned = false;
      this.on.say("good", "cloud_done", "Connected again. Everything is saved.", 3000);
    }
  }

  destroy() {
    this.saver.destroy();
  }
}
