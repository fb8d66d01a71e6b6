/** Charts of losses and other metrics over training steps, one a metric; the vertical axis is logarithmic if all values are positive. */
import { h } from "../ui/elements.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 640;
const HEIGHT = 150;
const MOST = 8;
const NOT_SHOWN = /^(step|seconds|items_per_second|slow|at|norm\/.*|rate\/.*)$/;

/** @param {Object<string, number>[]} points */
export function trainingCurve(points) {
  const names = [...new Set(points.flatMap((one) => Object.keys(one)))].filter((name) => !NOT_SHOWN.test(name));
  const losses = names.filter((name) => name.startsWith("loss/"));
  const chosen = [...losses, ...names.filter((name) => !losses.includes(name))].slice(0, MOST);
  return h("div", { class: "curves" }, chosen.map((name, place) => one(name, points, place % 4)));
}

/** @param {string} name @param {Object<string, number>[]} points @param {number} place */
function one(name, points, place) {
  const told = points.filter((each) => Number.isFinite(each[name])).map((each) => [each.step, each[name]]);
  if (told.length < 2) return null;
  const log = told.every(([, value]) => value > 0);
  const height = (/** @type {number} */ value) => (log ? Math.log(value) : value);
  const values = told.map(([, value]) => height(value));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [first, last] = [told[0][0], told[told.length - 1][0]];
  const x = (/** @type {number} */ step) => ((step - first) / (last - first || 1)) * WIDTH;
  const y = (/** @type {number} */ value) => HEIGHT - 6 - ((height(value) - low) / (high - low || 1)) * (HEIGHT - 12);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", `curve line-${place}`);
  svg.setAttribute("role", "img");
  const now = told[told.length - 1][1];
  svg.setAttribute("aria-label", `${name}: ${now.toPrecision(4)}`);
  const path = document.createElementNS(SVG, "polyline");
  path.setAttribute("points", told.map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" "));
  svg.append(path);
  const words = name.replace(/^loss\//, "");
  return h("figure", {}, h("figcaption", {}, h("b", {}, words), h("span", { class: "quiet" }, `${now.toPrecision(4)} · ${last}`)), svg);
}
