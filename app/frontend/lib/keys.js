/** Keys of a surface: what was pressed, and whether it is the surface's own. */

/** The name of a key, letters in lower case. */
export const keyOf = (event) => (event.key.length === 1 ? event.key.toLowerCase() : event.key);

/** Nobody else hears of this event. */
export function take(event) {
  event.preventDefault();
  event.stopPropagation();
}

/**
 * Do what a table of keys says; a key that is held down does it once.
 * @param {Record<string, () => void>} table
 * @returns {boolean} whether the key stands in the table
 */
export function runKey(event, table) {
  const does = table[keyOf(event)];
  if (!does) return false;
  take(event);
  if (!event.repeat) does();
  return true;
}
