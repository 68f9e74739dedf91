// Every address the first page asks, and the one way that all pages ask.

const KEY = "frontalis-api-key";

/** A refusal: what problem+json says, or what can be said without it. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.title ?? `The service answered ${status}`);
    this.status = status;
    this.title = this.message;
    this.detail = body.detail ?? "";
    this.code = body.code ?? "";
    this.requestId = body.request_id ?? "";
    this.rejected = body.rejected ?? [];
    this.component = body.component ?? "";
    this.fields = body.fields ?? {};
  }
}

let askForKey = async () => false;

/** `asker` resolves to true once a key was set, to false when the user will not give one. */
export function whenUnauthorized(asker) {
  askForKey = asker;
}

let keyInUse = () => sessionStorage.getItem(KEY);

/** `source` answers the key to send, or null: for a page that keeps its key elsewhere than in the tab. */
export function useKey(source) {
  keyInUse = source;
}

export function keepKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

export const hasKey = () => Boolean(keyInUse());

export const ready = () => call("GET", "/readyz");
export const collections = () => call("GET", "/collections");
export const enroll = (form) => call("POST", "/enroll", { body: form });
export const identify = (image, asked, signal) => call("POST", "/identify", { body: formOf({ image }, asked), signal });
export const verify = (image, image_b, signal) => call("POST", "/verify", { body: formOf({ image, image_b }), signal });
export const subjects = (cursor) => call("GET", "/subjects", { query: cursor ? { cursor } : {} });
export const deleteSubject = (subject_id) => call("DELETE", "/subjects/{subject_id}", { path: { subject_id } });

function formOf(pictures, fields = {}) {
  const form = new FormData();
  for (const [name, value] of Object.entries(pictures)) form.append(name, value, "picture");
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return form;
}

/** Answers what the JSON of the response says, null for an empty one. `json` is sent as such. Throws `Problem`. */
export async function call(method, template, { path = {}, query = {}, body, json, headers, signal } = {}) {
  const address = template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(path[name]));
  const search = new URLSearchParams(query).toString();
  const send = () => fetch(search ? `${address}?${search}` : address, requestOf(method, body, json, headers, signal));
  let response = await answered(send);
  if (response.status === 401 && (await askForKey())) response = await answered(send);
  if (response.status === 204) return null;
  const told = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, told);
  return told;
}

/** Server-sent events of an address, as {event, id, data}; ends with the connection. Unlike EventSource it sends the key. */
export async function* stream(template, { query = {}, headers, signal } = {}) {
  const response = await answered(() => fetch(`${template}?${new URLSearchParams(query)}`, requestOf("GET", undefined, undefined, headers, signal)));
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value.replaceAll("\r", "");
    const messages = text.split("\n\n");
    text = messages.pop();
    for (const message of messages) yield messageOf(message);
  }
}

function messageOf(text) {
  const told = { event: "message", id: "", data: "" };
  for (const line of text.split("\n")) {
    const [, name, value] = line.match(/^(\w+): ?(.*)$/) ?? [];
    if (name === "data") told.data += told.data ? `\n${value}` : value;
    else if (name) told[name] = value;
  }
  return told;
}

/** A file that needs the key to be read, as a blob. */
export async function fetched(template, { path = {}, query = {}, signal } = {}) {
  const address = template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(path[name]));
  const response = await answered(() => fetch(`${address}?${new URLSearchParams(query)}`, requestOf("GET", undefined, undefined, undefined, signal)));
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
  return response.blob();
}

async function answered(send) {
  try {
    return await send();
  } catch (error) {
    if (error.name === "AbortError" || error.name === "TimeoutError") throw error;
    throw new Problem(0, { title: "The service does not answer", detail: "Is it still running?" });
  }
}

function requestOf(method, body, json, given, signal) {
  const key = keyInUse();
  const headers = { ...given, ...(key && { Authorization: `Bearer ${key}` }) };
  if (json === undefined) return { method, body, signal, headers };
  return { method, body: JSON.stringify(json), signal, headers: { ...headers, "Content-Type": "application/json" } };
}
