/** The signature: whose key signs saved files, shown in the Save menu; and saving a file together with its signature. */
import * as api from "../server/api.js";
import { dialog } from "../ui/dialog.js";
import { fill, h } from "../ui/elements.js";
import { download } from "../ui/files.js";
import { icon } from "../ui/icons.js";
import { notice } from "../ui/messages.js";
import { w } from "../words/language.js";

const groups = (/** @type {string} */ hex) => hex.match(/.{4}/g)?.join(" ") ?? hex;
const KNOWN = { missing: w("sign_install"), off: w("sign_off") };
const whyNot = (/** @type {any} */ told) => /** @type {any} */ (KNOWN)[told.state] ?? told.why ?? w("sign_failed");

/** The line about the signature. @param {HTMLElement} menu the <details> that contains it: the server is asked when it opens */
export function signerLine(menu) {
  const line = h("div", { class: "signer", role: "note" });
  const ask = async () => {
    const told = await api.readSigning().catch((error) => ({ signs: false, state: "failed", why: error.message }));
    line.classList.toggle("warn", !told.signs);
    fill(
      line,
      h("p", {}, icon(told.signs ? "seal" : "close"), told.signs ? w("sign_on") : w("sign_not", { why: whyNot(told) })),
      told.signs ? h("code", {}, groups(told.fingerprint.slice(0, 16))) : null,
      h("button", { type: "button", "data-act": "signer", on: { click: () => about(told) } }, w("sign_about")),
    );
  };
  menu.addEventListener("toggle", () => /** @type {any} */ (menu).open && ask());
  return line;
}

/** @param {any} told the server's answer about its signer */
function about(told) {
  const key = told.signs
    ? [h("h3", {}, w("sign_key")), h("code", { class: "fingerprint" }, groups(told.fingerprint)), h("p", { class: "quiet" }, w("sign_since", { day: told.since }))]
    : [h("p", { class: "warn" }, w("sign_not", { why: whyNot(told) }))];
  dialog(w("sign_about"), [h("div", { class: "signer-about" }, h("p", {}, w("sign_what")), h("p", {}, w("sign_whose")), h("p", {}, w("sign_none")), ...key)]);
}

/** Save a file from an address under a name, and its manifest as a second file if the format cannot contain one. @param {string} path @param {string} name */
export async function save(path, name) {
  const { blob, signed, manifest } = await api.readSignedFile(path);
  download(blob, name);
  if (manifest) {
    download(await api.readBlob(manifest), name.replace(/\.\w+$/, "") + ".c2pa");
    notice(w("saved_beside"));
  } else if (signed.startsWith("no")) notice(w("saved_unsigned", { why: signed.replace(/^no;? ?/, "") }), "wrong");
}
