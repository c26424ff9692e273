/**
 * Server-rendered HTML with live parts. Elements carry `data-go` (JSON); a click, or a change of an input, sends it to
 * Python as one trigger. Focus, open <details>, scroll positions and half-typed searches survive a new rendering.
 */
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let root = parentElement.querySelector(":scope > .w-live");
  if (!root) {
    root = document.createElement("div");
    root.className = "w-live";
    parentElement.appendChild(root);
  }
  // dialogs hang beside the app, outside the element that Streamlit gives its theme: they take it from the document
  const app = document.querySelector(".stApp");
  if (app) document.documentElement.style.colorScheme = getComputedStyle(app).colorScheme;
  root.__go = (value) => setTriggerValue("go", { ...value, at: Date.now() });
  if (root.__html !== data.html) render(root, data.html);
  if (!root.__wired) wire(root);
  root.__wired = true;
  if (data.cookie && root.__cookie !== data.cookie) document.cookie = root.__cookie = data.cookie;
  keepHistory();
  if (data.watch) watch(root, data.watch);
  root.__viewer = data.viewer;
  if (data.search)
    import(new URL(data.search.module, document.baseURI).href).then((m) =>
      m.default(root, data.search, (value) => root.__go(value)),
    );
  return () => {};
}

/** A sample's picture in the viewer. */
async function look(root, id) {
  const { module, verdicts, ...routes } = root.__viewer;
  const { openWith } = await import(new URL(module, document.baseURI).href);
  openWith(root, routes, verdicts, id);
}

/**
 * Going to another page with another filter is one step in the browser's history. Streamlit takes two, and writes the
 * new query under the old page first, so that Back would come to the old page with the new filter. And what a surface
 * has written into the address by itself (lib/address.js) stays when Streamlit writes the filter there.
 */
function keepHistory() {
  if (window.history.winnow) return;
  window.history.winnow = { path: "", own: {} };
  const push = window.history.pushState.bind(window.history);
  let query = { search: null, at: 0 }; // the last change of the query alone
  window.history.pushState = (state, title, url) => {
    const to = new URL(url ?? "", window.location.href);
    if (to.pathname === window.location.pathname) {
      const { path, own } = window.history.winnow;
      if (path === to.pathname)
        for (const [name, value] of Object.entries(own))
          if (value && !to.searchParams.has(name)) to.searchParams.set(name, value);
      query = { search: to.search, at: performance.now() };
      push(state, title, to.href);
    } else if (query.search === to.search && performance.now() - query.at < SAME_STEP) {
      window.history.replaceState(state, title, url);
    } else push(state, title, url);
  };
}

const SAME_STEP = 5000; // ms between the two, on a slow machine
const LOOK_EVERY = 3000; // ms between looks at what others decided

/** Ask what others decided since the page was drawn, say so in [data-others], and tell the page's surfaces. */
function watch(root, { url, token, since, classes, actor }) {
  clearTimeout(root.__looking);
  const state = { since, classes, token, by: new Map(), changed: false };
  const say = () => {
    const el = root.querySelector("[data-others]");
    if (!el) return;
    const who = [...state.by].map(([name, n]) => `${name} decided ${n.toLocaleString("en-US")}`);
    if (state.changed) who.push("classes changed");
    el.hidden = who.length === 0;
    const text = el.querySelector("[data-said]");
    if (text) text.textContent = who.slice(0, 2).join(", ") + (who.length > 2 ? "…" : "");
  };
  const look = async () => {
    if (!root.isConnected) return;
    if (!document.hidden) {
      try {
        const answer = await fetch(new URL(`${url}?since=${state.since}`, document.baseURI), {
          headers: { Authorization: `Bearer ${state.token}` },
        });
        state.token = answer.headers.get("X-Winnow-Token") ?? state.token;
        if (answer.ok) {
          const { head, decisions, classes: now, badges } = await answer.json();
          const theirs = decisions.filter((d) => d.actor !== actor);
          for (const d of theirs) state.by.set(d.actor, (state.by.get(d.actor) ?? 0) + 1);
          state.since = head;
          state.changed ||= now !== state.classes;
          if (badges) window.dispatchEvent(new CustomEvent("winnow:badges", { detail: badges }));
          if (theirs.length) window.dispatchEvent(new CustomEvent("winnow:changes", { detail: { decisions: theirs } }));
          say();
        }
      } catch {
        /* the connection is away: the next look tries again */
      }
    }
    root.__looking = setTimeout(look, LOOK_EVERY);
  };
  say();
  root.__looking = setTimeout(look, LOOK_EVERY);
}

function keyed(root, selector) {
  return new Map([...root.querySelectorAll(selector)].map((el) => [el.dataset.k, el]));
}

function render(root, html) {
  const open = new Map([...keyed(root, "details[data-k]")].map(([k, el]) => [k, el.open]));
  const scroll = new Map([...keyed(root, "[data-scroll][data-k]")].map(([k, el]) => [k, el.scrollTop]));
  const typed = new Map([...keyed(root, "input[data-find][data-k]")].map(([k, el]) => [k, el.value]));
  const active = root.contains(document.activeElement) ? document.activeElement : null;
  const focused = active?.dataset.k ?? null;
  const place = active?.closest("[data-card]")
    ? [...root.querySelectorAll("[data-card]")].indexOf(active.closest("[data-card]"))
    : -1;
  // rendered by the server's templates, which escape everything that comes from data; scripts in it do not run
  root.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
  root.__html = html;
  for (const [k, el] of keyed(root, "details[data-k]")) if (open.has(k)) el.open = open.get(k);
  for (const [k, el] of keyed(root, "[data-scroll][data-k]")) el.scrollTop = scroll.get(k) ?? 0;
  for (const [k, el] of keyed(root, "input[data-find][data-k]")) {
    if (typed.get(k)) {
      el.value = typed.get(k);
      find(el);
    }
  }
  if (!active) return;
  const cards = [...root.querySelectorAll("[data-card]")];
  const same = [...root.querySelectorAll("[data-k]")].find((el) => el.dataset.k === focused);
  // a decided card leaves: go on with the next
  (same ?? cards[Math.min(place, cards.length - 1)])?.focus({ preventScroll: true });
}

function find(input) {
  const words = input.value.trim().toLowerCase();
  const list = input.parentElement.querySelector("[data-list]");
  for (const row of list?.children ?? []) row.hidden = words !== "" && !row.textContent.toLowerCase().includes(words);
}

function send(root, el, extra = {}) {
  const picked = "picked" in el.dataset ? { picked: ticked(root).map((box) => box.value) } : {};
  const address = "address" in el.dataset ? { address: window.location.pathname + window.location.search } : {};
  root.__go({ ...JSON.parse(el.dataset.go), ...picked, ...address, ...extra });
}

/**
 * Rows with a ticked box (`input[data-pick]`); a button with `data-picked` acts on them and names how many they
 * are.
 */
function ticked(root) {
  return [...root.querySelectorAll("input[data-pick]:checked")];
}

function recount(root) {
  const boxes = ticked(root);
  const n = boxes.reduce((sum, box) => sum + Number(box.dataset.size || 1), 0);
  for (const el of root.querySelectorAll("[data-picked]")) {
    el.disabled = boxes.length === 0;
    const text = el.querySelector("[data-said]");
    if (text)
      text.textContent = boxes.length ? el.dataset.picked.replace("{n}", n.toLocaleString("en-US")) : el.dataset.none;
  }
}

/** Put the page's address into the clipboard, and say so beside the button for a moment. */
async function copyAddress(button) {
  const said = button.parentElement.querySelector("[data-linked]");
  try {
    await navigator.clipboard.writeText(window.location.href);
    said.textContent = "Link copied";
  } catch {
    // without HTTPS a browser gives no clipboard to pages of other computers
    said.textContent = "Copy it from the address bar";
  }
  setTimeout(() => {
    said.textContent = "";
  }, 2500);
}

/** A range is drawn over a histogram: what is inside stays lit, and is asked for when the pointer is let go. */
function brush(root, el, down) {
  const box = el.getBoundingClientRect();
  const at = (event) => Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  const [low, high] = [Number(el.dataset.low), Number(el.dataset.high)];
  const from = at(down);
  let part = [from, from];
  const move = (event) => {
    part = [Math.min(from, at(event)), Math.max(from, at(event))];
    [...el.querySelectorAll("i")].forEach((bar, i, bars) =>
      bar.classList.toggle("w-out", (i + 1) / bars.length <= part[0] || i / bars.length >= part[1]),
    );
  };
  const up = (event) => {
    el.removeEventListener("pointermove", move);
    if (event.type === "pointerup" && part[1] - part[0] > 0.01)
      send(root, el, { value: part.map((t) => Number((low + t * (high - low)).toPrecision(6))) });
  };
  el.setPointerCapture(down.pointerId);
  el.addEventListener("pointermove", move);
  el.addEventListener("pointerup", up, { once: true });
  el.addEventListener("pointercancel", up, { once: true });
  down.preventDefault();
}

function wire(root) {
  root.addEventListener("click", (event) => {
    if (event.target.closest("[data-help]")) {
      const list = root.querySelector("dialog.w-help");
      if (list) list.open ? list.close() : list.showModal();
      return;
    }
    const picture = event.target.closest("[data-view]");
    if (picture && root.__viewer) return look(root, picture.dataset.view);
    const link = event.target.closest("[data-link]");
    if (link) return copyAddress(link);
    const el = event.target.closest("[data-go]");
    if (!el || el.matches("input, select, [data-brush]")) return;
    if (el.tagName === "A" && (event.metaKey || event.ctrlKey || event.shiftKey || event.button)) return;
    event.preventDefault();
    send(root, el);
  });
  root.addEventListener("pointerdown", (event) => {
    const el = event.target.closest("[data-brush]");
    if (el) brush(root, el, event);
  });
  root.addEventListener("change", (event) => {
    if (event.target.matches("input[data-all]")) {
      for (const box of root.querySelectorAll("input[data-pick]")) box.checked = event.target.checked;
    }
    if (event.target.matches("input[data-pick], input[data-all]")) return recount(root);
    const el = event.target.closest("input[data-go], select[data-go]");
    if (el) send(root, el, { value: el.type === "range" ? Number(el.value) : el.value });
    if (el?.matches("select.w-column")) el.value = "";
  });
  root.addEventListener("input", (event) => {
    const el = event.target;
    if (el.matches("[data-find]")) find(el);
    if (el.matches("[data-zoom]")) {
      const drawing = el.parentElement.parentElement.querySelector("svg");
      drawing.style.width = `${el.value}%`;
      return;
    }
    if (el.matches("input[type=range]")) {
      const shown = el.parentElement.querySelector("output");
      const step = el.dataset.steps && JSON.parse(el.dataset.steps)[Number(el.value)]; // [words, count] per position
      if (step) {
        el.setAttribute("aria-valuetext", step.join(": "));
        el.parentElement.querySelector("[data-yield]").textContent = step[1];
      }
      if (shown) shown.textContent = step ? step[0] : Number(el.value).toFixed(2);
    }
  });
  root.addEventListener("keydown", (event) => {
    const card = event.target.closest?.("[data-card]");
    if (!card || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea"))
      return;
    const key = event.key.toLowerCase();
    const step = { j: 1, arrowdown: 1, k: -1, arrowup: -1 }[key];
    if (step) {
      const cards = [...root.querySelectorAll("[data-card]")];
      const next = cards[cards.indexOf(card) + step];
      if (next) {
        next.focus();
        next.scrollIntoView({ block: "nearest" });
      }
      return event.preventDefault();
    }
    const target = [...card.querySelectorAll("[data-key]")].find((el) => el.dataset.key === key);
    if (target && !target.disabled) {
      event.preventDefault();
      target.click();
    }
  });
  const page = (event) => {
    if (!root.isConnected) return document.removeEventListener("keydown", page);
    if (
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      event.composedPath()[0].closest?.("input, textarea, select, [contenteditable]")
    )
      return;
    if (event.key === "?") root.querySelector("[data-help]")?.click();
    else if (/^[a-ilm-z]$/i.test(event.key))
      [...root.querySelectorAll("[data-page-key]")]
        .find((el) => el.dataset.pageKey === event.key.toLowerCase() && !el.disabled)
        ?.click();
    else if (/^[jk]$/i.test(event.key) && event.target === document.body) root.querySelector("[data-card]")?.focus();
  };
  document.addEventListener("keydown", page);
  // What the JavaScript surfaces say about saving and counting is shown in the page's head.
  const listen = (name, selector) => {
    const hear = (event) => {
      if (!root.isConnected) return window.removeEventListener(name, hear);
      const el = root.querySelector(selector);
      if (!el || typeof event.detail?.text !== "string") return;
      el.textContent = event.detail.text;
      if (event.detail.state) el.dataset.state = event.detail.state;
    };
    window.addEventListener(name, hear);
  };
  const badge = (event) => {
    if (!root.isConnected) return window.removeEventListener("winnow:badges", badge);
    for (const el of root.querySelectorAll("[data-badge]")) {
      const n = event.detail[el.dataset.badge];
      if (n !== undefined) el.textContent = n ? n.toLocaleString("en-US") : "";
    }
  };
  window.addEventListener("winnow:badges", badge);
  listen("winnow:saved", "[data-saved]");
  listen("winnow:count", "[data-count]");
}
