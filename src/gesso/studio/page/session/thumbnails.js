/** Loads thumbnails of a session's nodes one by one while the user is not drawing, visible ones first. */
import * as api from "../server/api.js";

const IDLE_MS = 1200; // milliseconds without an edit before the next thumbnail is requested

/** @param {import("./editor.js").Editor} editor */
export function loadThumbnails(editor) {
  /** @type {Map<any, Element>} */ const wanted = new Map();
  const none = new Set();
  /** @type {AbortController | null} */ let asking = null;
  let timer = 0;

  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const id = /** @type {HTMLElement} */ (target).dataset.node;
      if (isIntersecting && !editor.thumbnails.has(id) && !none.has(id)) wanted.set(id, target);
      else wanted.delete(id);
    }
    later(50);
  });

  function later(/** @type {number} */ pause) {
    clearTimeout(timer);
    timer = setTimeout(next, pause);
  }

  async function next() {
    if (asking || !editor.session || editor.pending.length || editor.draft) return;
    const [id] = wanted.keys();
    if (id === undefined) return;
    const session = editor.session.id;
    asking = new AbortController();
    try {
      const found = await api.readThumbnail(session, id, { signal: asking.signal });
      const picture = found && (await createImageBitmap(found));
      if (editor.session?.id !== session) return;
      wanted.delete(id);
      if (!picture) none.add(id);
      else if (!editor.thumbnails.has(id)) {
        editor.thumbnails.set(id, picture);
        editor.emit("seen", id);
      }
    } catch (error) {
      if (/** @type {Error} */ (error).name !== "AbortError") {
        none.add(id);
        wanted.delete(id);
      }
    } finally {
      const stopped = asking?.signal.aborted;
      asking = null;
      later(stopped ? IDLE_MS : 0);
    }
  }

  editor.on("busy", () => {
    asking?.abort(); // drawing has priority
    later(IDLE_MS);
  });
  editor.on("opened", () => {
    asking?.abort();
    wanted.clear();
    none.clear();
  });
  return watcher;
}
