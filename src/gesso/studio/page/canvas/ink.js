/** The ink of the line drawing: ends of drawn lines snap to it. */

const MOST_PIXELS = 4_000_000; // of the copy that is examined
const INK_CONTRAST = 95; // of 255: difference from the paper at which a pixel is ink, as in gesso.rules
const MIN_ALPHA = 32; // alpha below which a pixel is transparent

export class Ink {
  /** @param {import("./view.js").View} view */
  constructor(view) {
    this.view = view;
    /** @type {any} */ this.source = null;
    this.width = this.height = 0;
    this.scale = 1;
    this.dark = new Uint8Array();
  }

  /** Find the ink of the current drawing, unless that was done already. */
  read() {
    const picture = this.view.before;
    if (picture === this.source) return;
    this.source = picture;
    this.width = this.height = 0;
    if (!picture) return;
    const fewer = Math.min(1, Math.sqrt(MOST_PIXELS / (picture.width * picture.height)));
    this.width = Math.max(1, Math.round(picture.width * fewer));
    this.height = Math.max(1, Math.round(picture.height * fewer));
    this.scale = this.width / this.view.page[0]; // below 1 for a large page
    const canvas = new OffscreenCanvas(this.width, this.height);
    const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
    pen.drawImage(picture, 0, 0, this.width, this.height);
    const { data } = pen.getImageData(0, 0, this.width, this.height);
    this.dark = inkOf(data);
  }

  /** How far an end must go past the ink to reach it for certain, in page pixels; 0 unless the copy is smaller than the page. */
  get beyond() {
    return this.scale < 1 ? 1.5 / this.scale : 0;
  }

  /** Whether a point is ink, or outside the page, whose edge closes pieces as ink does. @param {number[]} place */
  at([x, y]) {
    const [column, row] = [Math.floor(x * this.scale), Math.floor(y * this.scale)];
    if (column < 0 || row < 0 || column >= this.width || row >= this.height) return true;
    return this.dark[row * this.width + column] === 1;
  }

  /** The nearest point on ink, or on the page's edge, for which `fits` is true. @param {number[]} place @param {number} reach page pixels @param {(to: number[]) => boolean} [fits] @returns {number[] | null} */
  nearest(place, reach, fits = () => true) {
    this.read();
    const { scale, width, height } = this;
    const [cx, cy, far] = [place[0] * scale, place[1] * scale, reach * scale];
    let best = null;
    let least = far;
    for (let y = Math.max(0, Math.floor(cy - far)); y <= Math.min(height - 1, cy + far); y++) {
      for (let x = Math.max(0, Math.floor(cx - far)); x <= Math.min(width - 1, cx + far); x++) {
        const edge = x === 0 || y === 0 || x === width - 1 || y === height - 1;
        if (!edge && !this.dark[y * width + x]) continue;
        const away = Math.hypot(x + 0.5 - cx, y + 0.5 - cy);
        const to = [(x + 0.5) / scale, (y + 0.5) / scale];
        if (away < least && fits(to)) [least, best] = [away, to];
      }
    }
    return best;
  }

  /** Extend a line beyond its end until it reaches ink. @param {number[]} place the end @param {number[]} from a point before it @param {number} reach @returns {number[] | null} */
  extend(place, from, reach) {
    this.read();
    const [dx, dy] = [place[0] - from[0], place[1] - from[1]];
    const long = Math.hypot(dx, dy);
    if (!long || !this.width) return null;
    const [width, height] = [this.width / this.scale, this.height / this.scale];
    for (let on = 0; on <= reach; on += 0.5 / this.scale) {
      const to = [place[0] + (dx / long) * on, place[1] + (dy / long) * on];
      if (this.at(to)) return [Math.max(0.5, Math.min(width - 0.5, to[0])), Math.max(0.5, Math.min(height - 0.5, to[1]))];
    }
    return null;
  }

  /** The shortest line over the gap at a point: from ink on one side to ink on the other. @param {number[]} place @param {number} reach @returns {number[][] | null} */
  bridge(place, reach) {
    const one = this.nearest(place, reach);
    if (!one) return null;
    const [ax, ay] = [one[0] - place[0], one[1] - place[1]];
    const opposite = (/** @type {number} */ least) => (/** @type {number[]} */ to) => {
      const [bx, by] = [to[0] - place[0], to[1] - place[1]];
      return ax * bx + ay * by < -least * Math.hypot(ax, ay) * Math.hypot(bx, by);
    };
    const other = this.nearest(place, reach, opposite(0.8)) ?? this.nearest(place, reach, opposite(0.3));
    return other && [one, other];
  }
}

/**
 * Which pixels are ink: those that differ enough from the paper, which is the most frequent colour; in a transparent drawing of pale lines, the opaque ones.
 * @param {Uint8ClampedArray} data red, green, blue, alpha of each pixel @returns {Uint8Array} 1 where there is ink
 */
export function inkOf(data) {
  const num = data.length / 4;
  const ink = new Uint8Array(num);
  const counts = new Uint32Array(4096); // by colour, with 16 levels a channel
  let [clear, dark] = [0, 0];
  for (let i = 0; i < num; i++) {
    const a = data[4 * i + 3];
    if (a < MIN_ALPHA) clear++;
    for (let c = 0; c < 3; c++) data[4 * i + c] = (data[4 * i + c] * a + 255 * (255 - a)) / 255; // on white
    const [r, g, b] = [data[4 * i], data[4 * i + 1], data[4 * i + 2]];
    if (r * 0.299 + g * 0.587 + b * 0.114 <= 255 - INK_CONTRAST) dark++;
    counts[((r >> 4) << 8) | ((g >> 4) << 4) | (b >> 4)]++;
  }
  if (clear > 0.2 * num && dark < 0.002 * (num - clear)) {
    for (let i = 0; i < num; i++) ink[i] = Number(data[4 * i + 3] >= 96);
    return ink;
  }
  const most = counts.indexOf(counts.reduce((a, b) => Math.max(a, b), 0));
  const sum = [0, 0, 0];
  for (let i = 0; i < num; i++) {
    if (((data[4 * i] >> 4) << 8 | (data[4 * i + 1] >> 4) << 4 | data[4 * i + 2] >> 4) !== most) continue;
    for (let c = 0; c < 3; c++) sum[c] += data[4 * i + c];
  }
  const paper = sum.map((one) => Math.round(one / counts[most]));
  const shadows = Math.max(...paper) < 128; // on dark paper only lighter pixels are ink
  for (let i = 0; i < num; i++) {
    for (let c = 0; c < 3; c++) {
      const off = data[4 * i + c] - paper[c];
      const range = Math.max(64, off > 0 ? 255 - paper[c] : paper[c]);
      if ((off > 0 || !shadows) && (Math.abs(off) * 255) / range >= INK_CONTRAST) ink[i] = 1;
    }
  }
  return ink;
}
