// Starts the console: key, collection, tabs.

import { keepKey, whenUnauthorized } from "../api.js";
import { byId, el } from "../dom.js";
import { keyDialog } from "../key.js";
import { tabs } from "../tabs.js";
import { attempt } from "../words.js";
import { auditPanel } from "./audit.js";
import { doorPanel } from "./door.js";
import { duplicatesPanel } from "./duplicates.js";
import { folderPanel } from "./folder.js";
import { healthPanel } from "./health.js";
import { keysPanel } from "./keys.js";
import { overview } from "./overview.js";
import { scoresPanel } from "./scores.js";
import { collections, ready } from "./service.js";
import { subjectsPanel } from "./subjects.js";
import { visitsPanel } from "./visits.js";
import { webhooksPanel } from "./webhooks.js";

const askForKey = keyDialog(keepKey);
whenUnauthorized(askForKey);

let shown = "overview";
const picked = () => byId("collection").value || "default";
const subjects = subjectsPanel(picked);
const record = visitsPanel(picked);
const scores = scoresPanel(picked, { onDays: record });
const loads = { overview: overview(picked, refresh), "health-panel": healthPanel(), subjects: subjects.load, scores: () => (scores(), record()), keys: keysPanel(picked), door: doorPanel(picked), webhooks: webhooksPanel(picked), audit: auditPanel(picked), folder: () => duplicates() };
const open = tabs(Object.fromEntries(Object.entries(loads).map(([id, load]) => [id, () => ((shown = id), load())])));

const duplicates = duplicatesPanel(picked, {
  onOpen: (id) => {
    open("subjects");
    subjects.open(id);
  },
});
folderPanel(picked, { onDone: () => duplicates() });

/** The collections there are, then what is open. */
async function refresh() {
  const state = byId("state");
  const before = picked();
  const all = await attempt(byId("said"), "Loading", async () => (await ready(), collections()));
  state.dataset.state = all ? "ready" : "down";
  state.textContent = all ? "Ready" : "Not ready";
  if (!all) return;
  byId("collection").replaceChildren(...all.map(({ name }) => el("option", { selected: name === before }, name)));
  await loads[shown]();
}

byId("collection").addEventListener("change", () => loads[shown]());
byId("key-button").addEventListener("click", async () => {
  if (await askForKey()) refresh();
});
refresh();
