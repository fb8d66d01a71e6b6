/**
 * The closed pieces of the picture, as an output of the medium "pieces" tells them: which one lies under a place, in a loop,
 * beside another. They are fetched while the hand rests and only when a tool asks; until they are here everything else goes on.
 */
import * as api from "../server/api.js";
import { PieceMap } from "./piece_map.js";

const MOST = 4_000_000; // pixels of a map to look things up in; a larger page is told smaller
const KEPT = 4; // maps of nodes
const REST = 220; // milliseconds without an edit

export class Pieces {
  /** @param {import("../session/editor.js").Editor} editor @param {import("./view.js").View} view */
  constructor(editor, view) {
    this.editor = editor;
    this.view = view;
    /** @type {Map<string, Promise<PieceMap>>} */ this.kept = new Map();
    /** @type {PieceMap | null} the newest that is here */ this.current = null;
    /** @type {Set<number>} */ this.selected = new Set();
    /** @type {any} the node whose pieces are chosen */ this.selectedAt = null;
    /** @type {{ids: Set<number>, tints: boolean, chosen: Set<number>, map: PieceMap, canvas: HTMLCanvasElement, box: number[]} | null} */ this.shown = null;
    this.timer = 0;
    editor.on("opened", () => {
      this.kept.clear();
      this.current = null;
      this.select(new Set());
    });
    editor.on("tool", () => this.editor.tool?.picks || this.select(new Set()));
    editor.on("tool frame given", () => this.loadWhenIdle());
    editor.on("tree", () => this.selectedAt === editor.head || this.select(new Set())); // a piece's number is another's at another node
  }

  /** The card's output of pieces, if it has one. */
  get output() {
    return this.editor.card?.outputs.find((/** @type {any} */ one) => one.medium === "pieces") ?? null;
  }

  loadWhenIdle() {
    clearTimeout(this.timer);
    if (!this.output || !this.editor.tool?.pieces) return;
    this.timer = setTimeout(() => {
      // A map is laid over the page by the page's size: one that came before that was known would lie elsewhere.
      if (this.editor.draft || this.editor.pending.length || !this.view.sizeKnown) return this.loadWhenIdle();
      if (this.current?.node !== this.editor.head) this.load(this.editor.head).catch(() => undefined); // without them the tools still draw
    }, REST);
  }

  /** The pieces of what is shown, as soon as all edits are kept. @param {boolean} [whole] at the page's own size @returns {Promise<PieceMap>} */
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
    this.kept.delete(key); // the one used last goes last
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

  /** It may have been here before, when one went back to its node. @param {PieceMap} map */
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

  /** What lies under the pointer, and what is chosen. @param {CanvasRenderingContext2D} pen */
  paint(pen) {
    const { current: now, editor, view } = this;
    if (!now || !editor.tool?.pieces) return;
    const place = editor.draft ? null : (view.cursor ?? view.hover);
    const under = place && now.node === editor.head ? now.at(place) : null;
    const ids = new Set(this.selected);
    if (under !== null && (editor.tool.picks || !now.isBackground(under))) ids.add(under);
    if (!ids.size) return void (this.shown = null);
    const tints = Boolean(editor.tool.picks); // where a colour was just put it is to be seen as it is
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
