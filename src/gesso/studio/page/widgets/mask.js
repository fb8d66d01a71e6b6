/** A part of the picture to keep: whole pieces, painted areas, or drawn in light and dark. The rest is generated again. */
import * as api from "../server/api.js";
import { encodePng, encodePngUrl } from "../canvas/png.js";
import { h } from "../ui/elements.js";
import { announce, notice } from "../ui/messages.js";
import { titleOf, w } from "../words/language.js";

const SMALL = 65_536;
const LARGE = 500_000; // pixels from which a mask is uploaded instead of sent over the socket

/** @param {import("../session/editor.js").Editor} editor @param {import("../canvas/view.js").View} view @param {any} slot */
export function maskWidget(editor, view, slot) {
  const { control } = slot;
  const here = editor.live; // the session these marks are for
  const channels = control.channels === 3 ? 3 : 1;
  const size = () => (control.size ? [control.size[1], control.size[0]] : view.page);
  const pieces = control.gestures?.includes("piece") && editor.pieces?.output ? editor.pieces : null;
  // Nothing is allocated before it is needed: a page may have 16 million pixels.
  let [width, height] = [0, 0];
  let known = new Uint8Array();
  let pixels = new Uint8Array();
  const veil = document.createElement("canvas");
  let read = "unread";
  let drawing = false;
  /** @type {Uint8ClampedArray | null} the picture at the start of a stroke */ let before = null;
  /** @type {number[]} the pixels that this stroke keeps */ let touched = [];
  /** @type {any} */ let last = null;
  /** @type {[number, number] | null} where the pointer went down, while this may still be a click on a piece */ let began = null;

  // If the page is a drawing, the user selects what to keep; without one, the user can also draw it.
  const modes = (control.size ? ["keep", "light", "dark", "free"] : ["keep", "free"]).map((mode) => ({ mode, title: w(`mask_${mode}`) }));
  let mode = modes[0].mode;
  const tool = {
    name: slot.name,
    slot: slot.name,
    icon: "mask",
    title: titleOf(slot),
    help: slot.help,
    radius: true,
    pressure: true,
    pieces: Boolean(pieces),
    ring: () => brush(),
    down(/** @type {[number, number]} */ place, /** @type {PointerEvent | undefined} */ event) {
      drawing = true;
      last = null;
      touched = [];
      before = null;
      changes++;
      ready();
      if (pieces) began = place;
      else stamp(place, event);
    },
    move(/** @type {[number, number]} */ place, /** @type {PointerEvent | undefined} */ event) {
      if (!drawing || (began && Math.hypot(place[0] - began[0], place[1] - began[1]) < 5 / view.camera.zoom)) return;
      if (began) stamp(began, event);
      began = null;
      stamp(place, event);
    },
    up() {
      if (!drawing) return;
      drawing = false;
      if (!began) return void finished();
      const place = began;
      began = null;
      pieces?.whenReady(true).then((map) => {
        const id = map.at(place);
        if (id !== null) whole(new Set([id]), map, mode === "free" ? false : null);
      }, (error) => notice(error.message, "wrong"));
    },
    cancel() {
      drawing = false;
      began = null;
      read = "unread";
      load();
    },
  };

  const brush = () => Math.max(0.6, Math.min(editor.radius, width / 6) * (width < 100 ? 0.18 : 1));

  /** Commit a stroke, with pixels of the full-size picture if the shown one is smaller. */
  async function finished() {
    const live = editor.live?.picture;
    const source = mode === "keep" && !control.size && live?.width !== width ? await exactPixels().catch(() => null) : null;
    for (const at of source ? touched : []) for (let c = 0; c < channels; c++) pixels[at * channels + c] = source[at * 4 + c];
    touched = [];
    await keep(true);
  }

  /** Allocate a mask of the page's size. */
  function ready() {
    const [w_, h_] = size();
    if (w_ === width && h_ === height && known.length) return;
    [width, height] = [w_, h_];
    known = new Uint8Array(width * height);
    pixels = new Uint8Array(width * height * channels);
  }

  /** Keep pieces, or free them; with `keeps` null, do the opposite of what most of their pixels are now. @param {Set<number>} ids @param {import("../canvas/piece_map.js").PieceMap} map @param {boolean | null} keeps */
  async function whole(ids, map, keeps) {
    await loading;
    ready();
    changes++;
    if (map.width !== width || map.height !== height) return;
    const box = [...ids].map((id) => map.measure().get(id)?.box ?? [0, 0, 0, 0]).reduce(([a, b, c, d], [l, t, r, o]) => [Math.min(a, l), Math.min(b, t), Math.max(c, r), Math.max(d, o)]);
    const each = (/** @type {(at: number) => void} */ run) => {
      for (let y = box[1]; y < box[3]; y++) for (let x = box[0]; x < box[2]; x++) if (ids.has(map.labels[y * width + x])) run(y * width + x);
    };
    let [num, held] = [0, 0];
    each((at) => (num++, known[at] && held++));
    const protects = keeps ?? held < num / 2;
    const source = protects ? await exactPixels() : null;
    if (protects && !source) return;
    each((at) => {
      if (protects && known[at]) return; // pixels that were kept before do not change
      known[at] = protects ? 255 : 0;
      for (let c = 0; c < channels; c++) pixels[at * channels + c] = source ? source[at * 4 + c] : 0;
    });
    paintVeil();
    announce(w(protects ? "said_kept" : "said_freed"));
    await keep(true);
  }

  /** The pixels of the full-size picture; the canvas may show a smaller one. */
  async function exactPixels() {
    const live = editor.live?.picture;
    return live?.width === width && live.height === height ? shownPixels() : bytesOf(api.outputUrl(editor.session.id, editor.head, editor.output.name, "clean=true"), width, height);
  }

  /** @param {[number, number]} place @param {PointerEvent} [event] */
  function stamp([px, py], event) {
    const scale = width / view.page[0];
    const to = [px * scale, py * scale];
    const from = last ?? to;
    last = to;
    const radius = brush() * scale * (event?.pointerType === "pen" && event.pressure ? 0.4 + 1.2 * event.pressure : 1);
    const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / Math.max(0.5, radius / 2)));
    const source = mode === "keep" ? (before ??= shownPixels()) : null; // read once a stroke, because it may be large
    for (let s = 0; s <= steps; s++) {
      const [cx, cy] = [from[0] + ((to[0] - from[0]) * s) / steps, from[1] + ((to[1] - from[1]) * s) / steps];
      for (let y = Math.max(0, Math.floor(cy - radius)); y <= Math.min(height - 1, cy + radius); y++) {
        for (let x = Math.max(0, Math.floor(cx - radius)); x <= Math.min(width - 1, cx + radius); x++) {
          if (Math.hypot(x + 0.5 - cx, y + 0.5 - cy) > radius) continue;
          const at = y * width + x;
          if (mode === "keep" && known[at]) continue;
          known[at] = mode === "free" ? 0 : 255;
          if (source) touched.push(at);
          for (let c = 0; c < channels; c++) pixels[at * channels + c] = source ? source[at * 4 + c] : mode === "light" ? 255 : 0;
        }
      }
    }
    paintVeil();
    if (known.length < SMALL) keep(false); // encoding a large mask is too slow for a preview
  }

  function shownPixels() {
    const copy = document.createElement("canvas");
    Object.assign(copy, { width, height });
    const pen = copy.getContext("2d");
    if (pen && editor.live?.picture.width) editor.live.drawOn(pen, width, height);
    return pen?.getImageData(0, 0, width, height).data ?? null;
  }

  let latest = 0;
  /** @param {boolean} commit */
  async function keep(commit) {
    const ticket = ++latest;
    if (!known.includes(255)) {
      if (commit && editor.given.conditions[slot.name]) editor.commit({ op: "drop", slot: slot.name }, here);
      return;
    }
    const value = await written().catch((error) => void notice(error.message, "wrong"));
    if (!value) return (read = "unread"), load();
    if (!commit && ticket !== latest) return;
    const edit = { op: "set", slot: slot.name, value };
    if (commit) editor.commit(edit, here);
    else editor.preview(edit);
  }

  async function written() {
    if (known.length < LARGE) return { pixels: await encodePngUrl(pixels, width, height, channels), mask: await encodePngUrl(known, width, height) };
    const [shown, mask] = await Promise.all([encodePng(pixels, width, height, channels), encodePng(known, width, height)].map(async (file) => ({ upload: (await api.upload(await file)).id })));
    return { pixels: shown, mask };
  }

  function paintVeil() {
    Object.assign(veil, known.length ? { width, height } : { width: 0, height: 0 });
    const pen = veil.getContext("2d");
    if (!pen || !known.length) return void view.repaint();
    const image = pen.createImageData(width, height);
    for (let i = 0; i < known.length; i++) {
      const value = pixels[i * channels];
      const shown = channels === 3 ? [pixels[i * 3], pixels[i * 3 + 1], pixels[i * 3 + 2]] : [value, value, value];
      if (known[i]) image.data.set([shown[0] * 0.72, shown[1] * 0.86 + 36, shown[2] * 0.78 + 30, 255], i * 4);
    }
    pen.putImageData(image, 0, 0);
    view.repaint();
  }

  let changes = 0; // strokes since the mask was read
  let loading = Promise.resolve();

  function load() {
    const value = editor.given.conditions[slot.name];
    const key = value ? `${editor.given.nodes[slot.name]} ${JSON.stringify(value)}` : "none";
    if (key !== read && !drawing) loading = take(value, (read = key)).catch((error) => notice(error.message, "wrong"));
  }

  /** @param {any} value @param {string} key */
  async function take(value, key) {
    const before = changes;
    const [wide, tall] = size();
    const parts = value ? await Promise.all(["pixels", "mask"].map((part) => bytesOf(editor.pictureOf(slot.name, part), wide, tall))) : [];
    if (read !== key || changes !== before) return; // a newer mask was read, or drawn, meanwhile
    known = new Uint8Array();
    if (value) ready();
    const [shown, mask] = parts;
    for (let i = 0; shown && mask && i < known.length; i++) {
      known[i] = mask[i * 4];
      for (let c = 0; c < channels; c++) pixels[i * channels + c] = shown[i * 4 + c];
    }
    if (value || veil.width) paintVeil();
  }

  view.overlay = (pen) => {
    const held = editor.tool?.slot === slot.name;
    if (!editor.marksShown || !held) return;
    pen.save();
    pen.imageSmoothingEnabled = false;
    pen.globalAlpha = 0.9;
    if (veil.width) pen.drawImage(veil, 0, 0, ...view.page);
    pen.restore();
  };

  const clear = h("button", { type: "button", class: "soft", on: { click: () => editor.given.conditions[slot.name] && editor.commit({ op: "drop", slot: slot.name }) } }, w("clear"));
  const chips = modes.map((one) => h("button", { type: "button", class: "chip", "data-mode": one.mode, on: { click: () => ((mode = one.mode), editor.setTool(tool), show()) } }, one.title));
  const element = h("div", { class: "chips", role: "group", "aria-label": titleOf(slot) }, chips, clear);
  const show = () => chips.forEach((chip, i) => chip.setAttribute("aria-pressed", String(editor.tool === tool && modes[i].mode === mode)));
  editor.on("given", () => element.isConnected && load());
  editor.on("tool", show);
  load();
  return { element, tools: [tool], onPieces: pieces ? { title: titleOf(slot), icon: "lock", run: async (/** @type {Set<number>} */ ids) => whole(ids, await pieces.whenReady(true), true) } : null };
}

/** @param {string | null} address @param {number} width @param {number} height */
async function bytesOf(address, width, height) {
  if (!address) return null;
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen?.drawImage(image, 0, 0, width, height);
  return pen?.getImageData(0, 0, width, height).data ?? null;
}
