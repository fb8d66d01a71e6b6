/** The Save menu: a picture with its record, a clean copy, layers, the clipboard, the whole session. */
import * as api from "../server/api.js";
import { save, signerLine } from "./signer.js";
import { fill, h } from "../ui/elements.js";
import { download } from "../ui/files.js";
import { icon } from "../ui/icons.js";
import { notice } from "../ui/messages.js";
import { w } from "../words/language.js";

/** @param {import("../session/editor.js").Editor} editor */
export function saveMenu(editor) {
  /** A file name: the session's title, and the node's name if it has one. */
  const name = () => {
    const parts = [editor.session.title, editor.nodes.get(editor.head)?.name].map((one) => (one ?? "").replace(/\.(png|jpe?g|webp|bmp|gif|tiff?)$/i, ""));
    return parts.map((one) => one.replace(/[^\p{L}\p{N} _-]+/gu, " ").replace(/ +/g, " ").trim()).filter(Boolean).join(" - ").slice(0, 80).trim() || "gesso";
  };
  const picture = (how = "") => api.outputUrl(editor.session.id, editor.head, editor.output.name, how);
  const clean = () => api.readBlob(picture("clean=true"));
  const layered = () => editor.card?.outputs.find((/** @type {any} */ out) => out.medium === "layers");
  const layers = (/** @type {string} */ format) => safely(() => save(api.outputUrl(editor.session.id, editor.head, layered().name, `format=${format}`), `${name()}.${format}`));

  const cleanLayers = (/** @type {string} */ format) => safely(async () => download(await api.readBlob(api.outputUrl(editor.session.id, editor.head, layered().name, `format=${format}&clean=true`)), `${name()}-clean.${format}`));

  /** @param {() => Promise<void>} run */
  const safely = (run) => () => run().catch((error) => notice(error.message, "wrong"));
  const acts = {
    png: safely(() => save(picture(), `${name()}.png`)),
    clean: safely(async () => download(await clean(), `${name()}-clean.png`)),
    ora: layers("ora"),
    psd: layers("psd"),
    cleanOra: cleanLayers("ora"),
    cleanPsd: cleanLayers("psd"),
    session: safely(async () => download(await api.exportSession(editor.session.id), `${name()}.gesso.zip`)),
    copy: async () => {
      try {
        await navigator.clipboard.write([new ClipboardItem({ "image/png": clean() })]);
        notice(w("copied"));
      } catch {
        notice(w("copy_failed"), "wrong");
      }
    },
  };
  /** @type {HTMLElement[]} */ let ofLayers = [];
  const ofMedia = h("div", {}); // files of other media, such as .mid
  editor.on("opened", () => {
    ofLayers.forEach((one) => (one.hidden = !layered()));
    const others = editor.card.outputs.filter((/** @type {any} */ out) => out.viewer !== "picture" && out.files?.length);
    fill(ofMedia, others.flatMap((/** @type {any} */ out) => out.files.map((/** @type {string} */ file) => otherFile(out.name, file))));
  });
  const otherFile = (/** @type {string} */ output, /** @type {string} */ file) =>
    h("button", { type: "button", "data-act": file, on: { click: () => ((menu.open = false), safely(() => save(api.outputUrl(editor.session.id, editor.head, output, `format=${file}`), `${name()}.${file}`))()) } }, w("save"), ` .${file}`);
  const item = (/** @type {any} */ words, /** @type {keyof typeof acts} */ act) =>
    h("button", { type: "button", "data-act": act, on: { click: () => ((menu.open = false), acts[act]()) } }, words);
  const menu = h(
    "details",
    { class: "more save-menu", on: { keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && (menu.open = false) } },
    h("summary", { class: "primary" }, icon("save"), w("save")),
    h("div", { class: "menu" }, item(w("save_png"), "png"), item(w("save_clean"), "clean"), ...(ofLayers = [item(w("save_ora"), "ora"), item(w("save_psd"), "psd"), item(w("save_ora_clean"), "cleanOra"), item(w("save_psd_clean"), "cleanPsd")]), ofMedia, item(w("copy"), "copy"), item(w("export_session"), "session")),
  );
  menu.querySelector(".menu").append(signerLine(menu));
  document.addEventListener("pointerdown", (event) => {
    for (const open of document.querySelectorAll("details.more[open]")) if (!open.contains(/** @type {Node} */ (event.target))) /** @type {any} */ (open).open = false;
  });
  return { menu, acts };
}
