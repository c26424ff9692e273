/** The line above the card: how many are decided and left, how fast, and whether everything is saved. */

import { count, h, icon, setText } from "../lib/dom.js";

const WINDOW = 120000; // ms over which the pace is taken
const SHORTEST = 5000; // ms

/** Decisions a minute, from the times (ms) of the last decisions; 0 = too few to say. */
export function paceOf(times, now) {
  if (times.length <= 3) return 0;
  return (times.length * 60000) / Math.max(now - times[0], SHORTEST);
}

/** "12 a minute · 5 min to go", "" = no pace yet. */
export function paceWords(pace, left) {
  if (!pace) return "";
  const minutes = left ? left / pace : 0;
  const rest = minutes < 1.5 ? "1 min" : minutes < 90 ? `${Math.round(minutes)} min` : `${(minutes / 60).toFixed(1)} h`;
  return `${Math.round(pace)} a minute${minutes ? ` · ${rest} to go` : ""}`;
}

export class Progress {
  constructor() {
    this.times = [];
    this.text = h("span.strong", {});
    this.pace = h("span.muted.pace", {});
    this.meter = h("i", {});
    this.saved = h("span.saved", { role: "status", "aria-live": "polite" });
    this.node = h(
      "header.head",
      {},
      this.text,
      h(
        "span.bar.meter",
        { role: "progressbar", "aria-label": "Decided in this queue", "aria-valuemin": "0", "aria-valuemax": "100" },
        this.meter,
      ),
      this.pace,
      this.saved,
    );
  }

  /** One decision more, or one less. */
  made() {
    this.times.push(Date.now());
  }
  unmade() {
    this.times.pop();
  }

  /** @param {number | null} total  of the queue; null = not known yet  @param {string} holds  what it holds, or "" */
  draw(decided, total, holds) {
    const left = total === null ? null : Math.max(0, total - decided);
    setText(this.text, total === null ? "" : `${count(decided)} done · ${count(left)}${holds ? ` ${holds}` : ""} left`);
    const share = total ? decided / total : 0;
    this.meter.style.setProperty("--v", share);
    this.meter.parentElement.setAttribute("aria-valuenow", String(Math.round(share * 100)));
    const now = Date.now();
    this.times = this.times.filter((t) => now - t < WINDOW);
    setText(this.pace, paceWords(paceOf(this.times, now), left));
  }

  /** @param {{pending: number, failing: string | null, saved: number}} state  of the saver */
  drawSaved({ pending, failing, saved }) {
    const state = failing ? "failing" : pending ? "saving" : saved ? "saved" : "idle";
    const words = { saving: "Saving…", saved: "Saved ✓", failing: `${count(pending)} not saved yet`, idle: "" }[state];
    this.saved.dataset.state = state;
    this.saved.dataset.pending = pending;
    const symbol = { saving: "sync", saved: "cloud_done", failing: "cloud_off" }[state];
    this.saved.replaceChildren(...(symbol ? [icon(symbol), words] : []));
    const detail = { state: state === "failing" ? "failed" : state === "saving" ? "saving" : "saved" };
    detail.text = state === "failing" ? words : state === "saving" ? words : "Saved";
    window.dispatchEvent(new CustomEvent("winnow:saved", { detail }));
  }
}
