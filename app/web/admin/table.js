// Tables and the question before something is gone.

import { byId, el } from "../dom.js";

/** Fills a table element: `columns` are headings, `rows` arrays of nodes or text. */
export function fill(table, columns, rows) {
  const head = el("thead", {}, el("tr", {}, ...columns.map((name) => el("th", { scope: "col" }, name))));
  const body = el("tbody", {}, ...rows.map((cells) => el("tr", {}, ...cells.map((cell) => el("td", {}, cell)))));
  table.replaceChildren(head, body);
}

export const button = (label, run, { kind = "", about = "" } = {}) => el("button", { type: "button", class: kind || undefined, onclick: run, "aria-label": about ? `${label} ${about}` : undefined }, label);

export const buttons = (...all) => el("div", { class: "buttons" }, ...all);

export const day = (time) => (time ? new Date(time).toLocaleDateString(undefined, { dateStyle: "medium" }) : "–");

export const moment = (time) => new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** Resolves to true when it was confirmed. */
export async function confirmed(title, text, what) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-do").textContent = what;
  dialog.returnValue = "cancel";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  return dialog.returnValue === "delete";
}
