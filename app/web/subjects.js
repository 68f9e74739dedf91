// Who is enrolled, a page at a time, and deleting them.

import { deleteSubject, subjects } from "./api.js";
import { byId, el } from "./dom.js";
import { attempt, called, count } from "./words.js";

/** Returns what loads the list anew. */
export function subjectsPanel({ onDone }) {
  const [said, list, more] = ["subjects-said", "subjects-list", "subjects-more"].map(byId);
  let cursor = null;

  async function load(fresh) {
    const page = await attempt(said, "Loading", () => subjects(fresh ? null : cursor));
    if (!page) return;
    cursor = page.next_cursor;
    if (fresh) list.replaceChildren();
    list.append(...page.subjects.map(row));
    more.hidden = cursor === null;
    if (!list.children.length) empty();
  }

  function empty() {
    said.replaceChildren(el("p", { class: "soft" }, "Nobody is enrolled yet."));
  }

  function row(subject) {
    const since = new Date(subject.created_at).toLocaleDateString(undefined, { dateStyle: "medium" });
    const facts = `${count(subject.templates, "template", "templates")}, since ${since}`;
    const id = subject.name ? el("p", { class: "soft" }, subject.subject_id) : null;
    const entry = el(
      "li",
      { "data-subject": subject.subject_id },
      el("div", {}, el("b", {}, called(subject)), id, el("p", { class: "soft" }, facts)),
      el("button", { type: "button", "aria-label": `Delete ${called(subject)}`, onclick: () => remove(subject, entry) }, "Delete"),
    );
    return entry;
  }

  async function remove(subject, entry) {
    if (!(await confirmed(subject))) return;
    const done = await attempt(said, "Deleting", () => deleteSubject(subject.subject_id));
    if (done === undefined) return;
    const next = entry.nextElementSibling ?? entry.previousElementSibling;
    entry.remove();
    (next?.querySelector("button") ?? byId("tab-subjects")).focus();
    if (!list.children.length && more.hidden) empty();
    onDone();
  }

  more.addEventListener("click", () => load(false));
  return () => load(true);
}

async function confirmed(subject) {
  const dialog = byId("confirm");
  const templates = count(subject.templates, "template", "templates");
  byId("confirm-text").textContent = `${called(subject)} and ${templates} will be gone from the next search on. This cannot be undone.`;
  dialog.returnValue = "cancel";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  return dialog.returnValue === "delete";
}
