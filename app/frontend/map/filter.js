/** Which points match the filter of the page, worked out from the colour arrays, so that the rest can be greyed. */

import { inRing } from "./geometry.js";

/**
 * The schema of filters, from the page (`browser_schema` in app/session/filters.py): how each parameter is worked out
 * ("list", "state", "range", "polygon", or "server" = only the server can answer it), and the colouring that it needs.
 * @typedef {Record<string, {how: string, colour: string, none: string}>} Schema
 */

/** A query without one of its parameters. */
export function without(query, name) {
  const params = new URLSearchParams(query);
  params.delete(name);
  return params.toString();
}

/**
 * Lists in a query are joined by commas; a comma or backslash inside a value carries a backslash: see `join` in
 * core/explore/filter_schema.py.
 */
export const join = (items) => items.map((i) => String(i).replace(/[\\,]/g, "\\$&")).join(",");

export function split(text) {
  const parts = [""];
  for (let i = 0; i < text.length; i += 1) {
    if (text[i] === "\\") {
      i += 1;
      parts[parts.length - 1] += text[i] ?? "";
    } else if (text[i] === ",") parts.push("");
    else parts[parts.length - 1] += text[i];
  }
  return parts;
}

/** The schema's entry of a parameter; the entries of a field with a prefix ("score.") share one. */
const entryOf = (schema, key) => schema[key] ?? schema[key.slice(0, key.indexOf(".") + 1)];

/** States of decision under which verdicts are those of the scan; the colours show such samples as settled. */
const DECIDED = new Set(["decided", "accept", "relabel", "exclude", "disputed"]);

/** How a kind of parameter is worked out: (text, entry, key, world) → a test of a point's number. */
const TESTS = {
  async list(text, { colour, none }, key, { colours }) {
    const wanted = new Set(split(text));
    return coded(await colours(colour), (name) => wanted.has(name), wanted.has(none));
  },
  async state(text, { colour }, key, { colours }) {
    return coded(
      await colours(colour),
      (name) => text === "any" || text === "decided" || name === text,
      text === "any" || text === "undecided",
    );
  },
  async range(text, entry, key, { colours }) {
    const [low, high] = text.split("..");
    const { array } = await colours(key.slice(key.indexOf(".") + 1));
    const [from, to] = [low === "" ? -Infinity : Number(low), high === "" ? Infinity : Number(high)];
    return (i) => array[i] >= from && array[i] <= to;
  },
  async polygon(text, entry, key, { xy }) {
    const ring = text.split(";").map((corner) => corner.split(",").map(Number));
    return (i) => inRing(xy[2 * i], xy[2 * i + 1], ring);
  },
};

/** A test of a colouring's names; `missing`: whether points without a value pass. */
function coded({ head, array }, passes, missing) {
  const names = head.names || [];
  const ok = new Uint8Array(65536);
  names.forEach((name, i) => {
    ok[i] = passes(name) ? 1 : 0;
  });
  if (missing) ok.fill(1, names.length);
  return (i) => ok[array[i]];
}

/**
 * @param {Schema} schema
 * @param {string} query  the page's filter
 * @param {Float32Array} xy  places, interleaved
 * @param {(name: string) => Promise<{head: object, array: ArrayLike<number>}>} colours
 * @param {() => Promise<{array: Int32Array}>} members  asks the server for the rows that match, where the colours
 *   do not say
 * @returns {Promise<{mask: Uint8Array}>}
 */
export async function mask(schema, query, xy, colours, members) {
  const n = xy.length / 2;
  const params = new URLSearchParams(query);
  const asked = [...params].map(([key, text]) => [key, text, entryOf(schema, key)]).filter(([, , entry]) => entry);
  const scanned = asked.some(([key]) => key === "verdicts") && DECIDED.has(params.get("state"));
  if (scanned || asked.some(([, , entry]) => !(entry.how in TESTS))) {
    const out = new Uint8Array(n);
    for (const row of (await members()).array) out[row] = 1;
    return { mask: out };
  }
  const out = new Uint8Array(n).fill(1);
  for (const [key, text, entry] of asked) {
    const passes = await TESTS[entry.how](text, entry, key, { xy, colours });
    for (let i = 0; i < n; i += 1) if (out[i] && !passes(i)) out[i] = 0;
  }
  return { mask: out };
}

/** The page's filter narrowed to the legend's visible entries, for the server's exact count. */
export function narrowed(schema, query, colour, entries, hidden) {
  const key = Object.keys(schema).find((k) => schema[k].how === "list" && schema[k].colour === colour);
  if (!key || !hidden.size) return query;
  const params = new URLSearchParams(query);
  const asked = params.has(key) ? new Set(split(params.get(key))) : null;
  const seen = entries
    .filter((e) => !hidden.has(e.code))
    .map((e) => e.key ?? schema[key].none)
    .filter((name) => !asked || asked.has(name));
  params.set(key, join(seen.length ? seen : ["\u0000"]));
  return params.toString();
}
