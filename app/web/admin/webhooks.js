// Webhooks: who is told of what happens, what became of each delivery, and the dead ones sent again.

import { byId, el } from "../dom.js";
import { attempt, count } from "../words.js";
import { changeWebhook, deleteWebhook, deliveries, makeWebhook, resend, webhooks } from "./service.js";
import { button, buttons, confirmed, fill, moment } from "./table.js";

const STATES = { pending: "waits", delivered: "delivered", dead: "given up" };

export function webhooksPanel(picked) {
  const said = byId("webhooks-said");
  let cursor = null;
  let open = null; // the webhook whose deliveries are shown
  let rows = [];

  async function load() {
    byId("webhook-made").replaceChildren();
    byId("deliveries").hidden = true;
    await list();
  }

  async function list() {
    const all = await attempt(said, "Loading", () => webhooks(picked()));
    if (!all) return;
    fill(byId("webhooks-list"), ["Address", "Events", "Wait", "Given up", ""], all.map(row));
    if (!all.length) said.replaceChildren(el("p", { class: "soft" }, "Nobody is told of what happens here yet."));
  }

  function row(hook) {
    const actions = buttons(
      button("Deliveries", () => show(hook), { about: hook.url }),
      button(hook.enabled ? "Pause" : "Go on", () => change(hook, { enabled: !hook.enabled }), { about: hook.url }),
      button("New secret", () => change(hook, { rotate_secret: true }), { about: hook.url }),
      button("Delete", () => remove(hook), { kind: "danger", about: hook.url }),
    );
    const address = el("div", {}, el("b", {}, hook.url), hook.enabled ? "" : el("p", { class: "soft" }, "paused"));
    return [address, hook.kinds.join(", ") || "all", hook.pending.toLocaleString(), hook.dead.toLocaleString(), actions];
  }

  async function change(hook, changes) {
    const changed = await attempt(said, "Saving", () => changeWebhook(picked(), hook.webhook_id, changes));
    if (!changed) return;
    if (changed.secret) secret(changed);
    await list();
  }

  async function remove(hook) {
    if (!(await confirmed("Delete this webhook?", `${hook.url} hears nothing more, nor what it was not told yet.`, "Delete"))) return;
    const gone = await attempt(said, "Deleting", () => deleteWebhook(picked(), hook.webhook_id).then(() => true));
    if (gone) await load();
  }

  function secret({ url, secret: made }) {
    byId("webhook-made").replaceChildren(el("div", { class: "note good" }, el("b", {}, `Secret of ${url}: copy it now, it is shown this once`), el("code", { class: "secret" }, made), "The receiver checks the signature with it."));
  }

  async function show(hook, fresh = true) {
    if (fresh) [open, cursor, rows] = [hook, null, []];
    const page = await attempt(byId("deliveries-said"), "Loading", () => deliveries(picked(), hook.webhook_id, byId("deliveries-state").value, cursor));
    byId("deliveries").hidden = false;
    if (!page) return;
    cursor = page.next_cursor;
    rows.push(...page.deliveries.map(delivery));
    byId("deliveries-of").textContent = hook.url;
    byId("deliveries-more").hidden = cursor === null;
    fill(byId("deliveries-list"), ["Event", "When", "State", "Tried", "Last answer", ""], rows);
    if (!rows.length) byId("deliveries-said").replaceChildren(el("p", { class: "soft" }, "No deliveries."));
  }

  function delivery(one) {
    const next = one.state === "pending" && one.attempts ? `, again ${moment(one.due_at)}` : "";
    const again = one.state === "dead" ? buttons(button("Send again", () => sendAgain([one.event_id]), { about: `${one.type} of ${moment(one.created_at)}` })) : "";
    return [el("code", {}, one.type), moment(one.created_at), `${STATES[one.state]}${next}`, String(one.attempts), one.reason ?? (one.status === null ? "none yet" : String(one.status)), again];
  }

  async function sendAgain(event_ids) {
    const done = await attempt(byId("deliveries-said"), "Sending again", () => resend(picked(), open.webhook_id, event_ids));
    if (!done) return;
    await Promise.all([show(open), list()]);
    byId("deliveries-said").replaceChildren(el("p", { class: "note good" }, `${count(done.resent, "delivery begins", "deliveries begin")} anew.`));
  }

  byId("webhook-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const made = await attempt(said, "Making a webhook", () => makeWebhook(picked(), byId("webhook-url").value.trim()));
    if (!made) return;
    byId("webhook-form").reset();
    secret(made);
    await list();
  });
  byId("deliveries-state").addEventListener("change", () => show(open));
  byId("deliveries-more").addEventListener("click", () => show(open, false));
  byId("deliveries-again").addEventListener("click", () => sendAgain(undefined));
  return load;
}
