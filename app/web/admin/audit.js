// The audit log: who did what, the latest first, and whether the record of it is whole.

import { byId, el } from "../dom.js";
import { attempt, count } from "../words.js";
import { acts, keys, verifyActs } from "./service.js";
import { fill, moment } from "./table.js";

const SYSTEM = { local: "this machine, no key", system: "the service or its commands", environment: "the key of FRONTALIS_API_KEY" };

export function auditPanel(picked) {
  const said = byId("audit-said");
  let cursor = null;
  let rows = [];
  let names = {};

  async function load(fresh = true) {
    if (fresh) [cursor, rows] = [null, []];
    const act = byId("audit-act").value;
    const collection = byId("audit-all").checked ? "" : picked();
    const found = await attempt(said, "Loading", () => Promise.all([acts({ act, collection, cursor }), keys()]));
    if (!found) return;
    const [page, all] = found;
    names = Object.fromEntries(all.map((key) => [key.key_id, key.name]));
    cursor = page.next_cursor;
    rows.push(...page.acts.map(row));
    byId("audit-more").hidden = cursor === null;
    fill(byId("audit-list"), ["Number", "When", "Who", "What", "Collection", "To which ids"], rows);
    if (!rows.length) said.replaceChildren(el("p", { class: "soft" }, "Nothing was done yet."));
  }

  function row({ number, at, who, act, collection, ids }) {
    const whose = el("div", {}, SYSTEM[who] ?? names[who] ?? "a key that is gone", who in SYSTEM ? "" : el("div", {}, el("code", {}, who)));
    return [number.toLocaleString(), moment(at), whose, el("code", {}, act), collection ?? "–", el("div", {}, told(ids))];
  }

  async function verify() {
    const found = await attempt(said, "Reading the whole log", () => verifyActs());
    if (!found) return;
    const whole = found.broken === null;
    const head = whole ? `Whole: ${count(found.acts, "act", "acts")}` : `Broken at number ${found.broken}`;
    const text = whole ? "Write this digest down where nobody here can write; the next time it tells whether the log was written anew." : `${found.reason}. ${count(found.acts, "act", "acts")} before it hold.`;
    said.replaceChildren(el("div", { class: `note ${whole ? "good" : "bad"}`, role: whole ? undefined : "alert" }, el("b", {}, head), whole ? el("code", { class: "secret" }, found.digest) : "", text));
  }

  byId("audit-act").addEventListener("change", () => load());
  byId("audit-all").addEventListener("change", () => load());
  byId("audit-more").addEventListener("click", () => load(false));
  byId("audit-verify").addEventListener("click", verify);
  return () => load();
}

/** Names and values; of a list of several ids only how many. */
function told(ids) {
  const plain = (value) => (!Array.isArray(value) ? value : value.length === 1 ? value[0] : value.length.toLocaleString());
  return Object.entries(ids).map(([name, value]) => `${name} ${name === "rules" ? value.join(" ") : plain(value)}`).join(", ");
}
