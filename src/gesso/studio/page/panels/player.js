/** An output that a picture cannot show, such as music that plays: the viewer of its medium, in place of the canvas. */
import * as api from "../server/api.js";
import { h } from "../ui/elements.js";
import { notesViewer } from "../viewers/notes.js";
import { partsDesk } from "./parts_desk.js";

const BAR = 196; // pixels of the buttons and margins around a viewer

/** By the name that a card's output gives: a viewer, and what is done with the music over it. @type {Record<string, {view: typeof notesViewer, desk: typeof partsDesk}>} */
const VIEWERS = { notes: { view: notesViewer, desk: partsDesk } };

/** @param {import("../session/editor.js").Editor} editor @param {HTMLElement} stage */
export function player(editor, stage) {
  const box = h("div", { id: "player", hidden: true });
  stage.append(box);
  /** @type {ReturnType<typeof notesViewer> | null} */ let viewer = null;
  /** @type {ReturnType<typeof partsDesk> | null} */ let desk = null;
  /** @type {any} */ let shown = null; // the node whose value is asked for or shown
  const output = () => editor.card?.outputs.find((/** @type {any} */ out) => VIEWERS[out.viewer]);

  function close() {
    viewer?.close();
    desk?.close();
    viewer = desk = shown = null;
    box.replaceChildren();
    box.hidden = true;
  }

  editor.on("opened", close);
  editor.on("gone", close);
  editor.on("given", () => desk?.given());
  editor.on("frame", async ({ final, node }) => {
    const out = output();
    if (!out || final === false || node == null || node === shown) return;
    shown = node;
    const value = await api.readOutputValue(editor.session.id, node, out.name).catch(() => null);
    if (value === null || shown !== node) return;
    if (!viewer) open(out, value);
    else viewer.show(value);
    desk?.show(value, node);
  });

  /** @param {any} out @param {any} value */
  function open(out, value) {
    box.hidden = false;
    desk = VIEWERS[out.viewer].desk(editor, () => viewer?.again(), (roll) => viewer && (viewer.element.hidden = !roll));
    viewer = VIEWERS[out.viewer].view(value, { height: Math.max(160, box.clientHeight - BAR), marks: desk.marks });
    box.append(desk.element, viewer.element);
  }
}
