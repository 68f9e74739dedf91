// Asks for the API key, once for however many requests wait for it.

import { byId } from "./dom.js";

/** A function that resolves to true when a key was given. `keep` gets it. */
export function keyDialog(keep) {
  let asking = null;

  async function ask() {
    const [dialog, value] = [byId("key"), byId("key-value")];
    dialog.returnValue = "cancel";
    value.value = "";
    dialog.showModal();
    value.focus();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    const given = dialog.returnValue === "use";
    if (given) keep(value.value.trim());
    value.value = "";
    return given;
  }

  return () => (asking ??= ask().finally(() => (asking = null)));
}
