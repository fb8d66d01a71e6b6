/** Mouse, pen and touch on the canvas: one pointer draws, two move the page, and the wheel zooms. */

/** @param {import("./view.js").View} view @param {import("./room.js").Room} room @param {{space: boolean, turn: boolean}} held keys held down */
export function listenToPointers(view, room, held) {
  const { canvas } = view;
  /** @type {Map<number, {x: number, y: number}>} */
  const down = new Map();
  /** @type {"draw" | "pan" | "turn" | "pinch" | null} */
  let doing = null;
  let penSeen = false;
  /** @type {any} */ let last = null;

  const at = (/** @type {PointerEvent | WheelEvent} */ event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const pageOf = (/** @type {PointerEvent} */ event) => {
    const place = at(event);
    return view.toPage(place.x, place.y);
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (!room.session) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    view.cursor = null;
    down.set(event.pointerId, at(event));
    last = at(event);
    penSeen ||= event.pointerType === "pen";
    if (down.size === 2) {
      if (doing === "draw") room.tool?.cancel?.();
      doing = "pinch";
      return;
    }
    const palm = event.pointerType === "touch" && penSeen; // once there is a pen, fingers move the page
    if (event.button === 1 || held.space || palm || room.tool?.name === "hand") doing = held.turn ? "turn" : "pan";
    else if (held.turn) doing = "turn";
    else if (event.button === 2) room.colourPicker?.(...pageOf(event));
    else if (event.button === 0) {
      doing = "draw";
      room.tool?.down?.(pageOf(event), event);
    }
    canvas.dataset.doing = doing ?? "";
    event.preventDefault();
  });

  canvas.addEventListener("pointermove", (event) => {
    view.hover = event.pointerType === "touch" ? null : pageOf(event);
    if (!down.has(event.pointerId)) {
      room.say("hover", view.hover);
      view.ask();
      return;
    }
    const place = at(event);
    if (doing === "pinch") pinch(event.pointerId, place);
    else if (doing === "pan") view.pan(place.x - last.x, place.y - last.y);
    else if (doing === "turn") turn(place);
    else if (doing === "draw") {
      const several = event.getCoalescedEvents?.() ?? [];
      for (const one of several.length ? several : [event]) room.tool?.move?.(pageOf(one), one);
      view.ask();
    }
    down.set(event.pointerId, place);
    last = place;
  });

  const up = (/** @type {PointerEvent} */ event) => {
    if (!down.delete(event.pointerId)) return;
    if (doing === "draw") {
      if (event.type === "pointercancel") room.tool?.cancel?.();
      else room.tool?.up?.(pageOf(event), event);
    }
    if (!down.size) doing = null;
    canvas.dataset.doing = "";
    view.ask();
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => {
    view.hover = null;
    view.ask();
  });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());

  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const place = at(event);
      const unit = event.deltaMode === 1 ? 24 : 1;
      if (event.shiftKey) view.pan(-(event.deltaY + event.deltaX) * unit, 0);
      else if (event.altKey) view.pan(0, -event.deltaY * unit);
      else view.zoomAt(Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0016)), 0, place.x, place.y);
    },
    { passive: false },
  );

  /** @param {number} id @param {{x: number, y: number}} place */
  function pinch(id, place) {
    const other = [...down].find(([one]) => one !== id)?.[1];
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
