/** What stands where the card was once a queue has no more: what was done, and where to go on. */

import { count, h, plural } from "../lib/dom.js";

/**
 * @param {{cards: number, decided: number, skipped: string[]}} state  of the queue: cards it held, decisions in force,
 *   samples that were skipped
 * @param {object} on  go(page), again(ids), undo()
 * @returns {[string, string, string, ...HTMLElement[]]} icon, title, text and buttons of a message
 */
export function endOfQueue({ cards, decided, skipped }, on) {
  const choice = (text, does, cls = "") => h(`button${cls}`, { type: "button", onclick: does }, text);
  if (!cards)
    return [
      "inbox",
      "Nothing is waiting here",
      "No sample matches these filters, or all of them are decided. Choose another queue, or take a filter away.",
      choice("Choose another queue", () => on.go("queues"), ".primary"),
    ];
  const others = skipped.length
    ? `, ${count(skipped.length)} skipped. Skipped samples stay undecided.`
    : ". Everything you decided is in the log and can be undone.";
  return [
    "task_alt",
    skipped.length ? "You have seen them all" : "This queue is done",
    `${plural(decided, "decision")} in this session${others}`,
    ...(skipped.length
      ? [choice(`Go through ${plural(skipped.length, "skipped sample")}`, () => on.again(skipped), ".primary")]
      : []),
    choice("Choose another queue", () => on.go("queues"), skipped.length ? "" : ".primary"),
    choice("Export", () => on.go("export")),
    choice("Undo the last", () => on.undo()),
  ];
}
