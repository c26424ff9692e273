/** One tile of the grid: made once, filled again for every row that it shows. */

import { ACTIONS, h, icon, score, setText, show, verdictOf } from "../lib/dom.js";
import { nameNode, setName } from "../lib/names.js";

const ENLARGED = 0.75; // of the tile: smaller originals are enlarged with hard pixels

/** Whether a row has a picture that can be looked at. */
export const hasPicture = (row, modality) => !["text", "vector"].includes(modality) && row.width !== 0;

/** @param {() => number} size  of a tile in pixels, now */
export function makeTile(size) {
  const image = h("img", { alt: "", draggable: false, decoding: "async", loading: "eager" });
  const text = h("span.snippet", { hidden: true, dir: "auto" });
  const badge = h("span.badge", { hidden: true }, icon("check"));
  const parts = {
    image,
    text,
    badge,
    dot: h("span.dot", {}),
    name: nameNode("", "name"),
    to: nameNode("", "to"),
    value: h("span.value", {}),
  };
  const node = h(
    "div.tile",
    { role: "option" },
    h("span.pic", {}, image, text),
    badge,
    h("span.tick", { "aria-hidden": "true" }, icon("check")),
    h("span.closer", { title: "Look closely (Z)", "aria-hidden": "true" }, icon("zoom_in")),
    h("span.alike", { title: "Similar samples (F)", "aria-hidden": "true" }, icon("image_search")),
    h("span.line", {}, parts.dot, parts.name, parts.value),
    h("span.line.second", {}, parts.to),
  );
  image.addEventListener("load", () =>
    image.classList.toggle("pixelated", Math.max(image.naturalWidth, image.naturalHeight) < size() * ENLARGED),
  );
  image.addEventListener("error", () => {
    image.hidden = true;
    text.hidden = false;
    setText(text, "cannot be read");
  });
  return { node, ...parts, row: null };
}

/** What the scan would change about the tags of a row: "+joy −anger", or null. */
const tagEdits = (row) => [...row.missing.map((t) => `+${t}`), ...row.extra.map((t) => `−${t}`)].join(" ") || null;

/** The decision in force about a row, {action, label, actor}, or null. */
export function decisionOf(row) {
  if (Array.isArray(row.decision)) return row.decision[0] || null;
  if (row.decision && typeof row.decision === "object")
    return { action: row.decision.action || row.decision.state, ...row.decision };
  return typeof row.decision === "string" && row.decision !== "undecided"
    ? { action: row.decision, label: row.decision_label }
    : null;
}

/** The number by which a row stands where it does. */
function valueOf(row, sort) {
  const name = sort.replace(/^-/, "");
  return row.scores?.[name] ?? (typeof row[name] === "number" ? row[name] : row.confidence);
}

function wait(tile) {
  tile.image.removeAttribute("src");
  setName(tile.name, "");
  setText(tile.value, "");
  setName(tile.to, "");
  tile.badge.hidden = true;
  tile.text.hidden = true;
}

function badge(tile, decision) {
  show(tile.badge, Boolean(decision));
  if (!decision) return "";
  const action = ACTIONS[decision.action] || { icon: "group", past: decision.action };
  tile.badge.dataset.action = decision.action;
  setText(tile.badge.firstChild, action.icon);
  tile.badge.title = `${action.past}${decision.label ? ` to ${decision.label}` : ""}${decision.actor ? ` by ${decision.actor}` : ""}`;
  return `, ${action.past.toLowerCase()}`;
}

/**
 * @param {object | undefined} row  undefined while it is on its way
 * @param {{verdicts: object, modality: string, sort: string, order: string, group: string}} view  order: in words;
 *   group: of the row, "" = none
 */
export function fillTile(tile, row, { verdicts, modality, sort, order, group }) {
  tile.node.classList.toggle("waiting", !row);
  if (!row) {
    wait(tile);
    return;
  }
  const v = verdictOf(verdicts, row.verdict);
  const picture = hasPicture(row, modality);
  tile.node.classList.toggle("seen", picture);
  show(tile.image, picture);
  show(tile.text, !picture);
  if (!picture) {
    tile.image.removeAttribute("src");
    setText(tile.text, row.text || (modality === "vector" ? row.id : "cannot be read"));
  } else if (tile.image.getAttribute("src") !== row.thumb) tile.image.src = row.thumb;
  tile.dot.style.setProperty("--c", v.colour);
  tile.dot.title = v.name;
  const named = row.tags ? row.tags.join(", ") || "no tags" : (row.label ?? "no label");
  setName(tile.name, named);
  setText(tile.value, sort === "row" ? "" : score(valueOf(row, sort)));
  tile.value.title = order;
  const decision = decisionOf(row);
  const suggested = row.suggested ?? row.suggested_label;
  const edits = row.tags && !decision ? tagEdits(row) : null;
  const other =
    edits ?? (decision?.action === "relabel" ? decision.label : row.verdict === "noisy_label" ? suggested : null);
  setName(tile.to, other ? `→ ${other}` : v.name);
  const said = badge(tile, decision);
  const within = group ? `, ${group}` : "";
  tile.node.setAttribute("aria-label", `${named}, ${v.name}${said}${within}, sample ${row.id}`);
  tile.node.title = row.id;
}
