/** A part of the picture that stays: painted over what is there, or drawn in light and dark; the rest is made anew. */
import { h } from "../dom.js";
import { pngOf } from "../png.js";
import { titleOf, w } from "../words.js";

const SMALL = 65_536;

/** @param {import("../room.js").Room} room @param {import("../view.js").View} view @param {any} slot */
export function maskWidget(room, view, slot) {
  const { control } = slot;
  const channels = control.channels === 3 ? 3 : 1;
  const size = () => (control.size ? [control.size[1], control.size[0]] : view.page);
  let [width, height] = size();
  let known = new Uint8Array(width * height);
  let pixels = new Uint8Array(width * height * channels);
  const veil = document.createElement("canvas");
  let read = "";
  let drawing = false;
  /** @type {any} */ let last = null;

  // Where the page is a drawing, what stays is chosen; where there is none, it can be drawn as well.
  const modes = (control.size ? ["keep", "light", "dark", "free"] : ["keep", "free"]).map((mode) => ({ mode, title: w(`mask_${mode}`) }));
  let mode = modes[0].mode;
  const tool = {
    name: slot.name,
    slot: slot.name,
    icon: "mask",
    title: titleOf(slot),
    help: slot.help,
    radius: true,
    ring: () => brush(),
    down(/** @type {any} */ place) {
      drawing = true;
      last = null;
      stamp(place);
    },
    move: (/** @type {any} */ place) => drawing && stamp(place),
    up: () => drawing && ((drawing = false), keep(true)),
    cancel() {
      drawing = false;
      read = "";
      load();
    },
  };

  const brush = () => Math.max(0.6, Math.min(room.radius, width / 6) * (width < 100 ? 0.18 : 1));

  /** @param {[number, number]} place */
  function stamp([px, py]) {
    const scale = width / view.page[0];
    const to = [px * scale, py * scale];
    const from = last ?? to;
    last = to;
    const radius = brush() * scale;
    const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / Math.max(0.5, radius / 2)));
    const source = mode === "keep" ? shownPixels() : null;
    for (let s = 0; s <= steps; s++) {
      const [cx, cy] = [from[0] + ((to[0] - from[0]) * s) / steps, from[1] + ((to[1] - from[1]) * s) / steps];
      for (let y = Math.max(0, Math.floor(cy - radius)); y <= Math.min(height - 1, cy + radius); y++) {
        for (let x = Math.max(0, Math.floor(cx - radius)); x <= Math.min(width - 1, cx + radius); x++) {
          if (Math.hypot(x + 0.5 - cx, y + 0.5 - cy) > radius) continue;
          const at = y * width + x;
          if (mode === "keep" && known[at]) continue;
          known[at] = mode === "free" ? 0 : 255;
          for (let c = 0; c < channels; c++) pixels[at * channels + c] = source ? source[at * 4 + c] : mode === "light" ? 255 : 0;
        }
      }
    }
    paintVeil();
    if (known.length < SMALL) keep(false); // writing a large mask takes longer than a look at it is worth
  }

  function shownPixels() {
    const copy = document.createElement("canvas");
    Object.assign(copy, { width, height });
    const pen = copy.getContext("2d");
    if (pen && room.live?.picture.width) pen.drawImage(room.live.picture, 0, 0, width, height);
    return pen?.getImageData(0, 0, width, height).data ?? null;
  }

  let latest = 0;
  /** @param {boolean} commit */
  async function keep(commit) {
    const ticket = ++latest;
    if (!known.some(Boolean)) {
      if (commit && room.given.conditions[slot.name]) room.commit({ op: "drop", slot: slot.name });
      return;
    }
    const value = { pixels: await pngOf(pixels, width, height, channels), mask: await pngOf(known, width, height) };
    if (!commit && ticket !== latest) return;
    const edit = { op: "set", slot: slot.name, value };
    if (commit) room.commit(edit);
    else room.preview(edit);
  }

  function paintVeil() {
    Object.assign(veil, { width, height });
    const pen = veil.getContext("2d");
    if (!pen) return;
    const image = pen.createImageData(width, height);
    for (let i = 0; i < known.length; i++) {
      const value = pixels[i * channels];
      const shown = channels === 3 ? [pixels[i * 3], pixels[i * 3 + 1], pixels[i * 3 + 2]] : [value, value, value];
      if (known[i]) image.data.set([shown[0] * 0.72, shown[1] * 0.86 + 36, shown[2] * 0.78 + 30, 255], i * 4);
    }
    pen.putImageData(image, 0, 0);
    view.ask();
  }

  async function load() {
    const value = room.given.conditions[slot.name];
    const key = value ? `${room.given.nodes[slot.name]} ${JSON.stringify(value)}` : "none";
    if (key === read || drawing) return;
    read = key;
    [width, height] = size();
    known = new Uint8Array(width * height);
    pixels = new Uint8Array(width * height * channels);
    if (value) {
      const [shown, mask] = await Promise.all(["pixels", "mask"].map((part) => bytesOf(room.pictureOf(slot.name, part), width, height)));
      for (let i = 0; shown && mask && i < known.length; i++) {
        known[i] = mask[i * 4];
        for (let c = 0; c < channels; c++) pixels[i * channels + c] = shown[i * 4 + c];
      }
    }
    paintVeil();
  }

  view.overlay = (pen) => {
    const held = room.tool?.slot === slot.name;
    if (!room.marksShown || !held) return;
    pen.save();
    pen.imageSmoothingEnabled = false;
    pen.globalAlpha = 0.9;
    if (veil.width) pen.drawImage(veil, 0, 0, ...view.page);
    pen.restore();
  };

  const clear = h("button", { type: "button", class: "soft", on: { click: () => room.given.conditions[slot.name] && room.commit({ op: "drop", slot: slot.name }) } }, w("clear"));
  const chips = modes.map((one) => h("button", { type: "button", class: "chip", "data-mode": one.mode, on: { click: () => ((mode = one.mode), room.take(tool), show()) } }, one.title));
  const element = h("div", { class: "chips", role: "group", "aria-label": titleOf(slot) }, chips, clear);
  const show = () => chips.forEach((chip, i) => chip.setAttribute("aria-pressed", String(room.tool === tool && modes[i].mode === mode)));
  room.when("given", () => element.isConnected && load());
  room.when("tool", show);
  load();
  return { element, tools: [tool] };
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
