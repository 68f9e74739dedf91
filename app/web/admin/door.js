// Rules of the door and the consent text of a collection.

import { byId, el } from "../dom.js";
import { attempt } from "../words.js";
import { changeDoor, consentTexts, door, newConsentText } from "./service.js";
import { day } from "./table.js";

const WAYS = { face: "Face, among all", verify: "Face, against a code", code: "Code alone", list: "Name from a list", staff: "Staff" };
const TRIGGERS = { touch: "A touch on the screen", badge: "A badge or code", auto: "Somebody comes near" };
const NUMBERS = [
  ["reentry_seconds", "Nobody signs in twice within (seconds)", 0, 86_400],
  ["retention_days", "Erase people so many days after their last visit (empty: never)", 1, 3650],
  ["correction_hours", "A visit may be corrected for (hours)", 0, 720],
];
const LANGUAGES = { en: "English", zh: "中文" };

export function doorPanel(picked) {
  let texts = {};

  async function load() {
    const found = await attempt(byId("door-said"), "Loading", () => Promise.all([door(picked()), consentTexts(picked())]));
    if (!found) return;
    rules(found[0]);
    consent(found[1]);
  }

  function rules(now) {
    const ways = Object.entries(WAYS).map(([way, name]) => el("label", { class: "check" }, el("input", { type: "checkbox", name: "methods", value: way, checked: now.methods.includes(way) }), name));
    const triggers = Object.entries(TRIGGERS).map(([value, name]) => el("option", { value, selected: now.trigger === value }, name));
    const numbers = NUMBERS.map(([name, label, min, max]) => el("label", { class: "field" }, label, el("input", { type: "number", name, min, max, value: now[name] ?? "" })));
    const fields = now.fields.map((one) => `${one.name}${one.required ? "*" : ""}: ${one.label} (${[one.kind, ...one.options].join(", ")})`).join("\n");
    byId("door-rules").replaceChildren(
      el("fieldset", {}, el("legend", {}, "Ways to sign in"), ...ways),
      el("label", { class: "field" }, "What starts a search", el("select", { name: "trigger" }, ...triggers)),
      ...numbers,
      el("label", { class: "check" }, el("input", { type: "checkbox", name: "consent_required", checked: now.consent_required }), "Nobody is enrolled without consent"),
      el("label", { class: "check" }, el("input", { type: "checkbox", name: "keep_pictures", checked: now.keep_pictures }), "Keep the pictures of who is enrolled, sealed (turned off, they are deleted)"),
      el("label", { class: "field" }, "What is asked of who registers", el("textarea", { name: "fields", rows: 4, spellcheck: "false", placeholder: "company: Company (text)\nmeal*: Meal (choice, Vegetarian, Anything)" }, fields)),
      el("p", { class: "soft" }, "A line each: name, * if required, the label, and in brackets text, email, phone, number, date, checkbox, or choice with its options."),
    );
  }

  function consent([now]) {
    texts = now?.texts ?? {};
    const about = now ? `Version ${now.version}, in force since ${day(now.created_at)}. Visitors cannot register without reading it.` : "There is no text yet: the kiosk offers no registration.";
    const areas = Object.entries(LANGUAGES).map(([code, name]) => el("label", { class: "field" }, name, el("textarea", { name: code, rows: 8, lang: code }, texts[code] ?? "")));
    byId("consent-now").replaceChildren(el("p", { class: "soft" }, about), ...areas);
  }

  byId("door-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const numbers = NUMBERS.map(([name]) => [name, form.get(name) === "" ? null : Number(form.get(name))]);
    const done = await attempt(byId("door-said"), "Saving", () => {
      const rule = { methods: form.getAll("methods"), trigger: form.get("trigger"), consent_required: form.has("consent_required"), keep_pictures: form.has("keep_pictures"), fields: fieldsOf(form.get("fields")) };
      return changeDoor(picked(), { ...rule, ...Object.fromEntries(numbers.filter(([name, value]) => value !== null || name === "retention_days")) });
    });
    if (!done) return;
    rules(done.rules);
    byId("door-said").replaceChildren(el("p", { class: "note good" }, "Saved. Kiosks read the rules within a minute."));
  });

  byId("consent-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const given = Object.fromEntries(Object.keys(LANGUAGES).map((code) => [code, form.get(code).trim()]).filter(([, text]) => text));
    const done = await attempt(byId("consent-said"), "Saving", () => newConsentText(picked(), { ...texts, ...given }));
    if (done) consent([done]);
  });
  return load;
}

/** Lines "name*: Label (kind, option, option)" to fields; throws what the form then says. */
export function fieldsOf(text) {
  return text.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => {
    const found = line.match(/^([a-z][a-z0-9_]*)(\*?)\s*:\s*(.+?)\s*\(([^()]+)\)$/);
    if (!found) throw Object.assign(new Error("A field cannot be read"), { title: "A field cannot be read", detail: line });
    const [, name, required, label, inside] = found;
    const [kind, ...options] = inside.split(",").map((part) => part.trim());
    return { name, label, kind, required: required === "*", options };
  });
}
