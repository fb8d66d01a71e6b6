/** The history as a tree: the newest above, branches side by side, each state with its picture, name and star. */
import * as api from "../api.js";
import { fill, h, iconButton } from "../dom.js";
import { colourOf, saidOf } from "../edit.js";
import { ago, t, w } from "../words.js";

/** @param {import("../room.js").Room} room @param {HTMLElement} place @param {(a: any, b: any) => void} compare */
export function history(room, place, compare) {
  let onlyNamed = false;
  let text = "";
  const list = h("div", { class: "tree", role: "tree", "aria-label": w("history"), on: { keydown: walk } });
  const filter = h("input", { type: "search", placeholder: w("find"), "aria-label": w("find"), on: { input: () => ((text = filter.value.toLowerCase()), show()) } });
  const named = iconButton("star", w("only_favourites"), () => {
    onlyNamed = !onlyNamed;
    named.setAttribute("aria-pressed", String(onlyNamed));
    show();
  }, { "aria-pressed": "false" });
  fill(place, h("div", { class: "row tree-bar" }, filter, named), list);

  /** Which column each node stands in: a first child stays in its parent's, others open a new one. */
  function lanes() {
    /** @type {Map<any, number>} */
    const lane = new Map();
    const path = new Set(room.pathTo(room.head).map((node) => node.id));
    /** @type {Map<any, any[]>} */
    const children = new Map();
    for (const node of room.nodes.values()) children.set(node.parent, [...(children.get(node.parent) ?? []), node.id]);
    let next = 0;
    const todo = [...(children.get(null) ?? [])].map((id) => /** @type {[any, number]} */ ([id, next++]));
    while (todo.length) {
      const [id, at] = /** @type {[any, number]} */ (todo.pop());
      lane.set(id, at);
      const born = children.get(id) ?? [];
      born.forEach((child, i) => todo.push([child, i === 0 ? at : next++]));
    }
    return { lane, path, children, num: next };
  }

  function show() {
    if (!room.card) return;
    const { lane, path, children, num } = lanes();
    const nodes = [...room.nodes.values()].reverse();
    const fits = (/** @type {any} */ node) => {
      if (onlyNamed && !node.name && !node.favourite) return false;
      return !text || `${node.name ?? ""} ${t(saidOf(node.edit, room.card))}`.toLowerCase().includes(text);
    };
    const rows = nodes.filter(fits).map((node) => row(node, lane.get(node.id) ?? 0, Math.min(num, 6), path.has(node.id), (children.get(node.id) ?? []).length > 1));
    fill(list, rows.length ? rows : h("p", { class: "quiet" }, w("nothing_found")));
  }

  /** @param {any} node @param {number} lane @param {number} num @param {boolean} onPath @param {boolean} forks */
  function row(node, lane, num, onPath, forks) {
    const current = node.id === room.head;
    const colour = colourOf(node.edit);
    const small = room.seen.get(node.id);
    const picture = h("span", { class: small ? "thumb" : "thumb empty" });
    if (small) picture.append(copyFor(small));
    const said = node.name ? h("b", {}, node.name) : h("span", { title: node.said }, saidOf(node.parent === null ? null : node.edit, room.card));
    const star = iconButton("star", w("favourite"), (event) => (event.stopPropagation(), change(node, { favourite: !node.favourite })), { class: "plain star", "aria-pressed": String(Boolean(node.favourite)), tabindex: -1 });
    const split = iconButton("split", w("compare"), (event) => (event.stopPropagation(), compare(node.id, room.head)), { class: "plain", tabindex: -1, hidden: current });
    const rail = h("span", { class: "lanes", style: { width: `${num * 12 + 6}px` } }, h("i", { class: forks ? "dot fork" : "dot", style: { left: `${Math.min(lane, 5) * 12 + 3}px` } }));
    return h(
      "div",
      {
        class: `node${onPath ? " on-path" : ""}`,
        role: "treeitem",
        "aria-level": lane + 1,
        "aria-selected": String(current),
        "aria-current": current ? "true" : null,
        tabindex: current ? 0 : -1,
        "data-node": String(node.id),
        on: { click: () => room.show(node.id), dblclick: () => rename(node, said) },
      },
      rail,
      picture,
      colour && h("i", { class: "drop", style: { backgroundColor: colour } }),
      h("span", { class: "said" }, said, current && (node.created ?? node.time) ? h("small", {}, () => ago(node.created ?? node.time)) : null),
      split,
      star,
    );
  }

  /** @param {any} node @param {any} change_ */
  async function change(node, change_) {
    Object.assign(node, change_);
    show();
    await api.nameNode(room.session.id, node.id, change_).catch((error) => room.say("wrong", { what: error.message }));
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
    const node = [...room.nodes.values()].find((one) => String(one.id) === at.dataset.node);
    const next = { ArrowDown: at.nextElementSibling, ArrowUp: at.previousElementSibling, Home: list.firstElementChild, End: list.lastElementChild }[event.key];
    const acts = /** @type {Object<string, () => void>} */ ({
      Enter: () => room.show(node?.id),
      F2: () => rename(node, /** @type {HTMLElement} */ (at.querySelector(".said > *"))),
      f: () => change(node, { favourite: !node?.favourite }),
      c: () => node && node.id !== room.head && compare(node.id, room.head),
    });
    if (next) /** @type {HTMLElement} */ (next).focus();
    else if (acts[event.key]) acts[event.key]();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  room.when("tree", () => {
    const focused = list.contains(document.activeElement);
    show();
    if (focused) /** @type {HTMLElement | null} */ (list.querySelector("[tabindex='0']"))?.focus();
  });
  room.when("seen", (id) => {
    const at = list.querySelector(`[data-node="${CSS.escape(String(id))}"] .thumb`);
    const small = room.seen.get(id);
    if (!at || !small) return;
    at.classList.remove("empty");
    at.replaceChildren(copyFor(small));
  });
  document.addEventListener("language", show);
  return { show };
}

/** A canvas can be in one place only. @param {HTMLCanvasElement} small */
function copyFor(small) {
  const copy = document.createElement("canvas");
  copy.width = small.width;
  copy.height = small.height;
  copy.getContext("2d")?.drawImage(small, 0, 0);
  return copy;
}
