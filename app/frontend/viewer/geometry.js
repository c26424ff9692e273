/** Where a picture lies in a pane: {scale (the pane's pixels per pixel of the picture), x, y (its centre)}. */

export const SMALLEST = 0.02;
export const LARGEST = 64;
const WIDEST = 30000; // CSS pixels of an enlarged picture: browsers draw no more

const largest = (size) => Math.min(LARGEST, Math.max(1, WIDEST / Math.max(size.width, size.height)));

/** The whole picture in the middle of the pane, as large as it fits. */
export function fitted(size, pane) {
  const scale = Math.min(pane.width / size.width, pane.height / size.height);
  return { scale: Math.min(largest(size), Math.max(SMALLEST, scale)), x: 0, y: 0 };
}

/** Enlarged by a factor, while the point at (px, py), counted from the pane's centre, stays where it is. */
export function zoomed(view, factor, px, py, size) {
  const scale = Math.min(largest(size), Math.max(SMALLEST, view.scale * factor));
  const ratio = scale / view.scale;
  return { scale, x: px - (px - view.x) * ratio, y: py - (py - view.y) * ratio };
}

/** Moved by some pixels of the pane, but never so far that the picture leaves it. */
export function panned(view, dx, dy, size, pane) {
  const far = (extent, room) => (extent * view.scale + room) / 2 - 24;
  const within = (at, most) => Math.min(Math.max(0, most), Math.max(-Math.max(0, most), at));
  return {
    scale: view.scale,
    x: within(view.x + dx, far(size.width, pane.width)),
    y: within(view.y + dy, far(size.height, pane.height)),
  };
}

/**
 * How far two pictures differ: the mean of |A − B| over red, green and blue (0–255), and the share of the pixels in
 * which any of them differs by more than 2.
 * @param {Uint8ClampedArray} a  @param {Uint8ClampedArray} b  red, green, blue, opacity of each pixel
 */
export function difference(a, b) {
  const pixels = a.length / 4;
  let sum = 0;
  let differing = 0;
  for (let i = 0; i < a.length; i += 4) {
    let most = 0;
    for (let c = 0; c < 3; c += 1) {
      const d = Math.abs(a[i + c] - b[i + c]);
      sum += d;
      if (d > most) most = d;
    }
    if (most > 2) differing += 1;
  }
  return { mean: pixels ? sum / (3 * pixels) : 0, share: pixels ? differing / pixels : 0 };
}
