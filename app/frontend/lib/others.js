/** What other people decide while a page is open: the head asks the server every few seconds and tells the surfaces. */

/**
 * @param {(decisions: {sample_id: string, action: string, label: string|null, actor: string, at: string}[]) =>
 *   void} then
 * @returns {() => void} stop hearing
 */
export function hearOthers(then) {
  const hear = (event) => then(event.detail.decisions);
  window.addEventListener("winnow:changes", hear);
  return () => window.removeEventListener("winnow:changes", hear);
}

/** The decisions in force about one sample, one per person, after another one came. */
export function withTheirs(decisions, theirs) {
  const rest = (decisions || []).filter((d) => d.actor !== theirs.actor);
  return theirs.action === "undo" ? rest : [...rest, theirs];
}
