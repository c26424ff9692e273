/** What a surface chose by itself, such as an order, in the page's address: a copied link shows the same. */
export function inAddress(name, value) {
  const url = new URL(window.location.href);
  if (value) url.searchParams.set(name, value);
  else url.searchParams.delete(name);
  window.history.replaceState(window.history.state, "", url);
}
