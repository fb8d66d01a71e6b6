/** An output that a picture cannot show, such as music that plays: the viewer of its medium, in place of the canvas. */
import * as api from "../server/api.js";
import { h } from "../ui/elements.js";
import { notesViewer } from "../viewers/notes.js";

const BAR = 84; // pixels of the buttons and margins under a viewer

/** By the name that a card's output gives. @type {Record<string, (value: any, options: {height?: number}) => {element: HTMLElement, show: (value: any) => void, close: () => void}>} */
const VIEWERS = { notes: notesViewer };

/** @param {import("../session/editor.js").Editor} editor @param {HTMLElement} stage */
export function player(editor, stage) {
  const box = h("div", { id: "player", hidden: true });
  stage.append(box);
  /** @type {ReturnType<typeof VIEWERS[string]> | null} */ let viewer = null;
  /** @type {any} */ let shown = null; // the node whose value is asked for or shown
  const output = () => editor.card?.outputs.find((/** @type {any} */ out) => VIEWERS[out.viewer]);

  function close() {
    viewer?.close();
    viewer = shown = null;
    box.replaceChildren();
    box.hidden = true;
  }

  editor.on("opened", close);
  editor.on("gone", close);
  editor.on("frame", async ({ final, node }) => {
    const out = output();
    if (!out || final === false || node == null || node === shown) return;
    shown = node;
    const value = await api.readOutputValue(editor.session.id, node, out.name).catch(() => null);
    if (value === null || shown !== node) return;
    if (viewer) return viewer.show(value);
    box.hidden = false;
    viewer = VIEWERS[out.viewer](value, { height: Math.max(160, box.clientHeight - BAR) });
    box.append(viewer.element);
  });
}
