/** What stands beside the map: tiles of the selection, one pinned sample, and the tip under the pointer. */

import { count, h, icon, score, verdictOf } from "../lib/dom.js";
import { nameNode } from "../lib/names.js";

const SMALL = 128; // originals below this side are enlarged with hard pixels

const dotOf = (v) => h("span.dot", { vars: { c: v.colour } });

export const hasPicture = (card) => !card.text && card.modality !== "vector" && Boolean(card.width);

function pictureOf(card, alt, words) {
  if (card.text) return h("p.words", { dir: "auto", textContent: words ? card.text.slice(0, words) : card.text });
  if (!hasPicture(card)) return "";
  return h("img", { src: card.thumb, alt, className: Math.max(card.width, card.height) < SMALL ? "pixelated" : "" });
}

export const hint = () =>
  h(
    "div.hintbox",
    {},
    icon("lasso_select"),
    h("p", { textContent: "Drag an outline around points to see them here and decide about all of them at once." }),
  );

/** How the selection spreads over the colours of the map, as one bar. `parts`: [name, count, colour] */
export function mixOf(parts) {
  const said = parts.filter(([, n]) => n).sort((a, b) => b[1] - a[1]);
  return h(
    "div.mix",
    { role: "img", "aria-label": said.map(([name, n]) => `${name}: ${count(n)}`).join(", ") },
    said.map(([name, n, colour]) =>
      h("span", { title: `${name}: ${count(n)}`, style: { flexGrow: n, background: colour } }),
    ),
  );
}

/** A selected sample, with a dot in its colour on the map. */
export function tileOf(row, colour, verdicts, modality, open) {
  const v = verdictOf(verdicts, row.verdict);
  const words = ["text", "vector"].includes(modality) ? row.text || row.id : row.width === 0 ? "cannot be read" : null;
  const label = row.label ?? "no label";
  return h(
    "button.tile",
    {
      type: "button",
      title: `${label} · ${v.name} ${score(row.confidence)} · ${row.id}`,
      "aria-label": `${label}, ${v.name}. Open in Review.`,
      onclick: open,
    },
    words ? h("span.snippet", { dir: "auto", textContent: words }) : h("img", { src: row.thumb, alt: "" }),
    h("span.line", {}, h("span.dot", { vars: { c: colour } }), nameNode(label)),
  );
}

/** The sample of a point that was clicked. `back`: to the selection, null where there is none */
export function pinnedOf(card, verdicts, { open, look, back }) {
  const v = verdictOf(verdicts, card.verdict);
  return h(
    "div.pinned",
    {},
    back ? h("button.quiet", { type: "button", onclick: back }, icon("arrow_back"), "Back to the selection") : null,
    look
      ? h(
          "button.picture",
          { type: "button", title: "Look closely (Z)", onclick: look },
          pictureOf(card, `Sample ${card.id}`),
        )
      : pictureOf(card, `Sample ${card.id}`),
    h("b", {}, nameNode(card.label ?? "no label")),
    h("span", {}, dotOf(v), ` ${v.name} ${score(card.confidence)}`),
    h("p.muted", { textContent: (card.reason || "").replaceAll("*", "") }),
    h("button", { type: "button", onclick: open }, icon("rate_review"), "Open in Review"),
  );
}

/** What is shown beside the pointer. */
export function tipOf(card, verdicts) {
  const v = verdictOf(verdicts, card.verdict);
  const best = card.suggestions?.[0];
  return [
    pictureOf(card, "", 160),
    h(
      "div",
      {},
      h("b", {}, nameNode(card.label ?? "no label")),
      h("span", {}, dotOf(v), ` ${v.name} ${score(card.confidence)}`),
      card.verdict === "noisy_label" && best ? h("span.muted", { textContent: `${best[0]}? ${score(best[1])}` }) : "",
    ),
  ];
}
