/** Colours: those in the picture, and a person's own palettes, kept by the server with their owner. */
import * as api from "./api.js";

const OLD = "gesso.palettes"; // where a browser kept them before
const FIRST = ["#2f2a26", "#e4572e", "#f2a65a", "#f7d488", "#ffe3c8", "#7fb069", "#3f8f6b", "#6fb7d6", "#35608f", "#8a6bb1", "#e39ab4", "#ffffff"];

/** @typedef {{color: string, name: string}} Swatch */
/** @typedef {{id: string | null, name: string, colours: Swatch[]}} Palette */

/** @returns {Promise<Palette[]>} */
export async function palettes() {
  const kept = await api.palettes();
  if (kept.length) return kept;
  const old = fromBrowser();
  for (const one of old) await api.keepPalette(one);
  localStorage.removeItem(OLD);
  return old.length ? api.palettes() : [firstPalette()];
}

/** The one that everybody begins with; it is kept once it is changed. @returns {Palette} */
export const firstPalette = () => ({ id: null, name: "", colours: FIRST.map((color) => ({ color, name: "" })) });

/** @returns {Palette[]} */
function fromBrowser() {
  try {
    const kept = JSON.parse(localStorage.getItem(OLD) ?? "[]");
    return kept.map((/** @type {any} */ one) => ({ id: null, name: String(one.name ?? "").slice(0, 80), colours: swatches(one.colours.filter((/** @type {any} */ c) => /^#[0-9a-f]{6}$/.test(c)).slice(0, 256)) }));
  } catch {
    return []; // damaged: begin anew
  }
}

/** @param {string[]} colours @returns {Swatch[]} */
export const swatches = (colours) => colours.map((color) => ({ color, name: "" }));

/** The picture's main colours, the most used first, none close to another. @param {HTMLCanvasElement | null | undefined} picture @param {number} [most] */
export function coloursIn(picture, most = 12) {
  if (!picture?.width) return [];
  const side = 160;
  const scale = Math.min(1, side / Math.max(picture.width, picture.height));
  const small = document.createElement("canvas");
  small.width = Math.max(1, Math.round(picture.width * scale));
  small.height = Math.max(1, Math.round(picture.height * scale));
  const pen = small.getContext("2d", { willReadFrequently: true });
  if (!pen) return [];
  pen.imageSmoothingEnabled = false; // flats stay the colours that they are
  pen.drawImage(picture, 0, 0, small.width, small.height);
  const { data } = pen.getImageData(0, 0, small.width, small.height);
  /** @type {Map<number, number>} */
  const counts = new Map();
  for (let i = 0; i < data.length; i += 4) {
    const key = (data[i] << 16) | (data[i + 1] << 8) | data[i + 2];
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  /** @type {number[]} */
  const chosen = [];
  for (const [key, count] of [...counts].sort((a, b) => b[1] - a[1])) {
    if (chosen.length >= most || count < 6) break;
    if (chosen.every((other) => away(key, other) > 28)) chosen.push(key);
  }
  // Ink needs no swatch, and paper comes last.
  const shown = chosen.filter((key) => away(key, 0) > 90);
  shown.sort((a, b) => Number(a === 0xffffff) - Number(b === 0xffffff));
  return shown.map((key) => "#" + key.toString(16).padStart(6, "0"));
}

const away = (/** @type {number} */ a, /** @type {number} */ b) => Math.abs((a >> 16) - (b >> 16)) + Math.abs(((a >> 8) & 255) - ((b >> 8) & 255)) + Math.abs((a & 255) - (b & 255));
