/** Points and polygons in map coordinates: membership, nearest point, what is drawn. */

/** Whether (x, y) lies inside a closed ring of corners [[x, y], …] (even-odd rule). */
export function inRing(x, y, ring) {
  let inside = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i, i += 1) {
    const [xi, yi] = ring[i];
    const [xj, yj] = ring[j];
    if ((yi > y) !== (yj > y) && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

/** Fewer corners for the same outline (Douglas and Peucker 1973), at most `tolerance` away from the drawn line. */
export function simplify(ring, tolerance) {
  if (ring.length < 5) return ring;
  const keep = new Uint8Array(ring.length);
  keep[0] = keep[ring.length - 1] = 1;
  const todo = [[0, ring.length - 1]];
  while (todo.length) {
    const [a, b] = todo.pop();
    const [ax, ay] = ring[a];
    const [bx, by] = ring[b];
    const length = Math.hypot(bx - ax, by - ay);
    let worst = tolerance;
    let at = -1;
    for (let i = a + 1; i < b; i += 1) {
      const [x, y] = ring[i];
      const d = length > 0 ? Math.abs((by - ay) * x - (bx - ax) * y + bx * ay - by * ax) / length : Math.hypot(x - ax, y - ay);
      if (d > worst) { worst = d; at = i; }
    }
    if (at >= 0) { keep[at] = 1; todo.push([a, at], [at, b]); }
  }
  return ring.filter((_, i) => keep[i]);
}

/** A grid over the points, to find the one under the pointer without looking at all of them. */
export class PointGrid {
  /** @param {Float32Array} xy  interleaved; NaN where a sample has no place */
  constructor(xy) {
    this.xy = xy;
    this.n = xy.length / 2;
    let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
    let placed = 0;
    for (let i = 0; i < this.n; i += 1) {
      const x = xy[2 * i];
      const y = xy[2 * i + 1];
      if (!(x === x && y === y)) continue;
      placed += 1;
      if (x < x0) x0 = x;
      if (x > x1) x1 = x;
      if (y < y0) y0 = y;
      if (y > y1) y1 = y;
    }
    Object.assign(this, { x0, x1, y0, y1, placed });
    this.side = Math.max(1, Math.min(512, Math.ceil(Math.sqrt(placed / 4))));
    this.kx = this.side / (x1 - x0 || 1);
    this.ky = this.side / (y1 - y0 || 1);
    const cells = this.side * this.side;
    const start = new Uint32Array(cells + 1);
    for (let i = 0; i < this.n; i += 1) { const c = this.#cell(i); if (c >= 0) start[c + 1] += 1; }
    for (let c = 0; c < cells; c += 1) start[c + 1] += start[c];
    const fill = start.slice(0, cells);
    const order = new Uint32Array(placed);
    for (let i = 0; i < this.n; i += 1) { const c = this.#cell(i); if (c >= 0) { order[fill[c]] = i; fill[c] += 1; } }
    this.start = start;
    this.order = order;
  }

  #clamp(v) { return Math.max(0, Math.min(this.side - 1, Math.floor(v))); }

  #cell(i) {
    const x = this.xy[2 * i];
    const y = this.xy[2 * i + 1];
    return x === x && y === y ? this.#clamp((x - this.x0) * this.kx) + this.side * this.#clamp((y - this.y0) * this.ky) : -1;
  }

  /** The nearest allowed point within (rx, ry) of (x, y), or −1. */
  nearest(x, y, rx, ry, allowed) {
    let best = 1;
    let found = -1;
    for (let cy = this.#clamp((y - ry - this.y0) * this.ky); cy <= this.#clamp((y + ry - this.y0) * this.ky); cy += 1) {
      for (let cx = this.#clamp((x - rx - this.x0) * this.kx); cx <= this.#clamp((x + rx - this.x0) * this.kx); cx += 1) {
        const c = cx + this.side * cy;
        for (let k = this.start[c]; k < this.start[c + 1]; k += 1) {
          const i = this.order[k];
          if (!allowed[i]) continue;
          const d = ((this.xy[2 * i] - x) / rx) ** 2 + ((this.xy[2 * i + 1] - y) / ry) ** 2;
          if (d < best) { best = d; found = i; }
        }
      }
    }
    return found;
  }
}

/** At most `limit` rows to draw: flagged first, then an even sample of the others. Flagged ones lie on top. */
export function drawn(grid, flagged, limit) {
  const quiet = [];
  const loud = [];
  for (let i = 0; i < grid.n; i += 1) {
    if (!(grid.xy[2 * i] === grid.xy[2 * i] && grid.xy[2 * i + 1] === grid.xy[2 * i + 1])) continue;
    (flagged && flagged[i] ? loud : quiet).push(i);
  }
  const thin = (rows, room) => {
    if (rows.length <= room) return rows;
    const step = rows.length / room;
    return Array.from({ length: room }, (_, k) => rows[Math.floor(k * step)]);
  };
  const top = thin(loud, limit);
  return Uint32Array.from([...thin(quiet, limit - top.length), ...top]);
}
