/**
 * The closed pieces of the picture, from an output of the medium "pieces", and the selection among them.
 * They are loaded only when the current tool needs them, while the user is not drawing.
 */
import * as api from "../server/api.js";
import { PieceMap } from "./piece_map.js";

const MOST = 4_000_000; // pixels of a map; that of a larger page is scaled down
const KEPT = 4; // maps of nodes
const REST = 220; // milliseconds without an edit

export class Pieces {
  /** @param {import("../session/editor.js").Editor} editor @param {import("./view.js").View} view */
  constructor(editor, view) {
    this.editor = editor;
    this.view = view;
    /** @type {Map<string, Promise<PieceMap>>} */ this.kept = new Map();
    /** @type {PieceMap | null} the newest map that has arrived */ this.current = null;
    /** @type {Set<number>} */ this.selected = new Set();
    /** @type {any} the node of the selection */ this.selectedAt = null;
    /** @type {{ids: Set<number>, tints: boolean, chosen: Set<number>, map: PieceMap, canvas: HTMLCanvasElement, box: number[]} | null} */ this.shown = null;
    this.timer = 0;
    editor.on("opened", () => {
      this.kept.clear();
      this.current = null;
      this.select(new Set());
    });
    editor.on("tool", () => this.editor.tool?.picks || this.select(new Set()));
    editor.on("tool frame given", () => this.loadWhenIdle());
    editor.on("tree", () => this.selectedAt === editor.head || this.select(new Set())); // pieces have other numbers at another node
  }

  /** The card's output of pieces; null if it has none. */
  get output() {
    return this.editor.card?.outputs.find((/** @type {any} */ one) => one.medium === "pieces") ?? null;
  }

  loadWhenIdle() {
    clearTimeout(this.timer);
    if (!this.output || !this.editor.tool?.pieces) return;
    this.timer = setTimeout(() => {
      // A map is scaled to the page's size, so it is not loaded before that is known.
      if (this.editor.draft || this.editor.pending.length || !this.view.sizeKnown) return this.loadWhenIdle();
      if (this.current?.node !== this.editor.head) this.load(this.editor.head).catch(() => undefined); // tools work without them
    }, REST);
  }

  /** The pieces of the current node, when all edits are saved. @param {boolean} [whole] whether at the page's full size @returns {Promise<PieceMap>} */
  async whenReady(whole = false) {
    while (this.editor.pending.length) await new Promise((done) => this.editor.addEventListener("given", done, { once: true }));
    return this.load(this.editor.head, whole);
  }

  /** @param {any} node @param {boolean} [whole] @returns {Promise<PieceMap>} */
  load(node, whole = false) {
    const page = this.view.page;
    const small = !whole && page[0] * page[1] > MOST;
    const key = `${node} ${small}`;
    const found = this.kept.get(key) ?? this.fetch(node, page, small);
    this.kept.delete(key); // moved to the end, so the least recently used is dropped first
    this.kept.set(key, found);
    found.then((map) => this.mapArrived(map), () => this.kept.delete(key));
    while (this.kept.size > KEPT) this.kept.delete(/** @type {string} */ (this.kept.keys().next().value));
    return found;
  }

  /** @param {any} node @param {[number, number]} page @param {boolean} small */
  async fetch(node, page, small) {
    const side = small ? Math.ceil(Math.max(...page) * Math.sqrt(MOST / (page[0] * page[1]))) : 0;
    const blob = await api.readBlob(api.outputUrl(this.editor.session.id, node, this.output.name, side ? `max_side=${side}` : ""));
    const picture = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    return new PieceMap(node, picture, page);
  }

  /** Show a map if it is that of the current node. @param {PieceMap} map */
  mapArrived(map) {
    if (this.current === map || this.editor.head !== map.node) return;
    this.current = map;
    this.view.repaint();
  }

  /** @param {Set<number>} ids */
  select(ids) {
    if (!ids.size && !this.selected.size) return;
    this.selected = ids;
    this.selectedAt = this.editor.head;
    this.editor.emit("chosen", ids);
    this.view.repaint();
  }

  /** Draw the piece under the pointer and the selection. @param {CanvasRenderingContext2D} pen */
  paint(pen) {
    const { current: now, editor, view } = this;
    if (!now || !editor.tool?.pieces) return;
    const place = editor.draft ? null : (view.cursor ?? view.hover);
    const under = place && now.node === editor.head ? now.at(place) : null;
    const ids = new Set(this.selected);
    if (under !== null && (editor.tool.picks || !now.isBackground(under))) ids.add(under);
    if (!ids.size) return void (this.shown = null);
    const tints = Boolean(editor.tool.picks); // other tools do not tint, so that a new colour is seen unchanged
    if (this.shown?.map !== now || this.shown.tints !== tints || this.shown.chosen !== this.selected || this.shown.ids.size !== ids.size || [...ids].some((id) => !this.shown?.ids.has(id))) {
      this.shown = { ids, tints, chosen: this.selected, map: now, ...now.highlight(ids, this.selected, tints) };
    }
    const { canvas, box } = this.shown;
    pen.save();
    pen.imageSmoothingEnabled = false;
    pen.drawImage(canvas, box[0] / now.scale, box[1] / now.scale, canvas.width / now.scale, canvas.height / now.scale);
    pen.restore();
  }
}
