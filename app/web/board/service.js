// What the board asks of the service.

import { call } from "../api.js";

const PAGE = 500;

export const collections = async () => (await call("GET", "/collections")).collections.map((one) => one.name);

/** All visits that `query` leaves, newest first; `most` of them. */
export async function visits(query, most = 5000) {
  const found = [];
  let cursor = "";
  do {
    const page = await call("GET", "/visits", { query: { ...query, limit: PAGE, ...(cursor && { cursor }) } });
    found.push(...page.visits);
    cursor = page.next_cursor;
  } while (cursor && found.length < most);
  return found;
}

/** How many visits `query` leaves. */
export const countVisits = async (query) => (await call("GET", "/visits/count", { query })).visits;

export function checkOut(collection, visit) {
  const asked = { collection, method: "staff", subject_id: visit.subject_id, direction: "out" };
  return call("POST", "/visits", { json: asked });
}

export function correct(collection, visit, subject_id) {
  return call("POST", "/visits/{visit_id}/correct", { path: { visit_id: visit.visit_id }, query: { collection }, json: subject_id ? { subject_id } : {} });
}
