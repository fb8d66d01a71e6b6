/** The ink of the drawing that is under the picture: where a line that somebody left out begins and ends. */

const MOST_PIXELS = 4_000_000; // pixels looked at
const INK_CONTRAST = 95; // of 255: that far from the paper is what rules call ink
const MIN_ALPHA = 32; // alpha below which nothing is drawn

export class Ink {
  /** @param {import("./view.js").View} view */
  constructor(view) {
    this.view = view;
    /** @type {any} */ this.source = null;
    this.width = this.height = 0;
    this.scale = 1;
    this.dark = new Uint8Array();
  }

  /** Read the drawing, once for each. */
  read() {
    const picture = this.view.before;
    if (picture === this.source) return;
    this.source = picture;
    this.width = this.height = 0;
    if (!picture) return;
    const fewer = Math.min(1, Math.sqrt(MOST_PIXELS / (picture.width * picture.height)));
    this.width = Math.max(1, Math.round(picture.width * fewer));
    this.height = Math.max(1, Math.round(picture.height * fewer));
    this.scale = this.width / this.view.page[0]; // what is seen of a large page is smaller than it
    const canvas = new OffscreenCanvas(this.width, this.height);
    const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
    pen.drawImage(picture, 0, 0, this.width, this.height);
    const { data } = pen.getImageData(0, 0, this.width, this.height);
    this.dark = inkOf(data);
  }

  /** How far past the ink an end has to go to surely reach it, where the page is seen smaller than it is. */
  get beyond() {
    return this.scale < 1 ? 1.5 / this.scale : 0;
  }

  /** Ink, or beyond the page's edge, which closes as ink does. @param {number[]} place */
  at([x, y]) {
    const [column, row] = [Math.floor(x * this.scale), Math.floor(y * this.scale)];
    if (column < 0 || row < 0 || column >= this.width || row >= this.height) return true;
    return this.dark[row * this.width + column] === 1;
  }

  /** The nearest ink, or place on the page's edge, that `fits`. @param {number[]} place @param {number} reach page pixels @param {(to: number[]) => boolean} [fits] @returns {number[] | null} */
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

  /** On from a place until there is ink. @param {number[]} place @param {number[]} from where the hand came from @param {number} reach @returns {number[] | null} */
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

  /** The shortest bridge over the gap that a place lies in: from ink on one side to ink on the other. @param {number[]} place @param {number} reach @returns {number[][] | null} */
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
 * Which pixels are ink: what is far from the paper, the most frequent colour; or, where only pale lines lie on nothing, what is not see-through.
 * @param {Uint8ClampedArray} data red, green, blue, alpha of each pixel @returns {Uint8Array} 1 where there is ink
 */
export function inkOf(data) {
  const num = data.length / 4;
  const ink = new Uint8Array(num);
  const counts = new Uint32Array(4096); // of colours, 16 levels a channel
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
  const shadows = Math.max(...paper) < 128; // darker than a dark ground is no ink
  for (let i = 0; i < num; i++) {
    for (let c = 0; c < 3; c++) {
      const off = data[4 * i + c] - paper[c];
      const range = Math.max(64, off > 0 ? 255 - paper[c] : paper[c]);
      if ((off > 0 || !shadows) && (Math.abs(off) * 255) / range >= INK_CONTRAST) ink[i] = 1;
    }
  }
  return ink;
}
