/** Where a sample lies: all points as a quiet cloud drawn once, the sample and its neighbours on top. */

export class MiniMap {
  constructor(canvas) {
    this.canvas = canvas;
    this.cloud = null;
    this.bounds = null;
  }

  /** Ask for the places of all samples; a workspace without a map has none, and the card shows none. */
  async load(api) {
    try {
      const { array } = await api.framed("points");
      this.setPoints(array);
    } catch {
      /* no map in this workspace */
    }
  }

  /** @param {Float32Array} xy  x, y interleaved; NaN where a sample has no place */
  setPoints(xy) {
    let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < xy.length; i += 2) {
      const x = xy[i];
      const y = xy[i + 1];
      if (x < x0) x0 = x;
      if (x > x1) x1 = x;
      if (y < y0) y0 = y;
      if (y > y1) y1 = y;
    }
    if (!(x1 > x0) || !(y1 > y0)) return;
    this.xy = xy;
    this.bounds = [x0, x1, y0, y1];
    this.cloud = null;
    this.draw(this.at, this.near);
  }

  #place(x, y, w, hgt) {
    const [x0, x1, y0, y1] = this.bounds;
    const pad = 5;
    const k = Math.min((w - 2 * pad) / (x1 - x0), (hgt - 2 * pad) / (y1 - y0));
    return [w / 2 + (x - (x0 + x1) / 2) * k, hgt / 2 - (y - (y0 + y1) / 2) * k];
  }

  #drawCloud(w, hgt, ratio, colour) {
    const layer = new OffscreenCanvas(w * ratio, hgt * ratio);
    const pen = layer.getContext("2d");
    pen.scale(ratio, ratio);
    pen.fillStyle = colour;
    const n = this.xy.length / 2;
    const step = Math.max(1, Math.floor(n / 20000));
    pen.globalAlpha = n > 5000 ? 0.18 : 0.32;
    for (let i = 0; i < n; i += step) {
      const [x, y] = this.#place(this.xy[2 * i], this.xy[2 * i + 1], w, hgt);
      pen.fillRect(x - 0.7, y - 0.7, 1.4, 1.4);
    }
    this.cloud = layer;
    this.cloudKey = `${w}x${hgt}x${ratio}${colour}`;
  }

  /** @param {number[]} at  [x, y] of the sample; @param {number[][]} near  its neighbours' places */
  draw(at, near = []) {
    this.at = at;
    this.near = near;
    const { canvas } = this;
    const w = canvas.clientWidth;
    const hgt = canvas.clientHeight;
    if (!this.bounds || !w || !hgt) return;
    const ratio = window.devicePixelRatio || 1;
    const style = getComputedStyle(canvas);
    const colour = style.color;
    if (!this.cloud || this.cloudKey !== `${w}x${hgt}x${ratio}${colour}`) {
      canvas.width = w * ratio;
      canvas.height = hgt * ratio;
      this.#drawCloud(w, hgt, ratio, colour);
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(this.cloud, 0, 0);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = style.getPropertyValue("--near");
    for (const [nx, ny] of near) {
      const [x, y] = this.#place(nx, ny, w, hgt);
      pen.beginPath();
      pen.arc(x, y, 2.2, 0, 7);
      pen.fill();
    }
    if (!at) return;
    const [x, y] = this.#place(at[0], at[1], w, hgt);
    pen.beginPath();
    pen.arc(x, y, 5, 0, 7);
    pen.fillStyle = style.getPropertyValue("--here");
    pen.fill();
    pen.lineWidth = 2;
    pen.strokeStyle = style.getPropertyValue("--ring");
    pen.stroke();
  }
}
