/** The editor's state: the open session, its inputs, the current tool. Panels subscribe to its events; it imports none of them. */
import * as api from "../server/api.js";
import { LiveSocket } from "../live/socket.js";
import { foldEdits, markListOf } from "./edits.js";
import { copyCanvas } from "../ui/copy_canvas.js";

const LEAVE_TIMEOUT_MS = 3000; // how long to wait for the last edits of a session before it is opened again

/** @typedef {{id: any, parent: any, edit: any, name?: string, favourite?: boolean, time?: number}} TreeNode */

export class Editor extends EventTarget {
  constructor() {
    super();
    /** @type {AbortController | null} */ this.signalSource = null;
    /** @type {AbortController | null} */ this.cardScope = null;
    /** @type {(() => void)[]} undo and redo that wait until pending edits are saved */ this.deferred = [];
    /** @type {Map<string, Promise<void>>} sessions that were left and whose last edits are not saved yet */ this.leaving = new Map();
    this.numOpened = 0; // counts openings: an earlier one that loads slowly must not replace a later one
    /** @type {any} */ this.card = null;
    /** @type {any} */ this.session = null;
    /** @type {Map<any, TreeNode>} */ this.nodes = new Map();
    /** @type {any} */ this.head = null;
    /** @type {LiveSocket | null} */ this.live = null;
    /** @type {any[]} edits that the server has not acknowledged */ this.pending = [];
    /** @type {any} the mark that is being drawn */ this.draft = null;
    /** @type {any} */ this.tool = null;
    this.colour = "#e4572e";
    this.radius = 8;
    this.alone = false; // whether a mark colours only its own piece, and proposals elsewhere stay
    this.fills = false; // whether a mark on the background colours all of it
    /** @type {import("../canvas/pieces.js").Pieces | null} */ this.pieces = null;
    /** @type {any} */ this.ink = null;
    /** @type {any[]} the actions of widgets on selected pieces */ this.pieceActions = [];
    this.marksShown = true;
    this.seedLocked = true;
    /** @type {string | null} the output that was chosen to be shown */ this.shownOutput = null;
    /** @type {Map<any, HTMLCanvasElement>} thumbnails by node */ this.thumbnails = new Map();
    /** @type {any} the node that redo shows, by parent */ this.lastChild = new Map();
  }

  /** @param {string} name @param {any} [detail] */
  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** @param {string} names @param {(detail: any) => void} run */
  on(names, run) {
    for (const name of names.split(" ")) this.addEventListener(name, (event) => run(/** @type {CustomEvent} */ (event).detail), { signal: this.signalSource?.signal });
  }

  /** Run `make`; its subscriptions end when the widgets of the next card are made. @template T @param {() => T} make @returns {T} */
  withCardScope(make) {
    this.cardScope?.abort();
    this.signalSource = this.cardScope = new AbortController();
    try {
      return make();
    } finally {
      this.signalSource = null;
    }
  }

  /** The pictures that the card's outputs can show on the canvas. @returns {any[]} */
  get pictureOutputs() {
    return this.card.outputs.filter((/** @type {any} */ o) => o.medium === "picture" && !o.role);
  }

  /** The output that the canvas shows: the one chosen, else the card's first picture. */
  get output() {
    const shown = this.pictureOutputs;
    return shown.find((one) => one.name === this.shownOutput) ?? shown[0] ?? this.card.outputs[0];
  }

  /** Show another of the card's pictures on the canvas. @param {string} name */
  showOutput(name) {
    this.shownOutput = name;
    this.live?.setOutput(name);
    this.emit("output");
  }

  /** @param {string} id @returns {Promise<boolean>} false if another session was opened meanwhile */
  async open(id) {
    if (this.session?.id === id) this.leave();
    const visit = ++this.numOpened;
    const kept = this.leaving.get(id);
    if (kept) await Promise.race([kept, new Promise((done) => setTimeout(done, LEAVE_TIMEOUT_MS))]);
    const session = await api.readSession(id);
    const card = await api.readRecipe(session.recipe, session.weights?.[session.recipe]);
    if (visit !== this.numOpened) return false;
    this.leave();
    this.card = card;
    this.shownOutput = null;
    this.session = session;
    this.nodes = new Map(session.nodes.map((/** @type {TreeNode} */ node) => [node.id, node]));
    this.thumbnails.clear();
    this.lastChild.clear();
    for (const node of session.nodes) if (node.parent !== null) this.lastChild.set(node.parent, node.id);
    this.head = session.head ?? session.nodes.at(-1)?.id ?? null;
    this.pending = [];
    this.deferred = [];
    this.draft = null;
    const live = (this.live = new LiveSocket(id, this.head, this.output.name));
    const hear = (/** @type {string} */ name, /** @type {(detail: any) => void} */ run) => live.addEventListener(name, (event) => this.live === live && run(/** @type {CustomEvent} */ (event).detail));
    hear("node", (detail) => this.nodeCreated(detail));
    hear("wrong", (detail) => this.editFailed(detail));
    for (const name of ["frame", "notes", "follows", "busy", "progress", "state", "gone", "stopped"]) hear(name, (detail) => this.forward(name, detail));
    this.emit("opened");
    this.emit("given");
    this.emit("tree");
    return true;
  }

  leave() {
    this.numOpened++;
    const { live, session } = this;
    this.live = this.session = null;
    if (!live) return;
    const kept = live.leave().then(() => void (this.leaving.get(session.id) === kept && this.leaving.delete(session.id)));
    this.leaving.set(session.id, kept);
  }

  /** Whether an edit is not saved yet. */
  get unsaved() {
    return this.leaving.size > 0 || Boolean(this.live && this.pending.length);
  }

  /** @param {string} name @param {any} detail */
  forward(name, detail) {
    if (name === "frame" && !detail.view && detail.final !== false && detail.node !== null && detail.node !== undefined && !detail.probe && this.live && this.output === (this.pictureOutputs[0] ?? this.output)) {
      this.thumbnails.set(detail.node, copyCanvas(this.live.picture, 96));
      this.emit("seen", detail.node);
    }
    this.emit(name, detail);
  }

  /** All inputs at the head, with pending edits applied. */
  get given() {
    return foldEdits([...this.pathTo(this.head), ...this.pending.map(({ edit }) => ({ edit }))]);
  }

  /** The URL of the picture in a slot; null if there is none. @param {string} slot @param {string} [part] */
  pictureOf(slot, part) {
    const given = this.given;
    return api.pictureUrl(given.conditions[slot], { session: this.session.id, node: given.nodes[slot], slot, part });
  }

  /** @param {any} id @returns {TreeNode[]} from the root */
  pathTo(id) {
    const path = [];
    for (let node = this.nodes.get(id); node; node = this.nodes.get(node.parent)) path.unshift(node);
    return path;
  }

  /** @param {string} name */
  slot(name) {
    return this.card.conditions.find((/** @type {any} */ s) => s.name === name);
  }

  /** @param {any} edit @param {LiveSocket | null} [live] the session of the edit, if preparing it took time */
  commit(edit, live = this.live) {
    if (!this.live || live !== this.live) return;
    if (!this.seedLocked && !touchesSeed(edit)) edit = { op: "several", edits: [...(edit.op === "several" ? edit.edits : [edit]), { op: "seed", value: randomSeed() }] };
    const seq = this.live.commit(edit);
    this.pending.push({ seq, edit });
    this.draft = null;
    this.emit("given");
  }

  /** @param {any} edit */
  preview(edit) {
    this.live?.preview(edit);
  }

  /** @param {any} detail */
  nodeCreated({ seq, node, missing = [] }) {
    this.pending = this.pending.filter((one) => one.seq !== seq);
    this.nodes.set(node.id, node);
    if (node.parent !== null) this.lastChild.set(node.parent, node.id);
    this.head = node.id;
    this.emit("tree");
    this.emit("given");
    if (missing.length) this.emit("missing", missing);
    if (!this.pending.length) this.deferred.splice(0).forEach((move) => move());
  }

  /** @param {any} detail */
  editFailed(detail) {
    this.pending = this.pending.filter((one) => one.seq !== detail.seq);
    if (detail.commit) this.draft = null;
    this.emit("wrong", detail);
    this.emit("given");
  }

  /** @param {any} id */
  show(id) {
    if (!this.live || id === this.head || !this.nodes.has(id) || this.pending.length) return;
    this.head = id;
    const parent = this.nodes.get(id)?.parent ?? null;
    if (parent !== null) this.lastChild.set(parent, id);
    this.live.show(id);
    this.emit("tree");
    this.emit("given");
  }

  /** Whether the branch of a node can be merged into what is shown: neither leads to the other. @param {any} id */
  canMerge(id) {
    const leads = (/** @type {any} */ from, /** @type {any} */ to) => this.pathTo(to).some((node) => node.id === from);
    return this.nodes.has(id) && !leads(id, this.head) && !leads(this.head, id);
  }

  /** Merge the branch of a node into what is shown. @param {any} id @returns {Promise<string[] | null>} the names of what both branches had changed */
  async merge(id) {
    const { session, live } = this;
    if (!live || this.pending.length || !this.canMerge(id)) return null;
    const made = await api.mergeBranch(session.id, id, this.head);
    if (this.live !== live) return null;
    this.nodes.set(made.node.id, made.node);
    this.show(made.node.id);
    return made.both;
  }

  get canUndo() {
    const parent = this.nodes.get(this.head)?.parent;
    return parent !== null && parent !== undefined && this.nodes.has(parent);
  }

  get canRedo() {
    return this.lastChild.has(this.head);
  }

  undo() {
    if (this.pending.length) this.deferred.push(() => this.undo());
    else if (this.canUndo) this.show(this.nodes.get(this.head)?.parent);
  }

  redo() {
    if (this.pending.length) this.deferred.push(() => this.redo());
    else if (this.canRedo) this.show(this.lastChild.get(this.head));
  }

  /** @param {any} tool */
  setTool(tool) {
    if (this.tool && this.tool.sticky !== false && tool !== this.tool) this.lastTool = this.tool;
    this.tool = tool;
    this.emit("tool");
  }

  /** @param {string} colour */
  setColour(colour) {
    this.colour = colour.toLowerCase();
    this.emit("colour");
  }

  /** @param {boolean} alone */
  setAlone(alone) {
    this.alone = alone;
    this.emit("alone");
  }

  /** @param {boolean} fills */
  setFills(fills) {
    this.fills = fills;
    this.emit("fills");
  }

  /** @param {number} radius */
  setRadius(radius) {
    this.radius = Math.round(Math.max(0.5, Math.min(200, radius)) * 10) / 10;
    this.emit("radius");
  }

  /** The marks of all slots, in page pixels: [{slot, index, points, radius, colour}]. */
  get marks() {
    const marks = [];
    const given = this.given;
    for (const slot of this.card.conditions) {
      const value = given.conditions[slot.name];
      const list = markListOf(value);
      if (!list) continue;
      value[list].forEach((/** @type {any} */ mark, /** @type {number} */ index) => {
        const points = mark.path?.length ? mark.path : mark.x !== undefined ? [[mark.x, mark.y]] : null;
        if (points) marks.push({ slot: slot.name, index, points, radius: mark.radius ?? 3, colour: mark.color ?? null });
      });
    }
    return marks;
  }
}

const touchesSeed = (/** @type {any} */ edit) => edit.op === "seed" || (edit.op === "several" && edit.edits.some(touchesSeed));

export const randomSeed = () => Math.floor(Math.random() * 1_000_000);
