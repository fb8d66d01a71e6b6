/**
 * The live WebSocket: edits out, pictures in. Commits are sent one at a time, so that each has the node before it as its parent;
 * of previews only the newest is sent; a frame older than the shown one is dropped.
 */
import { markTime } from "./timing.js";
import { INITIAL_VIEWPORT } from "./viewport.js";
import { liveUrl } from "../server/api.js";
import { copyCanvas } from "../ui/copy_canvas.js";

/** @typedef {{edit: any, client: string, seq: number, sent: boolean}} Commit */

export class LiveSocket extends EventTarget {
  /** @param {string} session @param {any} head @param {string} output */
  constructor(session, head, output) {
    super();
    this.session = session;
    this.head = head;
    this.output = output;
    this.seq = 0;
    this.painted = -1;
    this.final = true; // whether the frame painted last is final
    /** @type {Commit[]} */
    this.waiting = [];
    /** @type {any} */
    this.nextPreview = null;
    /** @type {any} */ this.serverMs = null; // the server's timings of the frame painted last
    this.outstanding = 0; // seq of the preview whose frame has not arrived
    this.sentAt = 0;
    this.previewedAt = 0;
    /** The current picture; changed boxes are drawn into it. */
    this.picture = document.createElement("canvas");
    this.picture.width = this.picture.height = 0;
    this.full = [0, 0];
    /** @type {{canvas: HTMLCanvasElement, view: number[], seq: number} | null} a part of the picture in higher resolution */ this.part = null;
    /** @type {{max_side: number, view: number[] | null}} the part of the picture that the server sends */ this.viewport = INITIAL_VIEWPORT;
    this.closed = false;
    /** @type {(() => void) | null} called when all edits are saved, after the session was left */ this.whenSaved = null;
    this.pause = 250;
    /** @type {Map<number, (picture: HTMLCanvasElement) => void>} */
    this.probes = new Map();
    this.painting = Promise.resolve();
    this.open();
  }

  open() {
    this.socket = new WebSocket(liveUrl(this.session));
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.pause = 250;
      this.emit("state", { connected: true });
      this.send({ type: "want", outputs: [this.output], ...this.viewport });
      for (const commit of this.waiting) commit.sent = false;
      this.outstanding = 0;
      if (this.waiting.length) this.sendNext();
      else this.show(this.head);
    };
    this.socket.onmessage = (message) => this.receive(message.data);
    this.socket.onclose = (event) => {
      if (this.closed) return;
      if (event.code === 4404) {
        this.waiting = []; // the session was deleted, so they cannot be saved
        this.emit("gone", {});
        return this.resolveSaved();
      }
      this.emit("state", { connected: false });
      setTimeout(() => this.closed || this.open(), this.pause);
      this.pause = Math.min(this.pause * 2, 5000);
    };
  }

  close() {
    this.closed = true;
    this.socket?.close();
  }

  /** Close when all edits are saved. @returns {Promise<void>} */
  leave() {
    this.nextPreview = null;
    return new Promise((done) => {
      this.whenSaved = done;
      this.resolveSaved();
    }).then(() => this.close());
  }

  /** If all edits are saved, resolve `leave`. */
  resolveSaved() {
    if (!this.waiting.length) this.whenSaved?.();
  }

  get ready() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** Send an edit to save as a node. After a disconnection it is sent again with the same client id, so it is saved once. @param {any} edit */
  commit(edit) {
    this.nextPreview = null;
    const seq = ++this.seq;
    this.waiting.push({ edit, client: crypto.randomUUID(), seq, sent: false });
    markTime("gesso:asked", { seq, commit: true });
    this.emit("busy", { seq });
    this.sendNext();
    return seq;
  }

  /** Send an edit to preview while the pen is down; a newer one replaces it. @param {any} edit */
  preview(edit) {
    this.nextPreview = edit;
    this.previewedAt = performance.now();
    this.sendNext();
  }

  /** Show another node; the next edit becomes its child. @param {any} node */
  show(node) {
    this.head = node;
    this.nextPreview = null;
    this.emit("busy", { seq: this.send({ type: "show", node, seq: ++this.seq }) });
  }

  /** Set which part of the picture the server sends, and its size. @param {{max_side: number, view: number[] | null}} wanted */
  setViewport(wanted) {
    if (JSON.stringify(wanted) === JSON.stringify(this.viewport)) return;
    this.viewport = wanted;
    this.send({ type: "want", ...wanted });
  }

  /** Have the server send another output; it sends the whole picture. @param {string} name */
  setOutput(name) {
    this.output = name;
    this.part = null;
    this.send({ type: "want", outputs: [name] });
  }

  /** Cancel the running request. */
  stop() {
    this.nextPreview = null;
    this.outstanding = 0;
    this.send({ type: "stop" });
  }

  /** The picture that an edit would give; nothing is saved. @param {any} edit @returns {Promise<HTMLCanvasElement>} */
  probe(edit) {
    const seq = ++this.seq;
    return new Promise((done) => {
      this.probes.set(seq, done);
      this.send({ type: "edit", parent: this.head, edit, commit: false, seq });
    });
  }

  sendNext() {
    if (!this.ready) return;
    const first = this.waiting[0];
    if (first) {
      if (first.sent) return;
      first.sent = true;
      this.send({ type: "edit", parent: this.head, edit: first.edit, commit: true, client: first.client, seq: first.seq });
      return;
    }
    const late = performance.now() - this.sentAt > 600;
    if (this.nextPreview && (!this.outstanding || late)) {
      this.outstanding = ++this.seq;
      this.sentAt = performance.now();
      markTime("gesso:asked", { seq: this.outstanding, commit: false }, this.previewedAt);
      this.send({ type: "edit", parent: this.head, edit: this.nextPreview, commit: false, seq: this.outstanding });
      this.nextPreview = null;
    }
  }

  /** @param {any} header */
  send(header) {
    if (!this.ready) return header.seq;
    const text = new TextEncoder().encode(JSON.stringify(header));
    const frame = new Uint8Array(4 + text.length);
    new DataView(frame.buffer).setUint32(0, text.length, true);
    frame.set(text, 4);
    this.socket?.send(frame);
    return header.seq;
  }

  /** @param {ArrayBuffer} data */
  receive(data) {
    const num = new DataView(data).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, num)));
    if (header.type === "frame") this.painting = this.painting.then(() => this.paint(header, data.slice(4 + num))).catch(() => undefined);
    else if (header.type === "node") this.nodeCreated(header);
    else if (header.type === "error") this.editFailed(header);
    else if (header.type === "follows") this.painting = this.painting.then(() => this.emit("follows", { ...header, bytes: data.slice(4 + num) })); // after the frame that it belongs to
    else this.emit(header.type, header);
  }

  /** @param {any} header */
  nodeCreated(header) {
    if (this.waiting[0]?.seq !== header.seq) return; // the answer to `show`: no new node
    this.waiting.shift();
    this.head = header.node.id;
    this.emit("node", header);
    this.resolveSaved();
    this.sendNext();
  }

  /** @param {any} header */
  editFailed(header) {
    const commit = this.waiting[0]?.seq === header.seq;
    if (commit) this.waiting.shift();
    if (this.outstanding === header.seq) this.outstanding = 0;
    this.probes.get(header.seq)?.(this.picture);
    this.probes.delete(header.seq);
    this.emit("wrong", { ...header, commit });
    if (commit && !this.waiting.length) this.show(this.head); // removes the preview of the rejected edit
    this.resolveSaved();
    this.sendNext();
  }

  /** @param {any} header @param {ArrayBuffer} bytes */
  async paint(header, bytes) {
    if (header.output !== this.output) return;
    if (header.seq < this.painted) return;
    const [width, height] = header.size;
    const [left, top, right, bottom] = header.box;
    const image = bytes.byteLength ? await createImageBitmap(new Blob([bytes], { type: `image/${header.format}` })) : null;
    if (header.seq < this.painted) return;
    const into = header.view ? this.partFor(header) : this.picture;
    const sized = into.width === width && into.height === height;
    if (!sized) Object.assign(into, { width, height });
    const pen = into.getContext("2d");
    if (pen && image) {
      pen.clearRect(left, top, right - left, bottom - top);
      pen.drawImage(image, left, top, right - left, bottom - top);
    }
    this.painted = header.seq;
    this.final = header.final !== false;
    this.serverMs = header.ms;
    this.full = header.full ?? header.size;
    if (this.outstanding && header.seq >= this.outstanding) this.outstanding = 0;
    if (this.part && !header.view && header.seq > this.part.seq) this.part = null; // it belongs to an older picture
    const probe = header.final !== false && !header.view && this.probes.get(header.seq);
    if (probe) {
      this.probes.delete(header.seq);
      probe(copyCanvas(this.picture));
    }
    this.emit("frame", { ...header, resized: !sized && !header.view, probe: Boolean(probe) });
    this.sendNext();
  }

  /** @param {any} header */
  partFor({ view, seq }) {
    if (String(this.part?.view) !== String(view)) this.part = { canvas: document.createElement("canvas"), view, seq };
    const part = /** @type {any} */ (this.part);
    part.seq = seq;
    return part.canvas;
  }

  /** Draw the picture at the size of a page. @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height */
  drawOn(pen, width, height) {
    pen.drawImage(this.picture, 0, 0, width, height);
    if (!this.part?.canvas.width) return;
    const [left, top, right, bottom] = this.part.view;
    const [x, y] = [width / this.full[0], height / this.full[1]];
    pen.drawImage(this.part.canvas, left * x, top * y, (right - left) * x, (bottom - top) * y);
  }

  /** @param {string} name @param {any} detail */
  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
