/** Two states side by side: what was given differently, in words, and the pictures under a slider. */
import * as api from "../api.js";
import { dialog, fill, h } from "../dom.js";
import { saidOf, settingTitle } from "../edit.js";
import { named, t, titleOf, w } from "../words.js";

/** @param {import("../room.js").Room} room @param {any} a @param {any} b */
export async function openCompare(room, a, b) {
  const stage = h("div", { class: "wipe" });
  const slider = h("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": w("compare_wipe"), on: { input: () => put() } });
  const diff = h("input", { type: "checkbox", id: "compare-difference", on: { change: () => put() } });
  const changes = h("ul", { class: "changes" });
  const canvas = h("canvas", { role: "img", "aria-label": w("compare") });
  const nameOf = (/** @type {any} */ id) => {
    const node = room.nodes.get(id);
    return () => node?.name || t(saidOf(node?.edit, room.card));
  };
  const names = h("div", { class: "wipe-names" }, h("span", {}, nameOf(a)), h("span", {}, nameOf(b)));
  stage.append(canvas);
  dialog(w("compare"), [names, stage, h("div", { class: "row" }, slider, diff, h("label", { for: "compare-difference" }, w("difference"))), changes], "wide");

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

  const said = api.compare(room.session.id, a, b).then((list) => {
    const rows = list.map((/** @type {any} */ one) => h("li", {}, one.said && typeof one.said === "object" ? one.said : plainly(one)));
    fill(changes, rows.length ? rows : h("li", {}, w("compare_same")));
  });
  const shown = Promise.all([a, b].map(async (node) => createImageBitmap(await api.blobAt(api.outputOf(room.session.id, node, room.output.name, "max_side=1600"))))).then((made) => {
    pictures = made;
    put();
  });
  await Promise.all([said, shown]).catch((error) => room.say("wrong", { what: error.message }));

  /** @param {any} one */
  function plainly(one) {
    const slot = one.slot && room.slot(one.slot);
    const name = slot ? titleOf(slot) : one.setting ? settingTitle(room.card, one.setting) : named("seed");
    return () => `${t(name)}: ${shortly(one.before)} → ${shortly(one.after)}`;
  }
}

const shortly = (/** @type {any} */ value) => {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text === undefined || text === "null" ? "–" : text.length > 60 ? text.slice(0, 57) + "…" : text;
};
