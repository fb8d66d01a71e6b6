/** Icons, and buttons with an icon. */
import { h } from "./elements.js";

const SVG = "http://www.w3.org/2000/svg";

// SVG paths on a grid of 24 × 24, drawn with a line width of 1.7.
const ICONS = {
  home: "M4 11.5 12 5l8 6.5M6.5 10v9h11v-9M10 19v-5h4v5",
  brush: "M20 4c-5 2-10 6.5-12 10l2 2c3.5-2 8-7 10-12ZM8 14c-2.5 0-3.5 2-3.5 3.5S3.8 20 3 20c3.5 1 7 0 7-4",
  pen: "M4 20l1-4L16 5l3 3L8 19l-4 1ZM14 7l3 3",
  eraser: "M9 19h11M4.5 14.5 13 6l5.5 5.5L11 19H8.5l-4-4.5ZM8.5 10.5 14 16",
  dropper: "M13.5 6.5l4 4M15 5l1.5-1.5a2.1 2.1 0 0 1 4 4L19 9M14.5 8 6 16.5 5 20l3.5-1L17 10.5",
  hand: "M8 12V6.5a1.5 1.5 0 0 1 3 0V11m0-.5v-5a1.5 1.5 0 0 1 3 0v5m0-3.5a1.5 1.5 0 0 1 3 0v4m0-1.5a1.5 1.5 0 0 1 3 0V14c0 4-2.5 6.5-6 6.5-3 0-4.5-1.5-6-4L5 13.5c-.8-1.5 1-2.5 2-1.5l1.5 2",
  undo: "M9 6 4.5 10.5 9 15M5 10.5h9a5 5 0 0 1 0 10h-3",
  redo: "M15 6l4.5 4.5L15 15M19 10.5h-9a5 5 0 0 0 0 10h3",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12ZM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6Z",
  seal: "M12 3.5l7 2.5v5.5c0 4.5-3 7.5-7 9-4-1.5-7-4.5-7-9V6ZM8.8 12l2.3 2.3 4.2-4.4",
  save: "M12 4v11M7.5 10.5 12 15l4.5-4.5M5 19.5h14",
  star: "M12 4.2l2.4 5 5.4.7-4 3.8 1 5.4L12 16.5l-4.8 2.6 1-5.4-4-3.8 5.4-.7Z",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  turn: "M19 12a7 7 0 1 1-2.5-5.4M17 3v4h-4",
  orbit: "M12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5ZM20.5 10.5c.8 2.6-2.3 5.3-7 6.2M8.5 16.7c-3.3-.6-5.5-2.3-5.5-4.2 0-2.8 4-5 9-5 2.2 0 4.3.4 5.9 1.2M15.5 5.5l2.6 3.1-3.7 1.6",
  help: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .9-1 1.7M12 16.5v.1",
  dice: "M5 5h14v14H5ZM9 9v.1M15 9v.1M12 12v.1M9 15v.1M15 15v.1",
  lock: "M7 11h10v8.5H7ZM9 11V8a3 3 0 0 1 6 0v3",
  open: "M7 11h10v8.5H7ZM9 11V8a3 3 0 0 1 5.8-1",
  grid: "M5 5h5.5v5.5H5ZM13.5 5H19v5.5h-5.5ZM5 13.5h5.5V19H5ZM13.5 13.5H19V19h-5.5Z",
  picture: "M4 5h16v14H4ZM4 16l4.5-4.5L13 16l2.5-2.5L20 18M15.5 9v.1",
  mask: "M4 5h16v14H4ZM8 12a4 4 0 1 0 8 0 4 4 0 0 0-8 0",
  copy: "M8 8h11v11H8ZM5 16V5h11",
  bridge: "M4 8c4 3 5 8 5 8M15 16s1-5 5-8M10.5 15.2v.1M12 15.5v.1M13.5 15.2v.1",
  split: "M5 5h14v14H5ZM16 3 8 21",
  join: "M4 7h7v10H4M20 7h-7v10h7M9 12h6M13 10l2 2-2 2M11 10l-2 2 2 2",
  lasso: "M12 14.5c-4.4 0-8-2-8-5s3.6-5 8-5 8 2 8 5-3.6 5-8 5ZM8 13.5c-1.6.6-2.2 2-1.4 3s2.4.6 2.4-.8-1-2.2-1-2.2M6.6 16.8c-.4 1.4-.2 2.4.6 3.2",
  compare: "M12 3v18M4 6h5v12H4ZM15 6h5v12h-5",
  check: "M5 12.5l4.5 4.5L19 7.5",
  stop: "M7 7h10v10H7Z",
  play: "M8 5.5 18.5 12 8 18.5Z",
  pause: "M8.5 6v12M15.5 6v12",
  sound: "M4 10v4h3.5L12 18V6L7.5 10ZM15.5 9.5a3.5 3.5 0 0 1 0 5M18 7a7 7 0 0 1 0 10",
  film: "M4 5h16v14H4ZM8 5v14M16 5v14M4 9.7h4M4 14.3h4M16 9.7h4M16 14.3h4",
  search: "M10.5 16.5a6 6 0 1 0 0-12 6 6 0 0 0 0 12ZM15 15l5 5",
  close: "M6 6l12 12M18 6 6 18",
  trash: "M5 7h14M9 7V4.5h6V7M7 7l1 12.5h8L17 7",
  marks: "M7 8v.1M16 7v.1M12 13v.1M6.5 16.5v.1M17 16v.1M7 8a1.5 1.5 0 1 0 0 .1M16 7a1.5 1.5 0 1 0 0 .1M12 13a1.5 1.5 0 1 0 0 .1M6.5 16.5a1.5 1.5 0 1 0 0 .1M17 16a1.5 1.5 0 1 0 0 .1",
  tree: "M7 6v12M7 9c0 3 10 1 10 5M7 4a1.8 1.8 0 1 0 0 .1M7 20a1.8 1.8 0 1 0 0 .1M17 16a1.8 1.8 0 1 0 0 .1",
  tag: "M4 5h7l9 9-6.5 6.5-9-9ZM8 9v.1",
  dials: "M5 7h8M17 7h2M5 12h2M11 12h8M5 17h9M18 17h1M15 5.2v3.6M9 10.2v3.6M16 15.2v3.6",
};

/** @param {keyof typeof ICONS | string} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", /** @type {any} */ (ICONS)[name] ?? ICONS.pen);
  svg.append(path);
  return svg;
}

/** A button with an icon. @param {string} iconName @param {any} label @param {(e: any) => void} run @param {Object<string, any>} [attrs] @param {...any} kids */
export function iconButton(iconName, label, run, attrs = {}, ...kids) {
  return h("button", { type: "button", class: "plain", ...attrs, label, on: { click: run, ...(attrs.on ?? {}) } }, icon(iconName), ...kids);
}
