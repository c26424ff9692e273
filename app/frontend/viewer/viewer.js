/**
 * The picture viewer: one picture over the whole window, with wheel zoom and pan, beside a copy or neighbour or as the
 * difference from it, brighter or darker, smooth or with hard pixels; where its file lies, its size, its EXIF.
 *
 * It is a <dialog> of the document, so that the page under it hears no keys; in it is a shadow root with its own style.
 */

import { Api } from "../lib/api.js";
import { count, h, icon, score, setText, show, verdictOf } from "../lib/dom.js";
import { keyOf, take } from "../lib/keys.js";
import { nameNode, setName } from "../lib/names.js";
import { difference, fitted, panned, zoomed } from "./geometry.js";

const PIXELATED_BELOW = 160; // an original side below this is enlarged with hard pixels, as on the review card
const STEP = 1.25; // one turn of the wheel, one press of + or −
const PAN = 60; // CSS pixels for an arrow key
const COMPARED = 512; // longest side at which two pictures are compared in numbers
const KEPT = [
  "--st-background-color",
  "--st-secondary-background-color",
  "--st-text-color",
  "--st-primary-color",
  "--st-link-color",
  "--st-font",
  "--st-green-text-color",
  "--st-red-text-color",
  "--st-orange-text-color",
];
const MODES = [
  ["one", "One", "1 picture"],
  ["side", "Side by side", "S"],
  ["difference", "Difference", "D"],
];

const styles = ["../lib/common.css", "./viewer.css"].map((path) => new URL(path, import.meta.url));
let sheets = null;

/** The style, loaded with the first picture that is looked at. */
async function loadStyle() {
  sheets ??= Promise.all(
    styles.map(async (url) => {
      const sheet = new CSSStyleSheet();
      await sheet.replace(await (await fetch(url)).text());
      return sheet;
    }),
  );
  return sheets;
}

const bytes = (n) =>
  n < 1024 ? `${n} B` : n < 1048576 ? `${(n / 1024).toFixed(1)} KB` : `${(n / 1048576).toFixed(1)} MB`;

/** One picture in a frame that the view moves; a second one over it for the difference. */
class Pane {
  constructor() {
    this.image = h("img", { alt: "", draggable: false });
    this.over = h("img.over", { alt: "", draggable: false, hidden: true });
    this.frame = h("div.frame", {}, this.image, this.over);
    this.label = h("span.which", {});
    this.node = h("div.pane", {}, this.frame, this.label);
  }

  place({ scale, x, y }, { width, height }) {
    const { style } = this.frame;
    style.width = `${width * scale}px`;
    style.height = `${height * scale}px`;
    style.transform = `translate(-50%, -50%) translate(${x}px, ${y}px)`;
  }
}

class Viewer {
  constructor(source, api, verdicts) {
    Object.assign(this, { api, verdicts });
    this.#build(source);
    this.mode = "one";
    this.other = null;
    this.hard = null; // hard pixels: as the size of the picture asks for, until the person chooses
  }

  #build(source) {
    this.dialog = h("dialog", { "aria-label": "Picture" });
    Object.assign(this.dialog.style, {
      position: "fixed",
      inset: "0",
      width: "100vw",
      height: "100vh",
      maxWidth: "none",
      maxHeight: "none",
      margin: "0",
      padding: "0",
      border: "0",
    });
    const host = h("div", { style: { width: "100%", height: "100%" } });
    const theme = getComputedStyle(source);
    for (const name of KEPT) host.style.setProperty(name, theme.getPropertyValue(name));
    this.dialog.style.colorScheme = theme.colorScheme;
    this.root = host.attachShadow({ mode: "open" });
    this.dialog.append(host);

    this.name = nameNode("", "strong");
    this.said = h("span.chip", {}, (this.dot = h("span.dot", {})), (this.saidText = h("span.ellipsis", {})));
    const tool = (cls, title, does, ...inside) => h(`button${cls}`, { type: "button", title, onclick: does }, inside);
    this.modes = MODES.map(([mode, words, key]) =>
      tool(
        "",
        `${words} (${key})`,
        () => this.setMode(mode),
        words,
        key.length === 1 ? h("kbd", { textContent: key }) : "",
      ),
    );
    this.percent = h("output.percent", { "aria-live": "off" });
    this.brightness = h("input", { type: "range", min: "0.2", max: "5", step: "0.1", value: "1" });
    this.brightness.setAttribute("aria-label", "Brightness");
    this.brightness.oninput = () => this.#draw();
    this.pixels = tool(
      "",
      "Hard pixels, or smooth (P)",
      () => this.#toggleHard(),
      icon("grid_on"),
      h("kbd", { textContent: "P" }),
    );
    this.pixels.setAttribute("aria-label", "Hard pixels");
    this.facts = tool(
      "",
      "About the file (I)",
      () => this.#toggleFacts(),
      icon("info"),
      h("kbd", { textContent: "I" }),
    );
    this.facts.setAttribute("aria-label", "About the file");
    this.shut = tool(
      ".quiet",
      "Close (Esc)",
      () => this.dialog.close(),
      icon("close"),
      h("kbd", { textContent: "Esc" }),
    );
    this.shut.setAttribute("aria-label", "Close");
    const zoomTool = (title, does, glyph) => {
      const button = tool(".quiet", title, does, icon(glyph));
      button.setAttribute("aria-label", title);
      return button;
    };
    const bar = h(
      "header",
      { role: "toolbar", "aria-label": "How the picture is shown" },
      this.name,
      this.said,
      h("span.gap", {}),
      h("span.group", { role: "group", "aria-label": "Compare" }, this.modes),
      h(
        "span.group",
        { role: "group", "aria-label": "Zoom" },
        zoomTool("Smaller (−)", () => this.zoom(1 / STEP), "zoom_out"),
        this.percent,
        zoomTool("Larger (+)", () => this.zoom(STEP), "zoom_in"),
        zoomTool("Fit (0)", () => this.fit(), "fit_screen"),
      ),
      h("label.group", { title: "Brightness" }, icon("brightness_6"), this.brightness),
      this.pixels,
      this.facts,
      this.shut,
    );
    this.panes = [new Pane(), new Pane()];
    this.stage = h(
      "div.stage",
      { tabIndex: 0, role: "img", "aria-label": "Picture" },
      this.panes.map((p) => p.node),
      (this.note = h("p.note", { role: "status", hidden: true })),
    );
    this.aside = h("aside", { tabIndex: 0, role: "region", "aria-label": "About the file", hidden: true });
    this.strip = h("nav", { "aria-label": "Compare with" });
    this.view = { scale: 1, x: 0, y: 0 };
    this.size = { width: 1, height: 1 };
    this.root.append(h("section.wn.viewer", {}, bar, h("div.body", {}, this.stage, this.aside), this.strip));
    this.#listen();
  }

  #listen() {
    this.dialog.addEventListener("keydown", (event) => this.#key(event));
    this.dialog.addEventListener("close", () => {
      this.sizes.disconnect();
      this.dialog.remove();
      current = null;
    });
    this.stage.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const box = this.#paneAt(event).getBoundingClientRect();
        const turns = -event.deltaY / (event.deltaMode ? 3 : 100); // lines or pixels
        this.zoom(
          STEP ** Math.max(-3, Math.min(3, turns)),
          event.clientX - box.left - box.width / 2,
          event.clientY - box.top - box.height / 2,
        );
      },
      { passive: false },
    );
    this.stage.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      this.stage.setPointerCapture(event.pointerId);
      this.dragged = { x: event.clientX, y: event.clientY };
    });
    this.stage.addEventListener("pointermove", (event) => {
      if (!this.dragged) return;
      this.pan(event.clientX - this.dragged.x, event.clientY - this.dragged.y);
      this.dragged = { x: event.clientX, y: event.clientY };
    });
    for (const type of ["pointerup", "pointercancel"]) this.stage.addEventListener(type, () => (this.dragged = null));
    this.stage.addEventListener("dblclick", () => (this.fits ? this.zoom(1 / this.view.scale) : this.fit()));
    this.sizes = new ResizeObserver(() => (this.fits ? this.fit() : this.#draw()));
    this.sizes.observe(this.stage);
  }

  #paneAt(event) {
    const second = this.panes[1].node;
    return this.mode === "side" && event.clientX >= second.getBoundingClientRect().left ? second : this.panes[0].node;
  }

  // ── what is shown ────────────────────────────────────────────────────────────────────────────────────────────

  /** Look at a sample. `like`: the id of the picture to begin beside, if there is one. */
  async open(id, beside = null) {
    this.id = id;
    this.root.host.dataset.sample = id;
    this.root.adoptedStyleSheets = await loadStyle();
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.stage.focus({ preventScroll: true });
    this.dialog.dataset.state = "loading";
    setName(this.name, id);
    show(this.said, false);
    try {
      this.about = await this.api.get("picture", { id });
    } catch (error) {
      this.#say(error.message);
      this.dialog.dataset.state = "error";
      return;
    }
    const { about } = this;
    const v = verdictOf(this.verdicts, about.verdict);
    this.dot.style.setProperty("--c", v.colour);
    this.said.style.setProperty("--c", v.colour);
    setText(this.saidText, `${about.label ?? "no label"} · ${v.name}`);
    show(this.said, true);
    this.#fillFacts();
    this.#fillStrip();
    if (!about.file || !about.file.format) {
      this.#say(about.why || "The file is no image that can be read.");
      this.dialog.dataset.state = "error";
      return;
    }
    await this.#load(this.panes[0].image, about);
    const { naturalWidth: width, naturalHeight: height } = this.panes[0].image;
    if (width) this.size = { width, height };
    if (!about.drawn)
      this.#say(`Browsers draw no ${about.file.format} files: this is the preview, ${width} × ${height}.`);
    const first = about.others.find((o) => o.id === beside);
    if (first) this.compare(first, "side");
    else this.setMode("one");
    this.dialog.dataset.state = "ready";
  }

  /** Load a picture into an <img>: its file where browsers draw it, else its thumbnail. */
  async #load(image, sample) {
    const tries = sample.drawn === false ? [sample.thumb] : [sample.image, sample.thumb];
    for (const url of tries) {
      image.src = url;
      try {
        await image.decode();
        return;
      } catch {
        /* the next one */
      }
    }
  }

  #say(text) {
    setText(this.note, text);
    show(this.note, Boolean(text));
  }

  setMode(mode) {
    if (mode !== "one" && !this.other) {
      const [first] = this.about?.others ?? [];
      if (!first) return this.#say("There is nothing to compare this picture with.");
      return this.compare(first, mode);
    }
    this.mode = mode;
    this.dialog.dataset.mode = mode;
    MODES.forEach(([name], i) => this.modes[i].setAttribute("aria-pressed", String(name === mode)));
    const [first, second] = this.panes;
    show(second.node, mode === "side");
    show(first.over, mode === "difference");
    const named = (sample) => `${sample.label ?? "no label"} · ${sample.id}`;
    setText(
      first.label,
      mode === "difference" ? `Difference from ${named(this.other)}` : mode === "side" ? named(this.about) : "",
    );
    setText(second.label, mode === "side" ? named(this.other) : "");
    this.stage.setAttribute(
      "aria-label",
      mode === "one"
        ? `Picture ${this.id}`
        : `Picture ${this.id} and ${this.other.id}, ${mode === "side" ? "side by side" : "as their difference"}`,
    );
    if (mode === "difference") this.#measure();
    else if (this.about?.drawn) this.#say("");
    for (const button of this.strip.querySelectorAll("button"))
      button.setAttribute("aria-pressed", String(mode !== "one" && button.dataset.id === this.other?.id));
    return this.fits === false ? this.#draw() : this.fit();
  }

  /** Compare with another picture: beside it, or as the difference where that is shown now. */
  async compare(other, mode = this.mode === "one" ? "side" : this.mode) {
    this.other = other;
    const [first, second] = this.panes;
    await Promise.all([this.#load(second.image, other), this.#load(first.over, other)]);
    if (this.other === other) this.setMode(mode);
  }

  /** How far the two pictures differ, in numbers. */
  #measure() {
    const [first] = this.panes;
    const { naturalWidth, naturalHeight } = first.image;
    const scale = Math.min(1, COMPARED / Math.max(naturalWidth, naturalHeight, 1));
    const [width, height] = [
      Math.max(1, Math.round(naturalWidth * scale)),
      Math.max(1, Math.round(naturalHeight * scale)),
    ];
    const pixels = [first.image, first.over].map((image) => {
      const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
      context.fillStyle = "#fff";
      context.fillRect(0, 0, width, height);
      context.drawImage(image, 0, 0, width, height);
      return context.getImageData(0, 0, width, height).data;
    });
    const { mean, share } = difference(...pixels);
    const same = first.image.naturalWidth === first.over.naturalWidth && naturalHeight === first.over.naturalHeight;
    const resized = same ? "" : " after scaling to one size";
    this.#say(
      mean === 0
        ? `Every pixel is the same${resized}.`
        : `Mean difference ${mean.toFixed(1)} of 255; ${(100 * share).toFixed(1)}% of the pixels differ${resized}.`,
    );
  }

  // ── zoom and pan ─────────────────────────────────────────────────────────────────────────────────────────────

  get #pane() {
    const { clientWidth, clientHeight } = this.panes[0].node;
    return { width: Math.max(1, clientWidth - 16), height: Math.max(1, clientHeight - 16) };
  }

  fit() {
    this.fits = true;
    this.view = fitted(this.size, this.#pane);
    this.#draw();
  }

  zoom(factor, x = 0, y = 0) {
    this.fits = false;
    this.view = panned(zoomed(this.view, factor, x, y, this.size), 0, 0, this.size, this.#pane);
    this.#draw();
  }

  pan(dx, dy) {
    this.fits = false;
    this.view = panned(this.view, dx, dy, this.size, this.#pane);
    this.#draw();
  }

  #draw() {
    for (const pane of this.panes) pane.place(this.view, this.size);
    const hard = this.hard ?? Math.max(this.size.width, this.size.height) < PIXELATED_BELOW;
    this.stage.classList.toggle("pixelated", hard);
    this.pixels.setAttribute("aria-pressed", String(hard));
    this.stage.style.setProperty("--brightness", this.brightness.value);
    setText(this.percent, `${count(this.view.scale * 100)}%`);
  }

  #toggleHard() {
    this.hard = this.pixels.getAttribute("aria-pressed") !== "true";
    this.#draw();
  }

  // ── the file, and what to compare with ───────────────────────────────────────────────────────────────────────

  #toggleFacts() {
    show(this.aside, this.aside.hidden);
    this.facts.setAttribute("aria-pressed", String(!this.aside.hidden));
  }

  #fillFacts() {
    const { about } = this;
    const file = about.file || {};
    const rows = [
      ["Sample", about.id],
      ["File", about.path || (about.file ? "inside the table" : null)],
      ["Format", file.format ? [file.format, file.mode].filter(Boolean).join(", ") : "unknown"],
      ["Pixels", file.width ? `${count(file.width)} × ${count(file.height)}` : null],
      ["Size", file.n_bytes === undefined ? null : bytes(file.n_bytes)],
    ];
    const list = (pairs) =>
      h(
        "dl",
        {},
        pairs
          .filter(([, value]) => value)
          .map(([name, value]) => [h("dt", { textContent: name }), h("dd", { textContent: value, dir: "auto" })]),
      );
    const exif = file.exif ?? [];
    this.aside.replaceChildren(
      h("h2", { textContent: "File" }),
      list(rows),
      h("h2", { textContent: "EXIF" }),
      exif.length ? list(exif) : h("p.muted", { textContent: "The file has no EXIF tags." }),
    );
  }

  #fillStrip() {
    const { others } = this.about;
    show(this.strip, others.length > 0);
    this.strip.replaceChildren(
      h("span.muted", { textContent: "Compare with" }),
      ...others.map((other, i) => {
        const what = other.what === "look-alike" ? "Look-alike" : `Distance ${score(other.distance)}`;
        const picture = h("img", { src: other.thumb, alt: "", draggable: false });
        picture.onerror = () => picture.removeAttribute("src");
        const button = h(
          "button.other",
          {
            type: "button",
            title: `${what}: ${other.label ?? "no label"} · ${other.id}`,
            "aria-label": `Compare with ${other.what} ${i + 1}: ${other.label ?? "no label"}`,
            "aria-pressed": "false",
            onclick: () => (this.mode !== "one" && this.other === other ? this.setMode("one") : this.compare(other)),
          },
          picture,
          h("span.line", {}, i < 9 ? h("kbd", { textContent: i + 1 }) : "", nameNode(other.label ?? "no label")),
          h("span.line.muted", { textContent: what }),
        );
        button.dataset.id = other.id;
        return button;
      }),
    );
  }

  // ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #key(event) {
    event.stopPropagation(); // the page under the viewer hears nothing
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = keyOf(event);
    const onSlider = event.composedPath()[0] === this.brightness;
    if (key.startsWith("Arrow") && (onSlider || this.aside.contains(event.composedPath()[0]))) return;
    const table = {
      Escape: () => this.dialog.close(),
      z: () => this.dialog.close(),
      "+": () => this.zoom(STEP),
      "=": () => this.zoom(STEP),
      "-": () => this.zoom(1 / STEP),
      0: () => this.fit(),
      ArrowLeft: () => this.pan(PAN, 0),
      ArrowRight: () => this.pan(-PAN, 0),
      ArrowUp: () => this.pan(0, PAN),
      ArrowDown: () => this.pan(0, -PAN),
      s: () => this.setMode(this.mode === "side" ? "one" : "side"),
      d: () => this.setMode(this.mode === "difference" ? "one" : "difference"),
      p: () => this.#toggleHard(),
      i: () => this.#toggleFacts(),
    };
    const nth = /^[1-9]$/.test(key) && this.about?.others[Number(key) - 1];
    const does = nth ? () => this.compare(nth) : table[key];
    if (!does) return;
    take(event);
    does();
  }
}

let current = null;

/**
 * Look at a sample's picture.
 * @param {Element} source  whose theme it takes
 * @param {Api} api  @param {object} verdicts  colours and names
 * @param {string} id
 * @param {string | null} beside  the id of a copy or neighbour to begin beside
 */
export function openPicture(source, api, verdicts, id, beside = null) {
  current?.dialog.close();
  current = new Viewer(source, api, verdicts);
  return current.open(id, beside);
}

/** The same from HTML of the server. `routes`: {api, ws, token} */
export const openWith = (source, routes, verdicts, id) => openPicture(source, new Api(routes), verdicts, id);
