/** Shows a notice while the server is disconnected, and asks before the page is closed with unsaved strokes. */
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
      if (standing) notice(w("connection_back"));
      calm();
    } else if (!standing) {
      standing = h("div", { class: "notice wrong", role: "alert", "data-connection": "lost" }, w("connection_lost"));
      document.getElementById("notices")?.append(standing);
    }
  });
  addEventListener("hashchange", calm);
  addEventListener("beforeunload", (event) => editor.unsaved && event.preventDefault());
}
