/** Where the names of clusters stand: beside their points, where they cover the fewest, and none over another. */

const LETTER = 7; // pixels that a letter takes, about
const LONGEST = 34; // letters of a name in the space; the legend and the tooltip have all of it
const HIGH = 20; // pixels of a line with its padding
const REACH = [12, 24, 40]; // pixels between a cluster's middle and the nearest edge of its name
const SIDES = [
  [0, -1],
  [0, 1],
  [1, 0],
  [-1, 0],
  [0.8, -0.8],
  [-0.8, -0.8],
  [0.8, 0.8],
  [-0.8, 0.8],
];
const FEWER = 0.6; // a place farther away is taken where it covers at most this share of the points

/** A long name without its middle. */
export function shortName(name) {
  const letters = Array.from(String(name));
  if (letters.length <= LONGEST) return letters.join("");
  return `${letters
    .slice(0, LONGEST - 10)
    .join("")
    .trimEnd()}…${letters.slice(-9).join("").trimStart()}`;
}

/**
 * @param {{x: number, y: number, name: string, size: number}[]} clusters  in map coordinates
 * @param {{toPixel: (x: number, y: number) => [number, number], width: number, height: number}} view
 * @param {(box: {left: number, right: number, top: number, bottom: number}) => number} covered  how many points lie in
 *   a box of pixels
 * @param {number} most  names
 * @returns {{cluster: object, text: string, dx: number, dy: number}[]}  offsets of a name's middle from its cluster's
 */
export function placeNames(clusters, view, covered, most) {
  const placed = [];
  const boxes = [];
  for (const cluster of [...clusters].sort((a, b) => b.size - a.size)) {
    if (placed.length >= most) break;
    const [px, py] = view.toPixel(cluster.x, cluster.y);
    if (px < 0 || py < 0 || px > view.width || py > view.height) continue;
    const text = shortName(cluster.name);
    const half = (text.length * LETTER) / 2 + 4;
    let best = null;
    for (const reach of REACH) {
      for (const [sx, sy] of SIDES) {
        const dx = sx * (reach + half);
        const dy = sy * (reach + HIGH / 2);
        const box = {
          left: px + dx - half,
          right: px + dx + half,
          top: py + dy - HIGH / 2,
          bottom: py + dy + HIGH / 2,
        };
        const outside = box.left < 2 || box.top < 2 || box.right > view.width - 2 || box.bottom > view.height - 2;
        if (outside || boxes.some((b) => meet(b, box))) continue;
        const n = covered(box);
        if (!best || n < best.n * FEWER) best = { n, box, dx, dy };
        if (!best.n) break;
      }
      if (best && !best.n) break;
    }
    if (!best) continue;
    boxes.push(best.box);
    placed.push({ cluster, text, dx: best.dx, dy: best.dy });
  }
  return placed;
}

const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
