/** The parts of the surfaces that decide without a page: names, labels on the map, selections, keys, the pace. */

import test from "node:test";
import assert from "node:assert/strict";
import { splitName } from "../../app/frontend/lib/names.js";
import { suggestedWords } from "../../app/frontend/lib/bulk.js";
import { keyOf, runKey } from "../../app/frontend/lib/keys.js";
import { placeNames, shortName } from "../../app/frontend/map/labels.js";
import { spread } from "../../app/frontend/map/palette.js";
import { Picked } from "../../app/frontend/gallery/picked.js";
import { ClassKeys } from "../../app/frontend/review/class_keys.js";
import { keyedLabels } from "../../app/frontend/review/card.js";
import { paceOf, paceWords } from "../../app/frontend/review/progress.js";

test("a long name keeps the end that tells it from others, a short one stays whole", () => {
  assert.deepEqual(splitName("deer"), ["deer", ""]);
  assert.deepEqual(splitName("a remarkably long class name 17"), ["a remarkably long class ", "name 17"]);
  const chinese = "一个非常长的类别名称是某人匆忙写下的之后再也没有人把它缩短过 105";
  assert.equal(splitName(chinese).join(""), chinese);
  assert.match(splitName(chinese)[1], /105$/);
});

test("names of clusters stand beside their points, and none over another", () => {
  const points = Array.from({ length: 400 }, (_, i) => [500 + (i % 20), 300 + Math.floor(i / 20)]);
  const covered = ({ left, right, top, bottom }) =>
    points.filter(([x, y]) => x >= left && x <= right && y >= top && y <= bottom).length;
  const view = { width: 1000, height: 600, toPixel: (x, y) => [x, y] };
  const clusters = [
    { x: 510, y: 310, name: "cats and dogs", size: 400 },
    { x: 520, y: 330, name: "x".repeat(90), size: 10 },
    { x: -50, y: 0, name: "outside", size: 900 },
  ];
  const placed = placeNames(clusters, view, covered, 24);
  assert.deepEqual(
    placed.map((p) => p.cluster.name),
    [clusters[0].name, clusters[1].name],
  );
  const boxes = placed.map(({ cluster, text, dx, dy }) => {
    const half = (text.length * 7) / 2 + 4;
    const [x, y] = [cluster.x + dx, cluster.y + dy];
    return { left: x - half, right: x + half, top: y - 10, bottom: y + 10 };
  });
  assert.equal(covered(boxes[0]), 0);
  const [a, b] = boxes;
  assert.ok(a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top);
  assert.ok(shortName("x".repeat(90)).length <= 36);
});

test("a selection is spread over the colours of the map", () => {
  const painted = {
    kind: "category",
    code: (i) => [0, 1, 1, 0][i],
    colour: (i) => ["red", "blue", "blue", "red"][i],
    entries: [
      { code: 0, name: "cat" },
      { code: 1, name: "dog" },
    ],
  };
  assert.deepEqual(spread(painted, [1, 1, 1, 0]), [
    ["cat", 1, "red"],
    ["dog", 2, "blue"],
  ]);
  const score = { kind: "score", value: (i) => [0.05, 0.95, 1][i], colour: () => "grey", entries: [] };
  assert.deepEqual(
    spread(score, [1, 1, 1]).map(([name, n]) => [name, n]),
    [
      ["0–0.1", 1],
      ["0.9–1", 2],
    ],
  );
});

test("a range over rows that were never looked at asks for them, and a changed list ends it", async () => {
  const held = new Map([
    [0, { id: "a" }],
    [3, { id: "d" }],
  ]);
  let rows = {
    total: 4,
    at: (i) => held.get(i),
    need: async (first, last) => {
      for (let i = first; i < last; i += 1) held.set(i, { id: "abcd"[i] });
    },
  };
  const picked = new Picked(() => rows);
  let waited = 0;
  assert.equal(await picked.range(0, 3, false, () => (waited += 1)), true);
  assert.deepEqual([...picked.ids].sort(), ["a", "b", "c", "d"]);
  assert.equal(waited, 1);
  picked.everything();
  assert.equal(picked.count, 4);
  picked.toggle(3); // of all, a click begins anew
  assert.deepEqual([...picked.ids], ["d"]);
  held.clear();
  const ended = picked.range(0, 3, false, () => (rows = { ...rows }));
  assert.equal(await ended, false);
});

test("a held key acts once, and a key that is not the surface's goes on", () => {
  const event = (key, repeat = false) => ({
    key,
    repeat,
    taken: false,
    preventDefault() {
      this.taken = true;
    },
    stopPropagation() {},
  });
  let n = 0;
  const table = { a: () => (n += 1) };
  assert.equal(keyOf(event("A")), "a");
  assert.equal(runKey(event("A"), table), true);
  const held = event("a", true);
  assert.equal(runKey(held, table), true);
  assert.ok(held.taken);
  assert.equal(runKey(event("q"), table), false);
  assert.equal(n, 1);
});

test("the pace is told once there is one", () => {
  assert.equal(paceOf([0, 1, 2], 3), 0);
  assert.equal(paceOf([0, 10_000, 20_000, 30_000], 60_000), 4);
  assert.equal(paceWords(0, 10), "");
  assert.equal(paceWords(20, 200), "20 a minute · 10 min to go");
  assert.equal(paceWords(20, 0), "20 a minute");
});

test("a class that is made on the page gets the next free key, and no command of the page", () => {
  const data = { fixed: true, keys: [["cat", "1"]], commands: ["a", "w"] };
  const keys = new ClassKeys(data, false);
  keys.add("digit 7");
  keys.add("dog");
  assert.deepEqual([...keys.keys.values()], ["1", "7", "2"]);
  for (let i = 0; i < 40; i += 1) keys.add(`class ${"abcdefghij"[i % 10]}${"klmno"[i % 5]}${"pqrstuvw"[i % 8]}`);
  const given = [...keys.keys.values()];
  assert.equal(new Set(given).size, given.length);
  assert.ok(!given.includes("a") && !given.includes("w") && given.includes("b"));
});

test("the options of a card with fixed keys stand in the order of the keys, whatever the sample", () => {
  const keys = new Map([
    ["elk", "b"],
    ["dog", "2"],
    ["cat", "1"],
  ]);
  const card = { label: "elk", label_p: 0.1, suggestions: [["cat", 0.8]] };
  assert.deepEqual(keyedLabels(card, keys), [
    ["cat", 0.8, "1"],
    ["dog", null, "2"],
    ["elk", 0.1, "b"],
  ]);
});

test("a group's box adds the group to the selection, shows how much of it is selected, and leaves it out again", async () => {
  const rows = { total: 6, at: (i) => ({ id: "abcdef"[i] }), need: async () => {} };
  const picked = new Picked(() => rows);
  picked.only(0);
  assert.equal(picked.covers(0, 2), "some");
  await picked.range(0, 2, true, () => {});
  await picked.range(4, 5, true, () => {});
  assert.deepEqual([picked.covers(0, 2), picked.covers(3, 3), picked.covers(3, 5)], ["all", "none", "some"]);
  await picked.leave(0, 2, () => {});
  assert.deepEqual([...picked.ids], ["e", "f"]);
});

test("what taking suggestions would do is said with the counts and how many are expected to be right", () => {
  const words = suggestedWords({ of: 180, count: 142, relabel: 120, exclude: 22, expected: 0.914 });
  assert.equal(
    words,
    "Take 142 suggestions: relabel 120, exclude 22? About 91% are expected to be right. The other 38 are decided, or their verdict proposes nothing.",
  );
  assert.match(
    suggestedWords({ of: 1, count: 1, relabel: 0, exclude: 1, expected: 1 }),
    /^Take 1 suggestion: exclude 1\?/,
  );
});
