// The sign-in record: visits and attempts, filtered, as a table and as a file; and "not this person".

import { fetched } from "../api.js";
import { checkOut, correct } from "../board/service.js";
import { byId, el } from "../dom.js";
import { attempt, called, decisionBadge, score } from "../words.js";
import { visitPage } from "./service.js";
import { button, buttons, fill, moment } from "./table.js";

const WAYS = { face: "face", verify: "face and code", code: "code", list: "list", staff: "staff", registration: "registered" };
const LOOKED = { real: "a person", print: "a print", replay: "a screen" };

export function visitsPanel(picked) {
  const said = byId("visits-said");
  let cursor = null;
  let rows = [];

  const filters = () => {
    const form = new FormData(byId("visits-form"));
    const since = new Date(Date.now() - Number(byId("days").value) * 86_400_000).toISOString();
    const given = { decision: form.get("decision"), method: form.get("method"), subject_id: form.get("subject_id").trim(), open: form.get("open") };
    return { collection: picked(), since, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value)) };
  };

  async function load(fresh = true) {
    if (fresh) [cursor, rows] = [null, []];
    const page = await attempt(said, "Loading", () => visitPage(filters(), cursor));
    if (!page) return;
    cursor = page.next_cursor;
    rows.push(...page.visits.map(row));
    byId("visits-more").hidden = cursor === null;
    fill(byId("visits-list"), ["When", "Who", "Outcome", "How", "Score", "Out", ""], rows);
    if (!rows.length) said.replaceChildren(el("p", { class: "soft" }, "No visits like that in these days."));
  }

  function row(visit) {
    const looked = visit.presented_as ? el("p", { class: "soft" }, `looked like ${LOOKED[visit.presented_as]}`) : "";
    const corrected = visit.corrected_at ? el("p", { class: "soft" }, "corrected") : "";
    const who = visit.subject_id ? el("div", {}, el("b", {}, called(visit)), el("p", { class: "soft" }, visit.subject_id), corrected) : el("div", {}, "nobody", corrected);
    const limit = visit.threshold === null ? "" : el("p", { class: "soft" }, `of ${score(visit.threshold)}`);
    const figure = visit.score === null ? "–" : el("div", {}, score(visit.score), limit);
    return [moment(visit.created_at), who, decisionBadge(visit.decision), el("div", {}, WAYS[visit.method], looked), figure, visit.checked_out_at ? moment(visit.checked_out_at) : visit.checked_in_at ? "in" : "–", actions(visit)];
  }

  function actions(visit) {
    if (visit.decision !== "match" || !visit.subject_id) return "";
    const act = async (doing, work) => {
      if ((await attempt(said, doing, () => work().then(() => true))) !== undefined) await load();
    };
    const out = button("Check out", () => act("Checking out", () => checkOut(picked(), visit)), { about: called(visit) });
    const wrong = button("Not them", () => ask(visit, act), { about: called(visit) });
    return buttons(visit.checked_in_at && !visit.checked_out_at ? out : "", wrong);
  }

  async function ask(visit, act) {
    const dialog = byId("wrong");
    byId("wrong-text").textContent = `The visit of ${called(visit)} on ${moment(visit.created_at)} becomes somebody else's, and this face will not be taken for ${called(visit)} again.`;
    byId("wrong-who").value = "";
    dialog.returnValue = "cancel";
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    if (dialog.returnValue === "correct") await act("Correcting", () => correct(picked(), visit, byId("wrong-who").value.trim()));
  }

  byId("visits-form").addEventListener("change", () => load());
  byId("visits-form").addEventListener("submit", (event) => (event.preventDefault(), load()));
  byId("visits-more").addEventListener("click", () => load(false));
  byId("csv").addEventListener("click", async () => {
    const blob = await attempt(said, "Writing the file", () => fetched("/visits.csv", { query: filters() }));
    if (!blob) return;
    const link = el("a", { href: URL.createObjectURL(blob), download: "visits.csv" });
    link.click();
    URL.revokeObjectURL(link.href);
  });
  return () => load();
}
