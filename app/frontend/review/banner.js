/** One line above the card for what must not be missed; it may carry a button, and goes by itself or with Esc. */

import { h, icon, setText, show } from "../lib/dom.js";

export class Banner {
  constructor() {
    this.icon = icon("info");
    this.text = h("span", {});
    this.button = h("button", { type: "button", hidden: true });
    this.node = h("div.banner", { hidden: true, role: "alert" }, this.icon, this.text, this.button);
  }

  /**
   * @param {"good" | "bad"} tone
   * @param {string} symbol  name of a Material icon
   * @param {number} ms  how long it stays; 0 = until it is closed
   * @param {[string, () => void]} [button]  its text and what it does
   */
  say(tone, symbol, text, ms, button) {
    clearTimeout(this.timer);
    this.node.style.setProperty("--tone", `var(--${tone})`);
    setText(this.icon, symbol);
    setText(this.text, text);
    show(this.button, Boolean(button));
    if (button) {
      setText(this.button, button[0]);
      this.button.onclick = button[1];
    }
    this.node.hidden = false;
    if (ms) this.timer = setTimeout(() => this.hide(), ms);
  }

  hide() {
    this.node.hidden = true;
  }
}
