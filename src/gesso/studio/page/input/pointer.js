/**
 * Mouse, pen and touch on the canvas: one pointer draws, two fingers move the page, the wheel zooms. Once a pen was used,
 * fingers do not draw, and while the pen is down touches are ignored, because they are the palm.
 */

const ERASER = 5; // the button of a pen's eraser end

/** @param {import("../canvas/view.js").View} view @param {import("../session/editor.js").Editor} editor @param {{space: boolean, turn: boolean}} held which keys are held down @param {{common: (name: string) => any}} tools */
export function listenToPointers(view, editor, held, tools) {
  const { canvas } = view;
  /** @type {Map<number, {x: number, y: number}>} pointers that are down and not ignored */
  const down = new Map();
  /** @type {"draw" | "pan" | "turn" | "pinch" | null} */
  let doing = null;
  /** @type {number | null} */ let pen = null; // the pen that is down
  let penSeen = false;
  /** @type {any} */ let last = null;
  /** @type {any} the tool that was active before the pen's eraser end was used */ let turned = null;

  const at = (/** @type {PointerEvent | WheelEvent} */ event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const pageOf = (/** @type {PointerEvent} */ event) => {
    const place = at(event);
    return view.toPage(place.x, place.y);
  };
  const now = (/** @type {typeof doing} */ what) => {
    doing = what;
    canvas.dataset.doing = what ?? "";
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (!editor.session) return;
    event.preventDefault();
    if (event.pointerType === "touch" && pen !== null) return; // a palm
    if (event.pointerType === "pen") {
      // Touches before it were the hand that holds the pen.
      down.clear();
      if (doing === "draw") editor.tool?.cancel?.();
      now(null);
      pen = event.pointerId;
      penSeen = true;
    }
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    view.cursor = null;
    down.set(event.pointerId, at(event));
    last = at(event);
    if (down.size > 1) {
      if (doing === "draw") editor.tool?.cancel?.();
      now("pinch");
      return;
    }
    const finger = event.pointerType === "touch" && penSeen; // it moves the page
    if (event.button === 1 || held.space || finger || editor.tool?.name === "hand") now(held.turn ? "turn" : "pan");
    else if (held.turn) now("turn");
    else if (event.button === 2) editor.colourPicker?.(...pageOf(event));
    else if (view.sizeKnown && (event.button === 0 || event.button === ERASER)) {
      if (event.button === ERASER && tools.common("eraser")) {
        turned = editor.tool;
        editor.setTool(tools.common("eraser"));
      }
      now("draw");
      editor.tool?.down?.(pageOf(event), event);
    }
  });

  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType === "pen") penSeen = true; // a pen that hovers
    const counts = down.has(event.pointerId);
    if (!counts && event.pointerType === "touch") return;
    view.hover = event.pointerType === "touch" ? null : pageOf(event);
    if (!counts) {
      editor.emit("hover", view.hover);
      view.repaint();
      return;
    }
    const place = at(event);
    if (doing === "pinch") pinch(event.pointerId, place);
    else if (doing === "pan") view.pan(place.x - last.x, place.y - last.y);
    else if (doing === "turn") turn(place);
    else if (doing === "draw") {
      const several = event.getCoalescedEvents?.() ?? [];
      for (const one of several.length ? several : [event]) editor.tool?.move?.(pageOf(one), one);
      view.repaint();
    }
    down.set(event.pointerId, place);
    last = place;
  });

  const up = (/** @type {PointerEvent} */ event) => {
    if (event.pointerId === pen) pen = null;
    if (!down.delete(event.pointerId)) return;
    if (doing === "draw") {
      if (event.type === "pointercancel") editor.tool?.cancel?.();
      else editor.tool?.up?.(pageOf(event), event);
    }
    if (turned) editor.setTool(turned);
    turned = null;
    if (doing === "draw" || !down.size) now(null); // when one of two fingers is lifted, the other does not draw
    view.repaint();
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => {
    view.hover = null;
    view.repaint();
  });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());

  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      if (editor.tool?.wheel && !event.ctrlKey && !event.shiftKey && !event.altKey) return editor.tool.wheel(event);
      const place = at(event);
      const unit = event.deltaMode === 1 ? 24 : 1;
      if (event.shiftKey) view.pan(-(event.deltaY + event.deltaX) * unit, 0);
      else if (event.altKey) view.pan(0, -event.deltaY * unit);
      else if (view.isStrip && !event.ctrlKey) view.pan(-event.deltaX * unit, -event.deltaY * unit);
      else view.zoomAt(Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0016)), 0, place.x, place.y);
    },
    { passive: false },
  );

  /** Move, zoom and turn with two fingers; a third is ignored. @param {number} id @param {{x: number, y: number}} place */
  function pinch(id, place) {
    const [one, two] = [...down.keys()];
    const other = id === one ? down.get(two) : id === two ? down.get(one) : null;
    const was = down.get(id);
    if (!other || !was) return;
    const [ax, ay, bx, by] = [was.x - other.x, was.y - other.y, place.x - other.x, place.y - other.y];
    const factor = Math.hypot(bx, by) / Math.max(1, Math.hypot(ax, ay));
    view.zoomAt(factor, Math.atan2(by, bx) - Math.atan2(ay, ax), other.x, other.y);
  }

  /** @param {{x: number, y: number}} place */
  function turn(place) {
    const [cx, cy] = [canvas.clientWidth / 2, canvas.clientHeight / 2];
    view.zoomAt(1, Math.atan2(place.y - cy, place.x - cx) - Math.atan2(last.y - cy, last.x - cx));
  }
}
