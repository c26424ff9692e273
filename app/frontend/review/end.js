/** What stands where the card was once a queue has no more: what was done, and where to go on. */

import { count, h, plural } from "../lib/dom.js";

/**
 * @param {{cards: number, decided: number, skipped: string[], blind: boolean}} state  of the queue: cards it held,
 *   decisions in force, samples that were skipped, whether it is the audit's
 * @param {object} on  go(page), again(ids), undo()
 * @returns {[string, string, string, ...HTMLElement[]]} icon, title, text and buttons of a message
 */
export function endOfQueue({ cards, decided, skipped, blind }, on) {
  const choice = (text, does, cls = "") => h(`button${cls}`, { type: "button", onclick: does }, text);
  const onwards = (cls) =>
    blind
      ? choice("What the audit says", () => on.go("overview"), cls)
      : choice("Choose another queue", () => on.go("queues"), cls);
  if (!cards)
    return [
      "inbox",
      "Nothing is waiting here",
      blind
        ? "All samples of this audit are judged. Overview says what follows from them, and draws another."
        : "No sample matches these filters, or all of them are decided. Choose another queue, or take a filter away.",
      onwards(".primary"),
    ];
  const others = skipped.length
    ? `, ${count(skipped.length)} skipped. Skipped samples stay undecided.`
    : ". Everything you decided is in the log and can be undone.";
  return [
    "task_alt",
    skipped.length ? "You have seen them all" : blind ? "The audit is done" : "This queue is done",
    `${plural(decided, "decision")} in this session${others}`,
    ...(skipped.length
      ? [choice(`Go through ${plural(skipped.length, "skipped sample")}`, () => on.again(skipped), ".primary")]
      : []),
    onwards(skipped.length ? "" : ".primary"),
    choice("Export", () => on.go("export")),
    choice("Undo the last", () => on.undo()),
  ];
}
