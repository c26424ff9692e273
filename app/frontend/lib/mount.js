/** What every surface is: built once, updated when Streamlit has new data, and gone without a trace. */

import { Api } from "./api.js";
import { fillHeight, h, isTyping, keepFocus, setRelativeTimes } from "./dom.js";
import { keyOf } from "./keys.js";

const live = new WeakMap();

/** The function that Streamlit calls when the component is drawn, and again whenever its data changes. */
export const mounted = (Kind) => (component) => {
  const { parentElement } = component;
  const there = live.get(parentElement);
  if (there) there.update(component);
  else live.set(parentElement, new Kind(component));
  return () => {
    live.get(parentElement)?.destroy();
    live.delete(parentElement);
  };
};

/** A surface: its data, its routes, its root element, and what has to end with it. */
export class Surface {
  #endings = [];

  /** @param {string} name  as screen readers say it; its lower case is the root's class */
  constructor(component, name) {
    this.component = component;
    this.data = component.data;
    this.api = new Api(this.data);
    this.gone = false;
    setRelativeTimes(this.data.ago);
    this.root = h(`section.wn.${name.toLowerCase()}`, { tabIndex: -1, role: "region", "aria-label": name });
    this.root.dataset.state = "loading";
    component.parentElement.append(this.root);
  }

  /** Put the parts into the root, and fill the window with it. */
  show(...parts) {
    this.root.append(...parts);
    keepFocus(this.root);
    this.ending(fillHeight(this.root));
  }

  /** Do something when the surface goes. */
  ending(does) {
    this.#endings.push(does);
  }

  /** Listen for as long as the surface is there. */
  listen(target, type, does, capture = false) {
    target.addEventListener(type, does, capture);
    this.ending(() => target.removeEventListener(type, does, capture));
  }

  /** Hear keys that belong neither to a field nor to a dialog. `does(event, key)` */
  onKey(does) {
    const hear = (event) => {
      if (event.isComposing || event.altKey || !this.root.isConnected || isTyping(event)) return;
      if (!document.querySelector("dialog[open]")) does(event, keyOf(event));
    };
    this.listen(window, "keydown", hear, true);
  }

  /** New data: a fresh token, another filter, another dataset. `changed(before)` acts on it. */
  update(component) {
    const before = this.data;
    this.component = component;
    this.data = component.data;
    this.api.update(this.data);
    this.changed(before);
  }

  destroy() {
    this.gone = true;
    for (const end of this.#endings.reverse()) end();
    this.root.remove();
  }

  /** Leave for another page. */
  go(page, extra = {}) {
    this.component.setTriggerValue("go", { page, ...extra });
  }

  /** Look closely at a sample's picture, beside another where one is named. */
  async lookAt(id, beside = null) {
    const { openPicture } = await import("../viewer/viewer.js");
    openPicture(this.root, this.api, this.data.verdicts, id, beside);
  }

  /** All labels, [] where they cannot be had: typing a name still works. */
  async labels() {
    try {
      const { labels, tags } = await this.api.get("labels");
      this.tagNames = tags; // null where samples have none
      return labels.map((label) => (typeof label === "string" ? { name: label } : label));
    } catch {
      return [];
    }
  }

  /** A sentence, why, and what can be done, instead of the content. */
  message(node, symbol, title, text, ...buttons) {
    const icon = h("span.icon", { "aria-hidden": "true", textContent: symbol });
    node.replaceChildren(
      icon,
      h("h2", { textContent: title }),
      h("p", { textContent: text }),
      h("div.row", {}, buttons),
    );
    node.hidden = false;
  }
}
