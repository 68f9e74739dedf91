// Health, collections, and the threshold that holds now.

import { byId, el } from "../dom.js";
import { attempt, count, score } from "../words.js";
import { collections, deleteCollection, makeCollection, ready, threshold, whoami } from "./service.js";
import { buttons, button, confirmed, day, fill } from "./table.js";

const RATES = [0.001, 0.01, 0.1];
const percent = (share) => `${(100 * share).toLocaleString(undefined, { maximumSignificantDigits: 2 })} %`;

/** `onChange` runs when there are other collections than before. */
export function overview(picked, onChange) {
  async function load() {
    await attempt(byId("said"), "Loading", async () => {
      const [state, who, all, ...limits] = await Promise.all([ready(), whoami(), collections(), threshold(picked()), ...RATES.map((rate) => threshold(picked(), rate))]);
      byId("health").replaceChildren(fact("State", "Ready"), fact("Model", state.model_id), fact("Key in use", who.key_id), fact("It may", who.scopes.join(", ")), fact("Collections", count(all.length, "collection", "collections")));
      showLimits(limits);
      showCollections(all);
      return true;
    });
  }

  function showLimits([now, ...others]) {
    const sentence = `At ${score(now.threshold)} and above it is a match: a stranger is taken for somebody in ${percent(now.fpir)} of searches among ${count(now.subjects, "subject", "subjects")}. From ${score(now.review)} on it is for staff to look at.`;
    const table = el("table");
    fill(table, ["False alarms a search", "Threshold", "Two people alike in"], others.map((one) => [percent(one.fpir), `${score(one.threshold)}${one.extrapolated ? " (careful guess)" : ""}`, `1 of ${Math.round(1 / one.fmr).toLocaleString()}`]));
    byId("thresholds").replaceChildren(el("p", { class: "figure" }, score(now.threshold)), el("p", {}, sentence), el("div", { class: "scroll" }, table), el("p", { class: "soft" }, "It rises by itself as more people are enrolled, so that the rate of false alarms stays."));
  }

  function showCollections(all) {
    const row = (one) => [el("b", {}, one.name), one.subjects.toLocaleString(), one.templates.toLocaleString(), one.model_id ?? "none yet", day(one.created_at), buttons(button(one.name === "default" ? "Empty" : "Delete", () => remove(one), { about: one.name }))];
    fill(byId("collections"), ["Name", "Subjects", "Templates", "Model", "Since", ""], all.map(row));
  }

  async function remove({ name, subjects }) {
    const what = name === "default" ? "Empty" : "Delete";
    if (!(await confirmed(`${what} ${name}?`, `${count(subjects, "subject", "subjects")} with all their templates and visits will be gone. This cannot be undone.`, what))) return;
    if ((await attempt(byId("said"), "Deleting", () => deleteCollection(name).then(() => true))) !== undefined) await onChange();
  }

  byId("collection-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const made = await attempt(byId("said"), "Making it", () => makeCollection(byId("collection-name").value.trim()));
    if (!made) return;
    byId("collection-form").reset();
    await onChange();
  });
  return load;
}

const fact = (term, value) => el("div", {}, el("dt", {}, term), el("dd", {}, value));
