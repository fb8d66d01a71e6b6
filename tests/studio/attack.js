/**
 * What a page of another origin can try against a studio at `address` whose ids it knows. Each attempt's outcome is a text that begins with
 * "no" where nothing was read and nothing is known to have happened; whether something happened the test sees at the server.
 */
async function attack(address, ids) {
  const told = {};
  const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  const tried = async (name, work, limit = 8000) => {
    try {
      told[name] = await Promise.race([work(), wait(limit).then(() => "no: nothing came")]);
    } catch (error) {
      told[name] = `no: ${String(error).slice(0, 80)}`;
    }
  };
  const element = (tag, about) => {
    const made = Object.assign(document.createElement(tag), about);
    document.body.append(made);
    return made;
  };

  const session = `/api/sessions/${ids.session}`;
  const reads = ["/", "/main.js", "/api/health", "/api/recipes", "/api/sessions", session, `${session}/nodes/${ids.node}`, `${session}/nodes/${ids.node}/image`,
    `${session}/thumbs/${ids.node}`, `${session}/export`, `/api/uploads/${ids.upload}`, "/api/jobs", "/api/palettes", "/api/search?q=a", "/api/metrics",
    "/api/signing", "/api/openapi.json", "/api/docs", "/v1/models"];
  const seen = async (answer) => {
    const text = answer.type === "opaque" ? "" : await answer.text();
    return answer.status === 421 || answer.status === 403 || text === "" ? `no: ${answer.type} ${answer.status}` : `READ ${answer.status} ${text.slice(0, 60)}`;
  };
  for (const path of reads) {
    for (const mode of ["cors", "no-cors"]) {
      await tried(`fetch ${mode} ${path}`, async () => seen(await fetch(address + path, { mode, credentials: "include" })));
    }
  }

  const begin = JSON.stringify({ recipe: "toy", title: "attacked" });
  const kinds = ["text/plain", "application/x-www-form-urlencoded", "application/json", "application/octet-stream"];
  const writes = [["POST", "/api/sessions", begin], ["POST", "/api/uploads", ids.png], ["POST", "/api/palettes", '{"name": "attacked"}'], ["POST", "/api/generate", begin],
    ["POST", "/v1/images/generations", '{"model": "toy"}'], ["POST", "/api/jobs", '{"kind": "batch", "recipe": "toy", "files": []}'],
    ["POST", `${session}/edits`, '{"edit": {"op": "seed", "seed": 66}}'], ["PUT", `${session}/head`, '{"move": "undo"}'], ["PATCH", session, '{"title": "attacked"}'],
    ["PATCH", `${session}/nodes/${ids.node}`, '{"name": "attacked"}'], ["DELETE", session, null], ["DELETE", `/api/uploads/${ids.upload}`, null], ["POST", "/api/sessions/import", "PK"]];
  for (const [method, path, body] of writes) {
    for (const kind of kinds) {
      for (const mode of method === "POST" ? ["cors", "no-cors"] : ["cors"]) {
        const headers = body === null || (mode === "no-cors" && kind === "application/json") ? {} : { "content-type": kind };
        await tried(`${method} ${mode} ${kind} ${path}`, async () => seen(await fetch(address + path, { method, mode, headers, body, credentials: "include" })));
      }
    }
  }
  const guess = { authorization: "Bearer 0123456789012345678901", "x-forwarded-host": "127.0.0.1", origin: address };
  await tried("with a guessed token", async () => seen(await fetch(`${address}/api/sessions`, { headers: guess })));
  await tried("beacon", async () => `no: ${navigator.sendBeacon(`${address}/api/sessions`, new Blob([begin], { type: "text/plain" }))}`);
  await tried("keepalive", async () => seen(await fetch(`${address}/api/sessions`, { method: "POST", body: begin, keepalive: true, mode: "no-cors", credentials: "include" })));

  for (const [name, tag, about] of [
    ["picture of an upload", "img", { src: `${address}/api/uploads/${ids.upload}` }], ["picture of a node", "img", { src: `${address}${session}/nodes/${ids.node}/image` }],
    ["thumb", "img", { src: `${address}${session}/thumbs/${ids.node}` }], ["icon", "img", { src: `${address}/icon.svg` }],
    ["script of the api", "script", { src: `${address}/api/sessions` }], ["script of the page", "script", { src: `${address}/words.js`, type: "module" }],
    ["plain script of the page", "script", { src: `${address}/live/timing.js` }], ["style", "link", { rel: "stylesheet", href: `${address}/styles/theme.css` }],
    ["video", "video", { src: `${address}/api/uploads/${ids.upload}` }], ["object", "object", { data: `${address}/api/uploads/${ids.upload}` }],
    ["embed", "embed", { src: `${address}/api/uploads/${ids.upload}` }],
  ]) {
    await tried(name, () => new Promise((done) => {
      const made = document.createElement(tag);
      made.onload = made.onloadeddata = () => done(tag === "object" || tag === "embed" ? "no: something was loaded" : `LOADED ${made.naturalWidth ?? ""}`);
      made.onerror = () => done("no: an error");
      Object.assign(made, about);
      document.body.append(made);
    }));
  }
  await tried("import", async () => `LOADED ${Object.keys(await import(`${address}/words.js`)).length}`);
  await tried("css of the api", async () => `no: ${[...document.styleSheets].filter((one) => one.href?.startsWith(address) && one.cssRules.length).length}`);

  await tried("socket", () => new Promise((done) => {
    const socket = new WebSocket(`${address.replace("http", "ws")}/api/live?session=${ids.session}`);
    socket.onmessage = (message) => done(`READ ${message.data}`);
    socket.onopen = () => {
      socket.send(JSON.stringify({ type: "edit", seq: 1, edit: { op: "seed", seed: 66 }, commit: true }));
      done("OPEN");
    };
    socket.onclose = (event) => done(`no: closed ${event.code}`);
  }));
  await tried("event source", () => new Promise((done) => {
    const source = new EventSource(`${address}/api/sessions`, { withCredentials: true });
    source.onopen = () => done("OPEN");
    source.onerror = () => done("no: an error");
  }));

  await tried("frame", () => new Promise((done) => {
    const frame = document.createElement("iframe");
    frame.onload = () => {
      let inside = null;
      try {
        inside = frame.contentDocument?.body?.textContent ?? null;
      } catch { /* as it should be */ }
      frame.contentWindow.postMessage({ type: "edit" }, "*");
      done(inside ? `READ ${inside}` : "no: another's document");
    };
    frame.id = "framed";
    frame.src = `${address}/#${ids.session}`;
    document.body.append(frame);
  }));
  for (const enctype of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
    const sink = element("iframe", { name: `sink-${enctype}` });
    const form = element("form", { method: "post", action: `${address}/api/sessions`, enctype, target: sink.name });
    const field = document.createElement("input");
    [field.name, field.value] = ['{"recipe": "toy", "title": "attacked', '"}'];
    form.append(field);
    form.submit();
    told[`form ${enctype}`] = "no: nothing to read";
  }
  await wait(700);

  await tried("window", async () => {
    const other = window.open(`${address}/#${ids.session}`, "other");
    let inside = null;
    // Until the studio's answer arrives this is a blank page of the attacker's own, so a busy machine gets time to load it.
    for (let round = 0; round < 60 && !inside && other && !other.closed; round++) {
      await wait(500);
      other.postMessage({ type: "edit", edit: { op: "seed", seed: 66 } }, "*");
      try {
        inside = other.document?.body?.textContent || null;
      } catch { /* as it should be */ }
    }
    return inside ? `READ ${inside}` : other === null || other.closed ? "no: cut off" : `HELD ${other.length}`;
  }, 60000);
  const form = element("form", { method: "post", action: `${address}/api/sessions`, enctype: "text/plain", target: "posted" });
  form.append(Object.assign(document.createElement("input"), { name: '{"recipe": "toy", "title": "attacked', value: '"}' }));
  await tried("form in a window", async () => {
    window.open("", "posted");
    form.submit();
    await wait(700);
    return "no: nothing to read";
  });
  told["heard"] = heardMessages.length ? `READ ${heardMessages}` : "no: no message";
  told["cookie"] = document.cookie ? `READ ${document.cookie}` : "no: none";
  return told;
}
const heardMessages = [];
addEventListener("message", (message) => heardMessages.push(String(message.data)));
