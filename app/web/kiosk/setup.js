// The operator's dialog: key and collection, kept in this browser, and sign-ins that the service would not have.

import { byId, el } from "../dom.js";
import { keysCollections } from "./service.js";

/** Returns what opens it; that resolves when it is closed. `reach` answers ok, refused or offline. */
export function setup(kiosk, store, reach) {
  const dialog = byId("setup");
  const said = byId("setup-said");

  function label() {
    const { words } = kiosk;
    const texts = {
      "setup-title": words.setupTitle,
      "setup-text": words.setupText,
      "setup-key-label": words.setupKey,
      "setup-collection-label": words.setupCollection,
      "setup-save": words.setupSave,
      "setup-forget": words.setupForget,
      "setup-close": words.cancel,
    };
    for (const [id, text] of Object.entries(texts)) byId(id).textContent = text;
  }

  async function save(event) {
    event.preventDefault();
    const before = { key: kiosk.key, collection: kiosk.collection };
    kiosk.key = byId("setup-key").value.trim() || kiosk.key;
    kiosk.collection = byId("setup-collection").value.trim() || "default";
    const answer = await tried();
    if (answer === "ok") {
      await Promise.all([store.set("key", kiosk.key), store.set("collection", kiosk.collection)]);
      dialog.close();
      return;
    }
    Object.assign(kiosk, before);
    refuse(answer === "offline" ? kiosk.words.setupOffline : kiosk.words.setupWrong);
  }

  /** A key for one collection says which: then nobody has to type it. */
  async function tried() {
    const mine = await keysCollections().catch(() => null);
    if (mine?.length === 1) [kiosk.collection] = mine;
    return reach();
  }

  /** What visitors must not do or see asks for the key that the kiosk has. */
  const operator = () => !kiosk.key || byId("setup-key").value.trim() === kiosk.key;

  async function forget() {
    if (!operator()) return refuse(kiosk.words.setupWrong);
    kiosk.key = null;
    await Promise.all(["key", "rules", "consent"].map((name) => store.forget(name)));
    byId("setup-key").value = "";
    return undefined;
  }

  function refuse(text) {
    said.textContent = text;
    said.hidden = false;
  }

  async function listRefused() {
    const kept = operator() ? (await store.waiting()).filter((one) => one.refused) : [];
    const row = (one) => {
      const remove = async () => (await store.sent(one.key), entry.remove(), kiosk.outbox.flush());
      const when = new Date(one.at).toLocaleString(kiosk.words.locale);
      const entry = el("li", {}, `${when} · ${one.asked.code ?? one.asked.subject_id} · ${one.refused} `, el("button", { type: "button", onclick: remove }, kiosk.words.done));
      return entry;
    };
    byId("setup-refused").replaceChildren(...kept.map(row));
  }

  byId("setup-key").addEventListener("input", listRefused);
  byId("setup-form").addEventListener("submit", save);
  byId("setup-forget").addEventListener("click", forget);
  byId("setup-close").addEventListener("click", () => dialog.close());

  return async function open() {
    kiosk.begin();
    label();
    said.hidden = true;
    byId("setup-key").value = "";
    byId("setup-collection").value = kiosk.collection;
    await listRefused();
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    byId("setup-key").value = "";
    kiosk.home();
  };
}
