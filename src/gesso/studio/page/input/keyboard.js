/** The keyboard: everything that a pointer can do, announced to screen readers. */
import { announce } from "../ui/messages.js";
import { t, w } from "../words/language.js";

/**
 * @param {import("../session/editor.js").Editor} editor @param {import("../canvas/view.js").View} view
 * @param {{space: boolean, turn: boolean}} held @param {Object<string, (event: KeyboardEvent) => void>} acts the actions of panels
 */
export function listenToKeys(editor, view, held, acts) {
  const typing = (/** @type {Event} */ event) => {
    const at = /** @type {HTMLElement} */ (event.target);
    return at.matches?.("textarea, select, input:not([type=range]):not([type=checkbox]):not([type=color])") || at.isContentEditable;
  };

  /** Whether a slider uses this key. @param {KeyboardEvent} event */
  const slides = (event) => /** @type {HTMLElement} */ (event.target).matches?.("input[type=range]") && /^(Arrow|Page|Home|End)/.test(event.key);

  /** Whether Escape in a panel may return to the canvas: a search field, a menu and a select use Escape themselves. @param {Event} event */
  const fromPanel = (event) => {
    const at = /** @type {HTMLElement} */ (event.target);
    return !event.defaultPrevented && !document.querySelector(".guide") && Boolean(at.closest?.("#panel, #rail")) && !at.closest("select, details.more, input[type=search]");
  };

  document.addEventListener("keydown", (event) => {
    if (!editor.session || document.querySelector("dialog[open]")) return;
    const command = event.ctrlKey || event.metaKey;
    if (command) {
      if (typing(event)) return;
      const key = event.key.toLowerCase();
      if (key === "z") stop(event, () => (event.shiftKey ? editor.redo() : editor.undo()));
      else if (key === "y") stop(event, () => editor.redo());
      else if (key === "s") stop(event, () => acts.save(event));
      else if (key === "c" && !String(getSelection())) stop(event, () => acts.copy(event));
      return;
    }
    if (event.key === "Escape" && fromPanel(event)) return stop(event, () => view.canvas.focus({ preventScroll: true }));
    if (typing(event) || slides(event)) return;
    if (document.activeElement === view.canvas && onCanvas(event)) return;
    const simple = {
      "+": () => view.zoomAt(1.25),
      "=": () => view.zoomAt(1.25),
      "-": () => view.zoomAt(0.8),
      0: () => view.fit(),
      pagedown: () => view.pan(0, -view.canvas.clientHeight * 0.8),
      pageup: () => view.pan(0, view.canvas.clientHeight * 0.8),
      home: () => view.fit(),
      "[": () => editor.setRadius(editor.radius / 1.2),
      "]": () => editor.setRadius(Math.max(editor.radius * 1.2, editor.radius + 0.5)),
      ",": () => view.zoomAt(1, -Math.PI / 12),
      ".": () => view.zoomAt(1, Math.PI / 12),
      f: () => acts.fills(event),
      g: () => acts.alone(event),
      m: () => acts.marks(event),
      p: () => acts.proposals(event),
      "?": () => acts.help(event),
      b: () => acts.before(event),
      v: () => acts.wipe(event),
      r: () => (held.turn = true),
    }[event.key.toLowerCase()];
    if (event.key === " " && !(/** @type {HTMLElement} */ (event.target).matches("button, input, a, [role=treeitem]"))) stop(event, () => (held.space = true));
    else if (simple) stop(event, simple);
    else acts.tool(event);
  });

  document.addEventListener("keyup", (event) => {
    if (event.key === " ") held.space = false;
    if (event.key.toLowerCase() === "r") held.turn = false;
    if (event.key.toLowerCase() === "b" && editor.session) acts.after(event);
  });
  addEventListener("blur", () => Object.assign(held, { space: false, turn: false }));

  let stroking = false;
  let saying = 0;
  const placeOf = (/** @type {number[]} */ [x, y]) => ({ x: String(Math.floor(x)), y: String(Math.floor(y)), colour: () => view.colourAt(x, y) ?? "" });
  editor.on("tool", () => (stroking = false));

  /** @param {KeyboardEvent} event */
  function onCanvas(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step) {
      const [width, height] = view.page;
      const far = Math.max(1, (event.shiftKey ? 40 : 8) / view.camera.zoom);
      if (event.altKey) view.pan(-step[0] * 40, -step[1] * 40);
      else {
        const from = view.cursor ?? [width / 2, height / 2];
        const to = [Math.min(width - 0.5, Math.max(0.5, from[0] + step[0] * far)), Math.min(height - 0.5, Math.max(0.5, from[1] + step[1] * far))];
        view.cursor = to;
        if (stroking) editor.tool?.move?.(to);
        keepCursorVisible(to);
        editor.emit("hover", to);
        clearTimeout(saying); // only the last of several steps is announced
        saying = setTimeout(() => announce(w("said_at", placeOf(to))), 350);
      }
      return stop(event, () => view.repaint());
    }
    // With a cursor, the space bar starts and ends a stroke; without one, it is held to move the page.
    const strokes = (event.key === "Enter" && event.shiftKey) || (event.key === " " && view.cursor);
    if ((event.key === "Enter" || strokes) && editor.tool?.down && view.sizeKnown) {
      if (event.repeat) return stop(event, () => undefined);
      const place = (view.cursor ??= [view.page[0] / 2, view.page[1] / 2]);
      clearTimeout(saying);
      if (strokes && !stroking) {
        stroking = true;
        editor.tool.down(place);
        announce(w("said_begun", placeOf(place)));
      } else {
        if (!stroking) editor.tool.down(place);
        announce(w(stroking ? "said_ended" : "said_put", { ...placeOf(place), tool: () => t(editor.tool.title) }));
        stroking = false;
        editor.tool.up(place);
      }
      return stop(event, () => view.repaint());
    }
    if (event.key === "Escape" && editor.pieces?.selected.size) return stop(event, () => editor.pieces.select(new Set()));
    if (event.key === "Escape" && (stroking || view.cursor)) {
      if (stroking) editor.tool?.cancel?.();
      if (stroking) announce(w("said_dropped"));
      stroking = false;
      view.cursor = null;
      return stop(event, () => view.repaint());
    }
    return false;
  }

  /** Pan so that the cursor is visible. @param {number[]} place */
  function keepCursorVisible(place) {
    const [x, y] = view.toScreen(place[0], place[1]);
    const { clientWidth, clientHeight } = view.canvas;
    const away = (/** @type {number} */ v, /** @type {number} */ end) => (v < 20 ? 60 - v : v > end - 20 ? end - 60 - v : 0);
    const [dx, dy] = [away(x, clientWidth), away(y, clientHeight)];
    if (dx || dy) view.pan(dx, dy);
  }

  /** @param {KeyboardEvent} event @param {() => void} run */
  function stop(event, run) {
    event.preventDefault();
    run();
    return true;
  }
}
