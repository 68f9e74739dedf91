// Every address this page asks, and the one way it asks.

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
  }
}

let askForKey = async () => false;

/** `asker` resolves to true once a key was set, to false when the user will not give one. */
export function whenUnauthorized(asker) {
  askForKey = asker;
}

export function keepKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

export const ready = () => call("GET", "/readyz");
export const collections = () => call("GET", "/collections");
export const enroll = (form) => call("POST", "/enroll", { body: form });
export const identify = (image, signal) => call("POST", "/identify", { body: formOf({ image }), signal });
export const verify = (image, image_b, signal) => call("POST", "/verify", { body: formOf({ image, image_b }), signal });
export const subjects = (cursor) => call("GET", "/subjects", { query: cursor ? { cursor } : {} });
export const deleteSubject = (subject_id) => call("DELETE", "/subjects/{subject_id}", { path: { subject_id } });

function formOf(fields) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value, "picture");
  return form;
}

async function call(method, template, { path = {}, query = {}, body, signal } = {}) {
  const address = template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(path[name]));
  const search = new URLSearchParams(query).toString();
  const send = () => fetch(search ? `${address}?${search}` : address, { method, body, signal, headers: headers() });
  let response = await answered(send);
  if (response.status === 401 && (await askForKey())) response = await answered(send);
  if (response.status === 204) return null;
  const told = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, told);
  return told;
}

async function answered(send) {
  try {
    return await send();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { title: "The service does not answer", detail: "Is it still running?" });
  }
}

function headers() {
  const key = sessionStorage.getItem(KEY);
  return key ? { Authorization: `Bearer ${key}` } : {};
}
