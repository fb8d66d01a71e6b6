/**
 * A point cloud: a .ply file as this program writes it (binary, x y z as float, red green blue as bytes), turned with the pointer.
 * Points are drawn by hand into the pixels of a 2-D canvas with a depth buffer, so no WebGL is needed.
 */
import { t, w } from "../words/language.js";

const ROW = 15; // bytes of a point
const DEGREES_PER_PIXEL = 0.5;
const ZOOM = 1.1;
const PAPER = 0xfff6f9fa; // of a pixel, as ABGR

/** @typedef {{position: Float32Array, colour: Uint8Array, middle: number[], reach: number}} Cloud */

/** The points of a .ply file; throws where it is another. @param {ArrayBuffer} data @returns {Cloud} */
export function readPoints(data) {
  const mark = `end_header\n`;
  const head = new TextDecoder("latin1").decode(new Uint8Array(data, 0, Math.min(data.byteLength, 2 ** 20)));
  const begin = head.indexOf(mark) + mark.length;
  const num = Number(head.match(/\nelement vertex (\d+)\n/)?.[1] ?? 0);
  if (!head.startsWith("ply\nformat binary_little_endian") || begin < mark.length || data.byteLength < begin + num * ROW) throw new Error("not a point cloud");
  const rows = new DataView(data, begin);
  const position = new Float32Array(3 * num);
  const colour = new Uint8Array(3 * num);
  const [low, high] = [[Infinity, Infinity, Infinity], [-Infinity, -Infinity, -Infinity]];
  for (let n = 0; n < num; n++) {
    for (let axis = 0; axis < 3; axis++) {
      const value = (position[3 * n + axis] = rows.getFloat32(n * ROW + 4 * axis, true));
      low[axis] = Math.min(low[axis], value);
      high[axis] = Math.max(high[axis], value);
      colour[3 * n + axis] = rows.getUint8(n * ROW + 12 + axis);
    }
  }
  const reach = Math.hypot(high[0] - low[0], high[1] - low[1], high[2] - low[2]) / 2 || 1;
  return { position, colour, middle: low.map((value, axis) => (value + high[axis]) / 2), reach };
}

/** Draw a cloud, seen from an orbit, into pixels as ABGR. @param {Uint32Array} pixels @param {Float32Array} depths @param {number} width @param {number} height @param {Cloud} cloud @param {{azimuth: number, elevation: number, zoom: number}} at */
export function drawPoints(pixels, depths, width, height, cloud, at) {
  pixels.fill(PAPER);
  depths.fill(Infinity);
  const { position, colour, middle, reach } = cloud;
  const [a, e] = [(at.azimuth * Math.PI) / 180, (at.elevation * Math.PI) / 180];
  const [right, back] = [[-Math.sin(a), Math.cos(a), 0], [Math.cos(a) * Math.cos(e), Math.sin(a) * Math.cos(e), Math.sin(e)]];
  const up = [-Math.cos(a) * Math.sin(e), -Math.sin(a) * Math.sin(e), Math.cos(e)];
  const distance = (2.6 * reach) / at.zoom;
  const focal = 1.25 * Math.min(width, height);
  const size = Math.max(1, Math.min(6, (focal * reach * 2.2) / distance / Math.sqrt(position.length / 3 + 1)));
  for (let n = 0; n < position.length; n += 3) {
    const [x, y, z] = [position[n] - middle[0], position[n + 1] - middle[1], position[n + 2] - middle[2]];
    const depth = distance - (x * back[0] + y * back[1] + z * back[2]);
    if (depth < 0.02 * reach) continue;
    const half = size / 2;
    const across = width / 2 + (focal * (x * right[0] + y * right[1])) / depth;
    const down = height / 2 - (focal * (x * up[0] + y * up[1] + z * up[2])) / depth;
    const [left, top] = [Math.max(0, Math.round(across - half)), Math.max(0, Math.round(down - half))];
    const [end, foot] = [Math.min(width, Math.round(across + half)), Math.min(height, Math.round(down + half))];
    const pixel = 0xff000000 | (colour[n + 2] << 16) | (colour[n + 1] << 8) | colour[n];
    for (let row = top; row < foot; row++) {
      for (let column = left, place = row * width + left; column < end; column++, place++) {
        if (depths[place] <= depth) continue;
        depths[place] = depth;
        pixels[place] = pixel;
      }
    }
  }
}

/** A cloud that is turned by dragging, by the wheel and by keys. @param {ArrayBuffer} first @param {{height?: number}} [options] */
export function pointsViewer(first, { height = 300 } = {}) {
  let cloud = readPoints(first);
  const at = { azimuth: 30, elevation: 25, zoom: 1 };
  /** @type {[number, number] | null} */ let held = null;
  let asked = 0;
  const canvas = document.createElement("canvas");
  Object.assign(canvas.style, { display: "block", width: "100%", height: `${height}px`, touchAction: "none", cursor: "grab", borderRadius: "6px" });
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  const told = document.createElement("output");
  const element = document.createElement("section");
  element.className = "points-viewer";
  element.append(canvas, told);
  /** @type {{pixels: ImageData, depths: Float32Array} | null} */ let made = null;

  function draw() {
    asked = 0;
    const scale = Math.min(devicePixelRatio || 1, 1.5);
    const [wide, tall] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
    if (!wide || !tall) return;
    if (canvas.width !== wide || canvas.height !== tall) [canvas.width, canvas.height] = [wide, tall];
    if (made?.pixels.width !== wide || made.pixels.height !== tall) made = { pixels: new ImageData(wide, tall), depths: new Float32Array(wide * tall) };
    drawPoints(new Uint32Array(made.pixels.data.buffer), made.depths, wide, tall, cloud, at);
    canvas.getContext("2d")?.putImageData(made.pixels, 0, 0);
  }
  const again = () => void (asked ||= requestAnimationFrame(draw));

  /** @param {number} azimuth @param {number} elevation @param {number} [zoom] */
  function turn(azimuth, elevation, zoom = 1) {
    at.azimuth += azimuth;
    at.elevation = Math.max(-90, Math.min(90, at.elevation + elevation));
    at.zoom = Math.max(0.2, Math.min(20, at.zoom * zoom));
    again();
  }
  const label = () => {
    told.textContent = t(w("points_num", { num: String(cloud.position.length / 3) }));
    canvas.setAttribute("aria-label", told.textContent);
    again();
  };

  canvas.addEventListener("pointerdown", (event) => {
    held = [event.clientX, event.clientY];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!held) return;
    turn((held[0] - event.clientX) * DEGREES_PER_PIXEL, (event.clientY - held[1]) * DEGREES_PER_PIXEL);
    held = [event.clientX, event.clientY];
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (held = null));
  canvas.addEventListener("wheel", (event) => (event.preventDefault(), turn(0, 0, event.deltaY > 0 ? 1 / ZOOM : ZOOM)), { passive: false });
  canvas.addEventListener("keydown", (event) => {
    /** @type {Record<string, number[]>} */ const moves = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, 5], ArrowDown: [0, -5], "+": [0, 0, ZOOM], "=": [0, 0, ZOOM], "-": [0, 0, 1 / ZOOM] };
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    turn(move[0], move[1], move[2]);
  });
  const watch = new ResizeObserver(again);
  watch.observe(canvas);
  label();
  return { element, show: (/** @type {ArrayBuffer} */ data) => ((cloud = readPoints(data)), label()), close: () => watch.disconnect() };
}
