// Sign-ins without a face that could not be sent: kept in the browser, sent in order, each once.

import { passing, signIn } from "./service.js";

const AGAIN_MS = 10_000;

/** `onChange(waiting, refused)` hears how many wait, and how many the service would not have: those stay for staff. */
export function outbox(store, onChange) {
  let sending = null;

  async function keep(asked, key) {
    await store.keep({ key, asked, at: Date.now(), refused: "" });
    await tell();
  }

  async function tell() {
    const kept = await store.waiting();
    onChange(kept.filter((one) => !one.refused).length, kept.filter((one) => one.refused).length);
  }

  function flush() {
    sending ??= send().finally(() => (sending = null));
    return sending;
  }

  async function send() {
    for (const kept of await store.waiting()) {
      if (kept.refused) continue;
      try {
        await signIn(kept.asked, [], kept.key);
        await store.sent(kept.key);
      } catch (error) {
        if (passing(error)) break; // the order is kept: those behind wait too
        await store.keep({ ...kept, refused: error.code || "REFUSED" });
      }
    }
    await tell();
  }

  setInterval(flush, AGAIN_MS);
  window.addEventListener("online", flush);
  return { keep, flush };
}
