/** Points and strokes on the page, with a colour if the control has one, by the gestures that the control names. */
import { markSchemaOf } from "../session/edits.js";
import { h } from "../ui/elements.js";
import { notice } from "../ui/messages.js";
import { snapToInk } from "./snap_to_ink.js";
import { titleOf, w } from "../words/language.js";

const MOST_POINTS = 4000;

/** @param {import("../session/editor.js").Editor} editor @param {import("../canvas/view.js").View} view @param {any} slot */
export function strokeWidget(editor, view, slot) {
  const { control } = slot;
  const here = editor.live; // the session of these marks
  const coloured = Boolean(control.colour);
  const shown = control.colour === "shown"; // a mark has the colour that it is set down on
  const gestures = control.gestures ?? ["stroke"];
  const clears = control.clears ?? [];
  const [list, item] = markSchemaOf(control.schema);
  const fills = Boolean(item && "fill" in item);
  const alones = Boolean(item && "alone" in item && editor.pieces?.output); // without pieces there is nothing elsewhere to follow
  const pieces = editor.pieces?.output ? editor.pieces : null;
  const tools = [];
  if (gestures.includes("stroke") || gestures.includes("piece")) tools.push(plain());
  for (const gesture of ["bridge", "split"]) if (gestures.includes(gesture)) tools.push(outline(/** @type {any} */ (gesture)));
  if (gestures.includes("join")) tools.push(join());

  /** @param {any} mark */
  function valueOf(mark) {
    const points = mark.points;
    const has = (/** @type {string} */ name) => !item || name in item;
    const one = { radius: mark.radius };
    if (coloured) Object.assign(one, { color: mark.colour });
    if (fills && mark.fill) Object.assign(one, { fill: true });
    if (alones && mark.alone) Object.assign(one, { alone: true });
    if (has("x")) Object.assign(one, { x: points[0][0], y: points[0][1] }, points.length > 1 ? { path: points } : {});
    else Object.assign(one, { path: points });
    return one;
  }
  const merge = (/** @type {any[]} */ marks) => ({ op: "merge", slot: slot.name, value: { [list]: marks.map(valueOf) } });
  const markOf = (/** @type {number[][]} */ points) => ({ slot: slot.name, points, radius: editor.radius, colour: shown ? view.colourAt(...centre(points[0])) : coloured ? editor.colour : null, fill: !shown && editor.fills, alone: !shown && editor.alone });

  /** A tool that draws a path; `done` receives it when the pointer is lifted. @param {any} about @param {(draft: any) => void} done @param {boolean} previews */
  function drawn(about, done, previews) {
    /** @type {any} */ let draft = null;
    const show = () => {
      editor.draft = draft;
      if (previews) editor.preview(merge([draft]));
      view.repaint();
    };
    return {
      slot: slot.name,
      radius: true,
      ring: () => editor.radius,
      ...about,
      down(/** @type {[number, number]} */ place, /** @type {PointerEvent | undefined} */ event) {
        if (!inside(place, view.page)) return;
        draft = { ...markOf([round(place)]), radius: pressed(event) };
        show();
      },
      move(/** @type {[number, number]} */ place, /** @type {PointerEvent | undefined} */ event) {
        if (!draft || draft.points.length >= MOST_POINTS) return;
        draft.radius = Math.max(draft.radius, pressed(event));
        const point = round(place);
        const [x, y] = draft.points.at(-1);
        if (Math.hypot(point[0] - x, point[1] - y) < Math.max(1, 2.5 / view.camera.zoom)) return;
        draft.points.push(point);
        show();
      },
      up() {
        if (!draft) return;
        // A very short stroke is a point.
        const [x, y] = draft.points[0];
        if (draft.points.every(([a, b]) => Math.hypot(a - x, b - y) < 3 / view.camera.zoom)) draft.points.length = 1;
        const made = draft;
        draft = editor.draft = null;
        done(made);
        view.repaint();
      },
      cancel() {
        draft = editor.draft = null;
        if (previews && editor.live) editor.live.show(editor.head);
        view.repaint();
      },
    };
  }

  /** The radius, larger if a pen is pressed harder. @param {PointerEvent | undefined} event */
  function pressed(event) {
    if (event?.pointerType !== "pen" || !event.pressure) return editor.radius;
    return Math.round(editor.radius * (0.4 + 1.2 * event.pressure) * 10) / 10;
  }

  function plain() {
    const about = { name: slot.name, icon: shown ? "close" : coloured ? "brush" : "pen", title: titleOf(slot), help: slot.help, coloured: coloured && !shown, fills: fills && !shown, alones: alones && !shown, pressure: true, pieces: Boolean(pieces) && gestures.includes("piece") };
    return drawn(about, (draft) => (pieces && clears.length ? settle(draft) : (tellOpen(draft), editor.commit(merge([draft]), here))), true);
  }

  /** Commit a mark, and remove marks of other slots on the same pieces that contradict it. @param {any} draft */
  async function settle(draft) {
    const node = editor.head;
    const map = pieces?.current?.node === node ? pieces.current : await pieces?.whenReady().catch(() => null);
    const ids = new Set(map ? draft.points.map((/** @type {number[]} */ p) => map.at(centre(p))) : []);
    editor.commit(together([...(map ? taken(map, ids, clears) : []), merge([draft])]), here);
  }

  let told = false;
  /** @param {any} draft */
  function tellOpen(draft) {
    const map = pieces?.current?.node === editor.head ? pieces?.current : null; // those of another node may differ
    const id = map && draft.points.length === 1 ? map.at(centre(draft.points[0])) : null;
    if (told || !fills || draft.fill || !map || id === null || !map.isBackground(id)) return;
    told = true;
    notice(w("open_ground"));
  }

  /** @param {"bridge" | "split"} gesture */
  function outline(gesture) {
    const about = { name: `${slot.name}-${gesture}`, icon: gesture, title: w(`gesture_${gesture}`), help: w(`gesture_${gesture}_help`), radius: false, ring: () => 2.5 / view.camera.zoom };
    return drawn(about, (draft) => {
      const path = snapToInk(gesture, draft.points.map(centre), editor.ink, view);
      if (path) editor.commit(merge([{ ...draft, radius: 1, points: path.map(round) }]), here);
    }, false);
  }

  function join() {
    const about = { name: slot.name, icon: "join", title: w("gesture_join"), help: w("gesture_join_help"), radius: false, ring: () => 2.5 / view.camera.zoom, pieces: Boolean(pieces), picks: true };
    return drawn(about, (draft) => {
      if (draft.points.length > 1 || !pieces) editor.commit(merge([{ ...draft, radius: 1 }]), here);
      else pick(centre(draft.points[0]));
    }, false);
  }

  /** Select the first of two pieces, or merge the second with it. @param {number[]} place */
  async function pick(place) {
    const map = await pieces?.whenReady();
    const id = map?.at(place);
    if (!map || id === null || id === undefined) return;
    if (!pieces?.selected.size || pieces.selected.has(id)) {
      const again = pieces?.selected.has(id);
      pieces?.select(new Set(again ? [] : [id]));
      return again ? undefined : notice(w("join_other"));
    }
    if (!unite(new Set([...pieces.selected, id]), map, place)) notice(w("not_touching"));
    pieces.select(new Set());
  }

  /** @param {Set<number>} ids @param {import("../canvas/piece_map.js").PieceMap} map @param {number[] | null} near */
  function unite(ids, map, near = null) {
    /** @type {Map<number, number>} */
    const root = new Map([...ids].map((id) => [id, id]));
    const find = (/** @type {number} */ id) => {
      while (root.get(id) !== id) id = /** @type {number} */ (root.get(id));
      return id;
    };
    const marks = [];
    for (const { pair, path } of map.borders(ids, near)) {
      const [one, other] = pair.map(find);
      if (one === other) continue;
      root.set(one, other);
      marks.push({ ...markOf(path.map(round)), radius: 1 });
    }
    if (marks.length) editor.commit(merge(marks), here);
    return marks.length > 0 && new Set([...ids].map(find)).size === 1;
  }

  /** Put a mark into each of these pieces, as one edit. @param {Set<number>} ids @param {import("../canvas/piece_map.js").PieceMap} map */
  function mark(ids, map) {
    const marks = [...ids].map((id) => {
      const { place, clearance } = map.centreOf(id);
      // Not wider than the piece, so that it does not mark its neighbour.
      return { ...markOf([round(place)]), radius: Math.max(0.5, Math.min(editor.radius, 4, Math.floor(clearance) - 0.5)), fill: map.isBackground(id) };
    });
    editor.commit(together([...taken(map, ids, shown ? clears : [slot.name, ...clears]), merge(marks)]), here);
  }

  /** Edits that remove the marks that are entirely in these pieces. @param {import("../canvas/piece_map.js").PieceMap} map @param {Set<number | null>} ids @param {string[]} slots */
  function taken(map, ids, slots) {
    const within = editor.marks.filter((/** @type {any} */ one) => slots.includes(one.slot) && one.points.every((/** @type {number[]} */ p) => ids.has(map.at(centre(p)))));
    return within.sort((/** @type {any} */ a, /** @type {any} */ b) => b.index - a.index).map((/** @type {any} */ one) => ({ op: "take", slot: one.slot, index: one.index }));
  }

  const onPieces = !pieces ? null : gestures.includes("piece") ? { title: titleOf(slot), icon: tools[0].icon, coloured: coloured && !shown, run: mark } : gestures.includes("join") ? { title: w("gesture_join"), icon: "join", several: true, run: (/** @type {any} */ ids, /** @type {any} */ map) => unite(ids, map) || notice(w("not_touching")) } : null;
  return { tools, onPieces, brush: [fills && !shown && pieces && fillSwitch(editor, slot), alones && !shown && aloneSwitch(editor, slot)] };
}

/** Switch: a mark on the background colours only its own spot, or all of the background. @param {import("../session/editor.js").Editor} editor @param {any} slot */
const fillSwitch = (editor, slot) => either(editor, slot, "fill", "fills", w("fill_where"), [w("fill_off"), w("fill_on")], (on) => editor.setFills(on));

/** Switch: proposals elsewhere follow a mark's colour, or stay. @param {import("../session/editor.js").Editor} editor @param {any} slot */
const aloneSwitch = (editor, slot) => either(editor, slot, "alone", "alones", w("alone_where"), [w("alone_off"), w("alone_on")], (on) => editor.setAlone(on));

/** Two chips of which one is selected; shown for tools that have the property `has`. @param {any} editor @param {any} slot @param {string} what @param {string} has @param {any} where @param {any[]} words @param {(on: boolean) => void} set */
function either(editor, slot, what, has, where, words, set) {
  const chips = [false, true].map((on) => h("button", { type: "button", class: "chip", role: "radio", [`data-${what}`]: String(on), on: { click: () => set(on) } }, words[Number(on)]));
  const show = () => {
    const now = what === "fill" ? editor.fills : editor.alone;
    chips.forEach((chip, i) => chip.setAttribute("aria-checked", String(now === Boolean(i))));
    field.hidden = !editor.tool?.[has];
  };
  editor.on("fills alone tool", show);
  const field = h("div", { class: "field" }, h("label", {}, where), h("div", { class: "chips", role: "radiogroup", "aria-label": where, "data-slot": slot.name }, chips));
  show();
  return field;
}

/** @param {any[]} edits */
const together = (edits) => (edits.length === 1 ? edits[0] : { op: "several", edits });

// Coordinates of marks are relative to a pixel's centre, points of the page to its corner.
const round = (/** @type {number[]} */ [x, y]) => [Math.round((x - 0.5) * 10) / 10, Math.round((y - 0.5) * 10) / 10];
const centre = (/** @type {number[]} */ [x, y]) => [x + 0.5, y + 0.5];

const inside = (/** @type {[number, number]} */ [x, y], /** @type {[number, number]} */ [width, height]) => x >= 0 && y >= 0 && x < width && y < height;
