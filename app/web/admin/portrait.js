// The kept picture of a template. It needs the key, so it is fetched and drawn.

import { fetched } from "../api.js";
import { el } from "../dom.js";

const SIDE = 192;

export function portrait(collection, subject_id, template_id, about) {
  const canvas = el("canvas", { class: "portrait", width: SIDE, height: SIDE, role: "img", "aria-label": about });
  draw(canvas, collection, subject_id, template_id).catch(() => canvas.remove()); // the rule may have changed meanwhile
  return canvas;
}

async function draw(canvas, collection, subject_id, template_id) {
  const blob = await fetched("/subjects/{subject_id}/templates/{template_id}/picture", { path: { subject_id, template_id }, query: { collection } });
  const picture = await createImageBitmap(blob);
  const scale = Math.max(SIDE / picture.width, SIDE / picture.height);
  const [width, height] = [picture.width * scale, picture.height * scale];
  canvas.getContext("2d").drawImage(picture, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
}
