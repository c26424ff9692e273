/**
 * Decisions on their way to the server: ordered, one batch at a time, kept until the server has them.
 *
 * Every decision carries an id that was minted when its card was drawn, so a repeated send is a no-op on the server.
 * What has not been confirmed also lies in localStorage, by workspace and person, and is sent when the page returns.
 */

import { ApiError } from "./api.js";

const BATCH = 50;
const KEEPALIVE_LIMIT = 60000; // browsers allow 64 KiB for requests that outlive the page
const FIRST_WAIT = 400;
const LONGEST_WAIT = 8000;
const TELL_AFTER = 2600; // a little above what the page waits before it speaks of a failure

export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID().replaceAll("-", "");
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

export class Saver {
  /**
   * @param {import("./api.js").Api} api
   * @param {string} actor
   * @param {(state: {pending: number, failing: string|null, since: number, refused: string[], saved: number}) =>
   *   void} onChange
   * @param {(results: object[], batch: object[]) => void} [onSaved]
   */
  constructor(api, actor, onChange, onSaved = () => {}) {
    Object.assign(this, { api, actor, onChange, onSaved });
    this.prefix = `winnow:unsent:${api.ws}:${actor}:`;
    this.key = this.prefix + newId().slice(0, 8);
    this.queue = [];
    this.refused = [];
    this.saved = 0;
    this.failing = null;
    this.failingSince = 0;
    this.wait = FIRST_WAIT;
    this.sending = null;
    this.timer = null;
    this.onHide = () => this.sendOnClose();
    this.onOnline = () => {
      if (this.queue.length) this.retryNow();
    };
    this.onLeave = (event) => {
      if (this.queue.length && this.failing) {
        event.preventDefault();
        event.returnValue = "";
      }
    };
    window.addEventListener("pagehide", this.onHide);
    window.addEventListener("online", this.onOnline);
    window.addEventListener("beforeunload", this.onLeave);
    this.adopt();
  }

  /** Take over what an earlier page could not send. Returns how many there were. */
  adopt() {
    const found = [];
    try {
      for (const key of Object.keys(localStorage).filter((k) => k.startsWith(this.prefix) && k !== this.key)) {
        found.push(...JSON.parse(localStorage.getItem(key) || "[]"));
        localStorage.removeItem(key);
      }
    } catch {
      return 0;
    } // storage is off or damaged: nothing to take over
    found.sort((a, b) => (a.minted || 0) - (b.minted || 0));
    this.queue.unshift(...found);
    this.adopted = found.length;
    if (found.length) {
      this.#keep();
      this.#schedule(0);
    }
    return found.length;
  }

  /**
   * Queue one decision {decision_id, sample_id, action, label, supersedes, reason}, or the taking back of one:
   * {undo: decision_id, undo_id, sample_id}. `supersedes` names what this person had decided before, null = nothing.
   */
  push(decision) {
    this.queue.push({ ...decision, minted: Date.now() });
    this.#keep();
    this.#tell();
    this.#schedule(0);
  }

  /** Resolves when everything queued so far is on the server. */
  async flush() {
    while (this.queue.length) {
      this.retryNow();
      await (this.sending || new Promise((resolve) => setTimeout(resolve, 50)));
    }
  }

  retryNow() {
    this.wait = FIRST_WAIT;
    this.#schedule(0);
  }

  get pending() {
    return this.queue.length;
  }

  #keep() {
    try {
      if (this.queue.length) localStorage.setItem(this.key, JSON.stringify(this.queue));
      else localStorage.removeItem(this.key);
    } catch {
      /* storage is full or off: the queue in memory still sends */
    }
  }

  #tell() {
    this.onChange({
      pending: this.queue.length,
      failing: this.failing,
      since: this.failingSince,
      refused: this.refused,
      saved: this.saved,
    });
  }

  #schedule(ms) {
    if (this.sending || (this.timer && ms > 0)) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = null;
      this.#send();
    }, ms);
  }

  #send(size = BATCH) {
    if (this.sending || !this.queue.length) return this.sending;
    const undo = this.queue.findIndex((d) => d.undo);
    const batch = undo === 0 ? this.queue.slice(0, 1) : this.queue.slice(0, undo > 0 ? Math.min(undo, size) : size);
    const request =
      undo === 0
        ? this.#takeBack(batch[0])
        : this.api.post("decisions", { decisions: batch.map(({ minted, ...d }) => d) }, { timeout: 15000 });
    this.sending = request
      .then(
        (answer) => this.#done(batch, answer),
        (error) => this.#failed(batch, error),
      )
      .finally(() => {
        this.sending = null;
        if (this.queue.length && !this.timer) this.#schedule(this.failing ? this.wait : 0);
      });
    return this.sending;
  }

  /** Takes back exactly one decision; the same undo_id again takes nothing more back, so a retry is safe. */
  async #takeBack(item) {
    const answer = await this.api.post("undo", { undo_id: item.undo_id, decision_id: item.undo });
    return { results: [], undone: answer.undone };
  }

  #drop(batch) {
    const gone = new Set(batch);
    this.queue = this.queue.filter((d) => !gone.has(d));
    this.#keep();
  }

  #done(batch, answer) {
    this.#drop(batch);
    this.failing = null;
    this.failingSince = 0;
    this.wait = FIRST_WAIT;
    const results = answer.results || answer.decisions || [];
    for (const r of results) if (r.error) this.refused.push(r.error);
    this.saved += batch.length - results.filter((r) => r.error).length;
    this.onSaved(results, batch, answer);
    this.#tell();
  }

  #failed(batch, error) {
    if (!(error instanceof ApiError)) throw error;
    if (!error.temporary && error.status !== 401 && error.status !== 403) {
      // the server will never take this batch as it is: find the one that it refuses, keep the others
      if (batch.length > 1) {
        this.#splitNext = true;
      } else {
        this.#drop(batch);
        this.refused.push(error.message);
        this.#tell();
        return;
      }
    }
    this.failing = error.status === 401 || error.status === 403 ? "Your sign-in has expired." : error.message;
    this.expired = error.status === 401 || error.status === 403;
    if (!this.failingSince) {
      this.failingSince = Date.now();
      setTimeout(() => this.#tell(), TELL_AFTER); // the page says so even while a slow retry is under way
    }
    if (this.#splitNext) {
      this.#splitNext = false;
      this.failing = null;
      this.failingSince = 0;
      queueMicrotask(() => this.#oneByOne(batch.length));
      return;
    }
    this.#tell();
    this.wait = Math.min(LONGEST_WAIT, this.wait * 1.7);
  }

  #splitNext = false;

  async #oneByOne(n) {
    for (let i = 0; i < n && this.queue.length; i += 1) {
      await this.sending;
      await this.#send(1);
    }
  }

  /** The page is closing: hand what is left to the browser, which sends it after the page is gone. */
  sendOnClose() {
    if (!this.queue.length) return;
    const decisions = [];
    let size = 20;
    for (const { minted: _, ...d } of this.queue) {
      if (d.undo) break; // undone on return
      size += JSON.stringify(d).length + 1;
      if (size > KEEPALIVE_LIMIT) break; // the rest lies in localStorage
      decisions.push(d);
    }
    if (decisions.length) this.api.post("decisions", { decisions }, { keepalive: true }).catch(() => {});
  }

  destroy() {
    this.sendOnClose();
    clearTimeout(this.timer);
    window.removeEventListener("pagehide", this.onHide);
    window.removeEventListener("online", this.onOnline);
    window.removeEventListener("beforeunload", this.onLeave);
  }
}
