/** An output that is shown when the user asks for it, beside the picture, such as points in space: a button, and a viewer over the canvas. */
import * as api from "../server/api.js";
import { h } from "../ui/elements.js";
import { notice } from "../ui/messages.js";
import { pointsViewer } from "../viewers/points.js";
import { w } from "../words/language.js";

const BAR = 48; // pixels of the margins and the line under a viewer
const ASKED_FOR = 100_000; // of an output whose number is a setting

/** By the name that a card's output gives. @type {Record<string, {view: typeof pointsViewer, file: string}>} */
const VIEWERS = { points: { view: pointsViewer, file: "ply" } };

/** A setting with the output's name is how much of it there is; where it is 0, asking sets it. @param {import("../session/editor.js").Editor} editor @param {HTMLElement} stage */
export function onRequest(editor, stage) {
  const box = h("div", { id: "on-request", hidden: true });
  const turn = h("button", { type: "button", class: "chip", id: "viewer-turn", hidden: true, "aria-pressed": "false", on: { click: () => (wanted ? close() : ask()) } }, h("span", {}, w("viewer_points")));
  stage.append(box, turn);
  /** @type {ReturnType<typeof pointsViewer> | null} */ let viewer = null;
  /** @type {any} */ let shown = null; // the node whose value is asked for or shown
  let wanted = false;
  const output = () => editor.card?.outputs.find((/** @type {any} */ out) => VIEWERS[out.viewer]);

  function close() {
    wanted = false;
    turn.setAttribute("aria-pressed", "false");
    viewer?.close();
    viewer = shown = null;
    box.replaceChildren();
    box.hidden = true;
  }

  function ask() {
    const { name } = output();
    wanted = true;
    turn.setAttribute("aria-pressed", "true");
    const schema = editor.card.settings?.properties?.[name];
    if (schema && !(editor.given.settings[name] ?? schema.default)) editor.commit({ op: "setting", name, value: Math.min(ASKED_FOR, schema.maximum ?? ASKED_FOR) });
    else load(editor.head);
  }

  /** @param {any} node */
  async function load(node) {
    const out = output();
    if (!wanted || !out || node === shown) return;
    shown = node;
    const { view, file } = VIEWERS[out.viewer];
    try {
      const data = await (await api.readBlob(api.outputUrl(editor.session.id, node, out.name, `format=${file}`))).arrayBuffer();
      if (shown !== node) return;
      if (viewer) return viewer.show(data);
      box.hidden = false;
      viewer = view(data, { height: Math.max(160, box.clientHeight - BAR) });
      box.append(viewer.element);
    } catch (error) {
      if (shown !== node) return;
      notice(/** @type {Error} */ (error).message, "wrong");
      close();
    }
  }

  editor.on("opened", () => {
    close();
    turn.hidden = !output();
  });
  editor.on("gone", close);
  editor.on("frame", ({ final, node }) => final !== false && node != null && load(node));
}
