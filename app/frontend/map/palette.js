/** How values become colours, the same in the points and in the legend. */

const NONE = 65535;
const OTHER = "#8A8A93";
/** Twenty tones that stay apart on light and on dark, beginning with Okabe and Ito's. */
const TONES = [
  "#0072B2",
  "#E69F00",
  "#009E73",
  "#CC79A7",
  "#D55E00",
  "#56B4E9",
  "#8C6BB1",
  "#B8A800",
  "#A65628",
  "#17A2A2",
  "#E377C2",
  "#5B8C3A",
  "#4B57C4",
  "#C44E52",
  "#7F9F9F",
  "#D4A373",
  "#6A4C93",
  "#2A9D8F",
  "#F28482",
  "#8D99AE",
];

/**
 * @param {{head: {names?: string[]}, array: ArrayLike<number>}} colours  as GET /api/colours answers
 * @returns {{kind: "category"|"score", value: (row: number) => number, colour: (row: number) => string,
 *   marker: object, entries: object[], tones: ()
 *   => {slots: Uint8Array, table: Uint8Array}}}
 *   tones, for pictures: for each point its row in a table of r, g, b
 */
export function paint(name, colours, verdicts, dark) {
  const { head, array } = colours;
  if (!head.names) return { ...paintScore(array, dark), ends: head.ends ?? [0, 1] };
  const none = head.names.length;
  const tones = head.names.map(
    (n, i) =>
      (name === "verdict" && verdicts[n]?.colour) || DECISIONS[name === "decision" ? n : ""] || TONES[i % TONES.length],
  );
  tones.push(OTHER);
  const entries = head.names.map((n, i) => ({
    code: i,
    key: n,
    name:
      name === "verdict"
        ? (verdicts[n]?.name ?? n)
        : name === "cluster"
          ? `Cluster ${n}`
          : (DECIDED[name === "decision" ? n : ""] ?? n),
    colour: tones[i],
    count: 0,
  }));
  entries.push({
    code: none,
    key: null,
    name: name === "decision" ? "Not decided yet" : "none",
    colour: OTHER,
    count: 0,
  });
  const code = (row) => (array[row] === NONE || array[row] >= none ? none : array[row]);
  for (let i = 0; i < array.length; i += 1) entries[code(i)].count += 1;
  const k = tones.length;
  const colorscale = tones.flatMap((c, i) => [
    [i / k, c],
    [(i + 1) / k, c],
  ]);
  return {
    kind: "category",
    value: (row) => code(row) + 0.5,
    code,
    colour: (row) => tones[code(row)],
    marker: { colorscale, cmin: 0, cmax: k },
    entries: entries.filter((e) => e.count),
    tones: once(() =>
      tonesOf(array.length, tones.map(rgb), (row) => {
        const c = code(row);
        return c < 255 ? c : c === none ? 255 : c % TONES.length;
      }),
    ),
  };
}

const DECISIONS = { accept: "#009E73", relabel: "#0072B2", exclude: "#D55E00", disputed: "#CC79A7" };
const DECIDED = { accept: "Kept as labelled", relabel: "Relabelled", exclude: "Excluded", disputed: "People disagree" };

function paintScore(array, dark) {
  const colorscale = dark
    ? [
        [0, "#4A4A57"],
        [0.35, "#7A6A4F"],
        [0.65, "#E69F00"],
        [1, "#FF7A5C"],
      ]
    : [
        [0, "#C9CAD6"],
        [0.35, "#D9C08C"],
        [0.65, "#E08A00"],
        [1, "#B3200E"],
      ];
  const at = (t) => {
    const k = Math.max(
      1,
      colorscale.findIndex(([to]) => to >= t),
    );
    const [[a, from], [b, to]] = [colorscale[k - 1], colorscale[k]];
    return rgb(from).map((c, i) => c + ((t - a) / (b - a)) * (rgb(to)[i] - c));
  };
  const slot = (row) => (array[row] === array[row] ? Math.max(0, Math.min(255, Math.round(255 * array[row]))) : 0);
  return {
    tones: once(() =>
      tonesOf(
        array.length,
        Array.from({ length: 256 }, (_, k) => at(k / 255)),
        slot,
      ),
    ),
    kind: "score",
    value: (row) => (array[row] === array[row] ? array[row] : 0),
    colour: (row) =>
      `rgb(${at(array[row] === array[row] ? array[row] : 0)
        .map(Math.round)
        .join(" ")})`,
    marker: { colorscale, cmin: 0, cmax: 1 },
    entries: [],
    gradient: colorscale.map(([t, c]) => `${c} ${t * 100}%`).join(", "),
  };
}

const rgb = (hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));

function once(make) {
  let made = null;
  return () => (made ??= make());
}

/** `colours`: [r, g, b] of each slot; what has none is the colour of "none". */
function tonesOf(n, colours, slot) {
  const slots = new Uint8Array(n);
  for (let i = 0; i < n; i += 1) slots[i] = slot(i);
  const table = new Uint8Array(3 * 256);
  for (let k = 0; k < 256; k += 1) table.set((k < 255 && colours[k]) || colours.at(-1), 3 * k);
  return { slots, table };
}

const STEPS = 10; // of a score, in the bar of a selection

/** How the points of a mask spread over the colours: [name, count, colour][]. */
export function spread(painted, mask) {
  const counts = new Map();
  for (let i = 0; i < mask.length; i += 1) {
    if (!mask[i]) continue;
    const key =
      painted.kind === "category" ? painted.code(i) : Math.min(STEPS - 1, Math.floor(painted.value(i) * STEPS));
    const seen = counts.get(key);
    if (seen) seen.n += 1;
    else counts.set(key, { n: 1, colour: painted.colour(i) });
  }
  const names = new Map(painted.entries.map((e) => [e.code, e.name]));
  const [low, high] = painted.ends ?? [0, 1];
  const end = (key) => (low + (key / STEPS) * (high - low)).toPrecision(3).replace(/\.?0+$/, "");
  return [...counts]
    .sort(([a], [b]) => a - b)
    .map(([key, { n, colour }]) => [names.get(key) ?? `${end(key)}–${end(key + 1)}`, n, colour]);
}
