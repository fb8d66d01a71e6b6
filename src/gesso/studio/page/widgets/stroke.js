/** Points and strokes on the page, with a colour where the control says so. */
import { titleOf } from "../words.js";

const MOST_POINTS = 4000;

/** @param {import("../room.js").Room} room @param {import("../view.js").View} view @param {any} slot */
export function strokeWidget(room, view, slot) {
  const coloured = Boolean(slot.control.colour);
  const [list, item] = shapeOf(slot.control.schema);
  /** @type {any} */ let draft = null;

  const valueOf = (/** @type {any} */ mark) => {
    const points = mark.points;
    const has = (/** @type {string} */ name) => !item || name in item;
    const one = { radius: mark.radius };
    if (coloured) Object.assign(one, { color: mark.colour });
    if (has("x")) Object.assign(one, { x: points[0][0], y: points[0][1] }, points.length > 1 ? { path: points } : {});
    else Object.assign(one, { path: points });
    return { [list]: [one] };
  };
  const edit = () => ({ op: "merge", slot: slot.name, value: valueOf(draft) });

  const tool = {
    name: slot.name,
    slot: slot.name,
    icon: coloured ? "brush" : "pen",
    title: titleOf(slot),
    help: slot.help,
    coloured,
    radius: true,
    ring: () => room.radius,
    down(/** @type {[number, number]} */ place) {
      if (!inside(place, view.page)) return;
      draft = { slot: slot.name, points: [round(place)], radius: room.radius, colour: coloured ? room.colour : null };
      show();
    },
    move(/** @type {[number, number]} */ place) {
      if (!draft || draft.points.length >= MOST_POINTS) return;
      const point = round(place);
      const [x, y] = draft.points.at(-1);
      if (Math.hypot(point[0] - x, point[1] - y) < Math.max(1, 2.5 / view.camera.zoom)) return;
      draft.points.push(point);
      show();
    },
    up() {
      if (!draft) return;
      // A hand that trembles means a point.
      const [x, y] = draft.points[0];
      if (draft.points.every(([a, b]) => Math.hypot(a - x, b - y) < 3 / view.camera.zoom)) draft.points.length = 1;
      const done = edit();
      draft = null;
      room.commit(done);
    },
    cancel() {
      draft = room.draft = null;
      if (room.live) room.live.show(room.head);
      view.ask();
    },
  };

  function show() {
    room.draft = draft;
    room.preview(edit());
    view.ask();
  }
  return { tools: [tool] };
}

/** The list's name in a value of this schema, and the properties of one mark. @param {any} schema @returns {[string, any]} */
function shapeOf(schema) {
  const [name, array] = Object.entries(schema?.properties ?? {}).find(([, one]) => /** @type {any} */ (one).type === "array") ?? ["marks", null];
  const item = /** @type {any} */ (array)?.items;
  const found = item?.$ref ? schema.$defs?.[item.$ref.split("/").at(-1)] : item;
  return [name, found?.properties];
}

const round = (/** @type {[number, number]} */ [x, y]) => [Math.round((x - 0.5) * 10) / 10, Math.round((y - 0.5) * 10) / 10];

const inside = (/** @type {[number, number]} */ [x, y], /** @type {[number, number]} */ [width, height]) => x >= 0 && y >= 0 && x < width && y < height;
