/** The canvas: the picture, the marks over it, and a camera that moves, zooms and turns. */
import { markTime } from "../live/timing.js";

const HUES = ["#2a9d8f", "#c8553d", "#7a5ea8", "#b08900", "#3a6ea5"];

export class View {
  /** @param {HTMLCanvasElement} canvas @param {import("../session/editor.js").Editor} editor */
  constructor(canvas, editor) {
    this.canvas = canvas;
    this.editor = editor;
    this.camera = { x: 0, y: 0, zoom: 1, angle: 0 };
    /** @type {any} */ this.before = null; // the input picture
    /** @type {[number, number]} */ this.beforePage = [1, 1];
    this.showBefore = false;
    /** @type {number | null} share of the canvas's width that shows the input picture */ this.wipe = null;
    /** @type {any} */ this.frozen = null; // shown instead of the live picture, while alternatives are computed
    /** @type {any} */ this.cursor = null; // the keyboard's cursor, in page pixels
    /** @type {any} */ this.hover = null;
    /** @type {((pen: CanvasRenderingContext2D) => void) | null} */ this.overlay = null;
    this.fitted = true;
    this.repaintPending = false;
    this.lastTimed = ""; // the picture that `timePainted` was called for last
    new ResizeObserver(() => this.resized()).observe(canvas);
    editor.on("given tool colour radius marks", () => this.repaint());
    editor.on("frame", (detail) => this.frameArrived(detail));
    editor.on("opened", () => {
      this.lastTimed = "";
      this.before = null;
      this.cursor = null;
      this.fitted = true;
      this.fit();
    });
  }

  resized() {
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(this.canvas.clientHeight * ratio));
    if (this.fitted) this.fit();
    this.repaint();
  }

  /** @param {any} detail */
  frameArrived(detail) {
    if (detail.resized && this.fitted) this.fit();
    this.repaint();
  }

  /** Width and height of the page in pixels, the coordinates of marks. @returns {[number, number]} */
  get page() {
    const live = this.editor.live;
    if (live?.picture.width) return [live.full[0], live.full[1]];
    if (this.before) return this.beforePage;
    const size = this.editor.card?.conditions.map((/** @type {any} */ s) => s.control?.size).find(Boolean);
    return size ? [size[1], size[0]] : [512, 512];
  }

  /** Whether the page's size is known; a mark made before that would be misplaced. */
  get sizeKnown() {
    return Boolean(this.editor.live?.picture.width || this.before || this.editor.card?.conditions.some((/** @type {any} */ s) => s.control?.size));
  }

  /** @param {any} picture an image or canvas @param {[number, number]} [page] the size of the original, if the picture is smaller */
  setBefore(picture, page) {
    this.before = picture;
    this.beforePage = page ?? [picture?.width ?? 1, picture?.height ?? 1];
    if (this.fitted) this.fit();
    this.repaint();
  }

  /** Whether the page is so tall that it is read by scrolling. */
  get isStrip() {
    return this.page[1] > this.page[0] * 4;
  }

  fit() {
    const [width, height] = this.page;
    const { clientWidth, clientHeight } = this.canvas;
    const zoom = Math.min((clientWidth - 48) / width, (clientHeight - 48) / height);
    // A webtoon strip is shown from its top, wide enough to draw on.
    const strip = this.isStrip;
    this.camera = { x: width / 2, y: height / 2, zoom: Math.max(zoom, 0.005), angle: 0 };
    if (strip) Object.assign(this.camera, { zoom: Math.min(1, (clientWidth * 0.8) / width) });
    if (strip) this.camera.y = clientHeight / 2 / this.camera.zoom - 16;
    this.fitted = true;
    this.cameraMoved();
  }

  cameraMoved() {
    this.repaint();
    this.editor.emit("moved", { ...this.camera, fitted: this.fitted });
  }

  /** @param {number} x @param {number} y css pixels in the canvas @returns {[number, number]} page pixels */
  toPage(x, y) {
    const { camera, canvas } = this;
    const dx = (x - canvas.clientWidth / 2) / camera.zoom;
    const dy = (y - canvas.clientHeight / 2) / camera.zoom;
    const cos = Math.cos(-camera.angle);
    const sin = Math.sin(-camera.angle);
    return [camera.x + dx * cos - dy * sin, camera.y + dx * sin + dy * cos];
  }

  /** @param {number} x @param {number} y page pixels @returns {[number, number]} css pixels in the canvas */
  toScreen(x, y) {
    const { camera, canvas } = this;
    const cos = Math.cos(camera.angle) * camera.zoom;
    const sin = Math.sin(camera.angle) * camera.zoom;
    const dx = x - camera.x;
    const dy = y - camera.y;
    return [canvas.clientWidth / 2 + dx * cos - dy * sin, canvas.clientHeight / 2 + dx * sin + dy * cos];
  }

  /** The visible box in page pixels: [left, top, right, bottom]; null if the page is outside the canvas. */
  visible() {
    const [width, height] = this.page;
    const { clientWidth, clientHeight } = this.canvas;
    const corners = [[0, 0], [clientWidth, 0], [0, clientHeight], [clientWidth, clientHeight]].map(([x, y]) => this.toPage(x, y));
    const [xs, ys] = [0, 1].map((i) => corners.map((place) => place[i]));
    const box = [Math.max(0, Math.min(...xs)), Math.max(0, Math.min(...ys)), Math.min(width, Math.max(...xs)), Math.min(height, Math.max(...ys))];
    return box[0] < box[2] && box[1] < box[3] ? box : null;
  }

  /** Zoom and turn around a point of the screen. @param {number} factor @param {number} turn @param {number} [sx] @param {number} [sy] */
  zoomAt(factor, turn = 0, sx = this.canvas.clientWidth / 2, sy = this.canvas.clientHeight / 2) {
    const [px, py] = this.toPage(sx, sy);
    this.camera.zoom = Math.max(0.005, Math.min(64, this.camera.zoom * factor));
    this.camera.angle += turn;
    const [nx, ny] = this.toPage(sx, sy);
    this.camera.x += px - nx;
    this.camera.y += py - ny;
    this.fitted = false;
    this.cameraMoved();
  }

  /** @param {number} dx @param {number} dy css pixels */
  pan(dx, dy) {
    const { camera } = this;
    const cos = Math.cos(-camera.angle);
    const sin = Math.sin(-camera.angle);
    camera.x -= (dx * cos - dy * sin) / camera.zoom;
    camera.y -= (dx * sin + dy * cos) / camera.zoom;
    this.fitted = false;
    this.cameraMoved();
  }

  repaint() {
    if (this.repaintPending) return;
    this.repaintPending = true;
    requestAnimationFrame(() => {
      this.repaintPending = false;
      this.paint();
    });
  }

  /** Set a context's transform to page pixels; its canvas has the size of this one. @param {CanvasRenderingContext2D} pen */
  applyCamera(pen) {
    const { canvas, camera } = this;
    const scale = camera.zoom * (canvas.width / Math.max(1, canvas.clientWidth));
    pen.translate(canvas.width / 2, canvas.height / 2);
    pen.rotate(camera.angle);
    pen.scale(scale, scale);
    pen.translate(-camera.x, -camera.y);
  }

  paint() {
    const { canvas, camera, editor } = this;
    const pen = canvas.getContext("2d");
    if (!pen || !editor.card) return;
    const ratio = canvas.width / Math.max(1, canvas.clientWidth);
    const [width, height] = this.page;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    this.applyCamera(pen);
    pen.save();
    pen.shadowColor = "rgba(40, 32, 20, 0.22)";
    pen.shadowBlur = 18 * ratio;
    pen.shadowOffsetY = 4 * ratio;
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, width, height);
    pen.restore();
    pen.imageSmoothingEnabled = camera.zoom < 3;
    pen.imageSmoothingQuality = "high";
    const live = editor.live?.picture;
    const shown = this.showBefore && this.before ? this.before : (this.frozen ?? (live?.width ? live : this.before));
    if (shown && shown === live) editor.live.drawOn(pen, width, height);
    else if (shown) pen.drawImage(shown, 0, 0, width, height);
    if (this.wipe !== null && this.before && !this.showBefore) this.paintBefore(pen);
    if (!this.showBefore) {
      if (editor.marksShown) for (const mark of editor.marks) this.paintMark(pen, mark);
      this.editor.pieces?.paint(pen);
      this.overlay?.(pen);
      this.editor.tool?.paint?.(pen);
      if (editor.draft) this.paintMark(pen, editor.draft, true);
    }
    this.paintCursor(pen);
    if (shown && shown === live && editor.live) this.timePainted(editor.live);
  }

  /** Add a timing mark, once a picture. @param {any} live */
  timePainted({ painted, final, serverMs }) {
    if (this.lastTimed === `${painted} ${final}`) return;
    this.lastTimed = `${painted} ${final}`;
    markTime("gesso:painted", { seq: painted, final, ms: serverMs });
  }

  /** @param {string} slot */
  hueOf(slot) {
    const index = this.editor.card.conditions.findIndex((/** @type {any} */ s) => s.name === slot);
    return HUES[index % HUES.length];
  }

  /** @param {CanvasRenderingContext2D} pen @param {any} mark @param {boolean} [drafted] */
  paintMark(pen, mark, drafted = false) {
    const one = 1 / this.camera.zoom;
    const radius = drafted ? mark.radius : Math.min(mark.radius, 5 * one);
    const colour = mark.colour ?? this.hueOf(mark.slot);
    const chosen = this.editor.tool?.slot === mark.slot || this.editor.tool?.name === "eraser";
    pen.save();
    pen.globalAlpha = drafted ? 0.95 : chosen ? 1 : 0.65;
    pen.lineCap = pen.lineJoin = "round";
    const path = new Path2D();
    mark.points.forEach(([x, y], /** @type {number} */ i) => (i ? path.lineTo(x + 0.5, y + 0.5) : path.moveTo(x + 0.5, y + 0.5)));
    if (mark.points.length === 1) path.lineTo(mark.points[0][0] + 0.5, mark.points[0][1] + 0.51);
    if (!drafted || !mark.colour) {
      pen.strokeStyle = "rgba(255,255,255,0.95)";
      pen.lineWidth = radius * 2 + 3.5 * one;
      pen.stroke(path);
      pen.strokeStyle = "rgba(30,26,20,0.75)";
      pen.lineWidth = radius * 2 + 1.5 * one;
      pen.stroke(path);
    }
    pen.strokeStyle = colour;
    pen.lineWidth = radius * 2;
    if (!mark.colour) pen.setLineDash([4 * one, 7 * one]);
    pen.stroke(path);
    pen.restore();
  }

  /** Draw the input picture left of the line between before and after. @param {CanvasRenderingContext2D} pen */
  paintBefore(pen) {
    const turned = pen.getTransform();
    pen.save();
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.beginPath();
    pen.rect(0, 0, this.canvas.width * (this.wipe ?? 0), this.canvas.height);
    pen.clip();
    pen.setTransform(turned);
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, ...this.page);
    pen.drawImage(this.before, 0, 0, ...this.page);
    pen.restore();
  }

  /** @param {CanvasRenderingContext2D} pen */
  paintCursor(pen) {
    const place = this.cursor ?? this.hover;
    const ring = this.editor.tool?.ring?.();
    if (!place) return;
    const one = 1 / this.camera.zoom;
    const [x, y] = place;
    pen.lineWidth = 1.2 * one;
    for (const [colour, add] of /** @type {[string, number][]} */ ([["rgba(255,255,255,0.95)", one], ["rgba(30,26,20,0.9)", 0]])) {
      pen.strokeStyle = colour;
      pen.beginPath();
      if (ring) pen.arc(x + 0.5, y + 0.5, Math.max(ring, 2 * one) + add, 0, Math.PI * 2);
      if (this.cursor) {
        const far = Math.max(ring ?? 0, 4 * one) + 9 * one;
        pen.moveTo(x - far, y + 0.5 + add);
        pen.lineTo(x + far, y + 0.5 + add);
        pen.moveTo(x + 0.5 + add, y - far);
        pen.lineTo(x + 0.5 + add, y + far);
      }
      pen.stroke();
    }
  }

  /** The colour at a point of the page, as #rrggbb; null without a picture. @param {number} x @param {number} y */
  colourAt(x, y) {
    const [width, height] = this.page;
    const live = this.editor.live?.picture.width && !this.showBefore ? this.editor.live : null;
    if (!live && !this.before) return null;
    const dot = document.createElement("canvas");
    dot.width = dot.height = 1;
    const pen = dot.getContext("2d");
    if (!pen) return null;
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, 1, 1);
    pen.imageSmoothingEnabled = false;
    pen.translate(-Math.floor(x), -Math.floor(y));
    if (live) live.drawOn(pen, width, height);
    else pen.drawImage(this.before, 0, 0, width, height);
    const [r, g, b] = pen.getImageData(0, 0, 1, 1).data;
    return "#" + [r, g, b].map((v) => v.toString(16).padStart(2, "0")).join("");
  }
}
