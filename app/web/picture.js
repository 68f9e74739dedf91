// A chosen file as something to draw, and faces drawn over it.

import { heat } from "./heat.js";

const COLOURS = { match: "#35d692", review: "#ffc04d", none: "#e3e7ec", bad: "#ff8a80" };
const DARK = "#0d1113";
const FONT = "600 14px system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', sans-serif";

/** A copy no larger than `side`, upright as EXIF says; null where the browser cannot read the kind (HEIC, mostly). */
export async function preview(file, side) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return null;
  }
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const copy = document.createElement("canvas");
  copy.width = Math.max(1, Math.round(bitmap.width * scale));
  copy.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = copy.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, copy.width, copy.height);
  const shown = { image: copy, width: bitmap.width, height: bitmap.height };
  bitmap.close();
  return shown;
}

/** The square part of `picture` around `box`, as far as the picture goes, or its middle, on `canvas` of `side` CSS pixels. */
export function cut(canvas, picture, box, side) {
  const scale = picture.image.width / picture.width;
  const [x0, y0, x1, y1] = (box ?? [0, 0, picture.width, picture.height]).map((edge) => edge * scale);
  const { width, height } = picture.image;
  const length = Math.min(box ? Math.max(x1 - x0, y1 - y0) * 1.5 : Infinity, width, height);
  canvas.width = canvas.height = side * devicePixelRatio;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  const left = within((x0 + x1 - length) / 2, width - length);
  const top = within((y0 + y1 - length) / 2, height - length);
  context.drawImage(picture.image, left, top, length, length, 0, 0, canvas.width, canvas.height);
}

/**
 * `picture` with `marks` ({box, landmarks, label, tone, cells?}, in its own pixels) on `canvas`, as large as `room` allows.
 * Lines and letters are drawn in CSS pixels: a small picture enlarged keeps them fine.
 */
export function paint(canvas, picture, marks, room, lit = -1) {
  const scale = Math.min(room.width / picture.width, room.height / picture.height, 3);
  const [width, height] = [picture.width * scale, picture.height * scale];
  canvas.width = Math.round(width * devicePixelRatio);
  canvas.height = Math.round(height * devicePixelRatio);
  canvas.style.width = `${width}px`;
  const context = canvas.getContext("2d");
  context.scale(devicePixelRatio, devicePixelRatio);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture.image, 0, 0, width, height);
  const scaled = marks.map((mark) => ({
    ...mark,
    box: mark.box.map((edge) => edge * scale),
    landmarks: mark.landmarks.map(([x, y]) => [x * scale, y * scale]),
  }));
  for (const { cells, landmarks } of scaled) if (cells) heat(context, cells, landmarks);
  scaled.forEach((mark, index) => outline(context, mark, index === lit));
  const taken = [];
  for (const mark of scaled) if (mark.label) label(context, mark, width, height, taken);
  return scale;
}

function outline(context, { box: [x0, y0, x1, y1], landmarks, tone }, lit) {
  const colour = COLOURS[tone];
  context.setLineDash(tone === "review" ? [9, 5] : []);
  for (const [style, width] of [[`${DARK}99`, lit ? 8 : 5], [colour, lit ? 4 : 2.5]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.beginPath();
    context.roundRect(x0, y0, x1 - x0, y1 - y0, 6);
    context.stroke();
  }
  context.setLineDash([]);
  const radius = Math.min(3.5, Math.max(1.5, (x1 - x0) / 40));
  for (const [x, y] of landmarks) {
    for (const [style, size] of [[DARK, radius + 1.25], [colour, radius]]) {
      context.fillStyle = style;
      context.beginPath();
      context.arc(x, y, size, 0, 2 * Math.PI);
      context.fill();
    }
  }
}

function label(context, { box: [x0, y0, , y1], label: text, tone }, width, height, taken) {
  context.font = FONT;
  const wide = Math.min(context.measureText(text).width + 16, width);
  const high = 24;
  const left = within(x0 - 1, width - wide);
  const outside = [y0 - high - 4, y1 + 4].filter((top) => top >= 0 && top <= height - high);
  const spots = [...outside, within(y1 - high - 4, height - high), within(y0 + 4, height - high)];
  const hit = (top) => taken.some((other) => left < other.right && left + wide > other.left && Math.abs(top - other.top) < high);
  const top = spots.find((spot) => !hit(spot)) ?? spots[0];
  taken.push({ left, right: left + wide, top });
  context.fillStyle = COLOURS[tone];
  context.beginPath();
  context.roundRect(left, top, wide, high, 6);
  context.fill();
  context.fillStyle = DARK;
  context.textBaseline = "middle";
  context.fillText(text, left + 8, top + high / 2 + 1, wide - 16);
}

function within(value, most) {
  return Math.max(0, Math.min(value, most));
}
