/** Which points match the filter of the page, worked out from the colour arrays, so that the rest can be greyed. */

const CATEGORIES = { verdict: "verdict", class: "label", suggested: "suggested_label", split: "split", source: "source", cluster: "cluster" };
const STATES = { accept: ["accept"], relabel: ["relabel"], exclude: ["exclude"], disputed: ["disputed"], decided: ["accept", "relabel", "exclude", "disputed"] };

/**
 * @param {string} query  the page's filter
 * @param {(name: string) => Promise<{head: object, array: ArrayLike<number>}>} colours
 * @returns {Promise<{mask: Uint8Array, whole: boolean}>}  whole = every part of the filter could be drawn
 */
export async function mask(query, n, colours) {
  const out = new Uint8Array(n).fill(1);
  const params = new URLSearchParams(query);
  let whole = true;
  const keep = async (name, wanted) => {
    const { head, array } = await colours(name);
    const ok = new Set((head.names || []).map((x, i) => (wanted.has(x) ? i : -1)));
    for (let i = 0; i < n; i += 1) if (!ok.has(array[i])) out[i] = 0;
  };
  for (const key of new Set(params.keys())) {
    const values = params.getAll(key);
    if (key in CATEGORIES) await keep(CATEGORIES[key], new Set(values));
    else if (key === "pair") {
      const [given, suggested] = values[0].split("\t");
      await keep("label", new Set([given]));
      await keep("suggested_label", new Set([suggested]));
    } else if (key === "state" && values[0] in STATES) await keep("decision", new Set(STATES[values[0]]));
    else if (key === "state" && values[0] === "undecided") {
      const { head, array } = await colours("decision");
      for (let i = 0; i < n; i += 1) if (array[i] < (head.names || []).length) out[i] = 0;
    } else if (key === "score") {
      for (const text of values) {
        const cut = text.lastIndexOf(":");
        const [low, high] = text.slice(cut + 1).split("~").map(Number);
        const { array } = await colours(text.slice(0, cut));
        for (let i = 0; i < n; i += 1) if (!(array[i] >= low && array[i] <= high)) out[i] = 0;
      }
    } else if (!["sort", "state", "ws", "selection"].includes(key)) whole = false;
  }
  return { mask: out, whole };
}

/** The page's filter narrowed to the legend's visible entries, for the server's exact count. */
export function narrowed(query, colour, entries, hidden) {
  const key = Object.keys(CATEGORIES).find((k) => CATEGORIES[k] === colour);
  if (!key || !hidden.size) return query;
  const params = new URLSearchParams(query);
  const asked = new Set(params.getAll(key));
  const seen = entries.filter((e) => e.key !== null && !hidden.has(e.code) && (!asked.size || asked.has(e.key)));
  params.delete(key);
  for (const e of seen) params.append(key, e.key);
  return params.toString();
}
