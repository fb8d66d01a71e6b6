/** Colours: those in the picture, and a person's own palettes, kept in this browser. */

const KEPT = "gesso.palettes";
const FIRST = ["#2f2a26", "#e4572e", "#f2a65a", "#f7d488", "#ffe3c8", "#7fb069", "#3f8f6b", "#6fb7d6", "#35608f", "#8a6bb1", "#e39ab4", "#ffffff"];

/** @typedef {{name: string, colours: string[]}} Palette */

/** @returns {Palette[]} */
export function palettes() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) ?? "null");
    if (Array.isArray(kept) && kept.length) return kept.map(clean);
  } catch {
    // damaged: begin anew
  }
  return [{ name: "", colours: FIRST }];
}

/** @param {Palette[]} list */
export const keepPalettes = (list) => localStorage.setItem(KEPT, JSON.stringify(list.slice(0, 200)));

const clean = (/** @type {any} */ one) => ({
  name: String(one?.name ?? "").slice(0, 80),
  colours: (Array.isArray(one?.colours) ? one.colours : []).filter((/** @type {any} */ c) => /^#[0-9a-f]{6}$/.test(c)).slice(0, 256),
});

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

/** @param {Palette} palette */
export function toGpl({ name, colours }) {
  const rows = colours.map((c) => [1, 3, 5].map((i) => String(parseInt(c.slice(i, i + 2), 16)).padStart(3)).join(" ") + "\t" + c);
  return `GIMP Palette\nName: ${name || "Gesso"}\nColumns: 0\n#\n${rows.join("\n")}\n`;
}

/** @param {string} text @returns {Palette | null} */
export function fromGpl(text) {
  if (!text.startsWith("GIMP Palette")) return null;
  const rows = [...text.matchAll(/^[ \t]*(\d{1,3})[ \t]+(\d{1,3})[ \t]+(\d{1,3})/gm)];
  const colours = rows.map(([, ...rgb]) => "#" + rgb.map((v) => Math.min(255, Number(v)).toString(16).padStart(2, "0")).join(""));
  return clean({ name: /^Name:[ \t]*(.*)$/m.exec(text)?.[1]?.trim() ?? "", colours });
}
