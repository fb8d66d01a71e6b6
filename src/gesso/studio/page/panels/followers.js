/** Followers: pieces without a mark that took the colour of the last mark. They are shown briefly; "Only here" limits the colour to the marked piece. */
import { followableMarks, onlyHereEdit } from "../session/edits.js";
import { h } from "../ui/elements.js";
import { announce } from "../ui/messages.js";
import { refreshText, t, w } from "../words/language.js";

const NEAR = 16; // of 255: the largest difference in a channel between a piece's colour and the mark's
const SPOTS = ["foot", "head", "foot-left", "foot-right", "head-left", "head-right"];
const STRIPES = 9; // CSS pixels between stripes

/** @param {import("../session/editor.js").Editor} editor @param {import("../canvas/view.js").View} view @param {HTMLElement} stage */
export function followers(editor, view, stage) {
  /** @type {{node: any, num: number, box: number[], brought: any, inside: HTMLCanvasElement, rim: HTMLCanvasElement} | null} */ let now = null;
  const veil = h("canvas", { class: "followers-veil", "aria-hidden": "true", hidden: true });
  const dot = h("i", { class: "drop-dot" });
  const said = h("span", { class: "told" }, () => (now ? t(words(now.num)) : ""));
  const keep = h("button", { type: "button", class: "primary", "data-act": "followers-keep", on: { click: () => close() } }, w("followers_keep"));
  const only = h("button", { type: "button", class: "soft", "data-act": "followers-only", on: { click: () => take() } }, w("followers_only"));
  const chip = h("div", { id: "followers", role: "group", "aria-label": w("followers"), hidden: true, on: { keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && (event.preventDefault(), close()) } }, dot, said, keep, only);
  stage.append(veil, chip);
  const words = (/** @type {number} */ num) => (num === 1 ? w("followers_one") : w("followers_many", { num: String(num) }));

  /** @param {any} detail */
  async function show(detail) {
    const brought = followableMarks(editor.nodes.get(detail.node)?.edit, editor.card);
    if (!brought || !current(detail.node)) return;
    const colours = brought.value[brought.list].filter((/** @type {any} */ mark) => !mark.alone).map((/** @type {any} */ mark) => mark.color);
    const alike = new Set(detail.pieces.map((/** @type {any} */ one, /** @type {number} */ i) => (colours.some((/** @type {string} */ colour) => near(colour, one.color)) ? i + 1 : 0)).filter(Boolean));
    if (!alike.size) return;
    const picture = await createImageBitmap(new Blob([detail.bytes], { type: `image/${detail.format}` }), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    if (!current(detail.node)) return;
    const num = alike.size === detail.pieces.length ? detail.num : alike.size;
    now = { node: detail.node, num, box: detail.box, brought, ...shapesOf(picture, alike) };
    dot.style.backgroundColor = colours[0];
    veil.hidden = chip.hidden = false;
    refreshText(said.firstElementChild);
    again();
    paint();
    announce(words(num));
  }

  /** Whether the node is the one shown, and no newer edit is pending. @param {any} node */
  const current = (node) => editor.head === node && !editor.pending.length;

  function close() {
    if (!now) return;
    const inside = chip.contains(document.activeElement);
    now = null;
    veil.hidden = chip.hidden = true;
    if (inside) view.canvas.focus({ preventScroll: true });
  }

  function take() {
    const brought = now?.brought;
    if (now && current(now.node)) editor.commit(onlyHereEdit(brought, editor.given));
    close();
  }

  /** Restart the animation. */
  function again() {
    veil.classList.remove("still", "over");
    veil.style.animationName = "none";
    veil.offsetWidth; // forces a layout, which restarts the animation
    veil.style.animationName = "";
  }
  for (const [event, still] of /** @type {[string, boolean][]} */ ([["pointerenter", true], ["focusin", true], ["pointerleave", false], ["focusout", false]])) {
    chip.addEventListener(event, () => veil.classList.toggle("still", still));
  }

  veil.addEventListener("animationend", () => veil.classList.add("over"));

  let asked = false;
  function later() {
    if (!now || asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      paint();
    });
  }

  function paint() {
    if (!now) return;
    Object.assign(veil, { width: view.canvas.width, height: view.canvas.height });
    const pen = veil.getContext("2d", { willReadFrequently: true });
    if (!pen) return;
    const ratio = veil.width / Math.max(1, view.canvas.clientWidth);
    const { box, inside, rim } = now;
    const put = (/** @type {HTMLCanvasElement} */ shape) => {
      pen.save();
      view.applyCamera(pen);
      pen.drawImage(shape, box[0], box[1], box[2] - box[0], box[3] - box[1]);
      pen.restore();
    };
    put(inside);
    pen.globalCompositeOperation = "source-in";
    pen.fillStyle = hatch(pen, ratio);
    pen.fillRect(0, 0, veil.width, veil.height);
    pen.globalCompositeOperation = "source-over";
    put(rim);
    settle(pen, ratio);
  }

  /** Move the chip to the spot where it hides the least of the followers and of the selection. @param {CanvasRenderingContext2D} pen @param {number} ratio */
  function settle(pen, ratio) {
    const bar = document.getElementById("chosen");
    const others = [bar && !bar.hidden ? bar.getBoundingClientRect() : null, ...chosenBoxes()].filter(Boolean);
    const around = stage.getBoundingClientRect();
    let best = SPOTS[0];
    let least = Infinity;
    for (const spot of SPOTS) {
      chip.dataset.at = spot;
      const at = chip.getBoundingClientRect();
      const { data } = pen.getImageData(Math.round((at.left - around.left) * ratio), Math.round((at.top - around.top) * ratio), Math.max(1, Math.round(at.width * ratio)), Math.max(1, Math.round(at.height * ratio)));
      let hidden = 0;
      for (let i = 3; i < data.length; i += 4) hidden += Number(data[i] > 0);
      for (const one of others) hidden += overlap(at, /** @type {any} */ (one)) * ratio * ratio;
      if (hidden < least) [best, least] = [spot, hidden];
    }
    chip.dataset.at = best;
  }

  /** The boxes of the selected pieces, on the screen. */
  function chosenBoxes() {
    const { left, top } = view.canvas.getBoundingClientRect();
    const map = editor.pieces?.current;
    return !map ? [] : [...(editor.pieces?.selected ?? [])].map((id) => {
      const [x0, y0, x1, y1] = (map.measure().get(id)?.box ?? [0, 0, 0, 0]).map((/** @type {number} */ v) => v / map.scale);
      const corners = [[x0, y0], [x1, y0], [x0, y1], [x1, y1]].map(([x, y]) => view.toScreen(x, y));
      const [xs, ys] = [0, 1].map((i) => corners.map((place) => place[i]));
      return { left: left + Math.min(...xs), right: left + Math.max(...xs), top: top + Math.min(...ys), bottom: top + Math.max(...ys) };
    });
  }

  editor.on("follows", (detail) => show(detail).catch(() => undefined)); // they are optional: errors are ignored
  editor.on("busy opened", close);
  editor.on("tree", () => now && !current(now.node) && close());
  editor.on("camera chosen", later);
  new ResizeObserver(later).observe(stage);
}

/** @param {string} one @param {string} other both #rrggbb */
const near = (one, other) => [1, 3, 5].every((i) => Math.abs(parseInt(one.slice(i, i + 2), 16) - parseInt(other.slice(i, i + 2), 16)) <= NEAR);

/** @param {DOMRect} a @param {{left: number, right: number, top: number, bottom: number}} b */
const overlap = (a, b) => Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left)) * Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));

/** A pattern of light and dark stripes, visible on any colour, with gaps that show the colour. @param {CanvasRenderingContext2D} pen @param {number} ratio */
function hatch(pen, ratio) {
  const side = Math.round(STRIPES * ratio);
  const tile = new OffscreenCanvas(side, side);
  const brush = /** @type {OffscreenCanvasRenderingContext2D} */ (tile.getContext("2d"));
  for (const [colour, from] of /** @type {[string, number][]} */ ([["rgba(255, 255, 255, 0.7)", 0], ["rgba(42, 58, 165, 0.6)", 0.22]])) {
    brush.strokeStyle = colour;
    brush.lineWidth = side * 0.16;
    for (const shift of [-1, 0, 1]) {
      brush.beginPath();
      brush.moveTo(side * (from + shift) - side, side * 2);
      brush.lineTo(side * (from + shift) + side * 2, -side);
      brush.stroke();
    }
  }
  return /** @type {CanvasPattern} */ (pen.createPattern(tile, "repeat"));
}

/** The shape of these pieces, filled, and its outline. @param {ImageBitmap} picture @param {Set<number>} numbers */
function shapesOf(picture, numbers) {
  const { width, height } = picture;
  const canvases = [0, 1].map(() => Object.assign(document.createElement("canvas"), { width, height }));
  const [inside, rim] = canvases.map((one) => /** @type {CanvasRenderingContext2D} */ (one.getContext("2d", { willReadFrequently: true })));
  inside.drawImage(picture, 0, 0);
  picture.close();
  const image = inside.getImageData(0, 0, width, height);
  const at = new Uint32Array(image.data.buffer);
  const edge = rim.createImageData(width, height);
  const line = new Uint32Array(edge.data.buffer);
  const ids = Uint8Array.from(at, (_, i) => (numbers.has(image.data[4 * i]) ? image.data[4 * i] : 0)); // the grey value is the piece's number
  const of = (/** @type {number} */ x, /** @type {number} */ y) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : ids[y * width + x]);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      at[i] = ids[i] ? 0xffffffff : 0;
      if (ids[i] && [of(x - 1, y), of(x + 1, y), of(x, y - 1), of(x, y + 1)].some((one) => one !== ids[i])) line[i] = 0xe6a53a2a;
    }
  }
  inside.putImageData(image, 0, 0);
  rim.putImageData(edge, 0, 0);
  return { inside: canvases[0], rim: canvases[1] };
}
