/** A map of the closed pieces of a picture. */

/** The piece of each pixel. Coordinates are in page pixels; `scale` is the number of map pixels in a page pixel. */
export class PieceMap {
  /** @param {any} node @param {ImageBitmap} picture @param {[number, number]} page */
  constructor(node, picture, page) {
    this.node = node;
    this.page = page;
    this.width = picture.width;
    this.height = picture.height;
    this.scale = picture.width / page[0];
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
    pen.drawImage(picture, 0, 0);
    picture.close();
    /** A piece's number is its RGBA colour, in the byte order of the machine. */
    this.labels = new Uint32Array(pen.getImageData(0, 0, this.width, this.height).data.buffer);
    /** @type {Map<number, {box: number[], area: number, edge: number}> | null} */
    this.facts = null;
  }

  /** @param {number[]} place */
  at([x, y]) {
    const [column, row] = [Math.floor(x * this.scale), Math.floor(y * this.scale)];
    return column >= 0 && row >= 0 && column < this.width && row < this.height ? this.labels[row * this.width + column] : null;
  }

  /** Each piece's box, area and number of pixels on the page's border, in map pixels; computed once. */
  measure() {
    if (this.facts) return this.facts;
    const { labels, width, height } = this;
    /** @type {Map<number, {box: number[], area: number, edge: number}>} */
    const facts = new Map();
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; ) {
        const id = labels[i];
        const from = x;
        while (x < width && labels[i] === id) x++, i++; // a run of one piece: the map is looked up once for it
        let one = facts.get(id);
        if (!one) facts.set(id, (one = { box: [from, y, x, y + 1], area: 0, edge: 0 }));
        const { box } = one;
        if (from < box[0]) box[0] = from;
        if (x > box[2]) box[2] = x;
        box[3] = y + 1;
        one.area += x - from;
        if (y === 0 || y === height - 1) one.edge += x - from;
        else one.edge += Number(from === 0) + Number(x === width);
      }
    }
    return (this.facts = facts);
  }

  /** Whether a piece is the background around the drawing. @param {number} id */
  isBackground(id) {
    return (this.measure().get(id)?.edge ?? 0) >= 0.5 * (2 * (this.width + this.height) - 4);
  }

  /** The pieces of which more than half is inside a loop. @param {number[][]} loop @returns {Set<number>} */
  within(loop) {
    const canvas = new OffscreenCanvas(this.width, this.height);
    const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
    pen.beginPath();
    for (const [x, y] of loop) pen.lineTo(x * this.scale, y * this.scale);
    pen.fill();
    const [left, top] = [0, 1].map((i) => Math.max(0, Math.floor(Math.min(...loop.map((p) => p[i])) * this.scale)));
    const right = Math.min(this.width, Math.ceil(Math.max(...loop.map((p) => p[0])) * this.scale) + 1);
    const bottom = Math.min(this.height, Math.ceil(Math.max(...loop.map((p) => p[1])) * this.scale) + 1);
    if (right <= left || bottom <= top) return new Set();
    const { data } = pen.getImageData(left, top, right - left, bottom - top);
    /** @type {Map<number, number>} */
    const counts = new Map();
    for (let y = top, i = 3; y < bottom; y++) {
      for (let x = left; x < right; x++, i += 4) {
        if (data[i] < 128) continue;
        const id = this.labels[y * this.width + x];
        counts.set(id, (counts.get(id) ?? 0) + 1);
      }
    }
    const facts = this.measure();
    return new Set([...counts].filter(([id, count]) => count > (facts.get(id)?.area ?? Infinity) / 2).map(([id]) => id));
  }

  /** The point of a piece that is farthest from all others, and its distance: a mark there is inside the piece. @param {number} id @returns {{place: [number, number], clearance: number}} */
  centreOf(id) {
    const [left, top, right, bottom] = this.measure().get(id)?.box ?? [0, 0, 1, 1];
    const [wide, tall] = [right - left + 2, bottom - top + 2];
    const far = new Float32Array(wide * tall); // with a border of zeros around the box
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) if (this.labels[y * this.width + x] === id) far[(y - top + 1) * wide + x - left + 1] = 1e9;
    }
    const step = (/** @type {number} */ i, /** @type {number} */ by) => {
      if (!far[i]) return;
      far[i] = Math.min(far[i], far[i - by] + 1, far[i - by * wide] + 1, far[i - by * (wide + 1)] + Math.SQRT2, far[i - by * (wide - 1)] + Math.SQRT2);
    };
    for (let i = wide + 1; i < wide * (tall - 1); i++) step(i, 1);
    let best = wide + 1;
    for (let i = wide * (tall - 1) - 1; i > wide; i--) {
      step(i, -1);
      if (far[i] > far[best]) best = i;
    }
    const [x, y] = [(best % wide) - 1 + left, Math.floor(best / wide) - 1 + top];
    return { place: [(x + 0.5) / this.scale, (y + 0.5) / this.scale], clearance: far[best] / this.scale };
  }

  /**
   * Where pieces touch: for each pair, two points on both sides of their border, nearest to `near` if it is given.
   * @param {Set<number>} ids @param {number[] | null} [near] @returns {{pair: [number, number], path: number[][]}[]}
   */
  borders(ids, near = null) {
    /** @type {Map<string, {pair: [number, number], path: number[][], away: number}>} */
    const found = new Map();
    const { labels, width, height, scale } = this;
    const boxes = [...ids].map((id) => this.measure().get(id)?.box ?? [0, 0, 0, 0]);
    const [left, top, right, bottom] = [Math.min, Math.min, Math.max, Math.max].map((of, i) => of(...boxes.map((box) => box[i])));
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const one = labels[y * width + x];
        if (!ids.has(one)) continue;
        for (const [nx, ny] of [[x + 1, y], [x, y + 1]]) {
          if (nx >= width || ny >= height) continue;
          const other = labels[ny * width + nx];
          if (other === one || !ids.has(other)) continue;
          const pair = /** @type {[number, number]} */ ([Math.min(one, other), Math.max(one, other)]);
          const away = near ? Math.hypot(x - near[0] * scale, y - near[1] * scale) : 0;
          if ((found.get(pair.join())?.away ?? Infinity) <= away) continue;
          found.set(pair.join(), { pair, away, path: [[(x + 0.5) / scale, (y + 0.5) / scale], [(nx + 0.5) / scale, (ny + 0.5) / scale]] });
        }
      }
    }
    return [...found.values()];
  }

  /** An overlay with the outlines of pieces. @param {Set<number>} ids @param {Set<number>} strong those to hatch @param {boolean} tints whether to tint the others */
  highlight(ids, strong, tints) {
    const boxes = [...ids].map((id) => this.measure().get(id)?.box).filter(Boolean);
    const box = boxes.length ? [Math.min, Math.min, Math.max, Math.max].map((of, i) => of(...boxes.map((one) => /** @type {number[]} */ (one)[i]))) : [0, 0, 1, 1];
    const canvas = document.createElement("canvas");
    const [wide, tall] = [box[2] - box[0], box[3] - box[1]];
    Object.assign(canvas, { width: wide, height: tall });
    const pen = canvas.getContext("2d");
    if (!pen) return { canvas, box };
    const image = pen.createImageData(wide, tall);
    const pixels = new Uint32Array(image.data.buffer);
    const { labels, width } = this;
    for (let y = 0; y < tall; y++) {
      for (let x = 0; x < wide; x++) {
        const at = (y + box[1]) * width + x + box[0];
        const id = labels[at];
        if (!ids.has(id)) continue;
        const rim = labels[at - 1] !== id || labels[at + 1] !== id || labels[at - width] !== id || labels[at + width] !== id;
        const chosen = strong.has(id);
        // Hatched, so that it is visible on any colour and the colour stays visible.
        const hatched = chosen && (x + y) % 8 < 2;
        if (rim || hatched || (tints && !chosen)) pixels[y * wide + x] = rim ? 0xe6a53a2a : hatched ? 0x8ca53a2a : 0x1ca53a2a;
      }
    }
    pen.putImageData(image, 0, 0);
    return { canvas, box };
  }
}
