// What the console asks of the service.

import { call } from "../api.js";

export const ready = () => call("GET", "/readyz");
export const health = () => call("GET", "/health");
export const whoami = () => call("GET", "/whoami");
export const collections = async () => (await call("GET", "/collections")).collections;
export const makeCollection = (name) => call("POST", "/collections", { json: { name } });
export const deleteCollection = (name) => call("DELETE", "/collections/{name}", { path: { name } });
export const threshold = (name, fpir) => call("GET", "/collections/{name}/threshold", { path: { name }, query: fpir ? { fpir } : {} });

export const subjects = (collection, cursor) => call("GET", "/subjects", { query: { collection, ...(cursor && { cursor }) } });
export const subject = (collection, subject_id) => call("GET", "/subjects/{subject_id}", { path: { subject_id }, query: { collection } });
export const rename = (collection, subject_id, name) => call("PATCH", "/subjects/{subject_id}", { path: { subject_id }, query: { collection }, json: { name } });
/** Answers the receipt. */
export const eraseSubject = (collection, subject_id) => call("POST", "/subjects/{subject_id}/erase", { path: { subject_id }, query: { collection } });
export const withdrawConsent = (collection, subject_id) => call("DELETE", "/subjects/{subject_id}/consent", { path: { subject_id }, query: { collection } });
export const deleteTemplate = (collection, subject_id, template_id) =>
  call("DELETE", "/subjects/{subject_id}/templates/{template_id}", { path: { subject_id, template_id }, query: { collection } });
export const makeCode = (collection, subject_id) => call("POST", "/subjects/{subject_id}/codes", { path: { subject_id }, query: { collection }, json: {} });
export const consents = async (collection, subject_id) =>
  (await call("GET", "/subjects/{subject_id}/consent", { path: { subject_id }, query: { collection } })).consents;

/** `fields` and pictures of one person. */
export function enroll(fields, files) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) if (value) form.append(name, value);
  for (const file of files) form.append("images", file, "picture");
  return call("POST", "/enroll", { body: form });
}

export const keys = async () => (await call("GET", "/keys")).keys;
export const makeKey = (asked) => call("POST", "/keys", { json: asked });
export const rotateKey = (key_id, grace_hours) => call("POST", "/keys/{key_id}/rotate", { path: { key_id }, json: { grace_hours } });
export const revokeKey = (key_id) => call("DELETE", "/keys/{key_id}", { path: { key_id } });

export const door = async (collection) => (await call("GET", "/door", { query: { collection } })).rules;
export const changeDoor = (name, rules) => call("PATCH", "/collections/{name}", { path: { name }, json: { door: rules } });
export const consentTexts = async (collection) => (await call("GET", "/consent/texts", { query: { collection } })).texts;
export const newConsentText = (collection, texts) => call("POST", "/consent/texts", { json: { collection, texts } });

/** Acts of the audit log, the latest first; of one group of kinds or one collection where asked. */
export const acts = (asked) => call("GET", "/audit", { query: Object.fromEntries(Object.entries(asked).filter(([, value]) => value)) });
export const verifyActs = () => call("GET", "/audit/verify");

/** One page of visits and attempts, the newest first. */
export const visitPage = (filters, cursor) => call("GET", "/visits", { query: { ...filters, limit: 50, ...(cursor && { cursor }) } });

/** Pairs of subjects that resemble each other, page by page. */
export const duplicates = (collection, cursor) => call("GET", "/duplicates", { query: { collection, ...(cursor && { cursor }) } });
export const tellApart = (collection, subject_id, other_id) => call("POST", "/subjects/{subject_id}/apart", { path: { subject_id }, query: { collection }, json: { other_id } });
export const merge = (collection, subject_id, into) => call("POST", "/subjects/{subject_id}/merge", { path: { subject_id }, query: { collection }, json: { into } });

export const webhooks = async (collection) => (await call("GET", "/webhooks", { query: { collection } })).webhooks;
export const makeWebhook = (collection, url) => call("POST", "/webhooks", { json: { collection, url } });
export const changeWebhook = (collection, webhook_id, changes) => call("PATCH", "/webhooks/{webhook_id}", { path: { webhook_id }, query: { collection }, json: changes });
export const deleteWebhook = (collection, webhook_id) => call("DELETE", "/webhooks/{webhook_id}", { path: { webhook_id }, query: { collection } });
export const deliveries = (collection, webhook_id, state, cursor) =>
  call("GET", "/webhooks/{webhook_id}/deliveries", { path: { webhook_id }, query: { collection, ...(state && { state }), ...(cursor && { cursor }) } });
/** Dead ones begin anew: those of `event_ids`, or all. */
export const resend = (collection, webhook_id, event_ids) =>
  call("POST", "/webhooks/{webhook_id}/resend", { path: { webhook_id }, query: { collection }, json: event_ids ? { event_ids } : {} });
