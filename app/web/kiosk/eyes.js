// The camera: a stream in the page's video, small copies of it, and pictures cut from it.

const LOOK_SIDE = 480;
const PICTURE_SIDE = 960;
const GREY_SIDE = 64; // what gate.js was measured with
const SMALL_SIDE = 96; // so that the smallest face that is found has an eighth of it

/** `onLost`: the camera was unplugged or taken away. */
export function eyes(view, onLost) {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let stream = null;
  let opening = null;

  /** Resolves to "ready", "refused" (not allowed) or "noCamera". */
  function open() {
    opening ??= start().finally(() => (opening = null));
    return opening;
  }

  async function start() {
    if (stream?.active) return "ready";
    if (!navigator.mediaDevices) return "noCamera";
    try {
      const wanted = { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 720 } };
      stream = await navigator.mediaDevices.getUserMedia({ video: wanted });
      for (const track of stream.getTracks()) track.addEventListener("ended", lost);
      view.srcObject = stream;
      await view.play();
      return "ready";
    } catch (error) {
      close();
      return error.name === "NotAllowedError" ? "refused" : "noCamera";
    }
  }

  function lost() {
    close();
    onLost();
  }

  function close() {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    view.srcObject = null;
  }

  /** `part` ([x0, y0, x1, y1] in pixels of the stream) drawn with its longer side at most `side`. */
  function draw([x0, y0, x1, y1], side) {
    const scale = Math.min(1, side / Math.max(x1 - x0, y1 - y0));
    canvas.width = Math.max(1, Math.round((x1 - x0) * scale));
    canvas.height = Math.max(1, Math.round((y1 - y0) * scale));
    context.imageSmoothingQuality = "high";
    context.drawImage(view, x0, y0, x1 - x0, y1 - y0, 0, 0, canvas.width, canvas.height);
    return scale;
  }

  const whole = () => [0, 0, view.videoWidth, view.videoHeight];
  const jpeg = (quality) => new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));

  return {
    open,
    close,
    size: () => [view.videoWidth, view.videoHeight],
    ready: () => Boolean(stream?.active && view.videoWidth),
    /** What faces are looked for in on the tablet itself: all that is seen, its shorter side `SMALL_SIDE`, and its scale. */
    small() {
      const [width, height] = [view.videoWidth, view.videoHeight];
      draw(whole(), (SMALL_SIDE * Math.max(width, height)) / Math.min(width, height));
      return { image: context.getImageData(0, 0, canvas.width, canvas.height), scale: canvas.width / width };
    },
    /** A copy of all that is seen, and its scale: enough for the service to see where faces are and how they are turned. */
    async look() {
      const scale = draw(whole(), LOOK_SIDE);
      return { blob: await jpeg(0.8), scale };
    },
    /** The part of the picture around a face's `box`, so that whoever stands beside is not sent. */
    async picture(box) {
      draw(around(box, view.videoWidth, view.videoHeight), PICTURE_SIDE);
      return jpeg(0.92);
    },
    /** Grey levels of `box` (default: all), a square of `GREY_SIDE`. */
    grey(box) {
      const [x0, y0, x1, y1] = box ?? whole();
      canvas.width = canvas.height = GREY_SIDE;
      context.imageSmoothingQuality = "high";
      context.drawImage(view, x0, y0, x1 - x0, y1 - y0, 0, 0, GREY_SIDE, GREY_SIDE);
      const { data } = context.getImageData(0, 0, GREY_SIDE, GREY_SIDE);
      const grey = new Float32Array(GREY_SIDE * GREY_SIDE);
      for (let at = 0; at < grey.length; at += 1) grey[at] = 0.299 * data[4 * at] + 0.587 * data[4 * at + 1] + 0.114 * data[4 * at + 2];
      return grey;
    },
    /** What BarcodeDetector reads from. */
    view,
  };
}

/** A square three times the face, moved and cut to lie inside a picture of this size. */
export function around([x0, y0, x1, y1], width, height) {
  const side = Math.min(3 * Math.max(x1 - x0, y1 - y0), width, height);
  const left = Math.min(Math.max((x0 + x1 - side) / 2, 0), width - side);
  const top = Math.min(Math.max((y0 + y1 - side) / 2, 0), height - side);
  return [left, top, left + side, top + side];
}
