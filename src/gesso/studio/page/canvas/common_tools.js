/** Tools that do not depend on the card: lasso, eraser, eyedropper, hand. The card's own tools come from its widgets. */
import { notice } from "../ui/messages.js";
import { w } from "../words/language.js";

/** @param {import("../session/editor.js").Editor} editor @param {import("./view.js").View} view */
export function commonTools(editor, view) {
  return [lasso(editor, view), eraser(editor, view), eyedropper(editor, view), { name: "hand", icon: "hand", title: w("hand"), help: w("hand_help"), key: "h" }];
}

/** The lasso selects the pieces inside a loop; a click adds or removes one. The selection bar shows what can be done with them. @param {import("../session/editor.js").Editor} editor @param {import("./view.js").View} view */
function lasso(editor, view) {
  /** @type {number[][] | null} */ let loop = null;
  let adds = false;
  const short = (/** @type {number[][]} */ points) => points.every(([x, y]) => Math.hypot(x - points[0][0], y - points[0][1]) < 5 / view.camera.zoom);

  /** @param {number[][]} points @param {boolean} more */
  async function choose(points, more) {
    const { pieces } = editor;
    const map = await pieces?.whenReady().catch((error) => void notice(error.message, "wrong"));
    if (!map || !pieces) return;
    const ids = new Set(more || short(points) ? pieces.selected : []);
    if (short(points)) {
      const id = map.at(points[0]);
      if (id !== null && !ids.delete(id)) ids.add(id);
    } else {
      const found = map.within(points);
      found.forEach((id) => ids.add(id));
      if (!found.size) notice(w("lasso_empty"));
    }
    pieces.select(ids);
  }

  return {
    name: "lasso",
    icon: "lasso",
    title: w("lasso"),
    help: w("lasso_help"),
    key: "l",
    needsPieces: true,
    pieces: true,
    picks: true,
    ring: () => 2.5 / view.camera.zoom,
    /** @param {CanvasRenderingContext2D} pen */
    paint(pen) {
      if (!loop || loop.length < 2) return;
      const one = 1 / view.camera.zoom;
      const path = new Path2D();
      for (const [x, y] of loop) path.lineTo(x, y);
      path.closePath();
      pen.fillStyle = "rgba(42, 58, 165, 0.08)";
      pen.fill(path);
      for (const [style, dash] of /** @type {[string, number[]][]} */ ([["rgba(255,255,255,0.95)", []], ["rgba(42, 58, 165, 0.95)", [5 * one, 5 * one]]])) {
        pen.strokeStyle = style;
        pen.lineWidth = 1.6 * one;
        pen.setLineDash(dash);
        pen.stroke(path);
      }
      pen.setLineDash([]);
    },
    down(/** @type {number[]} */ place, /** @type {PointerEvent | undefined} */ event) {
      loop = [place];
      adds = Boolean(event?.shiftKey);
    },
    move(/** @type {number[]} */ place) {
      const last = loop?.at(-1);
      if (last && Math.hypot(place[0] - last[0], place[1] - last[1]) > 1.5 / view.camera.zoom) loop?.push(place);
      view.repaint();
    },
    up() {
      const points = loop;
      loop = null;
      if (points) choose(points, adds);
      view.repaint();
    },
    cancel: () => ((loop = null), view.repaint()),
  };
}

/** @param {import("../session/editor.js").Editor} editor @param {import("./view.js").View} view */
function eraser(editor, view) {
  /** @type {Map<string, {slot: string, index: number}>} */
  let touched = new Map();
  const touch = (/** @type {[number, number]} */ place) => {
    for (const mark of editor.marks) {
      const reach = Math.min(mark.radius, 6 / view.camera.zoom) + 7 / view.camera.zoom;
      if (distance(place, mark.points) <= reach) touched.set(`${mark.slot} ${mark.index}`, { slot: mark.slot, index: mark.index });
    }
  };
  const edit = () => {
    // From the last to the first, so that removing one does not move the next index.
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
      if (touched.size > before) editor.preview(edit());
    },
    up() {
      if (touched.size) editor.commit(edit());
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

/** @param {import("../session/editor.js").Editor} editor @param {import("./view.js").View} view */
function eyedropper(editor, view) {
  const pick = (/** @type {number} */ x, /** @type {number} */ y) => {
    const colour = view.colourAt(x, y);
    if (colour) editor.setColour(colour);
  };
  editor.colourPicker = pick;
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
    up: () => editor.lastTool && editor.setTool(editor.lastTool),
  };
}
