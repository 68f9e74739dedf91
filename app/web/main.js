// Starts the page: tabs, the four panels, the state of the service, the key.

import { collections, keepKey, ready, whenUnauthorized } from "./api.js";
import { byId, el } from "./dom.js";
import { enrolPanel } from "./enrol.js";
import { identifyPanel } from "./identify.js";
import { keyDialog } from "./key.js";
import { subjectsPanel } from "./subjects.js";
import { tabs } from "./tabs.js";
import { verifyPanel } from "./verify.js";
import { count } from "./words.js";

const AGAIN_MS = 5000;
let again = 0;

const askForKey = keyDialog(keepKey);
whenUnauthorized(askForKey);

const loadSubjects = subjectsPanel({ onDone: refresh });
const open = tabs({ subjects: loadSubjects });
enrolPanel({ onDone: refresh, onNext: () => open("identify") });
const offerAttributes = identifyPanel({ onDone: refresh });
verifyPanel();
byId("key-button").addEventListener("click", async () => {
  if (await askForKey()) refresh();
});

const known = await refresh();
if (known?.subjects) open("identify", { focus: false });

/** The state above, the facts below; the default collection, or null. */
async function refresh() {
  const state = byId("state");
  clearTimeout(again);
  try {
    const { model_id: model, attributes } = await ready();
    state.dataset.state = "ready";
    state.textContent = "Ready";
    offerAttributes(attributes);
    const told = await collections();
    const gallery = told.collections.find((one) => one.name === "default") ?? null;
    const size = gallery ? `${count(gallery.subjects, "subject", "subjects")}, ${count(gallery.templates, "template", "templates")}` : "empty";
    byId("facts").replaceChildren(fact("Model", model), fact("Gallery", size));
    return gallery;
  } catch (error) {
    const down = error.status === 0 || error.status >= 500;
    state.dataset.state = "down";
    state.textContent = error.title ?? "Not ready";
    if (down) again = setTimeout(refresh, AGAIN_MS);
    return null;
  }
}

function fact(term, value) {
  return el("div", {}, el("dt", {}, term), el("dd", {}, value));
}
