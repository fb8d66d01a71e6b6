/** Compares two nodes: their pictures under a slider, and the differences of their inputs as sentences. */
import * as api from "../server/api.js";
import { describeEdit, settingTitle } from "../session/edits.js";
import { dialog } from "../ui/dialog.js";
import { fill, h } from "../ui/elements.js";
import { t, titleOf, w } from "../words/language.js";

/** @param {import("../session/editor.js").Editor} editor @param {any} a @param {any} b */
export async function openCompare(editor, a, b) {
  const order = [...editor.nodes.keys()];
  const stage = h("div", { class: "wipe" });
  const slider = h("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": w("compare_wipe"), on: { input: () => put() } });
  const diff = h("input", { type: "checkbox", id: "compare-difference", on: { change: () => put() } });
  const changes = h("ul", { class: "changes" });
  const canvas = h("canvas", { role: "img", "aria-label": w("compare") });
  const nameOf = (/** @type {any} */ id) => {
    const node = editor.nodes.get(id);
    return () => node?.name || t(describeEdit(node?.parent === null ? null : node?.edit, editor.card));
  };
  const pick = (/** @type {any} */ chosen, /** @type {any} */ words, /** @type {(id: any) => void} */ put_) => {
    const list = h("select", { "aria-label": words, on: { change: () => (put_(order[list.selectedIndex]), load()) } }, order.map((id, i) => h("option", { selected: id === chosen }, () => `${i + 1}. ${nameOf(id)()}`)));
    return list;
  };
  const names = h("div", { class: "wipe-names" }, pick(a, w("compare_left"), (id) => (a = id)), pick(b, w("compare_right"), (id) => (b = id)));
  stage.append(canvas);
  dialog(w("compare"), [names, stage, h("div", { class: "row" }, slider, diff, h("label", { for: "compare-difference" }, w("difference"))), h("h3", {}, w("compare_changes")), changes], "wide compare-sheet");

  /** @type {any[]} */
  let pictures = [];
  function put() {
    const [one, two] = pictures;
    if (!one || !two) return;
    Object.assign(canvas, { width: two.width, height: two.height });
    const pen = canvas.getContext("2d");
    if (!pen) return;
    if (diff.checked) {
      pen.drawImage(one, 0, 0, two.width, two.height);
      pen.globalCompositeOperation = "difference";
      pen.drawImage(two, 0, 0);
      return;
    }
    const cut = (two.width * Number(slider.value)) / 100;
    pen.drawImage(two, 0, 0);
    pen.save();
    pen.beginPath();
    pen.rect(0, 0, cut, two.height);
    pen.clip();
    pen.drawImage(one, 0, 0, two.width, two.height);
    pen.restore();
    pen.fillStyle = "rgba(30,26,20,.8)";
    pen.fillRect(cut - two.width / 800, 0, Math.max(1, two.width / 400), two.height);
  }

  let turn = 0;
  async function load() {
    const mine = ++turn;
    const { id } = editor.session;
    const seen = (/** @type {any} */ node) => api.readBlob(api.outputUrl(id, node, editor.output.name, "max_side=1600")).then(createImageBitmap);
    try {
      const list = await api.compareNodes(id, a, b);
      if (mine !== turn) return;
      const rows = list.map((/** @type {any} */ one) => h("li", {}, one.said && typeof one.said === "object" ? one.said : plainly(one)));
      fill(changes, rows.length ? rows : h("li", {}, w("compare_same")));
      const made = [await seen(a), await seen(b)];
      if (mine !== turn) return;
      pictures = made;
      put();
    } catch (error) {
      editor.emit("wrong", { what: /** @type {Error} */ (error).message });
    }
  }
  await load();

  /** @param {any} one */
  function plainly(one) {
    const slot = one.slot && editor.slot(one.slot);
    const name = slot ? titleOf(slot) : one.setting ? settingTitle(editor.card, one.setting) : w("seed");
    return () => `${t(name)}: ${shortly(one.before)} → ${shortly(one.after)}`;
  }
}

const shortly = (/** @type {any} */ value) => {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text === undefined || text === "null" ? "–" : text.length > 60 ? text.slice(0, 57) + "…" : text;
};
