// Who may be there twice, found by the service: two people, or one.

import { byId, el } from "../dom.js";
import { called, count, problemNote, score } from "../words.js";
import { door, duplicates, merge, tellApart } from "./service.js";
import { portrait } from "./portrait.js";
import { button, buttons, confirmed } from "./table.js";

const PAGES = 20; // at most so many are looked at before somebody asks for more

export function duplicatesPanel(picked, { onOpen }) {
  const [list, said, further] = ["duplicates", "duplicates-said", "duplicates-more"].map(byId);
  let cursor = null;
  let run = 0;
  let pictures = false;

  async function load() {
    list.replaceChildren();
    cursor = null;
    pictures = (await door(picked()).catch(() => ({}))).keep_pictures ?? false;
    await look();
  }

  async function look() {
    run += 1;
    const mine = run;
    further.hidden = true;
    said.replaceChildren(el("p", { class: "busy" }, "Comparing everybody with everybody"));
    try {
      for (let page = 0; page < PAGES; page += 1) {
        const found = await duplicates(picked(), cursor);
        if (mine !== run) return; // another look began meanwhile
        cursor = found.next_cursor;
        found.pairs.forEach(add);
        if (!cursor) break;
      }
      said.replaceChildren();
    } catch (error) {
      if (mine === run) said.replaceChildren(problemNote(error));
      return;
    }
    further.hidden = cursor === null;
    if (!list.children.length) said.replaceChildren(el("p", { class: "soft" }, cursor ? "None so far." : "None."));
  }

  function add(pair) {
    const id = `${pair.subject_id} ${pair.other_id}`;
    if (list.querySelector(`[data-pair="${CSS.escape(id)}"]`)) return;
    const other = { subject_id: pair.other_id, name: pair.other_name };
    const both = `${called(pair)} and ${called(other)}`;
    const told = el("p", { role: "alert" });
    const act = async (work) => {
      try {
        await work();
        await load();
      } catch (error) {
        told.replaceChildren(problemNote(error));
      }
    };
    const one = async () => {
      const text = `Templates, visits, codes and consents of ${called(pair)} (${pair.subject_id}) become those of ${called(other)} (${pair.other_id}). This cannot be undone.`;
      if (await confirmed("Are they one person?", text, "Merge them")) await act(() => merge(picked(), pair.subject_id, pair.other_id));
    };
    const faces = pictures ? [face(pair, pair.template_id), face(other, pair.other_template_id)] : [];
    list.append(
      el(
        "li",
        { "data-pair": id },
        el("div", { class: "faces" }, ...faces),
        el("div", {}, el("b", {}, called(pair)), el("p", { class: "soft" }, `${pair.subject_id} resembles ${called(other)} (${pair.other_id}), score ${score(pair.score)}`), told),
        buttons(
          button("See one", () => onOpen(pair.subject_id), { about: called(pair) }),
          button("See the other", () => onOpen(pair.other_id), { about: called(other) }),
          button("Two people", () => act(() => tellApart(picked(), pair.subject_id, pair.other_id)), { about: both }),
          button("One person", one, { about: both }),
        ),
      ),
    );
  }

  const face = (subject, template) => portrait(picked(), subject.subject_id, template, `Face of ${called(subject)}`);

  further.addEventListener("click", look);
  byId("duplicates-again").addEventListener("click", load);
  return load;
}
