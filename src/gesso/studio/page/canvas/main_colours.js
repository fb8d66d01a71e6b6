/** The main colours of a picture. */

/** The most frequent colours of a picture, none close to another, white last. @param {HTMLCanvasElement | null | undefined} picture @param {number} [most] */
export function mainColours(picture, most = 12) {
  if (!picture?.width) return [];
  const side = 160;
  const scale = Math.min(1, side / Math.max(picture.width, picture.height));
  const small = document.createElement("canvas");
  small.width = Math.max(1, Math.round(picture.width * scale));
  small.height = Math.max(1, Math.round(picture.height * scale));
  const pen = small.getContext("2d", { willReadFrequently: true });
  if (!pen) return [];
  pen.imageSmoothingEnabled = false; // so that no mixed colours appear
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
    if (chosen.every((other) => distance(key, other) > 28)) chosen.push(key);
  }
  // Black ink gets no swatch; white paper comes last.
  const shown = chosen.filter((key) => distance(key, 0) > 90);
  shown.sort((a, b) => Number(a === 0xffffff) - Number(b === 0xffffff));
  return shown.map((key) => "#" + key.toString(16).padStart(6, "0"));
}

const distance = (/** @type {number} */ a, /** @type {number} */ b) => Math.abs((a >> 16) - (b >> 16)) + Math.abs(((a >> 8) & 255) - ((b >> 8) & 255)) + Math.abs((a & 255) - (b & 255));
