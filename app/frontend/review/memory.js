/** What this tab has decided in Review, kept for a reload: how many, how fast, and the last decisions. */

const KEPT = 60; // decisions that can be clicked back, and undone, after a reload

/**
 * The list of decisions as it is kept: what is drawn of each, with a link to its picture that outlives the page.
 * @param {object[]} done  in order
 */
export const keepable = (done) =>
  done.slice(-KEPT).map(({ link, ids, text, before, ...decision }) => ({
    ...decision,
    thumb: link ?? null,
    link: link ?? null,
    text: text?.slice(0, 80) ?? null,
    before: before ?? null,
    ...(ids ? { ids: ids.slice(0, KEPT) } : {}),
  }));

export class SessionMemory {
  constructor(ws, actor) {
    this.key = `winnow:review:${ws}:${actor}`;
  }

  /** @returns {{queue: string, decided: number, times: number[], done: object[]} | null} */
  read() {
    try {
      return JSON.parse(sessionStorage.getItem(this.key));
    } catch {
      return null; // storage is off, or damaged: the session begins anew
    }
  }

  write(state) {
    try {
      sessionStorage.setItem(this.key, JSON.stringify(state));
    } catch {
      /* storage is off or full: a reload begins a new session */
    }
  }
}
