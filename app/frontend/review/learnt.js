/**
 * One calm row: what the last decisions changed in the order, how often the flags were right so far, when to stop, and
 * the offer to decide the same for samples like these. It has a fixed height, so that nothing jumps.
 */

import { ACTIONS, count, h, icon, plural, setText, show } from "../lib/dom.js";

/** What the row says while samples are judged without a hint. */
export const BLIND =
  "Blind audit: judge the label. What the scan says of these samples is hidden until you have answered.";

const percent = (x) => `${Math.round(x * 100)}%`;

/** How often one kind of flag was right, in words; `says` names the verdict. */
export function precisionWords(p, says) {
  return (
    `“${says}” was right for ${percent(p.share)} of the ${count(p.decided)} decided (95% interval ${percent(p.low)} to ${percent(p.high)}). ` +
    "These are the most suspicious ones, not a random sample: what is left is right less often."
  );
}

/** The share of wrong labels in the whole dataset, as the scan estimated it and as the decisions correct it. */
export function noiseWords(noise) {
  const exact = (x) => `${(x * 100).toFixed(1)}%`;
  return `By your decisions, about ${exact(noise.value)} of all labels are wrong (${exact(noise.low)} to ${exact(noise.high)}); the scan had estimated ${exact(noise.scan)}.`;
}

/** "relabel 212 like these: horse → deer". */
export function offerWords(offer) {
  const many =
    offer.action === "accept"
      ? `Keep ${plural(offer.count, "label")}`
      : `${ACTIONS[offer.action].does} ${count(offer.count)}`;
  return `${many} like these${offer.action === "exclude" ? "" : `: ${offer.what}`}`;
}

export class Learnt {
  /**
   * @param {Record<string, {says: string}>} verdicts
   * @param {() => void} onOffer  called when the person wants to see the offer
   */
  constructor(verdicts, onOffer) {
    this.verdicts = verdicts;
    this.words = h("span.ellipsis.words", { role: "status", "aria-live": "polite" });
    this.right = h("span.right", {});
    this.ahead = h("span.ahead", {});
    this.offerText = h("span.ellipsis", {});
    this.button = h(
      "button.offer",
      { type: "button", hidden: true, onclick: onOffer, title: "See them before anything is decided" },
      h("kbd", { textContent: "S" }),
      this.offerText,
    );
    this.symbol = icon("low_priority");
    this.row = h(
      "div.learnt",
      { role: "group", "aria-label": "What your decisions have taught" },
      this.symbol,
      this.words,
      this.right,
      this.ahead,
      this.button,
    );
    this.reset();
  }

  /** Say one thing, and nothing else from then on. */
  say(text) {
    this.said = text;
    this.reset();
  }

  reset() {
    this.offer = null;
    this.lines = []; // what is known so far, in sentences
    setText(this.words, this.said ?? "Every ten decisions, what is left is put into a better order.");
    setText(this.right, "");
    setText(this.ahead, "");
    this.row.dataset.stop = "";
    show(this.button, false);
  }

  /** @param {{moved: number, words: string, precision: object[], advice: object, offer: object|null}} round */
  update(round) {
    const { advice } = round;
    setText(this.symbol, advice.stop ? "flag" : "low_priority");
    setText(
      this.words,
      advice.stop
        ? `Stopping here is sensible: about ${plural(advice.issues.value, "issue")} left in ${plural(advice.left, "sample")}.`
        : round.words
          ? `${round.words}.`
          : "The order of what is left stays as it was.",
    );
    this.words.title = advice.words;
    this.row.dataset.stop = advice.stop ? "1" : "";
    const most = round.precision.reduce((a, b) => (a && a.decided >= b.decided ? a : b), null);
    setText(this.right, most ? `${percent(most.share)} right so far (${percent(most.low)}–${percent(most.high)})` : "");
    this.lines = [
      ...round.precision.map((p) => precisionWords(p, this.verdicts[p.kind]?.name || p.kind)),
      ...(round.precision.some((p) => p.kind === "noisy_label") ? [noiseWords(round.noise)] : []),
    ];
    this.right.title = this.lines.join("\n\n");
    setText(
      this.ahead,
      advice.ahead && advice.words ? `≈ ${Math.round(advice.next.value)} of the next ${advice.ahead}` : "",
    );
    this.ahead.title = advice.words;
    this.set(round.offer);
  }

  /** The offer that S opens, null = none. */
  set(offer) {
    this.offer = offer;
    show(this.button, Boolean(offer));
    if (offer) setText(this.offerText, offerWords(offer));
  }
}
