/** A first review: what the card on the screen is about, and which keys answer it. */

import { h, icon, setRich, setText } from "../lib/dom.js";
import { nameNode } from "../lib/names.js";

const SAYS = {
  noisy_label: (card, best) =>
    best
      ? `The label says *${card.label}*, the models and the nearest samples say *${best}*. If they are right, press W; if the label is right, A.`
      : `The label *${card.label}* is probably wrong. Press / and type the right one, or A if it is right after all.`,
  ood: () => "This seems to belong to none of the classes. X leaves it out of the dataset, A keeps it.",
  duplicate: () => "The dataset holds this sample more than once. X leaves this copy out; the other one stays.",
  broken: () => "This file cannot be used. X leaves it out.",
  hard: () =>
    "The label may well be right, but the models would get it wrong. A keeps it: such samples teach the most.",
};
const ELSE = () => "Look at the sample and its neighbours: A keeps the label, X leaves the sample out.";

export class Guide {
  /** @param {number} cards  how many there are */
  constructor(cards) {
    this.cards = cards;
    this.step = h("b", {});
    this.says = h("span.says", { role: "status" });
    this.node = h(
      "aside.guide",
      { "aria-label": "First review" },
      icon("school"),
      this.step,
      this.says,
      h("button.quiet", { type: "button", onclick: () => (this.node.hidden = true) }, "Close the help"),
    );
  }

  /** @param {number} nth  from 0 */
  card(card, nth) {
    setText(this.step, `${nth + 1} of ${this.cards}`);
    const [best] = card.suggestions?.[0] ?? [];
    const hint = nth === 0 ? " Z looks closely, U takes a decision back." : "";
    setRich(this.says, (SAYS[card.verdict] ?? ELSE)(card, best) + hint, nameNode);
  }

  end() {
    setText(this.step, "That is a review.");
    setRich(this.says, "Every decision stands in History, and each can be undone.", nameNode);
  }
}
