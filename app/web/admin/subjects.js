// Who is enrolled, and each with templates, pose, codes and consent.

import { dial, turned } from "../dial.js";
import { byId, el } from "../dom.js";
import { attempt, called, count } from "../words.js";
import { consents, deleteTemplate, eraseSubject, makeCode, rename, subject, subjects, withdrawConsent } from "./service.js";
import { portrait } from "./portrait.js";
import { button, buttons, confirmed, day, moment } from "./table.js";

/** Returns what loads the list, and what opens one subject. */
export function subjectsPanel(picked) {
  let cursor = null;

  async function load(fresh) {
    const page = await attempt(byId("subjects-said"), "Loading", () => subjects(picked(), fresh ? null : cursor));
    if (!page) return;
    cursor = page.next_cursor;
    if (fresh) byId("subjects-list").replaceChildren();
    byId("subjects-list").append(...page.subjects.map(row));
    if (fresh && !page.subjects.length) byId("subjects-list").append(el("li", { class: "soft" }, "Nobody is enrolled yet."));
    byId("subjects-more").hidden = cursor === null;
  }

  function row(one) {
    const facts = `${one.name ? `${one.subject_id}, ` : ""}${count(one.templates, "template", "templates")}, since ${day(one.created_at)}`;
    return el("li", {}, el("div", {}, el("b", {}, called(one)), el("p", { class: "soft" }, facts)), button("Open", () => open(one.subject_id), { about: called(one) }));
  }

  async function open(id) {
    const place = byId("subject");
    const found = await attempt(place, "Loading", () => Promise.all([subject(picked(), id), consents(picked(), id).catch(() => [])]));
    if (found) show(place, ...found);
  }

  function show(place, one, given) {
    const said = el("div", { role: "status" });
    const again = () => open(one.subject_id);
    const act = async (doing, work) => (await attempt(said, doing, () => work().then((done) => done ?? true))) ?? null;
    const name = el("input", { value: one.name ?? "", maxlength: 200, "aria-label": "Name", spellcheck: "false" });
    const code = async () => {
      const made = await act("Making a code", () => makeCode(picked(), one.subject_id));
      if (made) said.replaceChildren(el("div", { class: "note good" }, el("b", {}, made.code), "Shown this once: give it to them now."));
    };
    const erase = (title, work) => async () => {
      if (!(await confirmed(title, `${count(one.templates.length, "template", "templates")}, their visits, codes and consent will be gone from everywhere. This cannot be undone.`, "Erase"))) return;
      const receipt = await act("Erasing", () => work(picked(), one.subject_id));
      if (!receipt) return;
      place.replaceChildren(receiptOf(receipt));
      load(true);
    };
    const details = Object.entries(one.metadata).map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, typeof value === "string" ? value : JSON.stringify(value))));
    const agreed = given.map((consent) => el("li", {}, `Version ${consent.version}, ${day(consent.given_at)}, by ${consent.how}`));
    place.replaceChildren(
      el("h2", {}, called(one)),
      el("p", { class: "soft" }, `${one.subject_id} · since ${day(one.created_at)}`),
      el("form", { class: "inline", onsubmit: async (event) => (event.preventDefault(), (await act("Saving", () => rename(picked(), one.subject_id, name.value.trim()))) && (again(), load(true))) }, name, el("button", { type: "submit" }, "Rename")),
      said,
      details.length ? el("dl", { class: "facts" }, ...details) : "",
      el("h3", {}, "Templates"),
      el("ul", { class: "templates" }, ...one.templates.map((template) => entry(template, one, act, again))),
      el("h3", {}, "Consent"),
      agreed.length ? el("ul", {}, ...agreed) : el("p", { class: "soft" }, "None written down."),
      buttons(
        button("Make a code", code),
        agreed.length ? button("Withdraw consent", erase(`Withdraw the consent of ${called(one)}?`, withdrawConsent), { kind: "danger", about: `of ${called(one)}` }) : "",
        button("Erase", erase(`Erase ${called(one)}?`, eraseSubject), { kind: "danger", about: called(one) }),
      ),
    );
  }

  function entry(template, owner, act, again) {
    const remove = async () => {
      if (!(await confirmed("Delete this template?", "The subject stays, with what is left.", "Delete"))) return;
      if (await act("Deleting", () => deleteTemplate(picked(), owner.subject_id, template.template_id))) again();
    };
    const facts = `quality ${Math.round(template.quality.overall)} of 100, ${day(template.created_at)}`;
    const face = template.picture ? portrait(picked(), owner.subject_id, template.template_id, `Face of ${called(owner)}`) : "";
    return el("li", {}, face, dial(template.pose), el("div", {}, el("b", {}, turned(template.pose)), el("p", { class: "soft" }, facts), button("Delete", remove, { kind: "link", about: "this template" })));
  }

  byId("subjects-more").addEventListener("click", () => load(false));
  byId("subject-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const id = byId("subject-id").value.trim();
    if (id) open(id);
  });
  return { load: () => load(true), open };
}

/** What was erased: it names nobody, and `frontalis erase verify` takes its id. */
function receiptOf({ receipt_id, erased_at, counts }) {
  const gone = Object.entries(counts).filter(([, number]) => number).map(([kind, number]) => `${kind} ${number.toLocaleString()}`);
  return el("div", { class: "note good" }, el("b", {}, "Erased, with a receipt"), el("code", { class: "secret" }, receipt_id), `${moment(erased_at)}: ${gone.join(", ") || "nothing but the name"}. “frontalis erase verify” with this id looks for what is left.`);
}
