/** The history as a tree: newest at the top, branches side by side, each node with its thumbnail, name and star. */
import * as api from "../server/api.js";
import { layout, graphCell } from "./history_graph.js";
import { firstColourOf, describeEdit } from "../session/edits.js";
import { loadThumbnails } from "../session/thumbnails.js";
import { fill, h } from "../ui/elements.js";
import { iconButton } from "../ui/icons.js";
import { announce, notice } from "../ui/messages.js";
import { relativeTime, lang, t, titleOf, w } from "../words/language.js";

/** @param {import("../session/editor.js").Editor} editor @param {HTMLElement} place @param {(a: any, b: any) => void} compare */
export function history(editor, place, compare) {
  let onlyNamed = false;
  let text = "";
  const list = h("div", { class: "tree", role: "tree", "aria-label": w("history"), on: { keydown: walk } });
  const filter = h("input", { type: "search", placeholder: w("find_step"), "aria-label": w("find_step"), on: { input: () => ((text = filter.value.toLowerCase()), show()) } });
  const named = iconButton("star", w("only_favourites"), () => {
    onlyNamed = !onlyNamed;
    named.setAttribute("aria-pressed", String(onlyNamed));
    show();
  }, { "aria-pressed": "false" });
  const count = h("p", { class: "quiet" });
  const keys = h("p", { class: "quiet tree-keys" }, h("kbd", {}, "F2"), " ", w("key_name"), " · ", h("kbd", {}, "F"), " ", w("favourite"), " · ", h("kbd", {}, "C"), " ", w("key_compare"), " · ", h("kbd", {}, "M"), " ", w("key_merge"));
  fill(place, h("div", { class: "row tree-bar" }, filter, named), list, h("div", { class: "tree-foot" }, count, keys));
  const watcher = loadThumbnails(editor);

  function show() {
    if (!editor.card || !editor.session) return;
    const tree = layout(editor.nodes);
    const path = new Set(editor.pathTo(editor.head).map((node) => node.id));
    const fits = (/** @type {any} */ node) => {
      if (onlyNamed && !node.name && !node.favourite) return false;
      return !text || `${node.name ?? ""} ${t(describeEdit(node.edit, editor.card))} ${node.said?.[lang()] ?? ""}`.toLowerCase().includes(text);
    };
    const shown = tree.order.map((id) => editor.nodes.get(id)).filter(fits);
    const rows = shown.map((node) => row(node, tree, path.has(node?.id), shown.length < tree.order.length));
    watcher.disconnect();
    fill(list, rows.length ? rows : h("p", { class: "quiet" }, w("nothing_found")));
    for (const one of rows) if (!editor.thumbnails.has(one.dataset.node)) watcher.observe(one);
    if (rows.length && !rows.some((one) => one.tabIndex === 0)) rows[0].tabIndex = 0;
    fill(count, w("num_steps", { num: String(editor.nodes.size) }));
  }

  /** @param {any} node @param {ReturnType<typeof layout>} tree @param {boolean} onPath @param {boolean} alone */
  function row(node, tree, onPath, alone) {
    const current = node.id === editor.head;
    const colour = firstColourOf(node.edit);
    const small = editor.thumbnails.get(node.id);
    const picture = h("span", { class: small ? "thumb" : "thumb empty" });
    if (small) picture.append(copyFor(small));
    const plain = () => t(describeEdit(node.parent === null ? null : node.edit, editor.card));
    const said = node.name ? h("b", {}, node.name) : h("span", { title: node.said }, plain);
    const act = (/** @type {string} */ sign, /** @type {any} */ words, /** @type {() => void} */ run, /** @type {any} */ more = {}) =>
      iconButton(sign, words, (event) => (event.stopPropagation(), run()), { tabindex: -1, ...more });
    const at = node.created ?? node.time;
    return h(
      "div",
      {
        class: `node${onPath ? " on-path" : ""}`,
        role: "treeitem",
        "aria-level": (tree.lane.get(node.id) ?? 0) + 1,
        "aria-selected": String(current),
        "aria-current": current ? "true" : null,
        tabindex: current ? 0 : -1,
        "data-node": String(node.id),
        on: { click: () => editor.show(node.id), dblclick: () => rename(node, said) },
      },
      graphCell(tree, node.id, current, alone),
      picture,
      colour && h("i", { class: "drop", style: { backgroundColor: colour } }),
      h("span", { class: "said" }, said, node.name ? h("small", {}, plain) : current && at ? h("small", {}, () => relativeTime(at)) : null),
      h("span", { class: "acts" },
        act("tag", w("name_node"), () => rename(node, /** @type {HTMLElement} */ (list.querySelector(`[data-node="${CSS.escape(String(node.id))}"] .said > *`)))),
        editor.canMerge(node.id) && act("join", w("merge_branch"), () => merge(node), { "data-act": "merge" }),
        !current && act("compare", w("compare_with"), () => compare(node.id, editor.head), { "data-act": "compare" }),
        act("star", w("favourite"), () => change(node, { favourite: !node.favourite }), { class: "plain star", "aria-pressed": String(Boolean(node.favourite)) })),
    );
  }

  /** @param {any} node */
  async function merge(node) {
    const both = await editor.merge(node.id).catch((error) => void editor.emit("wrong", { what: error.message }));
    if (both?.length) notice(w("merged_both", { names: both.map((name) => titled(name)).join(", ") }));
    else if (both) announce(w("merged"));
  }

  /** The title of a condition or a setting. @param {string} name */
  const titled = (name) => (editor.slot(name) ? titleOf(editor.slot(name)) : t(editor.card.settings?.properties?.[name]?.words?.title ?? { en: name }));

  /** @param {any} node @param {any} change_ */
  async function change(node, change_) {
    Object.assign(node, change_);
    show();
    await api.updateNode(editor.session.id, node.id, change_).catch((error) => editor.emit("wrong", { what: error.message }));
  }

  /** @param {any} node @param {HTMLElement} said */
  function rename(node, said) {
    const input = h("input", { "aria-label": w("name_node"), placeholder: w("name_node"), maxlength: 120, props: { value: node.name ?? "" } });
    let done = false;
    const finish = (/** @type {boolean} */ keep) => {
      if (done) return;
      done = true;
      if (keep && input.value.trim() !== (node.name ?? "")) change(node, { name: input.value.trim() });
      else show();
    };
    input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      event.stopPropagation();
      if (event.key === "Enter") finish(true);
      if (event.key === "Escape") finish(false);
    });
    input.addEventListener("blur", () => finish(true));
    said.replaceWith(input);
    input.focus();
  }

  /** @param {KeyboardEvent} event */
  function walk(event) {
    const at = /** @type {HTMLElement} */ (event.target);
    if (at.getAttribute("role") !== "treeitem") return;
    const node = [...editor.nodes.values()].find((one) => String(one.id) === at.dataset.node);
    const next = { ArrowDown: at.nextElementSibling, ArrowUp: at.previousElementSibling, Home: list.firstElementChild, End: list.lastElementChild }[event.key];
    const acts = /** @type {Object<string, () => void>} */ ({
      Enter: () => editor.show(node?.id),
      F2: () => rename(node, /** @type {HTMLElement} */ (at.querySelector(".said > *"))),
      f: () => change(node, { favourite: !node?.favourite }),
      m: () => node && editor.canMerge(node.id) && merge(node),
      c: () => node && node.id !== editor.head && compare(node.id, editor.head),
    });
    if (next) /** @type {HTMLElement} */ (next).focus();
    else if (acts[event.key]) acts[event.key]();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  editor.on("tree", () => {
    const focused = list.contains(document.activeElement);
    show();
    if (focused) /** @type {HTMLElement | null} */ (list.querySelector("[tabindex='0']"))?.focus();
  });
  editor.on("seen", (id) => {
    const at = list.querySelector(`[data-node="${CSS.escape(String(id))}"] .thumb`);
    const small = editor.thumbnails.get(id);
    if (!at || !small) return;
    at.classList.remove("empty");
    at.replaceChildren(copyFor(small));
  });
  document.addEventListener("language", show);
  return { show };
}

/** A copy, because an element can be in one place only. @param {HTMLCanvasElement} small */
function copyFor(small) {
  const copy = document.createElement("canvas");
  copy.width = small.width;
  copy.height = small.height;
  copy.getContext("2d")?.drawImage(small, 0, 0);
  return copy;
}
