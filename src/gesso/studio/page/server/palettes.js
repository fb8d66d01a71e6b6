/** The user's palettes, which the server stores. */
import * as api from "./api.js";

const OLD_STORAGE_KEY = "gesso.palettes"; // earlier versions stored palettes in the browser
const DEFAULT_COLOURS = ["#2f2a26", "#e4572e", "#f2a65a", "#f7d488", "#ffe3c8", "#7fb069", "#3f8f6b", "#6fb7d6", "#35608f", "#8a6bb1", "#e39ab4", "#ffffff"];

/** @typedef {{color: string, name: string}} Swatch */
/** @typedef {{id: string | null, name: string, colours: Swatch[]}} Palette */

/** @returns {Promise<Palette[]>} */
export async function loadPalettes() {
  const kept = await api.listPalettes();
  if (kept.length) return kept;
  const old = palettesInBrowser();
  for (const one of old) await api.savePalette(one);
  localStorage.removeItem(OLD_STORAGE_KEY);
  return old.length ? api.listPalettes() : [defaultPalette()];
}

/** The palette of a new user; it is saved when it is changed. @returns {Palette} */
export const defaultPalette = () => ({ id: null, name: "", colours: DEFAULT_COLOURS.map((color) => ({ color, name: "" })) });

/** @returns {Palette[]} */
function palettesInBrowser() {
  try {
    const kept = JSON.parse(localStorage.getItem(OLD_STORAGE_KEY) ?? "[]");
    return kept.map((/** @type {any} */ one) => ({ id: null, name: String(one.name ?? "").slice(0, 80), colours: toSwatches(one.colours.filter((/** @type {any} */ c) => /^#[0-9a-f]{6}$/.test(c)).slice(0, 256)) }));
  } catch {
    return []; // the stored JSON is damaged
  }
}

/** @param {string[]} colours @returns {Swatch[]} */
export const toSwatches = (colours) => colours.map((color) => ({ color, name: "" }));
