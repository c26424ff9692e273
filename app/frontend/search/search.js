/**
 * The search box in the sidebar: words ("a red car but not at night"), or a file that is brought by its button, by
 * dropping it or by pasting it. Ctrl-K goes there from everywhere, / too where a page has no other use for it.
 */

import { isTyping, setText } from "../lib/dom.js";
import { Api } from "../lib/api.js";

const SIDE = 640; // pixels of the longer side that a picture is sent with: more than any encoder looks at
const TEXT = 20000; // characters of a text that count

/**
 * @param {HTMLElement} root  the sidebar  @param {object} data  {api, ws, token, takes}  @param {(value: object) =>
 * void} go
 */
export default function wire(root, data, go) {
  if (root.searching) {
    root.searching.update(data);
    return;
  }
  root.searching = new SearchBox(root, data, go);
}

class SearchBox {
  constructor(root, data, go) {
    Object.assign(this, { root, go });
    this.api = new Api(data);
    this.update(data);
    root.addEventListener("submit", (event) => this.#submit(event));
    root.addEventListener("click", (event) => {
      if (event.target.closest("[data-bring]")) this.root.querySelector("[data-file]").click();
    });
    root.addEventListener("change", (event) => {
      if (event.target.matches("[data-file]")) {
        this.#bring(event.target.files[0]);
        event.target.value = "";
      }
    });
    root.addEventListener("paste", (event) => {
      if (this.#isBox(event) && event.clipboardData.files[0]) {
        event.preventDefault();
        this.#bring(event.clipboardData.files[0]);
      }
    });
    root.addEventListener("dragover", (event) => {
      if (this.#isBox(event) && this.data.takes) event.preventDefault();
    });
    root.addEventListener("drop", (event) => {
      if (this.#isBox(event) && event.dataTransfer.files[0]) {
        event.preventDefault();
        this.#bring(event.dataTransfer.files[0]);
      }
    });
    root.addEventListener("focusin", (event) => {
      if (event.target === this.box) this.#warm();
    });
    this.onKey = (event) => this.#key(event);
    window.addEventListener("keydown", this.onKey);
    root.dataset.searching = "ready";
  }

  update(data) {
    this.data = data;
    this.api.update(data);
  }

  get box() {
    return this.root.querySelector("[data-search] input[name=find]");
  }

  #isBox(event) {
    return Boolean(event.target.closest?.("[data-search]"));
  }

  #key(event) {
    if (!this.root.isConnected) {
      window.removeEventListener("keydown", this.onKey);
      return;
    }
    const ctrlK =
      (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k";
    const slash = event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event);
    if (!this.box || event.defaultPrevented || !(ctrlK || slash)) return;
    event.preventDefault();
    this.box.focus();
    this.box.select();
  }

  /** The encoder is loaded while the first words are typed. */
  #warm() {
    if (this.warmed === this.data.ws) return;
    this.warmed = this.data.ws;
    this.api.get("warm", null, { timeout: 120000 }).catch(() => {
      this.warmed = null;
    }); // the search itself says what is wrong
  }

  #say(text) {
    setText(this.root.querySelector("[data-search-said]"), text);
  }

  #submit(event) {
    if (!this.#isBox(event)) return;
    event.preventDefault();
    this.#send({ do: "search", words: this.box.value });
  }

  /**
   * Ask the page. What is sent while the page is still being drawn can get lost: it is sent again until it was
   * heard.
   */
  #send(value, tries = 4) {
    clearTimeout(this.again);
    const html = this.root.__html; // what was drawn when it was asked: an answer draws it anew
    this.#say("Searching…");
    this.go(value);
    this.again = setTimeout(() => {
      if (!this.root.isConnected || this.root.__html !== html) return;
      if (tries > 1) this.#send(value, tries - 1);
      else this.#say("");
    }, 2000);
  }

  async #bring(file) {
    if (!file || !this.data.takes) return;
    this.#say(`Reading ${file.name}…`);
    try {
      const bytes =
        this.data.takes === "image" ? await small(file) : new TextEncoder().encode((await file.text()).slice(0, TEXT));
      const { file: handle } = await this.api.post("bring", { data: base64(bytes) }, { timeout: 120000 });
      this.#send({ do: "search", file: handle });
    } catch (error) {
      this.#say(error.message || "This file cannot be read.");
    }
  }
}

/** A picture's bytes, made small in the browser: what is sent is what is looked at. */
async function small(file) {
  let picture;
  try {
    picture = await createImageBitmap(file);
  } catch {
    throw new Error("The browser cannot read this file as a picture.");
  }
  const scale = Math.min(1, SIDE / Math.max(picture.width, picture.height));
  const canvas = new OffscreenCanvas(
    Math.max(1, Math.round(picture.width * scale)),
    Math.max(1, Math.round(picture.height * scale)),
  );
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
}

function base64(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}
