/**
 * Thumbnails ahead of need, many in one request (POST /api/sprite) instead of one each. A picture that has come is kept
 * decoded under an address of its own; `src` gives that address, else the link, which the browser loads by itself.
 */

const AT_ONCE = 240; // pictures in one request
const WORTH = 60; // fewer wait for more, unless one of the next is missing
const NEXT = 6;
const KEEP = 900;
const GRACE = 10000; // ms that a forgotten address still works: an image may be about to load it

export class Pictures {
  /** @param {import("./api.js").Api} api */
  constructor(api) {
    this.api = api;
    this.known = new Map(); // id → {url, image}, or null while it is on its way or where there is none
    this.waiting = [];
    this.busy = false;
  }

  /** Where to load a sample's thumbnail from. */
  src(sample) {
    const kept = this.known.get(sample.id);
    if (!kept) return sample.thumb;
    this.known.delete(sample.id); // what is shown is the last to be forgotten
    this.known.set(sample.id, kept);
    return kept.url;
  }

  /** @param {{id: string}[]} samples  nearest need first; replaces what was waiting */
  want(samples) {
    const ids = [...new Set(samples.map((s) => s.id))];
    this.waiting = ids.filter((id) => !this.known.has(id));
    if (this.waiting.length >= WORTH || ids.slice(0, NEXT).some((id) => !this.known.has(id))) this.#pump();
  }

  async #pump() {
    if (this.busy || !this.waiting.length) return;
    this.busy = true;
    const ids = this.waiting.splice(0, AT_ONCE);
    for (const id of ids) this.known.set(id, null);
    try {
      const { head, array } = await this.api.framed("sprite", null, { method: "POST", body: { ids } });
      let at = 0;
      const images = [];
      head.sizes.forEach((size, k) => {
        if (size)
          images.push(
            this.#keep(ids[k], new Blob([array.subarray(at, at + size)], { type: head.names[head.types[k]] })),
          );
        at += size;
      });
      await Promise.allSettled(images);
    } catch {
      for (const id of ids) this.known.delete(id);
    } // the links still work; asked for again with the next cards
    this.busy = false;
    this.#forget();
    if (this.waiting.length >= WORTH) this.#pump();
  }

  #keep(id, blob) {
    const image = new Image();
    const url = URL.createObjectURL(blob);
    this.known.set(id, { url, image });
    image.src = url;
    return image.decode();
  }

  #forget() {
    for (const [id, kept] of this.known) {
      if (this.known.size <= KEEP) return;
      if (kept) release(kept);
      this.known.delete(id);
    }
  }

  destroy() {
    for (const kept of this.known.values()) if (kept) release(kept);
    this.known.clear();
    this.waiting = [];
  }
}

function release(kept) {
  setTimeout(() => URL.revokeObjectURL(kept.url), GRACE);
}
