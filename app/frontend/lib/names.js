/** Names of classes, ids and paths: where there is too little room, the middle is left out, and the end stays. */

const KEPT_WHOLE = 24; // characters up to which a name is cut at its end only
const TAIL = 8; // characters at the end of a longer name that stay visible

/**
 * Split a long name into a part that may be cut and its end. The server's templates do the same: `split_name` in
 * app/components/html.py.
 * @returns {[string, string]}
 */
export function splitName(text) {
  const letters = Array.from(text);
  if (letters.length <= KEPT_WHOLE) return [text, ""];
  const at = letters.length - TAIL;
  const space = letters.indexOf(" ", at - TAIL / 2);
  const word = space >= 0 && space < letters.length - 1 ? space + 1 : at;
  return [letters.slice(0, word).join(""), letters.slice(word).join("")];
}

/** Write a name into a `bdi.mid` node; a name that is there already stays. */
export function setName(node, text, title = text) {
  const value = text === null || text === undefined ? "" : String(text);
  node.title = title ?? "";
  if (node.dataset.name === value) return node;
  node.dataset.name = value;
  node.replaceChildren(
    ...splitName(value)
      .filter(Boolean)
      .map((part) => {
        const span = document.createElement("span");
        span.textContent = part;
        return span;
      }),
  );
  return node;
}

/** A node that shows a name. */
export function nameNode(text = "", cls = "") {
  const node = document.createElement("bdi");
  node.className = cls ? `mid ${cls}` : "mid";
  node.dir = "auto";
  return setName(node, text);
}
