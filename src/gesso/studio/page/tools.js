/** Tools that every room has: eraser, eyedropper, hand. The card's own come from its widgets. */
import { w } from "./words.js";

/** @param {import("./room.js").Room} room @param {import("./view.js").View} view */
export function commonTools(room, view) {
  return [eraser(room, view), eyedropper(room, view), { name: "hand", icon: "hand", title: w("hand"), help: w("hand_help"), key: "h" }];
}

/** @param {import("./room.js").Room} room @param {import("./view.js").View} view */
function eraser(room, view) {
  /** @type {Map<string, {slot: string, index: number}>} */
  let touched = new Map();
  const touch = (/** @type {[number, number]} */ place) => {
    for (const mark of room.marks) {
      const reach = Math.min(mark.radius, 6 / view.camera.zoom) + 7 / view.camera.zoom;
      if (distance(place, mark.points) <= reach) touched.set(`${mark.slot} ${mark.index}`, { slot: mark.slot, index: mark.index });
    }
  };
  const edit = () => {
    // From the last to the first, so that no index moves under the next.
    const edits = [...touched.values()].sort((a, b) => b.index - a.index).map(({ slot, index }) => ({ op: "take", slot, index }));
    return edits.length === 1 ? edits[0] : { op: "several", edits };
  };
  return {
    name: "eraser",
    icon: "eraser",
    title: w("eraser"),
    help: w("eraser_help"),
    key: "e",
    needsMarks: true,
    ring: () => 7 / view.camera.zoom,
    down(/** @type {[number, number]} */ place) {
      touched = new Map();
      this.move(place);
    },
    move(/** @type {[number, number]} */ place) {
      const before = touched.size;
      touch(place);
      if (touched.size > before) room.preview(edit());
    },
    up() {
      if (touched.size) room.commit(edit());
      touched = new Map();
    },
    cancel: () => (touched = new Map()),
  };
}

/** @param {[number, number]} place @param {number[][]} points */
function distance([x, y], points) {
  let least = Infinity;
  for (let i = 0; i < points.length; i++) {
    const [ax, ay] = points[i];
    const [bx, by] = points[i + 1] ?? points[i];
    const [dx, dy] = [bx - ax, by - ay];
    const t = Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / Math.max(dx * dx + dy * dy, 1e-9)));
    least = Math.min(least, Math.hypot(x - ax - t * dx, y - ay - t * dy));
  }
  return least;
}

/** @param {import("./room.js").Room} room @param {import("./view.js").View} view */
function eyedropper(room, view) {
  const pick = (/** @type {number} */ x, /** @type {number} */ y) => {
    const colour = view.colourAt(x, y);
    if (colour) room.setColour(colour);
  };
  room.colourPicker = pick;
  return {
    name: "eyedropper",
    icon: "dropper",
    title: w("eyedropper"),
    help: w("eyedropper_help"),
    key: "i",
    needsColour: true,
    sticky: false,
    ring: () => 0,
    down: (/** @type {[number, number]} */ [x, y]) => pick(x, y),
    move: (/** @type {[number, number]} */ [x, y]) => pick(x, y),
    up: () => room.lastTool && room.take(room.lastTool),
  };
}
