/** The row of what can be decided about a card. */

import { ACTIONS, h, icon, setText } from "../lib/dom.js";
import { nameNode, setName } from "../lib/names.js";

export class ActionBar {
  /**
   * @param {HTMLElement} note  the button of the note
   * @param {boolean} decides  whether the person may decide
   * @param {object} on  accept(), take(), exclude(), pick(), skip(), undo(), keys()
   */
  constructor(note, decides, on) {
    this.decides = decides;
    const button = (cls, key, text, does, title) =>
      h(`button${cls}`, { type: "button", onclick: does, title }, h("kbd", { textContent: key }), text);
    this.takeText = nameNode();
    this.acceptText = h("span", {});
    this.anyText = h("span", {});
    const proposes = "What the verdict proposes: the suggested label or tags, or to exclude the sample";
    this.take = button(".take", "W", this.takeText, on.take, proposes);
    this.any = button(".any", "/", this.anyText, on.pick, "Any label or tag, or a new one");
    const keys = h(
      "button.quiet.keys",
      { type: "button", title: "Keys of the classes", "aria-label": "Keys of the classes", onclick: on.keys },
      icon("keyboard"),
    );
    const skip = button("", "Space", "Skip", on.skip, "Decide later");
    this.node = h(
      "nav.actions",
      { "aria-label": "Decide" },
      button(".accept", "A", this.acceptText, on.accept, "What was given is right: keep it"),
      this.take,
      button(".exclude", "X", "Exclude", on.exclude, "Leave this sample out of the dataset"),
      this.any,
      keys,
      h("span.gap", {}),
      skip,
      button("", "U", "Undo", on.undo, "Undo the last decision"),
      note,
    );
    if (!decides) for (const b of this.node.querySelectorAll("button")) b.disabled = b !== skip;
    this.draw(null, false);
  }

  /** Say what W would do with the card on the screen; `tagged`: it has tags, not a label alone. */
  draw(proposed, tagged) {
    const words = proposed && [proposed.label, ...(proposed.edits || [])].filter(Boolean).join(" ");
    setName(this.takeText, proposed ? words || ACTIONS[proposed.action].does : "Suggestion");
    this.take.disabled = !proposed || !this.decides;
    setText(this.acceptText, tagged ? "Keep as is" : "Keep label");
    setText(this.anyText, tagged ? "Tag…" : "Label…");
  }
}
