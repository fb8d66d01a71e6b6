/**
 * The live socket: edits out, pictures in. One commit is on its way at a time, so that each has the parent it was made on;
 * of previews only the newest is sent; a frame older than what is shown is never painted.
 */
import { liveAddress } from "./api.js";
import { BEGINNING } from "./sight.js";
import { mark } from "./trace.js";

/** @typedef {{edit: any, client: string, seq: number, sent: boolean}} Commit */

export class Live extends EventTarget {
  /** @param {string} session @param {any} head @param {string} output */
  constructor(session, head, output) {
    super();
    this.session = session;
    this.head = head;
    this.output = output;
    this.seq = 0;
    this.painted = -1;
    this.final = true; // whether what was painted last is finished
    /** @type {Commit[]} */
    this.waiting = [];
    /** @type {any} */
    this.preview_ = null;
    /** @type {any} */ this.spent = null; // the server's account of what was painted last
    this.outstanding = 0; // seq of a preview whose frame has not come
    this.sentAt = 0;
    this.previewedAt = 0;
    /** The picture as it stands; boxes of what changed are laid into it. */
    this.picture = document.createElement("canvas");
    this.picture.width = this.picture.height = 0;
    this.full = [0, 0];
    /** @type {{canvas: HTMLCanvasElement, view: number[], seq: number} | null} a part of it, finer than the picture */ this.part = null;
    /** @type {{max_side: number, view: number[] | null}} what is looked at */ this.wanted = BEGINNING;
    this.closed = false;
    /** @type {(() => void) | null} called once all is kept, after somebody left */ this.left = null;
    this.pause = 250;
    /** @type {Map<number, (picture: HTMLCanvasElement) => void>} */
    this.probes = new Map();
    this.painting = Promise.resolve();
    this.open();
  }

  open() {
    this.socket = new WebSocket(liveAddress(this.session));
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.pause = 250;
      this.say("state", { connected: true });
      this.send({ type: "want", outputs: [this.output], ...this.wanted });
      for (const commit of this.waiting) commit.sent = false;
      this.outstanding = 0;
      if (this.waiting.length) this.pump();
      else this.show(this.head);
    };
    this.socket.onmessage = (message) => this.read(message.data);
    this.socket.onclose = (event) => {
      if (this.closed) return;
      if (event.code === 4404) {
        this.waiting = []; // there is nothing they could be kept in
        this.say("gone", {});
        return this.rest();
      }
      this.say("state", { connected: false });
      setTimeout(() => this.closed || this.open(), this.pause);
      this.pause = Math.min(this.pause * 2, 5000);
    };
  }

  close() {
    this.closed = true;
    this.socket?.close();
  }

  /** Close once all edits are on the disk. @returns {Promise<void>} */
  leave() {
    this.preview_ = null;
    return new Promise((done) => {
      this.left = done;
      this.rest();
    }).then(() => this.close());
  }

  /** Is there nothing more to keep? */
  rest() {
    if (!this.waiting.length) this.left?.();
  }

  get ready() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** An edit to keep. Resent after a break of the line under the same key, so it is kept once. @param {any} edit */
  commit(edit) {
    this.preview_ = null;
    const seq = ++this.seq;
    this.waiting.push({ edit, client: crypto.randomUUID(), seq, sent: false });
    mark("gesso:asked", { seq, commit: true });
    this.say("busy", { seq });
    this.pump();
    return seq;
  }

  /** An edit to look at while the pen is down; a newer one replaces it. @param {any} edit */
  preview(edit) {
    this.preview_ = edit;
    this.previewedAt = performance.now();
    this.pump();
  }

  /** Look at another node; what is made next grows from it. @param {any} node */
  show(node) {
    this.head = node;
    this.preview_ = null;
    this.say("busy", { seq: this.send({ type: "show", node, seq: ++this.seq }) });
  }

  /** What of the picture is sent, and how fine. @param {{max_side: number, view: number[] | null}} wanted */
  look(wanted) {
    if (JSON.stringify(wanted) === JSON.stringify(this.wanted)) return;
    this.wanted = wanted;
    this.send({ type: "want", ...wanted });
  }

  /** Give up what is being made. */
  stop() {
    this.preview_ = null;
    this.outstanding = 0;
    this.send({ type: "stop" });
  }

  /** The picture an edit would give, not kept. @param {any} edit @returns {Promise<HTMLCanvasElement>} */
  probe(edit) {
    const seq = ++this.seq;
    return new Promise((done) => {
      this.probes.set(seq, done);
      this.send({ type: "edit", parent: this.head, edit, commit: false, seq });
    });
  }

  pump() {
    if (!this.ready) return;
    const first = this.waiting[0];
    if (first) {
      if (first.sent) return;
      first.sent = true;
      this.send({ type: "edit", parent: this.head, edit: first.edit, commit: true, client: first.client, seq: first.seq });
      return;
    }
    const late = performance.now() - this.sentAt > 600;
    if (this.preview_ && (!this.outstanding || late)) {
      this.outstanding = ++this.seq;
      this.sentAt = performance.now();
      mark("gesso:asked", { seq: this.outstanding, commit: false }, this.previewedAt);
      this.send({ type: "edit", parent: this.head, edit: this.preview_, commit: false, seq: this.outstanding });
      this.preview_ = null;
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
  read(data) {
    const num = new DataView(data).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, num)));
    if (header.type === "frame") this.painting = this.painting.then(() => this.paint(header, data.slice(4 + num))).catch(() => undefined);
    else if (header.type === "node") this.logged(header);
    else if (header.type === "error") this.failed(header);
    else if (header.type === "follows") this.painting = this.painting.then(() => this.say("follows", { ...header, bytes: data.slice(4 + num) })); // after its picture
    else this.say(header.type, header);
  }

  /** @param {any} header */
  logged(header) {
    if (this.waiting[0]?.seq !== header.seq) return; // the answer to a `show`: nothing new
    this.waiting.shift();
    this.head = header.node.id;
    this.say("node", header);
    this.rest();
    this.pump();
  }

  /** @param {any} header */
  failed(header) {
    const commit = this.waiting[0]?.seq === header.seq;
    if (commit) this.waiting.shift();
    if (this.outstanding === header.seq) this.outstanding = 0;
    this.probes.get(header.seq)?.(this.picture);
    this.probes.delete(header.seq);
    this.say("wrong", { ...header, commit });
    if (commit && !this.waiting.length) this.show(this.head); // while the pen was down it was seen, and it is not kept
    this.rest();
    this.pump();
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
    this.spent = header.ms;
    this.full = header.full ?? header.size;
    if (this.outstanding && header.seq >= this.outstanding) this.outstanding = 0;
    if (this.part && !header.view && header.seq > this.part.seq) this.part = null; // it is of an older picture
    const probe = header.final !== false && !header.view && this.probes.get(header.seq);
    if (probe) {
      this.probes.delete(header.seq);
      probe(copyOf(this.picture));
    }
    this.say("frame", { ...header, resized: !sized && !header.view, probe: Boolean(probe) });
    this.pump();
  }

  /** @param {any} header */
  partFor({ view, seq }) {
    if (String(this.part?.view) !== String(view)) this.part = { canvas: document.createElement("canvas"), view, seq };
    const part = /** @type {any} */ (this.part);
    part.seq = seq;
    return part.canvas;
  }

  /** Lay the picture over a page. @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height */
  drawOn(pen, width, height) {
    pen.drawImage(this.picture, 0, 0, width, height);
    if (!this.part?.canvas.width) return;
    const [left, top, right, bottom] = this.part.view;
    const [x, y] = [width / this.full[0], height / this.full[1]];
    pen.drawImage(this.part.canvas, left * x, top * y, (right - left) * x, (bottom - top) * y);
  }

  /** @param {string} name @param {any} detail */
  say(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** @param {HTMLCanvasElement} canvas @param {number} [side] longest side at most */
export function copyOf(canvas, side = Infinity) {
  const scale = Math.min(1, side / Math.max(canvas.width, canvas.height, 1));
  const copy = document.createElement("canvas");
  copy.width = Math.max(1, Math.round(canvas.width * scale));
  copy.height = Math.max(1, Math.round(canvas.height * scale));
  if (canvas.width) copy.getContext("2d")?.drawImage(canvas, 0, 0, copy.width, copy.height);
  return copy;
}
