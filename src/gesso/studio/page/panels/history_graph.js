/** The graph of the history, newest node at the top: each node's column, and the lines in its row. */

const WIDE = 14;
const TALL = 52;
const MOST = 7; // columns that are drawn; others share the last
const HUES = ["var(--soft-ink)", "#2a7f8f", "#a8553d", "#6f59a8", "#8a7000", "#3a6ea5", "#7a3f6a"];
const SVG = "http://www.w3.org/2000/svg";

/** @param {Map<any, {id: any, parent: any}>} nodes in the order in which they were made */
export function layout(nodes) {
  /** @type {Map<any, number>} */ const lane = new Map();
  /** @type {Map<any, any[]>} */ const children = new Map();
  for (const node of nodes.values()) {
    const beside = children.get(node.parent);
    if (beside) beside.push(node.id);
    else children.set(node.parent, [node.id]);
  }
  // The first child continues in its parent's column; each other child opens a new one.
  let next = 0;
  for (const node of nodes.values()) {
    const first = children.get(node.parent)?.[0] === node.id && lane.has(node.parent);
    lane.set(node.id, first ? /** @type {number} */ (lane.get(node.parent)) : next++);
  }
  const order = [...nodes.keys()].reverse();
  const row = new Map(order.map((id, i) => [id, i]));
  /** @type {string[][][]} by row: [path, hue] */ const lines = order.map(() => []);
  for (const node of nodes.values()) {
    const [own, above, below] = [column(lane.get(node.id) ?? 0), row.get(node.id) ?? 0, row.get(node.parent)];
    if (below === undefined) continue;
    const hue = HUES[own % HUES.length];
    const [x, to] = [at(own), at(column(lane.get(node.parent) ?? 0))];
    lines[above].push([`M${x} ${TALL / 2}V${TALL}`, hue]);
    for (let r = above + 1; r < below; r++) lines[r].push([`M${x} 0V${TALL}`, hue]);
    lines[below].push([x === to ? `M${x} 0V${TALL / 2}` : `M${x} 0C${x} ${TALL / 3} ${to} ${TALL / 6} ${to} ${TALL / 2}`, hue]);
  }
  return { order, lane, children, row, lines, num: Math.min(Math.max(1, next), MOST) };
}

const column = (/** @type {number} */ lane) => Math.min(lane, MOST - 1);
const at = (/** @type {number} */ col) => col * WIDE + WIDE / 2 + 1;

/** The graph's part in one row. @param {ReturnType<typeof layout>} tree @param {any} id @param {boolean} current @param {boolean} alone whether to leave out the lines, because rows between are filtered out */
export function graphCell(tree, id, current, alone) {
  const svg = document.createElementNS(SVG, "svg");
  const lane = column(tree.lane.get(id) ?? 0);
  const wide = tree.num * WIDE + 2;
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${wide} ${TALL}`, width: wide, height: TALL, class: "lanes", "aria-hidden": "true" })) svg.setAttribute(name, String(value));
  const draw = (/** @type {string} */ tag, /** @type {Object<string, any>} */ attributes) => {
    const part = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) part.setAttribute(name, String(value));
    svg.append(part);
  };
  if (!alone) for (const [d, stroke] of tree.lines[tree.row.get(id) ?? 0]) draw("path", { d, stroke, fill: "none", "stroke-width": 2 });
  draw("circle", { cx: at(lane), cy: TALL / 2, r: current ? 6 : 4.5, fill: current ? "var(--accent)" : HUES[lane % HUES.length], stroke: "var(--ground)", "stroke-width": 2 });
  return svg;
}
