/** Small helpers for building and showing things. No framework: nodes are made once and then only updated. */

/**
 * Make an element. Strings become text nodes, never markup, so data can never inject HTML.
 * @param {string} tag  "div.class.other#id"
 * @param {object} [props]  properties, plus on* handlers, aria* / data-* / role attributes and `style`
 */
export function h(tag, props = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name || "div");
  if (classes.length) node.className = classes.join(" ");
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "style") Object.assign(node.style, value);
    else if (key === "vars") for (const [v, x] of Object.entries(value)) node.style.setProperty(`--${v}`, x);
    else if (/^(aria-|data-|role$|for$|list$)/.test(key)) node.setAttribute(key, value);
    else node[key] = value;
  }
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

/** A Material symbol from the icon font that Streamlit ships. Decorative: hidden from screen readers. */
export const icon = (name, cls = "") =>
  h(`span.icon${cls ? "." + cls : ""}`, { "aria-hidden": "true", textContent: name });

/** A sentence whose *names between stars* stand out; `name` makes the node of one. */
export function setRich(node, text, name = (part) => h("b", { textContent: part })) {
  if (node.dataset.rich === text) return;
  node.dataset.rich = text;
  node.replaceChildren(...text.split(/\*([^*]+)\*/).map((part, i) => (i % 2 ? name(part) : part)));
}

/** Write text only where it differs, so that an unchanged node causes no layout. */
export function setText(node, text) {
  const value = text === null || text === undefined ? "" : String(text);
  if (node.textContent !== value) node.textContent = value;
}

export const show = (node, on) => {
  if (node.hidden === Boolean(on)) node.hidden = !on;
};

const thousands = new Intl.NumberFormat("en-US");
export const count = (n) => thousands.format(Math.round(n));
export const plural = (n, one, many = one + "s") => `${count(n)} ${n === 1 ? one : many}`;
/** A probability or score: two decimals, as everywhere in the app. */
export const score = (x) => (x === null || x === undefined || Number.isNaN(x) ? "–" : Number(x).toFixed(2));

let relativeTimes = [];
/** Take over the server's table of relative times: [below how many seconds, unit, words][]. */
export const setRelativeTimes = (table) => {
  relativeTimes = table;
};

/** "2 min ago"; the full UTC time belongs into the title. */
export function ago(iso, now = Date.now()) {
  const seconds = Math.max(0, (now - Date.parse(iso)) / 1000);
  const row = relativeTimes.find(([below]) => seconds < below);
  return row ? row[2].replace("{n}", Math.floor(seconds / row[1])) : "";
}

export const ACTIONS = {
  accept: { icon: "check", past: "Kept", does: "Keep label", doing: "Keeping the labels of" },
  relabel: { icon: "sell", past: "Relabelled", does: "Relabel", doing: "Relabelling" },
  exclude: { icon: "block", past: "Excluded", does: "Exclude", doing: "Excluding" },
  suggested: { icon: "auto_fix_high", past: "Took", does: "Take", doing: "Taking" },
  undo: { icon: "undo", past: "Undone", does: "Undo" },
  skip: { icon: "redo", past: "Skipped", does: "Skip" },
};

const NOUNS = { accept: "label", suggested: "suggestion" };

/** What a button that decides about n samples says: "Keep 3 labels", "Exclude 1 sample", "Take 7 suggestions". */
export const bulkWords = (action, n) =>
  `${action === "accept" ? "Keep" : ACTIONS[action].does} ${plural(n, NOUNS[action] || "sample")}`;

/** Colour, icon and plain name of a verdict. `verdicts` comes from the app's one palette. */
export function verdictOf(verdicts, kind) {
  return verdicts[kind] || { name: kind || "Unknown", colour: "#6E6E6E", icon: "help" };
}

/** Whether keys typed now belong to a field, a menu or a dialog rather than to the page. */
export function isTyping(event) {
  const path = event.composedPath();
  const target = path[0];
  if (!(target instanceof Element)) return false;
  if (target.isContentEditable) return true;
  const tag = target.tagName;
  if (tag === "TEXTAREA" || tag === "SELECT") return true;
  if (tag === "INPUT") return !["checkbox", "radio", "button", "range"].includes(target.type);
  return path.some(
    (n) => n instanceof Element && n.matches?.("[data-baseweb=popover],[data-baseweb=menu],[data-testid=stDialog]"),
  );
}

/** Whether the focused element would itself answer to Space, Enter or the arrows. */
export function isInteractive(event) {
  const target = event.composedPath()[0];
  return (
    target instanceof Element &&
    target.matches("button,a[href],input,select,summary,[role=button],[role=slider],[role=tab],[role=option]")
  );
}

/**
 * Let an element fill the window from its top edge to the bottom, whatever stands above it, and re-fit when that
 * changes. Streamlit gives components no height of their own. Returns a function that stops it.
 */
export function fillHeight(node, { bottom = 12, min = 420 } = {}) {
  const scroller = node.getRootNode().host?.closest("[data-testid=stMain]") || document.scrollingElement;
  const fit = () => {
    const top = node.getBoundingClientRect().top + (scroller?.scrollTop || 0);
    const height = Math.max(min, window.innerHeight - top - bottom);
    const value = `${Math.floor(height)}px`;
    if (node.style.height !== value) node.style.height = value;
    // whatever stands below (the page's own padding) must not make the page scroll either
    const over = scroller ? scroller.scrollHeight - scroller.clientHeight : 0;
    if (over > 0 && over < 64 && height - over >= min) node.style.height = `${Math.floor(height - over)}px`;
  };
  fit();
  const observer = new ResizeObserver(fit);
  observer.observe(document.body);
  const block = node.getRootNode().host?.closest("[data-testid=stMainBlockContainer]");
  if (block) observer.observe(block);
  window.addEventListener("resize", fit);
  return () => {
    observer.disconnect();
    window.removeEventListener("resize", fit);
  };
}

/** Buttons pressed with the mouse keep the focus where it was, so that Space stays the page's key. */
export function keepFocus(root) {
  root.addEventListener("mousedown", (event) => {
    const target = event.composedPath()[0];
    if (target instanceof Element && target.closest("button") && !target.closest("input,textarea,select"))
      event.preventDefault();
  });
}

/** Give the surface the keys, unless the person is busy in a filter or a field. */
export function takeFocus(root) {
  if (!document.activeElement?.matches("input, select, textarea")) root.focus({ preventScroll: true });
}
