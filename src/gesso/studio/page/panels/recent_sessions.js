/** The list of sessions: search, open, rename, export, delete, and undo a deletion for some seconds. */
import * as api from "../server/api.js";
import { fill, h } from "../ui/elements.js";
import { download } from "../ui/files.js";
import { icon } from "../ui/icons.js";
import { notice } from "../ui/messages.js";
import { relativeTime, lang, t, titleOf, w } from "../words/language.js";

const FIRST = 40; // sessions listed until the user asks for all
const REGRET = 8000; // milliseconds in which a deletion can be undone

/** @param {() => any[]} cards @param {(id: string, node?: string) => void} open */
export function recentSessions(cards, open) {
  const list = h("div", { class: "recent" });
  /** @type {Map<string, number>} timers of sessions about to be deleted */ const going = new Map();
  let text = "";
  let all = false;

  async function show() {
    const asked = text;
    const found = asked ? await api.search(asked).catch(() => []) : await api.listSessions();
    if (asked !== text) return;
    /** @type {Map<string, any>} */ const byId = new Map();
    for (const one of found) {
      const id = one.session ?? one.id;
      if (!byId.has(id) && !going.has(id)) byId.set(id, { ...one, id });
    }
    const lines = [...byId.values()];
    fill(
      list,
      lines.length ? lines.slice(0, all ? Infinity : FIRST).map(line) : h("p", { class: "quiet" }, text ? w("nothing_found") : w("no_sessions")),
      !all && lines.length > FIRST ? h("button", { type: "button", class: "soft", on: { click: () => ((all = true), show()) } }, w("show_all", { num: String(lines.length) })) : null,
    );
  }

  /** @param {any} one */
  function line(one) {
    const of = cards().find((each) => each.name === one.recipe);
    const title = h("b", {}, one.title || w("untitled"));
    const at = one.changed ?? one.created;
    const step = one.node ? () => one.name || one.said?.[lang()] || "" : null;
    const act = (/** @type {any} */ words, /** @type {() => any} */ run, name = "") =>
      h("button", { type: "button", "data-act": name, on: { click: () => ((more.open = false), run()) } }, words);
    const more = h(
      "details",
      { class: "more", on: { keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && (more.open = false) } },
      h("summary", { label: () => t(w("session_more", { title: one.title || t(w("untitled")) })) }, "⋯"),
      h("div", { class: "menu" }, act(w("rename"), () => rename(one, title), "rename"), act(w("export_session"), () => take(one), "export"), act(w("delete"), () => remove(one), "delete")),
    );
    return h(
      "div",
      { class: "session", "data-session": one.id },
      h("button", { type: "button", class: "session-open", on: { click: () => open(one.id, one.node ?? undefined) } }, pictureOf(one), h("span", {}, title, step && h("small", {}, step), h("small", { class: "quiet" }, of ? titleOf(of) : one.recipe, " · ", () => relativeTime(at)))),
      more,
    );
  }

  /** @param {any} one */
  function pictureOf(one) {
    const place = h("span", { class: "thumb" }, icon("picture"));
    const node = one.node ?? one.head;
    if (!node) return place;
    const image = h("img", { src: api.thumbnailUrl(one.id, node), alt: "", loading: "lazy" });
    image.addEventListener("load", () => place.replaceChildren(image), { once: true });
    image.addEventListener("error", () => image.remove(), { once: true });
    place.append(image);
    return place;
  }

  /** @param {any} one @param {HTMLElement} title */
  function rename(one, title) {
    const input = h("input", { class: "retitle", "aria-label": w("session_title"), maxlength: 120, props: { value: one.title } });
    let done = false;
    const finish = async (/** @type {boolean} */ keep) => {
      if (done) return;
      done = true;
      if (keep && input.value.trim() !== one.title) await api.renameSession(one.id, input.value.trim()).catch((error) => notice(error.message, "wrong"));
      await show();
      /** @type {any} */ (list.querySelector(`[data-session="${CSS.escape(one.id)}"] .session-open`))?.focus();
    };
    input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Enter") finish(true);
      if (event.key === "Escape") finish(false);
    });
    input.addEventListener("blur", () => finish(true));
    title.closest("button")?.replaceWith(input);
    input.focus();
    input.select();
  }

  /** @param {any} one */
  async function take(one) {
    const name = (one.title || "gesso").replace(/[^\p{L}\p{N} _-]+/gu, "").slice(0, 60) || "gesso";
    await api.exportSession(one.id).then((file) => download(file, `${name}.gesso.zip`)).catch((error) => notice(error.message, "wrong"));
  }

  /** Remove a session from the list at once, and from the server when the time to undo is over. @param {any} one */
  function remove(one) {
    const end = () => {
      if (!going.has(one.id)) return;
      clearTimeout(going.get(one.id));
      going.delete(one.id);
      return api.deleteSession(one.id).catch((error) => (notice(error.message, "wrong"), show()));
    };
    going.set(one.id, setTimeout(end, REGRET));
    addEventListener("pagehide", end, { once: true });
    const back = () => {
      clearTimeout(going.get(one.id));
      going.delete(one.id);
      show();
    };
    notice(w("deleted", { title: one.title || t(w("untitled")) }), "calm", { words: w("take_back"), run: back, stays: REGRET - 200 });
    show();
  }

  return {
    element: list,
    show,
    /** @param {string} wanted */
    find(wanted) {
      text = wanted;
      return show();
    },
  };
}
