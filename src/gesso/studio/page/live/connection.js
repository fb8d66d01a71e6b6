/** Says, as long as it is so, that the server cannot be reached; and keeps a person from closing a page that holds strokes nobody has yet. */
import { h } from "../ui/elements.js";
import { notice } from "../ui/messages.js";
import { w } from "../words/language.js";

/** @param {import("../session/editor.js").Editor} editor */
export function watchConnection(editor) {
  /** @type {HTMLElement | null} */ let standing = null;
  const calm = () => {
    standing?.remove();
    standing = null;
  };
  editor.on("state", ({ connected }) => {
    if (connected) {
      if (standing) notice(w("line_back"));
      calm();
    } else if (!standing) {
      standing = h("div", { class: "notice wrong", role: "alert", "data-connection": "lost" }, w("line_lost"));
      document.getElementById("notices")?.append(standing);
    }
  });
  addEventListener("hashchange", calm);
  addEventListener("beforeunload", (event) => editor.unsaved && event.preventDefault());
}
