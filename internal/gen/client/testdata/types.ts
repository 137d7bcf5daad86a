// Compiled, never run: what the types let through, and what they do not.
import { Client, Code, Problem, Unanswered, type Article, type Failure } from "./press.js";

export async function story(api: Client): Promise<string> {
  const a = await api.articles.create({ slug: "a", title: "A", views: 1, note: null });
  const record: Article = a.value;
  // @ts-expect-error: a slug is needed
  await api.articles.create({ title: "A" });
  // @ts-expect-error: there is no such member
  await api.articles.patch(record.id, { titel: "B" });
  // @ts-expect-error: the server sets it
  await api.articles.patch(record.id, { created_at: record.created_at });
  // @ts-expect-error: a number is compared with numbers
  await api.articles.list({ where: { views: "7" } });
  // @ts-expect-error: there is no such field to sort by
  await api.articles.list({ sort: ["-lines"] });
  await api.articles.list({ where: { views: { gte: 7 }, title: { contains: "x" }, note: null }, anyOf: { live: true }, sort: ["-views"], take: 5 }, { level: "strong" });
  // @ts-expect-error: there is no such level
  await api.articles.get(record.id, { level: "best" });
  for await (const one of api.articles.iterate()) record.views += one.views;
  await api.transaction([{ model: "Page", op: "patch", id: "p", data: { hits: 1 } }]);
  // @ts-expect-error: a title is no member of a page
  await api.transaction([{ model: "Page", op: "patch", id: "p", data: { title: "x" } }]);
  // @ts-expect-error: an id is needed
  await api.publish({ tag: ["x"] }, { by: "me" });
  const out: string = (await api.publish({ id: record.id }, { by: "me" })).value.editor;
  return out + (record.note ?? "") + (record.lines?.[0]?.text ?? "");
}

export function why(e: Failure): string {
  switch (e.kind) {
    case "problem":
      return e.code === Code.NotFound ? "gone" : e.errors.map((x) => x.pointer).join();
    case "aborted":
    case "network":
    case "timeout":
    case "protocol":
      return e.message;
  }
}

export const known = (e: unknown): e is Failure => e instanceof Problem || e instanceof Unanswered;
