/** Points and polygons in map coordinates: membership, nearest point, what is drawn. */

/** Whether (x, y) lies inside a closed ring of corners [[x, y], …] (even-odd rule). */
export function inRing(x, y, ring) {
  let inside = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i, i += 1) {
    const [xi, yi] = ring[i];
    const [xj, yj] = ring[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
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
      const d =
        length > 0 ? Math.abs((by - ay) * x - (bx - ax) * y + bx * ay - by * ax) / length : Math.hypot(x - ax, y - ay);
      if (d > worst) {
        worst = d;
        at = i;
      }
    }
    if (at >= 0) {
      keep[at] = 1;
      todo.push([a, at], [at, b]);
    }
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
    for (let i = 0; i < this.n; i += 1) {
      const c = this.#cell(i);
      if (c >= 0) start[c + 1] += 1;
    }
    for (let c = 0; c < cells; c += 1) start[c + 1] += start[c];
    const fill = start.slice(0, cells);
    const order = new Uint32Array(placed);
    for (let i = 0; i < this.n; i += 1) {
      const c = this.#cell(i);
      if (c >= 0) {
        order[fill[c]] = i;
        fill[c] += 1;
      }
    }
    this.start = start;
    this.order = order;
  }

  #clamp(v) {
    return Math.max(0, Math.min(this.side - 1, Math.floor(v)));
  }

  #cell(i) {
    const x = this.xy[2 * i];
    const y = this.xy[2 * i + 1];
    return x === x && y === y
      ? this.#clamp((x - this.x0) * this.kx) + this.side * this.#clamp((y - this.y0) * this.ky)
      : -1;
  }

  /** Call `each` with every point within {x0, x1, y0, y1}, cell by cell. */
  within({ x0, x1, y0, y1 }, each) {
    const { xy, start, order, side } = this;
    const whole = x0 <= this.x0 && x1 >= this.x1 && y0 <= this.y0 && y1 >= this.y1;
    if (x1 < this.x0 || x0 > this.x1 || y1 < this.y0 || y0 > this.y1) return;
    const [c0, c1] = [this.#clamp((x0 - this.x0) * this.kx), this.#clamp((x1 - this.x0) * this.kx)];
    for (let cy = this.#clamp((y0 - this.y0) * this.ky); cy <= this.#clamp((y1 - this.y0) * this.ky); cy += 1) {
      for (let k = start[c0 + side * cy]; k < start[c1 + side * cy + 1]; k += 1) {
        const i = order[k];
        if (whole || (xy[2 * i] >= x0 && xy[2 * i] <= x1 && xy[2 * i + 1] >= y0 && xy[2 * i + 1] <= y1)) each(i);
      }
    }
  }

  /**
   * Call `each` with every point within a closed ring (even-odd rule). Only in cells that the outline may touch is each
   * point compared with it; of every other cell one comparison tells.
   */
  inside(ring, each) {
    const { xy, side } = this;
    let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
    for (const [x, y] of ring) {
      if (x < x0) x0 = x;
      if (x > x1) x1 = x;
      if (y < y0) y0 = y;
      if (y > y1) y1 = y;
    }
    if (x1 < this.x0 || x0 > this.x1 || y1 < this.y0 || y0 > this.y1) return;
    const column = (x) => this.#clamp((x - this.x0) * this.kx);
    const row = (y) => this.#clamp((y - this.y0) * this.ky);
    const touched = new Uint8Array(side * side);
    const slack = 1e-6 * (1 / this.kx + 1 / this.ky); // for a corner that lies on the edge of a cell
    for (let i = 0, j = ring.length - 1; i < ring.length; j = i, i += 1) {
      const [[ax, ay], [bx, by]] = ring[i][1] <= ring[j][1] ? [ring[i], ring[j]] : [ring[j], ring[i]];
      for (let r = row(ay - slack); r <= row(by + slack); r += 1) {
        const low = r === 0 ? -Infinity : this.y0 + r / this.ky;
        const high = r === side - 1 ? Infinity : this.y0 + (r + 1) / this.ky;
        const at = (y) => (by > ay ? ax + ((Math.max(ay, Math.min(by, y)) - ay) / (by - ay)) * (bx - ax) : ax);
        const [from, to] = by > ay ? [at(low), at(high)] : [ax, bx];
        for (let c = column(Math.min(from, to) - slack); c <= column(Math.max(from, to) + slack); c += 1)
          touched[c + side * r] = 1;
      }
    }
    for (let r = row(y0); r <= row(y1); r += 1) {
      for (let c = column(x0); c <= column(x1); c += 1) {
        const cell = c + side * r;
        const [from, to] = [this.start[cell], this.start[cell + 1]];
        if (from === to) continue;
        if (touched[cell]) {
          for (let k = from; k < to; k += 1) {
            const i = this.order[k];
            if (inRing(xy[2 * i], xy[2 * i + 1], ring)) each(i);
          }
        } else if (inRing(xy[2 * this.order[from]], xy[2 * this.order[from] + 1], ring)) {
          for (let k = from; k < to; k += 1) each(this.order[k]);
        }
      }
    }
  }

  /** The nearest point with `allowed(i)` within (rx, ry) of (x, y), or −1. */
  nearest(x, y, rx, ry, allowed) {
    let best = 1;
    let found = -1;
    for (let cy = this.#clamp((y - ry - this.y0) * this.ky); cy <= this.#clamp((y + ry - this.y0) * this.ky); cy += 1) {
      for (
        let cx = this.#clamp((x - rx - this.x0) * this.kx);
        cx <= this.#clamp((x + rx - this.x0) * this.kx);
        cx += 1
      ) {
        const c = cx + this.side * cy;
        for (let k = this.start[c]; k < this.start[c + 1]; k += 1) {
          const i = this.order[k];
          if (!allowed(i)) continue;
          const d = ((this.xy[2 * i] - x) / rx) ** 2 + ((this.xy[2 * i + 1] - y) / ry) ** 2;
          if (d < best) {
            best = d;
            found = i;
          }
        }
      }
    }
    return found;
  }
}
