/** How values become colours, the same in the points and in the legend. */

const NONE = 65535;
const OTHER = "#8A8A93";
/** Twenty tones that stay apart on light and on dark, beginning with Okabe and Ito's. */
const TONES = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8C6BB1", "#B8A800", "#A65628", "#17A2A2",
  "#E377C2", "#5B8C3A", "#4B57C4", "#C44E52", "#7F9F9F", "#D4A373", "#6A4C93", "#2A9D8F", "#F28482", "#8D99AE"];

/**
 * @param {{head: {names?: string[]}, array: ArrayLike<number>}} colours  as GET /api/colours answers
 * @returns {{kind: "category"|"score", value: (row: number) => number, marker: object, entries: object[]}}
 */
export function paint(name, colours, verdicts, dark) {
  const { head, array } = colours;
  if (!head.names) return paintScore(array, dark);
  const none = head.names.length;
  const tones = head.names.map((n, i) => (name === "verdict" && verdicts[n]?.colour) || DECISIONS[name === "decision" ? n : ""] || TONES[i % TONES.length]);
  tones.push(OTHER);
  const entries = head.names.map((n, i) => ({ code: i, key: n, name: name === "verdict" ? verdicts[n]?.says ?? n : name === "cluster" ? `Cluster ${n}` : DECIDED[name === "decision" ? n : ""] ?? n, colour: tones[i], count: 0 }));
  entries.push({ code: none, key: null, name: name === "decision" ? "Not decided yet" : "none", colour: OTHER, count: 0 });
  const code = (row) => (array[row] === NONE || array[row] >= none ? none : array[row]);
  for (let i = 0; i < array.length; i += 1) entries[code(i)].count += 1;
  const k = tones.length;
  const colorscale = tones.flatMap((c, i) => [[i / k, c], [(i + 1) / k, c]]);
  return { kind: "category", value: (row) => code(row) + 0.5, code, marker: { colorscale, cmin: 0, cmax: k }, entries: entries.filter((e) => e.count) };
}

const DECISIONS = { accept: "#009E73", relabel: "#0072B2", exclude: "#D55E00", disputed: "#CC79A7" };
const DECIDED = { accept: "Kept as labelled", relabel: "Relabelled", exclude: "Excluded", disputed: "People disagree" };

function paintScore(array, dark) {
  const colorscale = dark
    ? [[0, "#4A4A57"], [0.35, "#7A6A4F"], [0.65, "#E69F00"], [1, "#FF7A5C"]]
    : [[0, "#C9CAD6"], [0.35, "#D9C08C"], [0.65, "#E08A00"], [1, "#B3200E"]];
  return { kind: "score", value: (row) => (array[row] === array[row] ? array[row] : 0), marker: { colorscale, cmin: 0, cmax: 1 }, entries: [], gradient: colorscale.map(([t, c]) => `${c} ${t * 100}%`).join(", ") };
}
