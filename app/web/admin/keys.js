// Keys: made (shown once), rotated, revoked.

import { hasKey, keepKey } from "../api.js";
import { byId, el } from "../dom.js";
import { attempt } from "../words.js";
import { keys, makeKey, revokeKey, rotateKey } from "./service.js";
import { button, buttons, confirmed, day, fill } from "./table.js";

const GRACE_HOURS = 24;

export function keysPanel(picked) {
  async function load() {
    byId("key-made").replaceChildren(); // shown once: not again when the tab is left and opened
    const all = await attempt(byId("keys-said"), "Loading", keys);
    if (!all) return;
    fill(byId("keys-list"), ["Name", "Id", "For", "Collections", "Until", "Last used", ""], all.map(row));
    if (all.length) return;
    byId("key-scope").value = "admin";
    byId("keys-said").replaceChildren(el("p", { class: "note" }, el("b", {}, "There is no key yet"), "Whoever sits at this machine may do everything. Make one for everything first: from then on nobody is let in without a key."));
  }

  function row(key) {
    const over = key.revoked_at ? "revoked" : key.expires_at && new Date(key.expires_at) < new Date() ? "expired" : null;
    const actions = over ? over : buttons(button("Rotate", () => rotate(key), { about: key.name }), button("Revoke", () => revoke(key), { kind: "danger", about: key.name }));
    return [el("b", {}, key.name), el("code", {}, key.key_id), key.scopes.join(", "), key.collections?.join(", ") ?? "all", day(key.expires_at), day(key.last_used_at), actions];
  }

  async function rotate(key) {
    const made = await attempt(byId("keys-said"), "Rotating", () => rotateKey(key.key_id, GRACE_HOURS));
    if (made) await shown(made, `The old one still opens for ${GRACE_HOURS} hours.`);
  }

  async function revoke(key) {
    if (!(await confirmed(`Revoke ${key.name}?`, "Whoever uses it is refused from the next request on.", "Revoke"))) return;
    if (await attempt(byId("keys-said"), "Revoking", () => revokeKey(key.key_id))) await load();
  }

  async function shown(made, more) {
    await load();
    byId("key-made").replaceChildren(el("div", { class: "note good" }, el("b", {}, `${made.name}: copy it now, it is shown this once`), el("code", { class: "secret" }, made.key), el("div", {}, more)));
  }

  byId("key-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const [scope, days] = [byId("key-scope").value, Number(byId("key-days").value)];
    const asked = { name: byId("key-name").value.trim(), scopes: [scope], ...(days && { lifetime_days: days }), ...(scope === "admin" ? {} : { collections: [picked()] }) };
    const made = await attempt(byId("keys-said"), "Making a key", () => makeKey(asked));
    if (!made) return;
    byId("key-name").value = "";
    if (scope === "admin" && !hasKey()) keepKey(made.key); // the first key closes the door: this page goes on with it
    await shown(made, scope === "kiosk" ? "Paste it into the settings of the kiosk." : "Send it as Authorization: Bearer.");
  });
  return load;
}
