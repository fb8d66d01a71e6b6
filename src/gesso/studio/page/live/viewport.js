/**
 * The viewport that is sent to the server: a page of moderate size is sent whole; of a larger one the visible part, as fine
 * as the screen shows it, and a small overview.
 */

export const WHOLE_PAGE = [0, 0, 32_768, 32_768];
const OVERVIEW_SIDE = 1024; // the longest side of the server's overview
const MOST_WHOLE_PIXELS = 2048 * 2048; // a page of at most this many pixels is sent whole
const LONGEST_SIDE = 4096;
const PAUSE_MS = 120; // wait until the page is no longer moved

/** Before the page's size is known, an overview is requested. */
export const INITIAL_VIEWPORT = { max_side: LONGEST_SIDE, view: WHOLE_PAGE };

/** @param {import("../session/editor.js").Editor} editor @param {import("../canvas/view.js").View} view */
export function sendViewport(editor, view) {
  let timer = 0;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(choose, PAUSE_MS);
  };

  function choose() {
    const live = editor.live;
    if (!live?.picture.width || !view.canvas.clientWidth) return;
    const [width, height] = live.full;
    if (width * height <= MOST_WHOLE_PIXELS && Math.max(width, height) <= LONGEST_SIDE) {
      if (Math.max(width, height) > OVERVIEW_SIDE) live.setViewport({ max_side: LONGEST_SIDE, view: null });
      return;
    }
    const seen = view.visible();
    if (!seen) return;
    const finest = view.camera.zoom * (devicePixelRatio || 1);
    const [wide, tall] = [seen[2] - seen[0], seen[3] - seen[1]];
    // With a margin, so that a small move needs no new request.
    const box = snapToGrid([seen[0] - wide / 4, seen[1] - tall / 4, seen[2] + wide / 4, seen[3] + tall / 4], width, height);
    const longest = Math.max(box[2] - box[0], box[3] - box[1]);
    const max_side = [512, 1024, 2048].find((side) => side >= longest * Math.min(1, finest)) ?? LONGEST_SIDE;
    const now = live.viewport;
    if (now.view && now.max_side === max_side && contains(now.view, snapToGrid(seen, width, height)) && !contains(now.view, WHOLE_PAGE)) return;
    live.setViewport({ max_side, view: box });
  }

  editor.on("moved", later);
  editor.on("frame", (detail) => detail.final !== false && !detail.view && later());
}

/** @param {number[]} outer @param {number[]} inner */
const contains = (outer, inner) => outer[0] <= inner[0] && outer[1] <= inner[1] && outer[2] >= inner[2] && outer[3] >= inner[3];

/** A box within the page, extended to a grid, so that a small move needs no new request. @param {number[]} box @param {number} width @param {number} height */
function snapToGrid([left, top, right, bottom], width, height) {
  const down = (/** @type {number} */ v, /** @type {number} */ end) => Math.max(0, Math.min(end - 1, Math.floor(v / 64) * 64));
  const up = (/** @type {number} */ v, /** @type {number} */ end) => Math.max(1, Math.min(end, Math.ceil(v / 64) * 64));
  return [down(left, width), down(top, height), up(right, width), up(bottom, height)];
}
