/** Lines that divide pieces: a missing part of an outline (bridge), or a cut through a piece (split). Their ends snap to the ink. */
import { notice } from "../ui/messages.js";
import { w } from "../words/language.js";

const NEAR = 26; // CSS pixels within which an end snaps to ink

/**
 * The path with its ends extended to the ink; null, with a notice, if a click finds no gap to close.
 * @param {"bridge" | "split"} gesture @param {number[][]} points @param {import("../canvas/ink.js").Ink} ink @param {import("../canvas/view.js").View} view
 */
export function snapToInk(gesture, points, ink, view) {
  const [width, height] = view.page;
  const near = Math.min(NEAR / view.camera.zoom, Math.hypot(width, height) / 8);
  if (points.length === 1) {
    const bridge = gesture === "bridge" ? ink.bridge(points[0], Math.max(near, Math.hypot(width, height) / 12)) : null;
    if (!bridge) notice(w(gesture === "bridge" ? "no_gap" : "split_draw"));
    return bridge && [past(bridge[0], bridge[1], ink), past(bridge[1], bridge[0], ink)];
  }
  const ends = [points, [...points].reverse()].map((path) => {
    const inner = path[Math.min(path.length - 1, 4)];
    const further = ink.extend(path[0], inner, gesture === "split" ? Math.hypot(width, height) : near);
    const beside = ink.nearest(path[0], near);
    // A cut continues in the direction of the stroke, unless ink is very close to its end.
    const end = gesture === "bridge" || (beside && away(beside, path[0]) < near / 4) ? (beside ?? further) : (further ?? beside);
    return end && past(end, path[0], ink);
  });
  const [first, last] = [points[0], /** @type {number[]} */ (points.at(-1))];
  if (points.length > 4 && away(first, last) < near && !ends.every(Boolean)) return [...points, first]; // a closed loop
  if (gesture === "bridge" && !ends.some(Boolean)) notice(w("no_ink"));
  return [...(ends[0] ? [ends[0]] : []), ...points, ...(ends[1] ? [ends[1]] : [])];
}

/** An end, moved slightly past the ink. @param {number[]} end @param {number[]} from @param {import("../canvas/ink.js").Ink} ink */
function past(end, from, ink) {
  const long = away(end, from);
  const more = long && ink.beyond ? ink.beyond / long : 0;
  return [end[0] + (end[0] - from[0]) * more, end[1] + (end[1] - from[1]) * more];
}

const away = (/** @type {number[]} */ a, /** @type {number[]} */ b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
