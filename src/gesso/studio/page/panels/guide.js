/** The tour for new users: small cards, each beside the part that it explains, each with something to try. And the table of keys. */
import { dialog } from "../ui/dialog.js";
import { fill, h } from "../ui/elements.js";
import { icon } from "../ui/icons.js";
import { w } from "../words/language.js";

const KEPT = "gesso.guided";

/** Each card: the element that it points at, the key of its texts, and the event that shows that its suggestion was tried. */
const STEPS = [
  { where: "#stage", key: "1", tried: (/** @type {any} */ editor, /** @type {() => void} */ done) => listen(editor, "moved", (/** @type {any} */ event) => event.detail.fitted || done()) },
  { where: "#rail", key: "2", tried: (/** @type {any} */ editor, /** @type {() => void} */ done) => listen(editor, "given", done) },
  { where: "#canvas", key: "3", tried: (/** @type {any} */ editor, /** @type {() => void} */ done) => listen(editor, "frame", done) },
  { where: "#history-tab", key: "4", tried: (/** @type {any} */ _, /** @type {() => void} */ done) => listen(document.getElementById("history-tab"), "click", done) },
  { where: ".save-menu", key: "5", tried: (/** @type {any} */ _, /** @type {() => void} */ done) => listen(document.querySelector(".save-menu"), "toggle", done) },
];

/** @param {EventTarget | null} target @param {string} event @param {(event: any) => void} run */
function listen(target, event, run) {
  target?.addEventListener(event, run);
  return () => target?.removeEventListener(event, run);
}

/** @param {import("../session/editor.js").Editor} editor @param {boolean} [asked] shown again although it was seen */
export function guide(editor, asked = false) {
  if (!asked && localStorage.getItem(KEPT)) return;
  document.querySelector(".guide")?.remove();
  let at = 0;
  let deaf = () => {};
  const box = h("div", { class: "guide", role: "dialog", "aria-label": w("guide"), tabindex: -1 });
  const end = () => {
    localStorage.setItem(KEPT, "1");
    deaf();
    removeEventListener("hashchange", end);
    document.removeEventListener("keydown", leave);
    document.querySelector(".pointed")?.classList.remove("pointed");
    const held = box.contains(document.activeElement);
    box.remove();
    if (held) document.getElementById("canvas")?.focus({ preventScroll: true });
  };
  // Escape works from anywhere: the card is the last element of the page, many Tabs away.
  const leave = (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open]") && end();
  addEventListener("hashchange", end);
  document.addEventListener("keydown", leave);
  const show = () => {
    const { where, key, tried } = STEPS[at];
    deaf();
    document.querySelector(".pointed")?.classList.remove("pointed");
    const target = document.querySelector(where);
    target?.classList.add("pointed");
    const last = at === STEPS.length - 1;
    const next = h("button", { type: "button", class: "primary", on: { click: () => (last ? end() : (at++, show())) } }, last ? w("guide_done") : w("guide_next"));
    const back = at ? h("button", { type: "button", class: "soft", on: { click: () => (at--, show()) } }, w("guide_back")) : null;
    const tip = h("p", { class: "guide-try", role: "status" }, icon("hand"), h("span", {}, w(`guide_try_${key}`)));
    fill(
      box,
      h("small", { class: "quiet" }, w("step", { now: String(at + 1), all: String(STEPS.length) })),
      h("h2", {}, w(`guide_${key}_title`)),
      h("p", {}, w(`guide_${key}`)),
      tip,
      h("div", { class: "row end" }, last ? null : h("button", { type: "button", class: "soft", on: { click: end } }, w("guide_skip")), h("span", { class: "gap" }), back, next),
    );
    deaf = tried(editor, () => {
      if (tip.classList.contains("tried")) return;
      tip.classList.add("tried");
      fill(tip, icon("check"), h("span", {}, w("guide_tried")));
    });
    beside(target);
    next.focus({ preventScroll: true });
  };
  /** @param {Element | null} target */
  function beside(target) {
    const area = target?.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = box;
    if (!area) return;
    const within = (/** @type {number} */ v, /** @type {number} */ most) => Math.max(16, Math.min(v, most));
    const large = area.width > innerWidth / 2;
    const x = large ? area.left + 32 : area.left > innerWidth / 2 ? area.left - width - 16 : area.right + 16;
    const y = large ? area.bottom - height - 32 : area.top;
    Object.assign(box.style, { left: `${within(x, innerWidth - width - 16)}px`, top: `${within(y, innerHeight - height - 16)}px` });
  }
  document.body.append(box);
  show();
}

/** @param {import("../session/editor.js").Editor} editor */
export function keyTable(editor) {
  const rows = [
    ["1 … 9", w("keys_tools")],
    ["E  I  H", w("keys_seek")],
    ["L", w("keys_lasso")],
    ["F", w("keys_fill")],
    ["G", w("keys_alone")],
    ["[  ]", w("keys_brush")],
    [w("key_arrows"), w("keys_cursor")],
    ["Enter", w("keys_mark")],
    [w("key_space"), w("keys_space")],
    ["Esc", w("keys_back")],
    [w("key_right"), w("keys_pick")],
    [w("key_touch"), w("keys_touch")],
    ["+  −  0", w("keys_zoom")],
    [",  .", w("keys_turn")],
    [w("key_hold", { key: "B" }), w("keys_before")],
    ["V", w("keys_before_after")],
    ["PgUp  PgDn", w("keys_page")],
    ["M", w("keys_marks")],
    ["P", w("keys_proposals")],
    ["Ctrl+Z", w("keys_undo")],
    ["Ctrl+Shift+Z", w("keys_redo")],
    ["Ctrl+S", w("keys_save")],
    ["Ctrl+C", w("keys_copy")],
  ];
  const box = dialog(w("keys"), [
    h("dl", { class: "keys" }, rows.map(([key, says]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, says)])),
    h("div", { class: "row end" }, h("button", { type: "button", class: "primary", on: { click: () => (box.close(), guide(editor, true)) } }, w("guide"))),
  ], "keys-sheet");
}
