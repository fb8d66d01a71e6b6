// Draws /api/openapi.json. All text is set as text, never as HTML.

const make = (tag, text = "", className = "") => {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  return element;
};

const client = `import json, os, urllib.request

def call(method, path, body=None, kind="application/json", accept="application/json"):
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": "Bearer " + os.environ["GESSO_TOKEN"], "Content-Type": kind, "Accept": accept}
    request = urllib.request.Request("${location.origin}" + path, data, headers, method=method)
    return urllib.request.urlopen(request).read()

cat = json.loads(call("POST", "/api/uploads", open("cat.png", "rb").read(), "application/octet-stream"))
wish = {"recipe": "colorize", "conditions": {"sketch": {"upload": cat["id"]}}, "seed": 5}
open("coloured.png", "wb").write(call("POST", "/api/generate", wish, accept="image/png"))`;

const drawRoute = (method, path, route) => {
  const box = make("details");
  const line = make("summary");
  line.append(make("span", method.toUpperCase(), "method"), make("code", path), make("span", "  " + (route.summary ?? ""), "said"));
  box.append(line);
  if (route.description) box.append(make("p", route.description));
  for (const given of route.parameters ?? []) {
    box.append(make("p", `${given.name} (${given.in}${given.required ? ", required" : ""})`, "said"));
  }
  for (const [kind, content] of Object.entries(route.requestBody?.content ?? {})) {
    box.append(make("p", kind, "said"), make("pre", JSON.stringify(content.schema, null, 1)));
  }
  return box;
};

const draw = async () => {
  document.querySelector("#client").textContent = client;
  const main = document.querySelector("#routes");
  const answer = await fetch("/api/openapi.json");
  const told = await answer.json();
  if (!answer.ok) {
    main.textContent = `${told.error.what}. ${told.error.fix ?? ""}`;
    return;
  }
  main.replaceChildren();
  for (const [path, methods] of Object.entries(told.paths)) {
    for (const [method, route] of Object.entries(methods)) main.append(drawRoute(method, path, route));
  }
};

draw();
