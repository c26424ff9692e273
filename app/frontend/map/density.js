/**
 * A map of more points than can be drawn one by one: all of them as a picture of their density, in their colours,
 * and of
 * these a bounded sample of points, those with problems first. Both follow the view, so zooming in reaches every point.
 */

const GRAIN = 2; // pixels of a cell
const GREY_WEIGHT = 0.12; // of a point that does not match, in the colour of its cell
const MARGIN = 0.2; // of the view that is sampled beyond each of its edges

/** What a point is in the picture. */
export const [HIDDEN, GREY, LIT] = [0, 1, 2];

/** @returns {Uint8Array} HIDDEN, GREY or LIT for each point */
export function states(n, shown, lit) {
  const out = new Uint8Array(n);
  for (let i = 0; i < n; i += 1) if (shown(i)) out[i] = lit(i) ? LIT : GREY;
  return out;
}

/** The part of the map in a view, with a margin around: {x0, x1, y0, y1}. */
export function widened({ x0, x1, y0, y1 }) {
  const [mx, my] = [(x1 - x0) * MARGIN, (y1 - y0) * MARGIN];
  return { x0: x0 - mx, x1: x1 + mx, y0: y0 - my, y1: y1 + my };
}

export const holds = (outer, inner) =>
  outer.x0 <= inner.x0 && outer.x1 >= inner.x1 && outer.y0 <= inner.y0 && outer.y1 >= inner.y1;

/**
 * The points of a window to draw, at most `most`: all of them, else `few` of those that are lit, the highest rank
 * first.
 * @param {PointGrid} grid
 * @param {Uint8Array} state  of each point
 * @param {Uint8Array} rank  of each point: 2 = a problem, 1 = worth a look, 0 = fine
 * @returns {{rows: Uint32Array, all: boolean, count: number}} count: how many points of the window are not hidden
 */
export function sample(grid, window, state, rank, most, few) {
  const found = [[], [], []];
  const grey = [];
  let count = 0;
  grid.within(window, (i) => {
    if (!state[i]) return;
    count += 1;
    if (state[i] === LIT) found[rank[i]].push(i);
    else if (grey.length <= most) grey.push(i);
  });
  if (count <= most) return { rows: layered([...grey, ...found.flat()], rank), all: true, count };
  const parts = [];
  let room = few;
  for (const rows of [found[2], found[1], found[0]]) {
    const kept = thin(rows, room);
    room -= kept.length;
    parts.unshift(kept);
  }
  return { rows: Uint32Array.from(parts.flat()), all: false, count };
}

/** Rows in the order in which they are drawn: what is fine first, so that the others lie on top. */
export function layered(rows, rank) {
  const order = Uint32Array.from(rows).sort();
  return Uint32Array.from([...order.filter((i) => !rank[i]), ...order.filter((i) => rank[i])]);
}

/** At most `room` of the rows, evenly. */
function thin(rows, room) {
  if (rows.length <= room) return rows;
  const step = rows.length / room;
  return Array.from({ length: room }, (_, k) => rows[Math.floor(k * step)]);
}

/**
 * How many points lie in each cell of a view, and the mean of their colours.
 * @param {{x0, x1, y0, y1}} view  map coordinates
 * @param {{slots: Uint8Array, table: Uint8Array, grey: number[]}} paint  slots: the row of `table` (r, g, b) of
 *   each point
 * @returns {{counts: Float32Array, rgba: Uint8ClampedArray}} of `wide` × `high` cells, the highest y first
 */
export function picture(grid, view, wide, high, state, { slots, table, grey }) {
  const cells = wide * high;
  const [red, green, blue, weight, counts] = Array.from({ length: 5 }, () => new Float32Array(cells));
  const { xy } = grid;
  const kx = wide / (view.x1 - view.x0);
  const ky = high / (view.y1 - view.y0);
  grid.within(view, (i) => {
    const s = state[i];
    if (s === HIDDEN) return;
    const px = Math.floor((xy[2 * i] - view.x0) * kx);
    const py = Math.floor((view.y1 - xy[2 * i + 1]) * ky);
    if (px < 0 || py < 0 || px >= wide || py >= high) return;
    const c = px + wide * py;
    counts[c] += 1;
    if (s === LIT) {
      const t = 3 * slots[i];
      red[c] += table[t];
      green[c] += table[t + 1];
      blue[c] += table[t + 2];
      weight[c] += 1;
    } else {
      red[c] += grey[0] * GREY_WEIGHT;
      green[c] += grey[1] * GREY_WEIGHT;
      blue[c] += grey[2] * GREY_WEIGHT;
      weight[c] += GREY_WEIGHT;
    }
  });
  let most = 1;
  for (let c = 0; c < cells; c += 1) if (counts[c] > most) most = counts[c];
  const scale = 1 / Math.log1p(most);
  const rgba = new Uint8ClampedArray(4 * cells);
  for (let c = 0; c < cells; c += 1) {
    if (!counts[c]) continue;
    rgba[4 * c] = red[c] / weight[c];
    rgba[4 * c + 1] = green[c] / weight[c];
    rgba[4 * c + 2] = blue[c] / weight[c];
    rgba[4 * c + 3] = 255 * (0.22 + 0.6 * Math.log1p(counts[c]) * scale);
  }
  return { counts, rgba };
}

/** The picture of the density behind the points. */
export class Density {
  constructor() {
    this.node = document.createElement("canvas");
    this.node.className = "density";
    this.node.setAttribute("aria-hidden", "true");
    this.node.hidden = true;
  }

  /** Draw what `view` shows: {x0, x1, y0, y1} over the whole of the canvas. */
  draw(grid, view, state, paint) {
    const wide = Math.max(1, Math.round(this.node.clientWidth / GRAIN));
    const high = Math.max(1, Math.round(this.node.clientHeight / GRAIN));
    if (this.node.width !== wide) this.node.width = wide;
    if (this.node.height !== high) this.node.height = high;
    const { rgba } = picture(grid, view, wide, high, state, paint);
    this.node.getContext("2d").putImageData(new ImageData(rgba, wide, high), 0, 0);
  }
}
