/**
 * Keys that stay with a class: chosen once for a dataset, by everybody who reviews it. The server works out which class
 * has which key (core/review/class_keys.py); a class that is made on this page gets the next free one at once.
 */

import { h, icon, show } from "../lib/dom.js";
import { nameNode } from "../lib/names.js";

const IN_ORDER = [..."123456789abcdefghijklmnopqrstuvwxyz"];

export class ClassKeys {
  /** @param {{fixed: boolean, keys: [string, string][], commands: string[]}} data  @param {boolean} always  on Label */
  constructor(data, always) {
    this.always = always;
    this.update(data);
  }

  update({ fixed, keys, commands }) {
    this.chosen = fixed; // what Review does
    this.commands = new Set(commands);
    this.keys = new Map(keys); // class → key
  }

  get fixed() {
    return this.always || this.chosen;
  }

  /** Give a new class a key, if there is one left. */
  add(name) {
    const taken = new Set(this.keys.values());
    const isFree = (key) => !taken.has(key) && !this.commands.has(key);
    const own = /^\D*(\d)\D*$/.exec(name)?.[1];
    const key = own && isFree(own) ? own : IN_ORDER.find(isFree);
    if (key && !this.keys.has(name)) this.keys.set(name, key);
  }
}

/** A sheet over the page: which key means which class, and whether Review uses these keys. */
export class ClassKeySheet {
  /** @param {(choice: {fixed: boolean, keys: Record<string, string>}) => void} save */
  constructor(root, save) {
    Object.assign(this, { root, save });
    const radio = (value, words) => {
      const input = h("input", { type: "radio", name: "class-keys", value });
      return [input, h("label", {}, input, words)];
    };
    const [likely, likelyLabel] = radio("likely", "Keys 1 to 9 are each sample’s likeliest labels");
    const [fixed, fixedLabel] = radio("fixed", "Every class has its own key");
    this.fixed = fixed;
    this.likely = likely;
    this.modes = h("div.modes", { role: "radiogroup", "aria-label": "What keys relabel to" }, likelyLabel, fixedLabel);
    this.list = h("ul", { "aria-label": "Keys of the classes" });
    this.error = h("p.error", { role: "alert", hidden: true });
    this.form = h(
      "form.sheet",
      {
        onsubmit: (event) => {
          event.preventDefault();
          this.#submit();
        },
        onkeydown: (event) => {
          event.stopPropagation();
          if (event.key === "Escape") this.close();
        },
      },
      h(
        "header",
        {},
        h("h2", { id: "class-keys-title", textContent: "Keys of the classes" }),
        h("button.quiet", { type: "button", "aria-label": "Close", onclick: () => this.close() }, icon("close")),
      ),
      this.modes,
      this.list,
      this.error,
      h(
        "footer",
        {},
        h("button.primary", { type: "submit" }, "Use these keys"),
        h("span.muted", { textContent: "For everybody who reviews this dataset. / finds a class without a key." }),
      ),
    );
    this.box = h(
      "div.overlay.classkeys",
      { hidden: true, role: "dialog", "aria-modal": "true", "aria-labelledby": "class-keys-title" },
      this.form,
    );
    this.box.addEventListener("click", (event) => {
      if (event.target === this.box) this.close();
    });
    root.append(this.box);
  }

  get open() {
    return !this.box.hidden;
  }

  /** @param {ClassKeys} keys  @param {{name: string}[]} labels  all classes */
  show(keys, labels) {
    this.keys = keys;
    show(this.modes, !keys.always);
    this.fixed.checked = keys.fixed;
    this.likely.checked = !keys.fixed;
    this.inputs = labels.map(({ name }) => [
      name,
      h("input", {
        type: "text",
        maxLength: 1,
        value: (keys.keys.get(name) ?? "").toUpperCase(),
        "aria-label": `Key of ${name}`,
        autocomplete: "off",
        oninput: (event) => {
          event.target.value = event.target.value.toUpperCase();
          this.fixed.checked = true;
          this.#check();
        },
      }),
    ]);
    this.list.replaceChildren(...this.inputs.map(([name, input]) => h("li", {}, input, nameNode(name))));
    this.#check();
    this.box.hidden = false;
    (keys.always ? this.inputs[0]?.[1] : keys.fixed ? this.fixed : this.likely)?.focus();
  }

  close() {
    this.box.hidden = true;
    this.root.focus({ preventScroll: true });
  }

  /** Say what is wrong with the keys as they stand; "" = nothing. */
  #check() {
    const owner = new Map();
    let error = "";
    for (const [name, input] of this.inputs) {
      const key = input.value.toLowerCase();
      const wrong = !key
        ? ""
        : !/^[a-z0-9]$/.test(key)
          ? `The key of ${name} must be a digit or a letter.`
          : this.keys.commands.has(key)
            ? `${input.value} is a command of this page.`
            : owner.has(key)
              ? `${input.value} is the key of ${owner.get(key)} already.`
              : "";
      owner.set(key, name);
      input.setAttribute("aria-invalid", String(Boolean(wrong)));
      error ||= wrong;
    }
    this.error.textContent = error;
    show(this.error, Boolean(error));
    return error;
  }

  #submit() {
    if (this.#check()) return;
    const keys = Object.fromEntries(this.inputs.map(([name, input]) => [name, input.value.toLowerCase()]));
    this.save({ fixed: this.keys.always ? this.keys.chosen : this.fixed.checked, keys });
    this.close();
  }
}
