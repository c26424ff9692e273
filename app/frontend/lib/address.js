/**
 * What a surface chose by itself, such as an order, in the page's address: a copied link shows the same. Streamlit does
 * not know of it; `keepHistory` in live.js keeps it there when a filter changes.
 */
export function inAddress(name, value) {
  const url = new URL(window.location.href);
  if (value) url.searchParams.set(name, value);
  else url.searchParams.delete(name);
  const kept = window.history.winnow;
  if (kept) {
    if (kept.path !== url.pathname) Object.assign(kept, { path: url.pathname, own: {} });
    kept.own[name] = value;
  }
  window.history.replaceState(window.history.state, "", url);
}
