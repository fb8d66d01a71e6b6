// Texts on the screen, and what readers are told, that hold Latin words: [word, where]. What people named themselves is theirs.
(allowed) => {
  const allow = new RegExp(`^(${allowed})$`, "i");
  const found = [];
  const look = (text, where) => {
    for (const word of (text ?? "").replace(/#[0-9a-f]{6}/gi, "").match(/[A-Za-z][A-Za-z]+/g) ?? []) if (!allow.test(word)) found.push([word, where]);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  for (let node = walker.currentNode; node; node = walker.nextNode()) {
    const element = node.nodeType === Node.TEXT_NODE ? node.parentElement : node;
    if (!element.checkVisibility() || element.closest("kbd, code, script, .language, .session b, .session summary, .job-line b[data-own]")) continue;
    if (node.nodeType === Node.TEXT_NODE) look(node.data, element.outerHTML.slice(0, 80));
    else for (const name of ["aria-label", "title", "placeholder", "alt"]) look(node.getAttribute(name), `${name} of ${element.outerHTML.slice(0, 80)}`);
  }
  return found;
};
