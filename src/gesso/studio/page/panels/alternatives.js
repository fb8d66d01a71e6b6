/** A dialog with other proposals to choose from. Each is a preview; only the chosen one becomes a node. */
import { copyCanvas } from "../ui/copy_canvas.js";
import { dialog } from "../ui/dialog.js";
import { fill, h } from "../ui/elements.js";
import { icon } from "../ui/icons.js";
import { w } from "../words/language.js";

/**
 * The setting that selects one of the pictures of an output: its schema has `chooses`, or its name is `choice`.
 * @param {any} card @returns {{name: string, values: number[]} | null}
 */
export function chooserOf(card) {
  const several = card.outputs.find((/** @type {any} */ out) => out.medium === "pictures");
  const fields = Object.entries(card.settings?.properties ?? {});
  const [name, schema] = /** @type {[string, any]} */ (fields.find(([key, one]) => /** @type {any} */ (one).chooses || (several && key === "choice")) ?? ["", null]);
  if (!schema || schema.maximum === undefined) return null;
  const low = schema.minimum ?? 0;
  return { name, values: Array.from({ length: Math.min(9, schema.maximum - low + 1) }, (_, i) => low + i) };
}

/** @param {import("../session/editor.js").Editor} editor @param {import("../canvas/view.js").View} view */
export async function openAlternatives(editor, view) {
  const live = editor.live;
  const chooser = chooserOf(editor.card);
  if (!live || !chooser || document.querySelector(".choices-sheet")) return;
  const edits = chooser.values.map((value) => ({ op: "setting", name: chooser.name, value }));
  const now = editor.given.settings[chooser.name] ?? chooser.values[0];
  let over = false;
  let kept = false;
  const tiles = edits.map((edit, i) =>
    h("button", { type: "button", class: "choice", disabled: true, "aria-current": edit.value === now ? "true" : null, "data-choice": i, "aria-label": w("choice_nth", { num: String(i + 1) }), on: { click: () => keep(edit) } }, h("span", { class: "choice-wait" }, icon("dice"))),
  );
  const line = h("p", { class: "quiet", role: "status" });
  const box = dialog(w("proposals"), [h("div", { class: `choices of-${edits.length}` }, tiles), line], "wide choices-sheet");
  view.frozen = copyCanvas(live.picture);
  box.addEventListener("close", () => {
    over = true;
    if (!kept) live.show(live.head);
    setTimeout(() => ((view.frozen = null), view.repaint()), 400);
  });

  /** @param {any} edit */
  function keep(edit) {
    kept = edit.value !== now;
    if (kept) editor.commit(edit);
    box.close();
  }

  for (const [i, edit] of edits.entries()) {
    if (over || editor.live !== live) return;
    fill(line, w("trying", { now: String(i + 1), all: String(edits.length) }));
    const made = await live.probe(edit);
    const pixelated = made.width < 100;
    tiles[i].replaceChildren(pixelated ? made : copyCanvas(made, 520));
    tiles[i].classList.toggle("pixels", pixelated);
    tiles[i].disabled = false;
    if (i === 0) tiles[i].focus();
  }
  fill(line);
}
