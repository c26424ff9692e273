/** Which points match the filter of the page, worked out from the colour arrays, so that the rest can be greyed. */

import { inRing } from "./geometry.js";

/** Field of the filter → the colouring that holds its values. */
const CATEGORIES = { verdicts: "verdict", classes: "label", suggested: "suggested_label", splits: "split", sources: "source", clusters: "cluster" };
const STATES = { accept: ["accept"], relabel: ["relabel"], exclude: ["exclude"], disputed: ["disputed"], decided: ["accept", "relabel", "exclude", "disputed"] };

/** Parts of a filter that only the server can answer. */
const ASKED = ["kinds", "text", "duplicate_group", "pick", "strict", "selection"];

/** A query without one of its parameters. */
export function without(query, name) {
  const params = new URLSearchParams(query);
  params.delete(name);
  return params.toString();
}

/** How "has none" is written in a list. */
const none = (field) => (field === "clusters" ? "-1" : "");

/** Lists in a query are joined by commas; a comma or backslash inside a value carries a backslash. See core/filter.py. */
export const join = (items) => items.map((i) => String(i).replace(/[\\,]/g, "\\$&")).join(",");

export function split(text) {
  const parts = [""];
  for (let i = 0; i < text.length; i += 1) {
    if (text[i] === "\\") { i += 1; parts[parts.length - 1] += text[i] ?? ""; } else if (text[i] === ",") parts.push("");
    else parts[parts.length - 1] += text[i];
  }
  return parts;
}

/**
 * @param {string} query  the page's filter
 * @param {Float32Array} xy  places, interleaved
 * @param {(name: string) => Promise<{head: object, array: ArrayLike<number>}>} colours
 * @param {() => Promise<{array: Int32Array}>} members  asks the server for the rows that match, where the colours do not say
 * @returns {Promise<{mask: Uint8Array}>}
 */
export async function mask(query, xy, colours, members) {
  const n = xy.length / 2;
  const params = new URLSearchParams(query);
  if (ASKED.some((key) => params.has(key))) {
    const out = new Uint8Array(n);
    for (const row of (await members()).array) out[row] = 1;
    return { mask: out };
  }
  const out = new Uint8Array(n).fill(1);
  const keep = async (name, wanted, missing) => {
    const { head, array } = await colours(name);
    const names = head.names || [];
    const ok = new Uint8Array(65536);
    names.forEach((x, i) => { ok[i] = wanted.has(x) ? 1 : 0; });
    if (missing) ok.fill(1, names.length);
    for (let i = 0; i < n; i += 1) if (!ok[array[i]]) out[i] = 0;
  };
  for (const [key, text] of params) {
    if (key in CATEGORIES) {
      const wanted = new Set(split(text));
      await keep(CATEGORIES[key], wanted, wanted.has(none(key)));
    } else if (key === "pair") {
      const [given, suggested] = split(text);
      await keep("label", new Set([given]), given === "");
      await keep("suggested_label", new Set([suggested]), suggested === "");
    } else if (key === "state") {
      if (text === "undecided") await keep("decision", new Set(), true);
      else if (text in STATES) await keep("decision", new Set(STATES[text]), false);
    } else if (key.startsWith("score.")) {
      const [low, high] = text.split("..");
      const { array } = await colours(key.slice("score.".length));
      const [from, to] = [low === "" ? -Infinity : Number(low), high === "" ? Infinity : Number(high)];
      for (let i = 0; i < n; i += 1) if (!(array[i] >= from && array[i] <= to)) out[i] = 0;
    } else if (key === "polygon") {
      const ring = text.split(";").map((corner) => corner.split(",").map(Number));
      for (let i = 0; i < n; i += 1) if (out[i] && !inRing(xy[2 * i], xy[2 * i + 1], ring)) out[i] = 0;
    }
  }
  return { mask: out };
}

/** The page's filter narrowed to the legend's visible entries, for the server's exact count. */
export function narrowed(query, colour, entries, hidden) {
  const key = Object.keys(CATEGORIES).find((k) => CATEGORIES[k] === colour);
  if (!key || !hidden.size) return query;
  const params = new URLSearchParams(query);
  const asked = params.has(key) ? new Set(split(params.get(key))) : null;
  const seen = entries.filter((e) => !hidden.has(e.code)).map((e) => e.key ?? none(key)).filter((name) => !asked || asked.has(name));
  params.set(key, join(seen.length ? seen : ["\u0000"]));
  return params.toString();
}
