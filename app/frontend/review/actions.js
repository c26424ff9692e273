/** The row of buttons below the card, each with its key. */

import { ACTIONS, h, icon, setText } from "../lib/dom.js";
import { nameNode, setName } from "../lib/names.js";

export class ActionBar {
  /**
   * @param {object} on  decide(action), take(), pick(), keys(), skip(), undo()
   * @param {HTMLElement} note  the button for a note
   * @param {boolean} decides  whether this person may decide
   */
  constructor(on, note, decides) {
    const button = (cls, key, text, does, title) =>
      h(`button${cls}`, { type: "button", onclick: does, title }, h("kbd", { textContent: key }), text);
    this.decides = decides;
    this.takeText = nameNode();
    this.acceptText = h("span", {});
    this.anyText = h("span", {});
    const proposes = "What the verdict proposes: the suggested label or tags, or to exclude the sample";
    this.take = button(".take", "W", this.takeText, () => on.take(), proposes);
    this.anyLabel = button(".any", "/", this.anyText, () => on.pick(), "Any label or tag, or a new one");
    const keys = h(
      "button.quiet.keys",
      { type: "button", title: "Keys of the classes", "aria-label": "Keys of the classes", onclick: () => on.keys() },
      icon("keyboard"),
    );
    const skip = button("", "Space", "Skip", () => on.skip(), "Decide later");
    this.node = h(
      "nav.actions",
      { "aria-label": "Decide" },
      button(".accept", "A", this.acceptText, () => on.decide("accept"), "What was given is right: keep it"),
      this.take,
      button(".exclude", "X", "Exclude", () => on.decide("exclude"), "Leave this sample out of the dataset"),
      this.anyLabel,
      keys,
      h("span.gap", {}),
      skip,
      button("", "U", "Undo", () => on.undo(), "Undo the last decision"),
      note,
    );
    if (!decides) for (const b of this.node.querySelectorAll("button")) b.disabled = b !== skip;
    this.propose(null);
  }

  /**
   * @param {{action: string, label: string | null, edits?: string[]} | null} proposed  what W does
   * @param {boolean} tagged  whether the sample has tags, not a label alone
   */
  propose(proposed, tagged = false) {
    const words = proposed && [proposed.label, ...(proposed.edits || [])].filter(Boolean).join(" ");
    setName(this.takeText, proposed ? words || ACTIONS[proposed.action].does : "Suggestion");
    this.take.disabled = !proposed || !this.decides;
    setText(this.acceptText, tagged ? "Keep as is" : "Keep label");
    setText(this.anyText, tagged ? "Tag…" : "Label…");
  }
}
