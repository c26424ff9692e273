/** The modules of the browser that need no page, under node: `npm test` here, or `make js`. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Shelves } from "../../app/frontend/gallery/shelves.js";
import { ago, count, plural, score, setRelativeTimes } from "../../app/frontend/lib/dom.js";
import { match, rank } from "../../app/frontend/lib/picker.js";
import { GREY, HIDDEN, LIT, holds, layered, sample, states, widened } from "../../app/frontend/map/density.js";
import { inRing, PointGrid, simplify } from "../../app/frontend/map/geometry.js";
import { proposal } from "../../app/frontend/review/card.js";
import { difference, fitted, panned, zoomed } from "../../app/frontend/viewer/geometry.js";

const SQUARE = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
];

function random(seed) {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

test("a point is inside a ring by the even-odd rule", () => {
  assert.equal(inRing(0.5, 0.5, SQUARE), true);
  assert.equal(inRing(1.5, 0.5, SQUARE), false);
  const twice = [...SQUARE, ...SQUARE];
  assert.equal(inRing(0.5, 0.5, twice), false, "what is outlined twice lies outside");
});

test("a thinned outline keeps its corners and loses what lies on a line", () => {
  const ring = [];
  for (const [[ax, ay], [bx, by]] of SQUARE.map((a, i) => [a, SQUARE[(i + 1) % 4]])) {
    for (let t = 0; t < 10; t += 1) ring.push([ax + ((bx - ax) * t) / 10, ay + ((by - ay) * t) / 10]);
  }
  const thin = simplify(ring, 0.001);
  assert.ok(thin.length <= 5, `${thin.length} corners are left`);
  for (const corner of SQUARE) assert.ok(thin.some(([x, y]) => x === corner[0] && y === corner[1]));
});

test("the grid finds the nearest placed point that may be shown, as a plain search does", () => {
  const next = random(4);
  const xy = Float32Array.from({ length: 400 }, () => next() * 4 - 2);
  xy[34] = NaN;
  const grid = new PointGrid(xy);
  const shown = new Uint8Array(200).fill(1);
  shown[3] = 0;
  for (let k = 0; k < 50; k += 1) {
    const [x, y] = [next() * 4 - 2, next() * 4 - 2];
    let [best, least] = [-1, 0.2];
    for (let i = 0; i < 200; i += 1) {
      const d = Math.hypot(xy[2 * i] - x, xy[2 * i + 1] - y);
      if (shown[i] && d < least) [best, least] = [i, d];
    }
    assert.equal(
      grid.nearest(x, y, 0.2, 0.2, (i) => shown[i]),
      best,
    );
  }
});

test("of too many points those with problems are drawn, and all are counted", () => {
  const next = random(7);
  const n = 3000;
  const grid = new PointGrid(Float32Array.from({ length: 2 * n }, next));
  const rank = Uint8Array.from({ length: n }, (_, i) => (i % 10 ? 0 : 2));
  const state = states(
    n,
    (i) => i % 50 !== 1,
    (i) => i % 50 !== 2,
  );
  assert.deepEqual([state[1], state[2], state[3]], [HIDDEN, GREY, LIT]);
  const window = { x0: 0, x1: 1, y0: 0, y1: 1 };
  const few = sample(grid, window, state, rank, 1000, 400);
  assert.equal(few.all, false);
  assert.equal(few.count, state.filter((s) => s).length);
  const problems = Array.from({ length: n }, (_, i) => i).filter((i) => rank[i] === 2 && state[i] === LIT);
  assert.ok(problems.every((i) => few.rows.includes(i)));
  const all = sample(grid, window, state, rank, n, 400);
  assert.equal(all.all, true);
  const ranks = [...all.rows].map((i) => rank[i]);
  assert.deepEqual(
    ranks,
    [...ranks].sort((a, b) => a - b),
    "problems lie on top",
  );
  assert.deepEqual([...layered([2, 0, 1], [0, 1, 0])], [0, 2, 1]);
});

test("a widened view holds the view, and not the other way round", () => {
  const view = { x0: 0, x1: 10, y0: -5, y1: 5 };
  assert.ok(holds(widened(view), view));
  assert.ok(!holds(view, widened(view)));
});

test("label search: whole name, prefix, word start, inside, letters in order", () => {
  const names = ["scatter", "c-a-t", "wild cat", "caterpillar", "cat", "dog"].map((name) => ({ name }));
  assert.deepEqual(
    rank(names, "cat").map(([l]) => l.name),
    ["cat", "caterpillar", "wild cat", "scatter", "c-a-t"],
  );
  assert.equal(match("dog", "cat"), null);
  assert.deepEqual(
    rank(names, "", ["dog", "cat"])
      .slice(0, 2)
      .map(([l]) => l.name),
    ["dog", "cat"],
  );
  assert.deepEqual(match("wild cat", "cat")[1], [[5, 8]], "what matched is marked");
});

test("every tile has one place, and sections follow each other without a gap", () => {
  const shelves = new Shelves([7, 1, 12].map((n, i) => ({ name: String(i), count: n })));
  shelves.lay(3, 100, 30, 8);
  assert.equal(shelves.total, 20);
  const places = Array.from({ length: 20 }, (_, i) => shelves.place(i));
  assert.equal(new Set(places.map(({ column, y }) => `${column}:${y}`)).size, 20);
  assert.deepEqual([places[0].y, places[7].y, places[8].y], [38, 368, 498]);
  assert.deepEqual(
    [0, 6, 7, 8, 19].map((i) => shelves.sectionOf(i)),
    [0, 0, 1, 2, 2],
  );
});

test("numbers and times are written as everywhere in the app", () => {
  assert.equal(count(1234567.4), "1,234,567");
  assert.equal(plural(1, "sample"), "1 sample");
  assert.equal(plural(2, "class", "classes"), "2 classes");
  assert.deepEqual([score(0.5), score(NaN), score(null)], ["0.50", "–", "–"]);
  const now = Date.parse("2026-01-02T00:00:00Z");
  setRelativeTimes([
    [10, 1, "just now"],
    [3600, 60, "{n} min ago"],
    [1e12, 86400, "{n} days ago"],
  ]); // as the server sends them: AGO in core/errors.py
  assert.equal(ago("2026-01-01T23:59:55Z", now), "just now");
  assert.equal(ago("2026-01-01T23:30:00Z", now), "30 min ago");
  assert.equal(ago("2025-12-31T00:00:00Z", now), "2 days ago");
  assert.equal(ago("nonsense", now), "");
});

test("what W proposes follows the verdict", () => {
  const suggestions = [["banded", 0.9]];
  for (const verdict of ["ood", "broken", "duplicate"])
    assert.deepEqual(proposal({ verdict, suggestions }), { action: "exclude", label: null });
  assert.deepEqual(proposal({ verdict: "noisy_label", suggestions }), { action: "relabel", label: "banded" });
  assert.equal(proposal({ verdict: "clean", suggestions: [["banded", 0.1]] }), null);
});

test("the point under the pointer stays where it is while a picture is enlarged", () => {
  const size = { width: 640, height: 480 };
  const before = { scale: 0.5, x: 12, y: -30 };
  const at = (view, px, py) => [(px - view.x) / view.scale, (py - view.y) / view.scale];
  for (const factor of [0.5, 1.25, 8]) {
    const after = zoomed(before, factor, 90, 40, size);
    assert.equal(after.scale, 0.5 * factor);
    at(before, 90, 40).forEach((value, i) => assert.ok(Math.abs(value - at(after, 90, 40)[i]) < 1e-9));
  }
  assert.ok(zoomed(before, 1e9, 0, 0, size).scale <= 64, "there is an end to it");
  assert.ok(zoomed(before, 1e-9, 0, 0, size).scale > 0);
});

test("a picture fits its pane, and never leaves it", () => {
  const size = { width: 64, height: 32 };
  const pane = { width: 640, height: 640 };
  assert.deepEqual(fitted(size, pane), { scale: 10, x: 0, y: 0 });
  const far = panned({ scale: 10, x: 0, y: 0 }, 1e6, -1e6, size, pane);
  assert.ok(far.x < (640 + 640) / 2 && far.x > 0);
  assert.ok(far.y > -(320 + 640) / 2 && far.y < 0);
});

test("the difference of two pictures is a mean and a share of the pixels", () => {
  const a = Uint8ClampedArray.from([0, 0, 0, 255, 10, 10, 10, 255]);
  const b = Uint8ClampedArray.from([0, 0, 0, 255, 40, 10, 10, 255]);
  assert.deepEqual(difference(a, a), { mean: 0, share: 0 });
  assert.deepEqual(difference(a, b), { mean: 5, share: 0.5 });
});
