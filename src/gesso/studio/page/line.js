/** Says, as long as it is so, that the server cannot be reached; and keeps a person from closing a page that holds strokes nobody has yet. */
import { h, notice } from "./dom.js";
import { w } from "./words.js";

/** @param {import("./room.js").Room} room */
export function watchLine(room) {
  /** @type {HTMLElement | null} */ let standing = null;
  const calm = () => {
    standing?.remove();
    standing = null;
  };
  room.when("state", ({ connected }) => {
    if (connected) {
      if (standing) notice(w("line_back"));
      calm();
    } else if (!standing) {
      standing = h("div", { class: "notice wrong", role: "alert", "data-line": "lost" }, w("line_lost"));
      document.getElementById("notices")?.append(standing);
    }
  });
  addEventListener("hashchange", calm);
  addEventListener("beforeunload", (event) => room.unsaved && event.preventDefault());
}
