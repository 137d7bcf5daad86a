"use strict";

// Shows /openapi.json. All text goes in by textContent, so that nothing in it is markup.

const node = (name, text, className) => {
  const n = document.createElement(name);
  if (text !== undefined) n.textContent = text;
  if (className) n.className = className;
  return n;
};

const resolve = (doc, x) => {
  for (let n = 0; x && x.$ref && n < 20; n++) x = x.$ref.slice(2).split("/").reduce((o, k) => o[k], doc);
  return x;
};

// typeText is a schema in a few words.
const typeText = (s) => {
  if (!s) return "";
  if (s.$ref) return s.$ref.split("/").pop();
  if (s.anyOf) return s.anyOf.map(typeText).join(" or ");
  if (s.allOf) return s.allOf.map(typeText).join(" and ");
  let text = [].concat(s.type || "anything").map((t) => (t === "array" ? "array of " + typeText(s.items) : t)).join(" or ");
  if (s.format) text += " (" + s.format + ")";
  const bounds = ["minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "pattern"].filter((k) => k in s).map((k) => k + " " + s[k]);
  if (s.enum) bounds.push(s.enum.join(", "));
  return bounds.length ? text + ": " + bounds.join(", ") : text;
};

const table = (rows) => {
  const t = node("table");
  for (const row of rows) {
    const tr = node("tr");
    row.forEach((cell, i) => tr.append(i ? node("td", cell) : wrap("td", node("code", cell))));
    t.append(tr);
  }
  return t;
};

const wrap = (name, child) => {
  const n = node(name);
  n.append(child);
  return n;
};

// schemaRows are the members of an object, those inside of others too.
const schemaRows = (doc, schema, prefix, depth) => {
  const s = resolve(doc, schema);
  if (!s) return [];
  if (s.type && [].concat(s.type).includes("array")) return schemaRows(doc, s.items, prefix + "[]", depth);
  if (s.anyOf) return s.anyOf.flatMap((x) => schemaRows(doc, x, prefix, depth));
  if (s.allOf) return s.allOf.flatMap((x) => schemaRows(doc, x, prefix, depth));
  if (!s.properties || depth > 3) return [];
  return Object.entries(s.properties).flatMap(([name, p]) => {
    const path = prefix ? prefix + "." + name : name;
    const notes = [(s.required || []).includes(name) ? "required" : "", p.readOnly ? "read only" : "", p.description || ""].filter(Boolean).join("; ");
    return [[path, typeText(p), notes], ...schemaRows(doc, p, path, depth + 1)];
  });
};

const content = (doc, parent, title, body) => {
  for (const [type, media] of Object.entries(body || {})) {
    parent.append(node("h3", title + " " + type));
    const rows = schemaRows(doc, media.schema, "", 0);
    parent.append(rows.length ? table(rows) : node("p", typeText(media.schema) || "anything"));
  }
};

const details = (doc, op, parent) => {
  if (op.parameters) {
    parent.append(node("h3", "Parameters"));
    parent.append(table(op.parameters.map((p) => [p.name, p.in + ", " + typeText(p.schema) + (p.required ? ", required" : ""), p.description || ""])));
  }
  if (op.requestBody) content(doc, parent, "Body", op.requestBody.content);
  for (const [status, ref] of Object.entries(op.responses)) {
    if (status === "default") continue;
    const r = resolve(doc, ref);
    if (status >= 400) continue;
    parent.append(node("h3", status + " " + r.description));
    if (r.headers) parent.append(table(Object.entries(r.headers).map(([name, h]) => [name, typeText(h.schema), h.description || ""])));
    content(doc, parent, "Answer", r.content);
  }
  const errors = Object.keys(op.responses).filter((s) => s >= 400);
  if (errors.length) parent.append(node("h3", "Errors"), node("p", errors.join(", ") + ": application/problem+json"));
};

const show = (doc) => {
  document.title = doc.info.title + " API";
  document.getElementById("title").textContent = doc.info.title + " " + doc.info.version;
  const groups = new Map();
  for (const [path, methods] of Object.entries(doc.paths)) {
    for (const [method, op] of Object.entries(methods)) {
      const d = node("details");
      d.dataset.text = (method + " " + path + " " + op.summary).toLowerCase();
      const s = node("summary");
      s.append(node("b", method.toUpperCase(), "method " + method), node("code", path), node("span", op.summary));
      d.append(s);
      d.addEventListener("toggle", () => {
        if (d.open && d.childElementCount === 1) {
          const body = node("div");
          details(doc, op, body);
          d.append(body);
        }
      });
      const tag = (op.tags || ["application"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(d);
    }
  }
  const main = document.getElementById("routes");
  main.replaceChildren();
  const order = [...groups.keys()].sort((a, b) => (a === "operations") - (b === "operations"));
  for (const tag of order) {
    const section = node("section");
    section.append(node("h2", tag), ...groups.get(tag));
    main.append(section);
  }
};

const search = document.getElementById("search");
search.addEventListener("input", () => {
  const want = search.value.toLowerCase();
  for (const d of document.querySelectorAll("details")) d.hidden = !d.dataset.text.includes(want);
  for (const s of document.querySelectorAll("section")) s.hidden = !s.querySelector("details:not([hidden])");
});
document.addEventListener("keydown", (e) => {
  if (e.key === "/" && document.activeElement !== search) {
    e.preventDefault();
    search.focus();
  }
});

fetch("/openapi.json", { headers: { Accept: "application/json" } })
  .then((r) => (r.ok ? r.json() : Promise.reject(new Error("openapi.json: " + r.status))))
  .then(show)
  .catch((e) => document.getElementById("routes").replaceChildren(node("p", String(e))));
