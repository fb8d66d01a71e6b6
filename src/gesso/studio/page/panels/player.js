/** An output that a picture cannot show, such as music that plays or points in space: the viewer of its medium, in place of the canvas. */
import * as api from "../server/api.js";
import { h } from "../ui/elements.js";
import { notice } from "../ui/messages.js";
import { notesViewer } from "../viewers/notes.js";
import { pointsViewer } from "../viewers/points.js";
import { w } from "../words/language.js";

const BAR = { notes: 84, points: 48 }; // pixels of the buttons and margins under a viewer
const ASKED_FOR = 100_000; // of an output whose number is a setting

/**
 * By the name that a card's output gives: how a viewer is made, and what it shows of a node. `asked`: only when the user wants it, beside
 * a picture; a setting with the output's name is how much of it there is.
 * @type {Record<string, {make: (value: any, options: {height?: number}) => {element: HTMLElement, show: (value: any) => void, close: () => void}, read: (session: string, node: any, output: string) => Promise<any>, asked?: boolean}>}
 */
const VIEWERS = {
  notes: { make: notesViewer, read: api.readOutputValue },
  points: { make: pointsViewer, read: async (session, node, output) => (await api.readBlob(api.outputUrl(session, node, output, "format=ply"))).arrayBuffer(), asked: true },
};

/** @param {import("../session/editor.js").Editor} editor @param {HTMLElement} stage */
export function player(editor, stage) {
  const box = h("div", { id: "player", hidden: true });
  const turn = h("button", { type: "button", class: "chip", id: "viewer-turn", hidden: true, "aria-pressed": "false", on: { click: () => (wanted ? dismiss() : ask()) } }, h("span", {}, w("viewer_points")));
  stage.append(box, turn);
  /** @type {ReturnType<typeof VIEWERS[string]["make"]> | null} */ let viewer = null;
  /** @type {any} */ let shown = null; // the node whose value is asked for or shown
  let wanted = ""; // the name of the output that the user asked for
  const played = () => editor.card?.outputs.filter((/** @type {any} */ out) => VIEWERS[out.viewer]) ?? [];
  const askable = () => played().find((/** @type {any} */ out) => VIEWERS[out.viewer].asked);
  const output = () => played().find((/** @type {any} */ out) => !VIEWERS[out.viewer].asked || out.name === wanted);

  function close() {
    viewer?.close();
    viewer = shown = null;
    box.replaceChildren();
    box.hidden = true;
  }

  function dismiss() {
    wanted = "";
    turn.setAttribute("aria-pressed", "false");
    close();
  }

  function ask() {
    const { name } = askable();
    wanted = name;
    turn.setAttribute("aria-pressed", "true");
    const schema = editor.card.settings?.properties?.[name];
    if (schema && !(editor.given.settings[name] ?? schema.default)) editor.commit({ op: "setting", name, value: Math.min(ASKED_FOR, schema.maximum ?? ASKED_FOR) });
    else load(editor.head);
  }

  /** @param {any} node */
  async function load(node) {
    const out = output();
    if (!out || node === shown) return;
    shown = node;
    const kind = VIEWERS[out.viewer];
    const value = await kind.read(editor.session.id, node, out.name).catch((error) => (kind.asked && shown === node && (notice(error.message, "wrong"), dismiss()), null));
    if (value === null || shown !== node) return;
    if (viewer) return viewer.show(value);
    box.hidden = false;
    viewer = kind.make(value, { height: Math.max(160, box.clientHeight - BAR[/** @type {"notes" | "points"} */ (out.viewer)]) });
    box.append(viewer.element);
  }

  const reset = () => {
    dismiss();
    turn.hidden = !askable();
  };
  editor.on("opened", reset);
  editor.on("gone", close);
  editor.on("frame", ({ final, node }) => final !== false && node != null && load(node));
}
